"""`Ledger`: the durable record of every object's state and proof, open for one run at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from engine.events import ObjectAside
from engine.ledger import history
from engine.ledger.binding import Binding
from engine.ledger.commands import Command
from engine.ledger.connecting import connect_to_read, refuse_missing
from engine.ledger.descriptors import Hold, real_place
from engine.ledger.leaving import Leaving
from engine.ledger.locking import FileLock
from engine.ledger.network import refuse_network
from engine.ledger.opening import connect, prepare
from engine.ledger.opening import create as create_ledger
from engine.ledger.reader import LEFT, LedgerReader
from engine.ledger.writer import DISK_ERRORS, Writer, translated
from engine.model import UploadedPart
from engine.plan.record import Decision, Outcome, UploadRecord
from engine.to_the_end import to_the_end

LEFT_NAMED = 100
"""Of what a listing left so many are kept by name."""


class Keyed(Protocol):
    """What is said of one object."""

    @property
    def key(self) -> str: ...


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
        self.now_ms = now_ms
        self._route_ids = route_ids
        self.fresh = fresh

    @classmethod
    async def open(cls, path: Path, binding: Binding, *, now_ms: Callable[[], int], create: bool = True) -> Ledger:
        """Open for writing, or make it. Raises `LedgerMissing` (not `create`), `LedgerLocked`, `LedgerMismatch` with
        every difference, `LedgerCorrupt`, or `LedgerError` where the place will not do."""
        leaving = Leaving()
        opened = partial(cls._open, path, binding, now_ms, create, leaving)
        return await to_the_end(opened, give_back=cls.close, hasten=leaving.leave)

    @classmethod
    def _open(cls, path: Path, binding: Binding, now_ms: Callable[[], int], create: bool, leaving: Leaving) -> Ledger:
        path = real_place(path)
        if not create:
            refuse_missing(path)
        refuse_network(path)
        lock = FileLock(path)
        lock.acquire()
        try:
            if not path.exists():
                create_ledger(path, binding)
            hold = lock.hold()
            route_ids, fresh = prepare(path, binding, hold, leaving)
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
        try:
            await self.close_reading()
        finally:
            try:
                await self._writer.close()  # last: then SQLite puts all of the -wal into the file and removes it
            finally:
                self._lock.release()

    # --- writing --------------------------------------------------------------------------------------------

    @property
    def writer(self) -> Writer:
        """What changes go through."""
        return self._writer

    def write_through(self, writer: Any) -> None:
        """Have changes go through `writer`, which does with each what a `Writer` does."""
        self._writer = writer

    # --- objects ------------------------------------------------------------------------------------------

    async def decide(self, route: str, decisions: Sequence[Decision]) -> None:
        """Commit a page's decisions, before anything is done about them."""
        await self._on_rows("decide", route, decisions, self.now_ms())

    async def conclude(self, route: str, outcomes: Sequence[Outcome]) -> None:
        """Commit how tasks ended, or what a verification found."""
        await self._on_rows("conclude", route, outcomes, self.now_ms())

    async def conclude_durably(self, route: str, outcomes: Sequence[Outcome]) -> None:
        """`conclude`, surviving a power cut when it returns: for deletes."""
        await self._on_rows("conclude", route, outcomes, self.now_ms(), durable=True)

    async def forget(self, route: str, keys: Sequence[str]) -> None:
        """Remove rows of objects that vanished before anything of them was written."""
        await self._on_rows("forget", route, keys)

    async def let_go(self, route: str, keys: Sequence[str]) -> None:
        """Remove rows of objects that their owner has removed on both sides; other keys are passed over."""
        await self._on_rows("let_go", route, keys)

    async def bind_list(self, route: str, digest: str, *, reopen: bool) -> None:
        """Bind the route to what its list of keys says now. `reopen`: that is more than it was bound to, so that
        nothing is known to be complete until its source was listed again."""
        await self._do_durably("bind_list", route, digest, reopen)

    # --- snapshots ----------------------------------------------------------------------------------------

    async def open_snapshot(self, route: str) -> None:
        """The route's source is being listed: until that ends, nothing is known to be complete."""
        await self._do_durably("open_snapshot", self._route_ids[route], self.now_ms())

    async def close_snapshot(
        self, route: str, objects: int, size_bytes: int, left: int = 0, named: Sequence[ObjectAside] = ()
    ) -> None:
        """The listing reached its end, with so many objects. It `left` what cannot be one, of which these are known by
        name."""
        if left or await self.note(LEFT + route) is not None:
            first = [(item.key, item.code, item.message) for item in named[:LEFT_NAMED]]
            await self.set_note(LEFT + route, [left, first])
        await self._do_durably("close_snapshot", self._route_ids[route], objects, size_bytes, self.now_ms())

    # --- uploads ------------------------------------------------------------------------------------------

    async def intend_upload(self, upload: UploadRecord) -> None:
        """Commit that an upload is about to be created; an intent without an id is replaced."""
        await self._on_upload("intend_upload", upload.route, upload.key, upload)

    async def set_upload_id(self, route: str, key: str, upload_id: str) -> None:
        """Commit the id that S3 gave."""
        await self._on_upload("set_upload_id", route, key, key, upload_id)

    async def record_parts(self, route: str, key: str, parts: Iterable[UploadedPart]) -> None:
        """Commit parts that are in place."""
        await self._on_upload("record_parts", route, key, key, list(parts), durable=False)

    async def finish_upload(self, route: str, key: str, how: str) -> None:
        """Commit an upload's end: "completed", "aborted", "refused" or "vanished"."""
        await self._on_upload("finish_upload", route, key, key, how, self.now_ms())

    # --- history ------------------------------------------------------------------------------------------

    async def begin_run(self, command: str, at_ms: int) -> int:
        """Note that a command began; gives the run's number."""
        number: int = await self._do("begin_run", command, at_ms)
        return number

    async def add_moment(self, run: int, moment: history.Moment, slow: Sequence[history.SlowObject] = ()) -> bool:
        """Keep how far a run is, and objects that took long. Gives True where rows come half as often from now on."""
        thinned: bool = await self._do("add_moment", run, moment, list(slow))
        return thinned

    async def end_run(self, run: int, ended: str, at_ms: int) -> None:
        """Note how a run ended: "done", "stopped" or "failed"."""
        await self._do("end_run", run, ended, at_ms)

    # --- the rest -----------------------------------------------------------------------------------------

    async def accept(self, name: str, found: str, because: str, by: str = "") -> None:
        """Keep that a named difference was accepted, for exactly this figure, and by whom."""
        await self._do_durably("accept_by", name, found, because, self.now_ms(), by)

    async def take_back(self, name: str) -> None:
        """Forget what was accepted under this name."""
        await self._do_durably("take_back", name)

    async def set_note(self, key: str, value: Any, *, durable: bool = True) -> None:
        """Keep a JSON value under `key`. What is not `durable` may be lost in a power cut, with all that came later."""
        await self._do("set_note", key, json.dumps(value), self.now_ms(), durable=durable)

    async def keep(self, kind: str, name: str, etag: str, body: bytes) -> None:
        """Keep content that is about to be replaced."""
        await self._do_durably("keep", kind, name, etag, body, self.now_ms())

    async def forget_kept(self, kind: str, name: str) -> None:
        """Forget what was kept last under this name: it was put back."""
        await self._do_durably("forget_kept", kind, name)

    async def _on_rows(
        self, name: str, route: str, items: Sequence[Keyed | str], *arguments: Any, durable: bool = False
    ) -> None:
        """Carry out a change of one route's rows: of those of these items, or keys."""
        await self._do(name, self._route_ids[route], items, *arguments, durable=durable)

    async def _on_upload(self, name: str, route: str, key: str, *arguments: Any, durable: bool = True) -> None:
        """Carry out a change of one object's upload."""
        await self._do(name, self._route_ids[route], *arguments, durable=durable)

    async def _do(self, name: str, *arguments: Any, durable: bool = False) -> Any:
        return await self._writer.do(Command(name, arguments), durable=durable)

    async def _do_durably(self, name: str, *arguments: Any) -> Any:
        """Surviving a power cut when it returns."""
        return await self._do(name, *arguments, durable=True)
