"""The one writer: a thread of its own, fed by a bounded queue, each command in a transaction of its own."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import anyio

from engine.errors import LedgerCorrupt, LedgerError

Result = TypeVar("Result")
Command = Callable[[sqlite3.Connection], Result]

COMMANDS_WAITING = 64


def translated(path: Path, error: sqlite3.Error) -> LedgerError:
    """What went wrong with the file, in a sentence, with what to do."""
    text = str(error)
    if "full" in text:
        return LedgerError(
            f"the disk under the ledger {path} is full. What was committed is safe; nothing was begun after it.",
            advice="Make room and run the same command again: it goes on from there.",
        )
    if "readonly" in text or "read-only" in text or "unable to open" in text:
        return LedgerError(
            f"the ledger {path} cannot be written ({text}).",
            advice="Check the folder's permissions, or name another place with --ledger.",
        )
    if "disk I/O" in text:
        return LedgerError(
            f"the disk under the ledger {path} fails ({text}). What was committed before is safe.",
            advice="Check the disk and its space, then run the same command again.",
        )
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return LedgerCorrupt(
            f"the ledger {path} is damaged ({text}); nothing in it is trusted.",
            advice="Put a backup in its place, or move it away: a run with a new ledger finds what was copied.",
        )
    return LedgerError(f"the ledger {path} refused a command: {text}.")


class Writer:
    """Runs commands in order. A command's awaiter is released only after its commit."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._queue: queue.Queue[tuple[Command[Any], bool, Future[Any]] | None] = queue.Queue()
        self._slots = anyio.Semaphore(COMMANDS_WAITING)
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def do(self, command: Command[Result], *, durable: bool = False) -> Result:
        """Carry out `command` in a transaction. `durable` commits with synchronous=FULL: it survives a power cut.

        Raises `LedgerError`; then nothing of the command is in the file."""
        async with self._slots:
            done: Future[Result] = Future()
            self._queue.put_nowait((command, durable, done))
            return await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Finish what was queued and close the file."""
        self._queue.put_nowait(None)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        connection = self._connect()
        full = False
        while (item := self._queue.get()) is not None:
            command, durable, done = item
            if not done.set_running_or_notify_cancel():
                continue
            try:
                if durable != full:
                    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                    full = durable
                connection.execute("BEGIN IMMEDIATE")
                result = command(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                _roll_back(connection)
                done.set_exception(translated(self._path, error) if isinstance(error, sqlite3.Error) else error)
            else:
                done.set_result(result)
        connection.close()


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return  # SQLite has rolled back by itself, as it does when the disk is full
