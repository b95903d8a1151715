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
    return status.st_nlink == 1 and _is_owned(status, directory)


def is_named_twice(status: os.stat_result, directory: int, name: bytes) -> bool:
    """Whether a file is ours but for a second name, in the same directory: a run was ended, or refused, between giving
    it that and taking away the first (`system.rename_to_nothing`)."""
    if status.st_nlink != 2 or not _is_owned(status, directory):
        return False
    with os.scandir(directory) as entries:
        others = [entry.name for entry in entries if entry.inode() == status.st_ino and entry.name != os.fsdecode(name)]
    return any(os.path.samestat(os.stat(other, dir_fd=directory, follow_symlinks=False), status) for other in others)


def _is_owned(status: os.stat_result, directory: int) -> bool:
    if not stat.S_ISREG(status.st_mode):
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
