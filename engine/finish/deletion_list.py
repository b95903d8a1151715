"""`DeletionList`: the snapshot of a listing, kept in a small file of its own, of which exactly these keys are deleted.

It is private, locked and written as the ledger is. A row's state is what is known of its object: `listed`, `deleting`
(the delete was committed, its answer was not), `deleted`, `changed` (it bears another ETag now, and stays), `kept`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from engine.errors import LedgerCorrupt, LedgerMismatch
from engine.ledger.descriptors import real_place, refuse_planted
from engine.ledger.files import NAME_ANOTHER, refuse_foreign
from engine.ledger.locking import FileLock
from engine.ledger.network import refuse_network
from engine.ledger.opening import connect, make_whole
from engine.ledger.schema import DELETION_ID
from engine.ledger.writer import Writer, translated
from engine.model import ListedObject
from engine.to_the_end import to_the_end

VERSION = 1
ROWS_A_READ = 1_000

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT",
    """CREATE TABLE objects (
        key TEXT PRIMARY KEY, size INTEGER NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL,
        storage_class TEXT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID, STRICT""",
    f"PRAGMA application_id = {DELETION_ID}",
    f"PRAGMA user_version = {VERSION}",
)


_META = "SELECT key, value FROM meta"


class Row(StrEnum):
    """What is known of one object of the list."""

    LISTED = "listed"
    DELETING = "deleting"
    DELETED = "deleted"
    CHANGED = "changed"
    KEPT = "kept"


class Count(NamedTuple):
    """Objects and bytes in one state."""

    state: Row
    objects: int
    bytes: int


class DeletionList:
    """Open for one process at a time. `begin` and `close_snapshot` frame a listing; what lies between is not used.

    `made_of` is what chose the snapshot's keys, beside the location: one that was chosen otherwise is none of this
    deletion's, and the next takes its place. What that one left without an answer, a new listing tells."""

    def __init__(self, path: Path, writer: Writer, lock: FileLock, made_of: str = "") -> None:
        self.path = path
        self._made_of = made_of
        self._writer = writer
        self._lock = lock

    @classmethod
    async def open(cls, path: Path, location: str, endpoint: str, made_of: str = "") -> DeletionList:
        """Open or make it. Raises `LedgerLocked`, `LedgerMismatch` where it is another location's or endpoint's,
        `LedgerCorrupt`, `LedgerError`."""
        return await to_the_end(partial(cls._open, path, location, endpoint, made_of), give_back=cls.close)

    @classmethod
    def _open(cls, path: Path, location: str, endpoint: str, made_of: str) -> DeletionList:
        path = real_place(path)
        refuse_network(path)
        lock = FileLock(path, wait="Wait for it, then run the same command again: it deletes what is left then.")
        lock.acquire()
        wanted = {"location": location, "endpoint": endpoint}
        try:
            if not path.exists():
                make_whole(path, lambda connection: _fill(connection, wanted))
            hold = lock.hold()
            refuse_foreign(path, hold, DELETION_ID, "list of objects to be deleted")
            refuse_planted(path)
            hold.make_private()
            connection = connect(path)
            try:
                _compare(path, connection, wanted)
            except BaseException:
                connection.close()
                raise
            return cls(path, Writer(path, connection, lock.check), lock, made_of)
        except BaseException as error:
            lock.release()
            if isinstance(error, sqlite3.Error):
                raise translated(path, error) from error
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Commit what was queued, close the file, give the lock back."""
        try:
            await self._writer.close()
        finally:
            self._lock.release()

    # --- the snapshot ---------------------------------------------------------------------------------------

    async def taken_ms(self) -> int | None:
        """When the snapshot was taken, by the server's clock; None while there is none that is whole and of this
        deletion."""
        taken_ms, made_of = await self._snapshot()
        return taken_ms if made_of == self._made_of else None

    async def is_of_another(self) -> bool:
        """Whether there is a snapshot, and something else chose its keys."""
        taken_ms, made_of = await self._snapshot()
        return taken_ms is not None and made_of != self._made_of

    async def _snapshot(self) -> tuple[int | None, str]:
        meta = dict(await self._writer.do(lambda connection: connection.execute(_META).fetchall()))
        return int(meta["taken_ms"]) if "taken_ms" in meta else None, meta.get("made_of", "")

    async def begin(self) -> None:
        """Forget what was listed before."""

        def command(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM meta WHERE key = 'taken_ms'")
            connection.execute("DELETE FROM objects")
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('made_of', ?)", (self._made_of,))

        await self._writer.do(command, durable=True)

    async def add(self, objects: Iterable[ListedObject]) -> None:
        """Keep a page of the listing."""
        rows = [(o.key, o.size, o.etag, o.modified, o.storage_class, Row.LISTED.value) for o in objects]
        await self._write("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?)", rows, durable=False)

    async def close_snapshot(self, taken_ms: int) -> None:
        """The listing reached its end."""
        await self._write("INSERT OR REPLACE INTO meta VALUES ('taken_ms', ?)", [(str(taken_ms),)], durable=True)

    # --- deleting -------------------------------------------------------------------------------------------

    async def rows(self, after: str, states: Sequence[Row]) -> list[ListedObject]:
        """The next objects in these states, in key order; no key is empty, so that after "" is from the first on."""
        marks = ", ".join("?" * len(states))
        return await self._writer.do(
            lambda connection: [
                ListedObject(*row)
                for row in connection.execute(
                    "SELECT key, size, etag, modified, storage_class FROM objects "
                    f"WHERE key > ? AND state IN ({marks}) ORDER BY key LIMIT ?",
                    (after, *(state.value for state in states), ROWS_A_READ),
                )
            ]
        )

    async def pages(self, states: Sequence[Row]) -> AsyncIterator[list[ListedObject]]:
        """All objects in these states, in key order."""
        after = ""
        while rows := await self.rows(after, states):
            yield rows
            after = rows[-1].key

    async def set_states(self, states: Iterable[tuple[str, Row]]) -> None:
        """Commit what is known of these keys, to survive a power cut."""
        rows = [(state.value, key) for key, state in states]
        await self._write("UPDATE objects SET state = ? WHERE key = ?", rows, durable=True)

    async def _write(self, statement: str, rows: Sequence[tuple[object, ...]], *, durable: bool) -> None:
        def command(connection: sqlite3.Connection) -> None:
            connection.executemany(statement, rows)

        await self._writer.do(command, durable=durable)

    async def unknown(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys that the snapshot does not hold, or not any more: what is at the key of what was deleted
        came after it."""

        find = "SELECT 1 FROM objects WHERE key = ? AND state <> ?"
        deleted = Row.DELETED.value
        return await self._writer.do(
            lambda connection: [key for key in keys if connection.execute(find, (key, deleted)).fetchone() is None]
        )

    async def counts(self) -> list[Count]:
        """How many objects are in each state."""
        return await self._writer.do(
            lambda connection: [
                Count(Row(state), objects, size)
                for state, objects, size in connection.execute(
                    "SELECT state, count(*), sum(size) FROM objects GROUP BY state ORDER BY state"
                )
            ]
        )


def _fill(connection: sqlite3.Connection, wanted: dict[str, str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", list(wanted.items()))
    connection.execute("COMMIT")


def _compare(path: Path, connection: sqlite3.Connection, wanted: dict[str, str]) -> None:
    """Raise `LedgerMismatch` for a list of another deletion, `LedgerCorrupt` for one of another format."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        raise LedgerCorrupt(f"{path} was written by another Cartage.", advice=NAME_ANOTHER)
    bound = dict(connection.execute(_META).fetchall())
    different = [f"{name} {bound.get(name)}, not {value}" for name, value in wanted.items() if bound.get(name) != value]
    if different:
        raise LedgerMismatch(f"{path} is of another deletion: {'; '.join(different)}.", advice=NAME_ANOTHER)
