"""Whether a file that is met under one of our temporary names is this user's, is written by nobody else at this moment,
and still bears that name. All of it blocks."""

from __future__ import annotations

import os
import secrets
import stat

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from engine.folder import system
from engine.plan.own import MARK


def is_ours(status: os.stat_result, directory: int) -> bool:
    """Whether a file in a directory is a regular one of this user's, under one name alone: what is written into it
    reaches nothing else."""
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return False
    return status.st_uid == os.geteuid() or status.st_uid == _owner_in(directory)


def _owner_in(directory: int) -> int | None:
    """Whose a file is that this user makes in a directory, as its file system has it: mounts of other systems (CIFS,
    NTFS, FAT) have all files be one user's, and a server may take root for nobody (NFS). None where none can be made.
    """
    name = f"{MARK}{secrets.token_hex(16)}".encode()  # should this process be killed here, `leftovers` removes it
    try:
        descriptor = system.create(directory, name)
    except OSError:
        return None
    try:
        return os.fstat(descriptor).st_uid
    finally:
        os.close(descriptor)
        system.unlink(directory, name)


def lock(descriptor: int) -> bool | None:
    """Take the lock of a file. False where another process has it; None where the file system has no locks, as some
    networks' have none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def standing_under(directory: int, name: bytes, descriptor: int) -> os.stat_result | None:
    """What an open file is, where it is the one that stands under this name."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    held = os.fstat(descriptor)
    return held if os.path.samestat(found, held) else None
