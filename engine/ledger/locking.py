"""One run at a time on a ledger: a lock file beside it that says who is at work, and a lock on the ledger itself."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO, ClassVar, NamedTuple
from weakref import WeakSet

from engine.errors import LedgerError, LedgerLocked
from engine.ledger.descriptors import Hold, open_own, open_to_look
from engine.ledger.files import IN_ANOTHER, beside, writing
from engine.ledger.shard_places import goes_by
from engine.plan.shell import shell_word

ATTEMPTS = 5
"""How often a lock file that vanishes while it is taken is made anew."""


class Worker(NamedTuple):
    """Who is at work on a ledger, and since when (seconds since the epoch)."""

    pid: int
    host: str
    since_s: float


_WORKER = re.compile(r"pid (\d+) on (\S+)")


def worker_on(hold: Hold) -> Worker | None:
    """Who is at work on the ledger that is held for reading; None where nobody is. No lock is taken, not for a moment:
    whoever begins just then would be refused."""
    locked = hold.locked_by_another()
    if locked is False:
        return None
    try:
        with os.fdopen(open_to_look(beside(hold.path, ".lock")), encoding="utf-8", errors="replace") as file:
            found, since_s = _WORKER.match(file.read(200)), os.fstat(file.fileno()).st_mtime
    except (OSError, LedgerError):
        found, since_s = None, 0.0
    if found is None:
        return Worker(0, "", since_s) if locked else None
    worker = Worker(int(found[1]), found[2], since_s)
    return worker if locked or _is_alive(worker) else None


def _is_alive(worker: Worker) -> bool:
    """Where the file itself tells nothing: whether a process of that number is there."""
    if worker.host != socket.gethostname():
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # another user's
    return True


class FileLock:
    """Exclusive, held until `release` or the process's end, however it ends.

    `acquire` takes `<ledger>.lock`, of which there is one before there is a ledger; `hold` takes the ledger's own file,
    which has the same lock by any name, and when somebody has removed the lock file. A forked child has neither.
    `wait` is what to do while another has it, where that is nothing that `status` reads."""

    _held: ClassVar[WeakSet[FileLock]] = WeakSet()

    def __init__(self, ledger: Path, *, wait: str = "") -> None:
        self._ledger = ledger
        self._wait = wait
        self._path = beside(ledger, ".lock")
        self._file: IO[str] | None = None
        self._hold: Hold | None = None
        self._guarded: bool | None = None

    def acquire(self) -> None:
        """Take the lock file. Raises `LedgerLocked`, naming who holds it, or `LedgerError` where it cannot be made."""
        for _ in range(ATTEMPTS):
            file = self._open()
            try:
                taken = _lock(file)
            except OSError as error:
                file.close()
                raise LedgerError(
                    f"the ledger's lock {self._path} cannot be taken here: {error.strerror or error}.",
                    advice="Name a place on a local disk with --ledger.",
                ) from error
            if not taken:
                holder = file.read(200).strip()
                file.close()
                raise self._locked(holder)
            if _same_file(file, self._path):
                self._file = file
                self._held.add(self)
                self._sign(file)
                return
            file.close()
        raise LedgerError(
            f"the ledger's lock {self._path} is removed as often as it is made.",
            advice="Find out what cleans up that folder, or name another place with --ledger.",
        )

    def _sign(self, file: IO[str]) -> None:
        try:
            with writing(self._ledger):
                # Past the file's buffer, which would be written once more when it is closed.
                os.truncate(file.fileno(), 0)
                os.lseek(file.fileno(), 0, os.SEEK_SET)
                os.write(file.fileno(), f"pid {os.getpid()} on {socket.gethostname()}\n".encode())
        except LedgerError:
            self.release()
            raise

    def hold(self) -> Hold:
        """Take the ledger's own file, which has to be there. Raises `LedgerLocked`, `LedgerError`."""
        with writing(self._ledger):
            hold = Hold(self._ledger, own=True)
        self._guarded = hold.lock()
        if self._guarded is False:
            hold.release()
            raise self._locked("")
        if not hold.still_there():
            hold.release()
            raise moved(self._ledger)
        self._hold = hold
        return hold

    def check(self) -> None:
        """Raise `LedgerError` where the path no longer names the file that is held: what is written would be lost.
        Where the lock file alone guards the ledger, it has to be there as well."""
        if self._hold is not None and not self._hold.still_there():
            raise moved(self._ledger)
        if self._guarded is None and self._file is not None and not _same_file(self._file, self._path):
            raise LedgerError(
                f"the ledger's lock {self._path} was removed while it was held, and another run may have begun.",
                advice="See that no other run is at work, then run the same command again: it goes on from there.",
            )

    def release(self) -> None:
        if self._hold is not None:
            self._hold.release()
            self._hold = None
        if self._file is not None:
            self._held.discard(self)
            _unlock(self._file)
            self._file.close()
            self._file = None

    @classmethod
    def leave_to_parent(cls) -> None:
        """In a child that was forked off: close what it inherited, which would keep the parent's ledgers locked past
        that one's end. Nothing is unlocked, which would be so for the parent as well."""
        for lock in cls._held:
            if lock._file is not None:
                lock._file.close()
            lock._file = lock._hold = None
        cls._held.clear()
        Hold.leave_to_parent()

    def _open(self) -> IO[str]:
        try:
            descriptor = open_own(self._path, create=True)
        except OSError as error:
            raise LedgerError(
                f"the ledger's lock {self._path} cannot be made: {error.strerror or error}.",
                advice=f"Choose a folder that is there and that you may write to: {IN_ANOTHER}",
            ) from error
        return os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")

    def _locked(self, holder: str) -> LedgerLocked:
        ledger = goes_by(self._ledger)
        return LedgerLocked(
            f"another run is at work on {ledger} ({holder or 'another process'}).",
            advice=self._wait or f"Wait for it, or look at it with: cartage status --ledger {shell_word(str(ledger))}",
        )


def moved(ledger: Path) -> LedgerError:
    """The error for a ledger that is not at its place any more."""
    return LedgerError(
        f"the ledger {ledger} was moved, replaced or removed while it was open. What was committed is in that file.",
        advice="Put it back with its -wal file and run the same command again: it goes on from there.",
    )


def _same_file(file: IO[str], path: Path) -> bool:
    """Whether the path still names the open file: who removes a lock file makes two of one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FileLock.leave_to_parent)


def _unlock(file: IO[str]) -> None:
    """A process that was forked off may have the file open: closed here, it would stay locked there. Windows, which
    forks none, unlocks what is closed."""
    if os.name != "nt":
        import fcntl

        with suppress(OSError):  # of a disk that is gone
            fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file: IO[str]) -> bool:
    if os.name == "nt":  # pragma: no cover
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
