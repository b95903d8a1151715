"""Reading a ledger: alone and without a lock, so that `status` answers at once, also while a run is going on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from engine.events import ObjectAside
from engine.ledger import composition, entries, history
from engine.ledger.binding import Binding
from engine.ledger.connecting import connect_to_read, hold_existing
from engine.ledger.descriptors import Hold, real_place
from engine.ledger.entries import OF_ROUTE, PROOFS, STATES
from engine.ledger.history import RunRecord
from engine.ledger.leaving import STEPS
from engine.ledger.locking import Worker, worker_on
from engine.ledger.rebinding import bound_in, holds_nothing
from engine.ledger.schema import DIFFERING, UNDONE
from engine.ledger.writer import translating
from engine.model import Proof, UploadedPart
from engine.plan.lifecycle import DONE, ENDED, IN_FLIGHT, State
from engine.plan.noted import PROPERTIES, Noted, noted
from engine.plan.record import (
    NEVER_THERE,
    NOT_ON_DISK,
    TAKEN_BACK,
    Entry,
    ObjectRecord,
    Tally,
    UploadRecord,
    by_route,
    by_state,
)
from engine.plan.retrieval import UNDER_WAY
from engine.plan.shards import Piece
from engine.to_the_end import to_the_end

Result = TypeVar("Result")

RECORDS_A_READ = 1_000
USUAL = frozenset({State.PLANNED, State.COPIED, State.VERIFIED, State.DELETED})
"""The states that `schema.UNDONE` leaves out."""


class Snapshot(NamedTuple):
    """Whether a route's source listing reached its end, and what it held then. Times are epoch milliseconds."""

    route: str
    opened_ms: int
    closed_ms: int
    objects: int
    bytes: int


def open_routes(snapshots: Iterable[Snapshot]) -> list[str]:
    """The routes whose listing did not reach its end."""
    return [item.route for item in snapshots if not item.closed_ms]


def taken_by_route(snapshots: Iterable[Snapshot], tallies: Sequence[Tally]) -> dict[str, tuple[int, int]]:
    """What each route ever took whose listing reached its end."""
    known = by_route(tallies)
    return {item.route: known.get(item.route, (0, 0)) for item in snapshots if item.closed_ms}


class Left(NamedTuple):
    """What a route's source held, when its listing ended, that cannot be an object or be looked at, and what its list
    named that was not there: how many, and the first of them. There is no row of any."""

    route: str
    things: int
    first: tuple[ObjectAside, ...]


LEFT = "unlisted "
"""Before a route's name: the note of how many its listing left, and the first of them."""


class Acceptance(NamedTuple):
    """A named difference that someone accepted, for exactly this figure."""

    name: str
    found: str
    because: str
    accepted_ms: int


class Held(NamedTuple):
    """What is known of one route's proven objects: how many there are, how many of those have no date, when the last
    was proven, and how many were proven after the moment that was asked about."""

    route: str
    objects: int
    undated: int
    last_ms: int
    later: int

    def plus(self, other: Held) -> Held:
        """Those of one route in two ledgers."""
        undated, last_ms = self.undated + other.undated, max(self.last_ms, other.last_ms)
        return Held(self.route, self.objects + other.objects, undated, last_ms, self.later + other.later)


class Kept(NamedTuple):
    """Content that was replaced, kept so that it can be put back."""

    name: str
    etag: str
    body: bytes


_DONE = ", ".join(f"'{state.value}'" for state in sorted(DONE))
_RECORD = """SELECT r.name, o.key, o.size, o.source_etag, o.source_modified, o.storage_class, o.source_checksum,
o.state, o.held, o.target_etag, o.checksum, o.proof, o.compared, o.found, o.method, o.attempts, o.code, o.message,
o.decided_ms, o.copied_ms, o.size_ms, o.digest_ms, o.bytes_ms, o.xxh3, o.properties,
o.overwritten
FROM objects o JOIN routes r ON r.id = o.route"""
_UPLOAD = """SELECT r.name, u.key, u.bucket, u.target_key, u.upload_id, u.source_etag, u.source_size, u.layout,
u.checksum_algorithm, u.intent_ms, u.server_ms FROM uploads u JOIN routes r ON r.id = u.route WHERE u.ended = ''"""


class LedgerReader:
    """Read-only queries, in a thread of their own. Everything gives what is committed."""

    NOTED: ClassVar[tuple[str, ...]] = (PROPERTIES, *sorted(state.value for state in ENDED))
    """Under which names `noted` sums up."""

    def __init__(self, path: Path, connection: sqlite3.Connection, hold: Hold) -> None:
        self.path = path
        self._reading = connection
        self._closing = threading.Event()
        connection.set_progress_handler(self._closing.is_set, STEPS)
        self._hold = hold
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ledger-reader")

    @classmethod
    async def open_to_read(cls, path: Path) -> LedgerReader:
        """Open without a lock. Raises `LedgerMissing`, `LedgerCorrupt`."""
        return await to_the_end(partial(open_alone, path, cls), give_back=cls.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        try:
            await self.close_reading()
        finally:
            self._hold.release()

    async def close_reading(self) -> None:
        """Close the connection; the hold on the file outlives it. Nobody waits for a query that is under way."""
        self._closing.set()
        self._reader.shutdown(wait=True)
        self._reading.close()

    async def _read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        with translating(self.path):
            return await asyncio.get_running_loop().run_in_executor(self._reader, query, self._reading)

    async def _rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return await self._read(lambda connection: connection.execute(sql, parameters).fetchall())

    async def _made(
        self, make: Callable[[tuple[Any, ...]], Result], sql: str, parameters: tuple[Any, ...] = ()
    ) -> list[Result]:
        """Rows as what `make` makes of each, in the reader's thread."""
        return await self._read(lambda connection: [make(row) for row in connection.execute(sql, parameters)])

    # --- queries ------------------------------------------------------------------------------------------

    async def meta(self, key: str) -> str | None:
        """What the file says of itself under `key`."""
        rows = await self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    async def binding(self) -> Binding:
        """What the ledger is bound to."""
        return await self._read(lambda connection: bound_in(self.path, connection))

    async def holds_nothing(self) -> bool:
        """Whether nothing was decided, begun, accepted or kept yet."""
        return await self._read(holds_nothing)

    async def worker(self) -> Worker | None:
        """Who is at work on it; None where nobody is."""
        return await self._read(lambda _: worker_on(self._hold))

    async def entries(self, route: str, after: str | None, upto: str | None, limit: int) -> list[Entry]:
        """What the join needs, in the order of the keys' UTF-8 bytes; `after` exclusive, `upto` inclusive."""
        within, parameters = _within(route, after, upto)
        where = f"{within} ORDER BY key LIMIT ?"
        return await self._read(partial(entries.read, route=route, where=where, parameters=(*parameters, limit)))

    async def records(
        self,
        route: str | None = None,
        states: Collection[State] | None = None,
        *,
        after: str | None = None,
        upto: str | None = None,
    ) -> AsyncGenerator[list[ObjectRecord], None]:
        """Whole rows in batches of 1,000, by route and key; memory does not grow with the ledger. `after` (exclusive)
        and `upto` (inclusive) are relative keys."""
        for (name,) in await self._rows("SELECT name FROM routes ORDER BY id"):
            if route is None or route == name:
                async with aclosing(self._records_of(name, states, after, upto)) as batches:
                    async for records in batches:
                        yield records

    async def _records_of(
        self, route: str, states: Collection[State] | None, after: str | None, upto: str | None
    ) -> AsyncGenerator[list[ObjectRecord], None]:
        """Those of one route."""
        chosen = "" if states is None else f" AND o.state IN ({', '.join('?' * len(states))})"
        index, only = await self._rare() if states is not None and not USUAL.intersection(states) else ("", "")
        select = _RECORD.replace("objects o", f"objects o {index}")
        values = tuple(state.value for state in states or ())
        while True:
            within, parameters = _within(route, after, upto)
            sql = f"{select} WHERE {within}{chosen}{only} ORDER BY o.key LIMIT ?"
            records = await self._made(_record, sql, (*parameters, *values, RECORDS_A_READ))
            if records:
                yield records
            if len(records) < RECORDS_A_READ:
                return
            after = records[-1].key

    async def _rare(self) -> tuple[str, str]:
        """What stands behind "objects o", and at the end of a condition, where none of `USUAL` is asked for: then few
        rows are read. Nothing of a ledger of an older format, that is only read. SQLite would not choose that index by
        itself (3.46)."""
        older = "SELECT 1 FROM temp.sqlite_master WHERE name = 'objects'"
        there = f"SELECT 1 FROM main.sqlite_master WHERE name = 'objects_open' AND NOT EXISTS ({older})"
        return ("INDEXED BY objects_open", f" AND {UNDONE}") if await self._rows(there) else ("", "")

    async def entry(self, route: str, key: str) -> Entry | None:
        """The row of exactly this relative key."""
        where = f"{OF_ROUTE} AND key = ?"
        found = await self._read(partial(entries.read, route=route, where=where, parameters=(route, key)))
        return found[0] if found else None

    async def record_of(self, route: str, key: str) -> ObjectRecord | None:
        """All of the row of exactly this relative key."""
        records = await self._made(_record, f"{_RECORD} WHERE {OF_ROUTE} AND key = ?", (route, key))
        return records[0] if records else None

    async def last_key(self, route: str, after: str | None, upto: str | None) -> str | None:
        """The last relative key after `after` and up to `upto` that there is a row of."""
        within, parameters = _within(route, after, upto)
        rows = await self._rows(f"SELECT max(key) FROM objects WHERE {within}", parameters)
        return rows[0][0] if rows else None

    async def has_undone(self, piece: Piece) -> bool:
        """Whether a run has something to do about one of these keys' rows."""
        within, parameters = _within(*piece)
        usual = any(tally.route == piece.route and tally.state in USUAL - DONE for tally in await self.tallies())
        index, only = ("", "") if usual else await self._rare()
        sql = f"SELECT 1 FROM objects o {index} WHERE {within} AND state NOT IN ({_DONE}){only} LIMIT 1"
        return bool(await self._rows(sql, parameters))

    async def knows(self, route: str, key: str) -> bool:
        """Whether there is a row of this key."""
        return await self.entry(route, key) is not None

    async def tallies(self) -> list[Tally]:
        """Objects and bytes by route, state, proof and whether they were found. Costs the same for any count."""
        return await self._tallies("tallies")

    async def _tallies(self, table: str) -> list[Tally]:
        sql = (
            f"SELECT r.name, t.state, t.proof, t.found, t.objects, t.bytes FROM {table} t "
            "JOIN routes r ON r.id = t.route WHERE t.objects > 0 ORDER BY t.route, t.state, t.proof, t.found"
        )
        return await self._made(_tally, sql)

    async def noted(self) -> dict[str, Noted]:
        """What may be accepted of the objects themselves, by name: those without a source (`plan.lifecycle.ENDED`),
        and those whose properties are recorded to differ. Costs little where there is none."""
        found = {PROPERTIES: await self._noted("o.properties", f"o.state IN ('copied', 'verified') AND o.{DIFFERING}")}
        there = {tally.state for tally in await self.tallies()}
        rare = await self._rare()
        for state in ENDED:
            found[state.value] = (
                await self._noted("o.source_etag", f"o.state = '{state.value}'", rare) if state in there else Noted()
            )
        return found

    async def _noted(self, what: str, where: str, rare: tuple[str, str] = ("", "")) -> Noted:
        index, only = rare
        sql = f"SELECT r.name, o.key, {what} FROM objects o {index} JOIN routes r ON r.id = o.route WHERE {where}{only}"
        return await self._read(lambda connection: noted(connection.execute(f"{sql} ORDER BY o.route, o.key")))

    async def restoring(self) -> int:
        """How many of the archived objects were on their way back when they were looked at last. Costs little where
        there is none."""
        return await self._coded(State.ARCHIVED, (UNDER_WAY,))

    async def failed_by(self, codes: Sequence[str]) -> int:
        """How many of those that failed have one of these codes. Costs little where none failed."""
        return await self._coded(State.FAILED, codes)

    async def _coded(self, state: State, codes: Sequence[str]) -> int:
        """How many of those that are in this state have one of these codes. The state is one of `UNDONE`'s."""
        if not by_state(await self.tallies(), {state}):
            return 0
        index, only = await self._rare()
        wanted = f"o.state = '{state.value}' AND o.code IN ({', '.join('?' * len(codes))})"
        rows = await self._rows(f"SELECT count(*) FROM objects o {index} WHERE {wanted}{only}", tuple(codes))
        return int(rows[0][0])

    async def held(self, proof: Proof, since_ms: int) -> list[Held]:
        """Of each route's verified objects at `proof` or better: since when they are (docs/ledger.md)."""
        column = {Proof.SIZE: "size_ms", Proof.DIGEST: "digest_ms", Proof.BYTES: "bytes_ms"}.get(proof, "copied_ms")
        sql = (
            f"SELECT r.name, count(*), sum(o.{column} = 0), max(o.{column}), sum(o.{column} > ?) FROM objects o "
            "JOIN routes r ON r.id = o.route WHERE o.state = 'verified' AND o.proof >= ? GROUP BY o.route"
        )
        return await self._made(Held._make, sql, (since_ms, int(proof)))

    async def former(self) -> tuple[int, int]:
        """How many deleted sources have another object at their key that is not in place, and their bytes: of these no
        row says that they are deleted."""

        def count(connection: sqlite3.Connection) -> tuple[int, int]:
            objects = size_bytes = 0
            for (text,) in connection.execute("SELECT row FROM former"):
                row = json.loads(text)
                if row["state"] == State.DELETED.value:
                    objects, size_bytes = objects + 1, size_bytes + row["size"]
            return objects, size_bytes

        return await self._read(count)

    async def snapshots(self) -> list[Snapshot]:
        sql = "SELECT name, opened_ms, closed_ms, objects, bytes FROM routes ORDER BY id"
        return await self._made(Snapshot._make, sql)

    async def left(self) -> list[Left]:
        """What the routes' listings left that reached their end, of those that left anything."""
        sql = "SELECT r.name, n.value FROM routes r JOIN notes n ON n.key = ? || r.name WHERE r.closed_ms ORDER BY r.id"
        rows = await self._rows(sql, (LEFT,))
        found = [(route, *json.loads(value)) for route, value in rows]
        return [
            Left(route, things, tuple(ObjectAside(route, key, ObjectAside.UNLISTED, *why) for key, *why in first))
            for route, things, first in found
            if things
        ]

    async def open_uploads(self) -> list[UploadRecord]:
        """Uploads whose end is not committed."""
        return [UploadRecord(*row) for row in await self._rows(f"{_UPLOAD} ORDER BY u.id")]

    async def parts(self, route: str, key: str) -> list[UploadedPart]:
        """The parts that the ledger knows of an open upload."""
        rows = await self._rows(
            "SELECT p.number, p.etag, p.size FROM parts p JOIN uploads u ON u.id = p.upload JOIN routes r "
            "ON r.id = u.route WHERE r.name = ? AND u.key = ? AND u.ended = '' ORDER BY p.number",
            (route, key),
        )
        return [UploadedPart(*row) for row in rows]

    async def acceptances(self) -> list[Acceptance]:
        sql = "SELECT name, found, because, accepted_ms FROM acceptances ORDER BY accepted_ms, name"
        return await self._made(Acceptance._make, sql)

    async def accepted(self) -> set[tuple[str, str]]:
        """Name and figure of everything that was accepted."""
        return {(item.name, item.found) for item in await self.acceptances()}

    async def note(self, key: str) -> Any:
        """A value kept under `key` (JSON), or None."""
        rows = await self._rows("SELECT value FROM notes WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    async def notes(self) -> dict[str, Any]:
        """Every value that is kept, by its key."""
        return {key: json.loads(value) for key, value in await self._rows("SELECT key, value FROM notes")}

    async def kept(self, kind: str) -> list[Kept]:
        """What was kept of this kind, oldest first."""
        return await self._made(Kept._make, "SELECT name, etag, body FROM keeps WHERE kind = ? ORDER BY id", (kind,))

    async def kept_names(self) -> list[tuple[str, str]]:
        """Kind and name of everything that is kept, newest first."""
        return await self._rows("SELECT kind, name FROM keeps ORDER BY id DESC")

    async def history(self) -> history.History:
        """How the runs went."""
        return await self._read(history.read)

    async def latest_run(self, within_ms: int) -> RunRecord | None:
        """The run that began last, with how far it was within the last so many milliseconds."""
        return await self._read(lambda connection: history.latest(connection, within_ms))

    async def codes_in_flight(self) -> set[str]:
        """The codes of what is decided and not done. Reads every row."""
        states = ", ".join(f"'{state.value}'" for state in IN_FLIGHT)
        return {code for (code,) in await self._rows(f"SELECT DISTINCT code FROM objects WHERE state IN ({states})")}

    async def taken_back(self) -> bool:
        """Whether what changed the targets last took the copies back: reverts removed any, and none is left."""
        changed = "SELECT command FROM runs WHERE command <> 'verify' ORDER BY id DESC LIMIT 1"
        stayed = by_state(await self.tallies(), DONE) or await self._coded(State.DAMAGED, (NOT_ON_DISK,))
        reverted = not stayed and await self._rows(changed) == [("revert",)]
        return reverted and {TAKEN_BACK} <= await self.codes_in_flight() <= {TAKEN_BACK, NEVER_THERE}

    async def composition(self) -> composition.Composition:
        """What the objects are made of. Reads every row."""
        return await self._read(composition.read)


def open_alone(path: Path, kind: type[LedgerReader] = LedgerReader, *, own: bool = False) -> LedgerReader:
    """Open a ledger's file without a lock, as a reader of that kind; `own` as for `connect_to_read`."""
    path = real_place(path)
    hold = hold_existing(path)
    try:
        return kind(path, connect_to_read(path, hold, own=own), hold)
    except BaseException:
        hold.release()
        raise


def _tally(row: tuple[Any, ...]) -> Tally:
    route, state, proof, found, objects, size_bytes = row
    return Tally(route, STATES[state], PROOFS[proof], bool(found), objects, size_bytes)


def _within(route: str, after: str | None, upto: str | None) -> tuple[str, tuple[str, ...]]:
    """What keeps a statement to a route's rows of these keys, so that their index is used; and its parameters."""
    bounds = [(word, at) for word, at in ((">", after), ("<=", upto)) if at is not None]
    return " AND ".join([OF_ROUTE, *(f"key {word} ?" for word, _ in bounds)]), (route, *(at for _, at in bounds))


def _record(row: tuple[Any, ...]) -> ObjectRecord:
    values = list(row)
    values[7], values[11], values[13] = STATES[row[7]], PROOFS[row[11]], bool(row[13])
    return ObjectRecord(*values)
