"""The ledger as a file: made private, locked against a second run, refused on a network file system."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import IO

from engine.errors import LedgerCorrupt, LedgerError, LedgerLocked
from engine.ledger.schema import APPLICATION_ID

SQLITE_HEADER = b"SQLite format 3\0"
APPLICATION_AT = 68
"""Where the application's id is in a database's first page, four bytes (sqlite.org/fileformat2.html)."""

NETWORK_TYPES = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "beegfs",
    }
)
"""SQLite's locks and WAL need shared memory between processes, which these do not give (sqlite.org/wal.html)."""

_OCTAL = re.compile(r"\\([0-7]{3})")

NETWORK_PREFIXES = ("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.goofys", "fuse.mount-s3")


def network_type(path: str, mounts: str) -> str:
    """The type of the network file system that holds `path`, by a mount table as /proc/mounts has it; else empty."""
    best, best_type = "", ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[1])  # proc(5): space, tab, newline, backslash
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, best_type = point, fields[2]
    is_network = best_type in NETWORK_TYPES or best_type.startswith(NETWORK_PREFIXES)
    return best_type if is_network else ""


def refuse_network(path: Path) -> None:
    """Raise `LedgerError` where the folder is on a network file system."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return
    kind = network_type(str(path.absolute().parent.resolve()), mounts.read_text(encoding="utf-8", errors="replace"))
    if kind:
        raise LedgerError(
            f"the ledger {path} would be on a network file system ({kind}), where SQLite cannot keep it safe.",
            advice="Name a local place with --ledger.",
        )


def make_private(path: Path) -> None:
    """Create the file with mode 0600 before SQLite opens it: its -wal and -shm inherit the mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        if os.name == "posix":
            path.chmod(0o600)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> LedgerError:
    """The error for a place where a ledger cannot be written."""
    return LedgerError(
        f"the ledger {path} cannot be written: {error.strerror or error}.",
        advice="Choose a folder that you may write to, with room, with --ledger.",
    )


def beside(path: Path, ending: str) -> Path:
    """A file of the same name with more at its end."""
    return path.with_name(path.name + ending)


def refuse_foreign(path: Path) -> None:
    """Raise `LedgerCorrupt` for a file that is no ledger, before anything about it is changed."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise LedgerError(
            f"the ledger {path} cannot be read: {error.strerror or error}.", advice="Name another with --ledger."
        ) from error
    if not header:
        raise LedgerCorrupt(
            f"the ledger {path} is empty: it was cut short, or another program made it.",
            advice="Move it away with its -wal and -shm files, or put a backup in its place: what is copied is found.",
        )
    application = header[APPLICATION_AT : APPLICATION_AT + 4]
    if not header.startswith(SQLITE_HEADER) or application != APPLICATION_ID.to_bytes(4, "big"):
        raise LedgerCorrupt(
            f"{path} is not a ledger of Cartage, or its beginning is damaged; it is left as it is.",
            advice="Name another with --ledger.",
        )


def sync_folder(path: Path) -> None:
    """Make the file's name in its folder as durable as the file."""
    if os.name != "posix":
        return
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class FileLock:
    """An exclusive lock on `<ledger>.lock`, held until `release` or the process's end, however it ends."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._path = beside(ledger, ".lock")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `LedgerLocked`, naming who holds it, or `LedgerError` where it cannot be made."""
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise LedgerError(
                f"the ledger's lock {self._path} cannot be made: {error.strerror or error}.",
                advice="Choose a folder that you may write to with --ledger.",
            ) from error
        file = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
        try:
            taken = _lock(file)
        except OSError as error:
            file.close()
            raise LedgerError(
                f"the ledger's lock {self._path} cannot be taken here: {error.strerror or error}.",
                advice="Name a place on a local disk with --ledger.",
            ) from error
        if not taken:
            holder = file.read(200).strip() or "another process"
            file.close()
            raise LedgerLocked(
                f"another run is at work on {self._ledger} ({holder}).",
                advice="Wait for it, or look at it with: cartage status",
            )
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


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
