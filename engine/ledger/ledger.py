"""`Ledger`: the durable record of every object's state and proof, open for one run at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio.to_thread

from engine.errors import LedgerMissing
from engine.ledger import rows
from engine.ledger.binding import Binding
from engine.ledger.descriptors import Hold, real_place
from engine.ledger.locking import FileLock
from engine.ledger.network import refuse_network
from engine.ledger.opening import connect, prepare
from engine.ledger.opening import create as create_ledger
from engine.ledger.reader import LedgerReader, connect_to_read
from engine.ledger.writer import DISK_ERRORS, Writer, translated
from engine.model import UploadedPart
from engine.plan.record import Decision, Outcome, UploadRecord

_OPEN = "SELECT id FROM uploads WHERE route = ? AND key = ? AND ended = ''"


class Ledger(LedgerReader):
    """Everything that a reader has, and the writes. `now_ms` is the clock that rows are dated by."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        hold: Hold,
        writer: Writer,
        lock: FileLock,
        now_ms: Callable[[], int],
        route_ids: dict[str, int],
        *,
        fresh: bool,
    ) -> None:
        super().__init__(path, connection, hold)
        self._writer = writer
        self._lock = lock
        self._now_ms = now_ms
        self._route_ids = route_ids
        self.fresh = fresh

    @classmethod
    async def open(cls, path: Path, binding: Binding, *, now_ms: Callable[[], int], create: bool = True) -> Ledger:
        """Open for writing, or make it. Raises `LedgerMissing` (not `create`), `LedgerLocked`, `LedgerMismatch` with
        every difference, `LedgerCorrupt`, or `LedgerError` where the place will not do."""
        return await anyio.to_thread.run_sync(cls._open, path, binding, now_ms, create)

    @classmethod
    def _open(cls, path: Path, binding: Binding, now_ms: Callable[[], int], create: bool) -> Ledger:
        path = real_place(path)
        if not create and not path.exists():
            raise LedgerMissing(
                f"there is no ledger at {path}.", advice="Run the plan first, or name the ledger with --ledger."
            )
        refuse_network(path)
        lock = FileLock(path)
        lock.acquire()
        try:
            if not path.exists():
                create_ledger(path, binding)
            hold = lock.hold()
            route_ids, fresh = prepare(path, binding, hold)
            reading = connect_to_read(path, hold)
            writer = Writer(path, connect(path), lock.check)
            return cls(path, reading, hold, writer, lock, now_ms, route_ids, fresh=fresh)
        except BaseException as error:
            lock.release()
            if isinstance(error, DISK_ERRORS):
                raise translated(path, error) from error
            raise

    async def close(self) -> None:
        """Commit what was queued, close the file, give the lock back."""
        with anyio.CancelScope(shield=True):
            await self.close_reading()
            await self._writer.close()  # last: then SQLite puts all of the -wal into the file and removes it
            self._lock.release()

    # --- objects ------------------------------------------------------------------------------------------

    async def decide(self, route: str, decisions: Sequence[Decision]) -> None:
        """Commit a page's decisions, before anything is done about them."""
        route_id, at_ms = self._route_ids[route], self._now_ms()
        await self._writer.do(lambda connection: rows.decide(connection, route_id, decisions, at_ms))

    async def conclude(self, route: str, outcomes: Sequence[Outcome]) -> None:
        """Commit how tasks ended, or what a verification found."""
        route_id, at_ms = self._route_ids[route], self._now_ms()
        await self._writer.do(lambda connection: rows.conclude(connection, route_id, outcomes, at_ms))

    async def conclude_durably(self, route: str, outcomes: Sequence[Outcome]) -> None:
        """`conclude`, surviving a power cut when it returns: for deletes."""
        route_id, at_ms = self._route_ids[route], self._now_ms()
        await self._writer.do(lambda connection: rows.conclude(connection, route_id, outcomes, at_ms), durable=True)

    async def forget(self, route: str, keys: Sequence[str]) -> None:
        """Remove rows of objects that vanished before anything of them was written."""
        route_id = self._route_ids[route]
        await self._writer.do(lambda connection: rows.forget(connection, route_id, keys))

    async def let_go(self, route: str, keys: Sequence[str]) -> None:
        """Remove rows of objects that their owner has removed on both sides; other keys are passed over."""
        route_id = self._route_ids[route]
        await self._writer.do(lambda connection: rows.let_go(connection, route_id, keys))

    async def bind_list(self, route: str, digest: str, *, reopen: bool) -> None:
        """Bind the route to what its list of keys says now. `reopen`: that is more than it was bound to, so that
        nothing is known to be complete until its source was listed again."""

        def bind(connection: sqlite3.Connection) -> None:
            (text,) = connection.execute("SELECT value FROM meta WHERE key = 'binding'").fetchone()
            bound = Binding.from_text(text)
            lists = {**dict(bound.lists), route: digest}
            binding = replace(bound, lists=tuple(lists.items()))
            connection.execute("UPDATE meta SET value = ? WHERE key = 'binding'", (binding.text,))
            if reopen:
                connection.execute("UPDATE routes SET closed_ms = 0 WHERE name = ?", (route,))

        await self._writer.do(bind, durable=True)

    # --- snapshots ----------------------------------------------------------------------------------------

    async def open_snapshot(self, route: str) -> None:
        """The route's source is being listed: until that ends, nothing is known to be complete."""
        await self._execute(
            "UPDATE routes SET opened_ms = ?, closed_ms = 0 WHERE id = ?", self._now_ms(), self._route_ids[route]
        )

    async def close_snapshot(self, route: str, objects: int, size_bytes: int) -> None:
        """The listing reached its end, with so many objects."""
        await self._execute(
            "UPDATE routes SET closed_ms = ?, objects = ?, bytes = ? WHERE id = ?",
            self._now_ms(),
            objects,
            size_bytes,
            self._route_ids[route],
        )

    # --- uploads ------------------------------------------------------------------------------------------

    async def intend_upload(self, upload: UploadRecord) -> None:
        """Commit that an upload is about to be created; an intent without an id is replaced."""
        route_id = self._route_ids[upload.route]

        def command(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE uploads SET ended = 'replaced', ended_ms = ? WHERE route = ? AND key = ? AND ended = ''",
                (upload.intent_ms, route_id, upload.key),
            )
            connection.execute(
                "INSERT INTO uploads (route, key, bucket, target_key, upload_id, source_etag, source_size, layout, "
                "checksum_algorithm, intent_ms, server_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (route_id, *upload[1:]),
            )
            rows.begin_copying(connection, route_id, upload.key)

        await self._writer.do(command, durable=True)

    async def set_upload_id(self, route: str, key: str, upload_id: str) -> None:
        """Commit the id that S3 gave."""
        await self._execute(
            "UPDATE uploads SET upload_id = ? WHERE route = ? AND key = ? AND ended = ''",
            upload_id,
            self._route_ids[route],
            key,
        )

    async def record_parts(self, route: str, key: str, parts: Iterable[UploadedPart]) -> None:
        """Commit parts that are in place."""
        route_id, done = self._route_ids[route], list(parts)

        def command(connection: sqlite3.Connection) -> None:
            row = connection.execute(_OPEN, (route_id, key)).fetchone()
            if row is not None:
                connection.executemany(
                    "INSERT OR REPLACE INTO parts (upload, number, etag, size) VALUES (?, ?, ?, ?)",
                    [(row[0], part.number, part.etag, part.size) for part in done],
                )

        await self._writer.do(command)

    async def finish_upload(self, route: str, key: str, how: str) -> None:
        """Commit an upload's end: "completed", "aborted", "refused" or "vanished". Its parts are forgotten: there may
        be 10,000 of them, and nobody asks for those of an upload that has ended."""
        route_id, at_ms = self._route_ids[route], self._now_ms()

        def command(connection: sqlite3.Connection) -> None:
            row = connection.execute(_OPEN, (route_id, key)).fetchone()
            if row is not None:
                connection.execute("DELETE FROM parts WHERE upload = ?", row)
                connection.execute("UPDATE uploads SET ended = ?, ended_ms = ? WHERE id = ?", (how, at_ms, row[0]))

        await self._writer.do(command, durable=True)

    # --- the rest -----------------------------------------------------------------------------------------

    async def accept(self, name: str, found: str, because: str) -> None:
        """Keep that a named difference was accepted, for exactly this figure."""
        await self._execute(
            "INSERT OR REPLACE INTO acceptances (name, found, because, accepted_ms) VALUES (?, ?, ?, ?)",
            name,
            found,
            because,
            self._now_ms(),
        )

    async def take_back(self, name: str) -> None:
        """Forget what was accepted under this name."""
        await self._execute("DELETE FROM acceptances WHERE name = ?", name)

    async def set_note(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`."""
        await self._execute(
            "INSERT OR REPLACE INTO notes (key, value, noted_ms) VALUES (?, ?, ?)",
            key,
            json.dumps(value),
            self._now_ms(),
        )

    async def keep(self, kind: str, name: str, etag: str, body: bytes) -> int:
        """Keep content that is about to be replaced; gives its number."""

        def command(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                "INSERT INTO keeps (kind, name, etag, body, kept_ms) VALUES (?, ?, ?, ?, ?)",
                (kind, name, etag, body, self._now_ms()),
            )
            return int(cursor.lastrowid or 0)

        return await self._writer.do(command, durable=True)

    async def _execute(self, sql: str, *parameters: Any) -> None:
        """One durable statement."""

        def command(connection: sqlite3.Connection) -> None:
            connection.execute(sql, parameters)

        await self._writer.do(command, durable=True)
