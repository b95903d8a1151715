"""A file of a user's own folder that is made for the first time: as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from pathlib import Path

from engine.folder import system
from engine.plan.own import MARK

_GUESSED_BYTES = 8


def unfinished_beside(path: Path) -> Path:
    """Where a file is written before it has its name: as long as any of ours, however long its own is, under a name
    that nobody can guess. Listings of the folder leave it out, and what a killed process left is known by it."""
    return path.with_name(unfinished_begin(path) + secrets.token_hex(_GUESSED_BYTES))


def unfinished_begin(path: Path) -> str:
    """How the names of all of a file's begin."""
    return MARK + hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()


def begin_of(name: str) -> str:
    """How it begins, where it is a name of `unfinished_beside`."""
    return name[: -2 * _GUESSED_BYTES]


def write_first(path: Path, body: bytes) -> None:
    """Write a file that is not there yet, synced before it has its name, with the mode that new files get. Raises
    OSError: `FileExistsError` where anything has the name."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = unfinished_beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        _name(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _name(temporary: Path, path: Path) -> None:
    if os.name == "nt":  # whose rename takes nothing's place
        temporary.rename(path)
        return
    folder = os.open(path.absolute().parent, system.A_DIRECTORY)
    try:
        system.rename_to_nothing(folder, os.fsencode(temporary.name), os.fsencode(path.name))
        with contextlib.suppress(OSError):  # it is there; that it could not be synced too is no reason to take it back
            system.sync(folder)
    finally:
        os.close(folder)
