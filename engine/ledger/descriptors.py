"""Files beside a plan, opened so that only a regular file of one's own, under its one name, is ever written.

Whoever may write in the folder can plant a link where a file of ours is to be: what is opened here follows none, and is
looked at before anything is done with it.

POSIX takes every lock of a process off a file as soon as the process closes any descriptor of it, SQLite's locks
included (sqlite.org/howtocorrupt.html, 2.2). So a ledger's own descriptors (`Hold`) stay open, whoever opened them,
until nobody in this process has the ledger open any more. Whoever connects to a ledger holds it while connected.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from engine.errors import LedgerError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MOVE_OR_NAME = "Move it away, or name another place with --ledger."
OF_ANOTHER = (
    "The ledger is that user's, and perhaps their run is at work on it: go on as that user, or name one of your own "
    "with --ledger."
)
ONE_NAME = "Remove the other name, or name another place with --ledger."
SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database. It opens them without following links; here they are named before it does."""

_CAREFUL = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""A pipe is not waited for."""

_FLOCK = "hhqqi4x"
"""struct flock of Linux on 64 bits (fcntl(2))."""
LOCKED_BYTE = 1 << 61
"""Far beyond what SQLite locks (sqlite.org/lockingv3.html) or a file can hold."""


def real_place(path: Path) -> Path:
    """Where a ledger really is: a link to one stands for the file that it leads to, with that file's lock and -wal.

    Raises `LedgerError` for a link that leads to none: a new ledger is made under its own name alone."""
    if not path.is_symlink():
        return path
    real = Path(os.path.realpath(path))
    if not real.exists() or real.stat().st_size == 0:
        raise LedgerError(f"{path} is a link that leads to no ledger ({real}).", advice=MOVE_OR_NAME)
    return real


def open_own(path: Path, *, create: bool = False, new: bool = False) -> int:
    """A descriptor to read and write a regular file of one's own, with one name; `create` makes it (mode 0600) where
    it is not there, `new` makes it and refuses one that is.

    Raises `LedgerError` for anything else, OSError where it cannot be opened."""
    flags = os.O_RDWR | _CAREFUL | (os.O_CREAT if create or new else 0)
    flags |= os.O_EXCL if new else 0
    return _opened(path, flags, own=True)


def refuse_planted(path: Path) -> None:
    """Raise `LedgerError` where something else than a regular file of one's own lies where SQLite is going to write."""
    for ending in SIDE_FILES:
        side = path.with_name(path.name + ending)
        with suppress(FileNotFoundError):
            _refuse_strange(side, side.lstat(), own=True)


def _opened(path: Path, flags: int, *, own: bool) -> int:
    """Looked at before it is opened, so that what is refused need not be closed again; and after, for what it is."""
    with suppress(FileNotFoundError):
        _refuse_strange(path, path.lstat(), own=own)
    descriptor = os.open(path, flags, 0o600)
    try:
        _refuse_strange(path, os.fstat(descriptor), own=own)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_strange(path: Path, found: os.stat_result, *, own: bool) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _not_ours(path, "a symbolic link")
    if not stat.S_ISREG(found.st_mode):
        raise _not_ours(path, "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file")
    if found.st_nlink > 1:
        raise _not_ours(path, "a file with another name beside this one (a hard link)", ONE_NAME)
    if own and hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise _not_ours(path, f"another user's file (user id {found.st_uid})", OF_ANOTHER)


def _not_ours(path: Path, what: str, advice: str = MOVE_OR_NAME) -> LedgerError:
    return LedgerError(f"{path} is {what}; it is left as it is.", advice=advice)


class Hold:
    """A descriptor of one ledger, kept open until nobody in this process has the ledger open. `path` is the name
    that it was opened by.

    `own`: for writing, which only one's own file is; else for reading, and then a second name is refused as well,
    because the -wal lies beside the first."""

    _guard = threading.Lock()
    _open: ClassVar[dict[tuple[int, int], tuple[list[int], int]]] = {}
    """By device and inode: every descriptor, and how many holds there are."""

    def __init__(self, path: Path, *, own: bool) -> None:
        self.path = path
        with self._guard:
            self._descriptor = open_own(path) if own else open_to_look(path)
            found = os.fstat(self._descriptor)
            self._identity = (found.st_dev, found.st_ino)
            descriptors, count = self._open.get(self._identity, ([], 0))
            self._open[self._identity] = ([*descriptors, self._descriptor], count + 1)
        self._released = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.release()

    def head(self, length: int) -> bytes:
        """The file's first bytes."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.read(self._descriptor, length)

    def make_private(self) -> None:
        """Mode 0600: what SQLite makes beside it inherits the mode."""
        if hasattr(os, "fchmod"):
            os.fchmod(self._descriptor, 0o600)

    def lock(self) -> bool | None:
        """Lock the file itself against every other hold, of this process or another, by whatever name it was opened.
        False: another has it. None: this system has no lock that SQLite's closing of its own descriptors leaves alone,
        so that the lock file alone guards it."""
        return _set_lock(self._descriptor, exclusive=True)

    def locked_by_another(self) -> bool | None:
        """Whether another hold has the lock of `lock`; None where this system cannot say. Takes nothing."""
        return _is_locked(self._descriptor)

    def still_there(self) -> bool:
        """Whether the path still names this very file."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def release(self) -> None:
        """Give the lock back, and close what may be closed."""
        if self._released:
            return
        self._released = True
        with self._guard:
            descriptors, count = self._open.get(self._identity, ([], 0))
            if self._descriptor not in descriptors:  # in a child that left it to its parent
                return
            _set_lock(self._descriptor, exclusive=False)
            if count > 1:
                self._open[self._identity] = (descriptors, count - 1)
                return
            del self._open[self._identity]
            for descriptor in descriptors:
                os.close(descriptor)

    @classmethod
    def leave_to_parent(cls) -> None:
        """In a child that was forked off: close what it inherited, and hold nothing."""
        cls._guard = threading.Lock()  # a thread that is not there any more may have it
        inherited, cls._open = cls._open, {}
        for descriptors, _ in inherited.values():
            for descriptor in descriptors:
                os.close(descriptor)


def open_to_look(path: Path) -> int:
    """A descriptor to read a regular file with one name. Raises `LedgerError` for anything else, OSError where it
    cannot be opened."""
    return _opened(path, os.O_RDONLY | _CAREFUL, own=False)


def _set_lock(descriptor: int, *, exclusive: bool) -> bool | None:
    """Set or lift an open file description lock (Linux, fcntl(2)): it is this descriptor's alone, so that no other
    descriptor's closing lifts it, and no lock of SQLite's meets it. As `Hold.lock`."""
    if fcntl is None or not hasattr(fcntl, "F_OFD_SETLK"):
        return None
    kind = fcntl.F_WRLCK if exclusive else fcntl.F_UNLCK
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, LOCKED_BYTE, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None  # this file system, or kernel, has no such lock
    return True


def _is_locked(descriptor: int) -> bool | None:
    """Whether a lock of another descriptor is in the way of `_set_lock`. None as there."""
    if fcntl is None or not hasattr(fcntl, "F_OFD_GETLK"):
        return None
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, LOCKED_BYTE, 1, 0)
    try:
        found = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))
    except OSError:
        return None
    return bool(found[0] != fcntl.F_UNLCK)
