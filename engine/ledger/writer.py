"""The one writer: a thread of its own, fed by a bounded queue, each command in a transaction of its own."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio

from engine.errors import LedgerCorrupt, LedgerError
from engine.process import MORE_FILES, lacks_files
from engine.to_the_end import ended, to_the_end

Result = TypeVar("Result")
Command = Callable[[sqlite3.Connection], Result]

COMMANDS_WAITING = 64

FILES_OF_ONE = 8
"""The ledger, its -wal and its -shm, and what else was open when it could not be opened."""

MOVE_AWAY = (
    "Move it away with its -wal and -shm files. With a backup in its place, or none, run the same command again: what "
    "is copied is found."
)


DISK_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises; the second where a damaged schema is told in bytes that are no text."""


def damaged(path: Path, why: object) -> LedgerCorrupt:
    """The error of a ledger that is not what was written."""
    return LedgerCorrupt(f"the ledger {path} is damaged ({why}); nothing in it is trusted.", advice=MOVE_AWAY)


def translated(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> LedgerError:
    """What went wrong with the file, in a sentence, with what to do."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return damaged(path, text)
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF  # without what extends it (sqlite.org/rescode.html)
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        return LedgerError(
            f"the disk under the ledger {path} is full. What was committed is safe; nothing was begun after it.",
            advice="Make room and run the same command again: it goes on from there.",
        )
    if code == sqlite3.SQLITE_CANTOPEN and lacks_files(FILES_OF_ONE):
        return LedgerError(f"too many files are open to open the ledger {path} as well.", advice=MORE_FILES)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return LedgerError(
            f"the ledger {path} cannot be opened or written ({text}).",
            advice="Check the permissions of the file and its folder, or name another place with --ledger.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return LedgerError(
            f"the disk under the ledger {path} fails ({text}). What was committed before is safe.",
            advice="Check the disk and its space, then run the same command again.",
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, text)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerError(
            f"another program holds the ledger {path} ({text}).",
            advice="Close it (a SQLite shell, a backup) and run the same command again.",
        )
    if text.startswith(("no such table", "no such column")):
        return LedgerError(
            f"the ledger {path} was written by an older Cartage ({text}).",
            advice="A run of its plan brings it up to date.",
        )
    return LedgerError(f"the ledger {path} refused a command: {text}.")


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """What goes wrong inside with the file, or with what a column of it holds, as an error of the ledger."""
    try:
        yield
    except DISK_ERRORS as error:
        raise translated(path, error) from error
    except (KeyError, ValueError) as error:  # a state or proof that there is not
        raise damaged(path, f"{error} is no value of its column") from error


class Writer:
    """Runs commands in order. A command's awaiter is released only after its commit. `check` is asked before each, and
    raises where the file is no longer the one at its path."""

    def __init__(self, path: Path, connection: sqlite3.Connection, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._connection = connection
        # What a statement over many rows would be taken back with: in a file each page of it costs system calls.
        connection.execute("PRAGMA temp_store = MEMORY")
        self._queue: queue.Queue[tuple[Command[Any], bool, Future[Any]] | None] = queue.Queue()
        self._slots = anyio.Semaphore(COMMANDS_WAITING, fast_acquire=True)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def do(self, command: Command[Result], *, durable: bool = False) -> Result:
        """Carry out `command` in a transaction. `durable` commits with synchronous=FULL: it survives a power cut.

        Raises `LedgerError`; then nothing of the command is in the file. A cancellation takes out a command that waits,
        and comes out after the commit of one that does not: what is read next has it."""
        async with self._slots:
            if self._closed:
                raise LedgerError(f"the ledger {self._path} is closed")
            done: Future[Result] = Future()
            self._queue.put_nowait((command, durable, done))
            running = asyncio.wrap_future(done)
            try:
                await asyncio.wait([running])  # which cancels nothing
            except asyncio.CancelledError:
                if not done.cancel():
                    await ended(running)
                    running.exception()  # taken: what ended this goes before it
                raise
            return running.result()

    async def close(self) -> None:
        """Finish what was queued and close the file. What comes later is refused."""
        self._closed = True
        self._queue.put_nowait(None)
        await to_the_end(self._thread.join)

    def _run(self) -> None:
        connection = self._connection
        full = False
        while (item := self._queue.get()) is not None:
            command, durable, done = item
            if not done.set_running_or_notify_cancel():
                continue
            try:
                if durable != full:
                    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                    full = durable
                self._check()
                connection.execute("BEGIN IMMEDIATE")
                result = command(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                _roll_back(connection)
                done.set_exception(translated(self._path, error) if isinstance(error, DISK_ERRORS) else error)
            else:
                done.set_result(result)
        connection.close()


def _roll_back(connection: sqlite3.Connection) -> None:
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return  # SQLite has rolled back by itself, as it does when the disk is full
