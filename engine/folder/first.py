"""A file of a user's own folder that is made, for the first time or anew: as a whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.folder import system
from engine.plan.own import MARK

_GUESSED_BYTES = 8
_NEW = system.NEW_FILE | getattr(os, "O_BINARY", 0)


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
    with written_whole(path, 0o666, lambda new: _name(new, path)) as file:
        file.write(body)


@contextmanager
def written_whole(path: Path, mode: int, take: Callable[[Path], object]) -> Iterator[BinaryIO]:
    """A file to be written that has no name at all, where the system knows such (Linux), until it is on the disk: who
    is killed on the way leaves nothing. Then it has one that nobody can guess beside `path`, from which `take` gives it
    its own in one step: whoever reads has all of it or none."""
    temporary = unfinished_beside(path)
    try:
        descriptor, named = _begun(temporary, mode)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            if not named:
                _give_name(file, temporary, mode)
        take(temporary)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def folder_of(path: Path) -> Iterator[int]:
    """A descriptor of the folder that a path is in."""
    folder = os.open(path.absolute().parent, system.A_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def _begun(temporary: Path, mode: int) -> tuple[int, bool]:
    """A new file, and whether it has its temporary name already."""
    if os.name != "nt":  # where folders have no descriptors
        with folder_of(temporary) as folder:
            descriptor = system.create_unnamed(folder, mode)
        if descriptor is not None:
            return descriptor, False
    return os.open(temporary, _NEW, mode), True


def _give_name(file: BinaryIO, temporary: Path, mode: int) -> None:
    with folder_of(temporary) as folder:
        if system.give_name(file.fileno(), folder, os.fsencode(temporary.name)):
            return
    file.seek(0)  # no /proc: it is written once more
    with os.fdopen(os.open(temporary, _NEW, mode), "wb") as again:
        shutil.copyfileobj(file, again)
        again.flush()
        os.fsync(again.fileno())


def _name(temporary: Path, path: Path) -> None:
    if os.name == "nt":  # whose rename takes nothing's place
        temporary.rename(path)
        return
    with folder_of(path) as folder:
        system.rename_to_nothing(folder, os.fsencode(temporary.name), os.fsencode(path.name))
        with suppress(OSError):  # it is there; that it could not be synced too is no reason to take it back
            system.sync(folder)
