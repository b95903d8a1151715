"""A file of a user's own folder that is made for the first time: as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from engine.folder import system


def write_first(path: Path, body: bytes) -> None:
    """Write a file that is not there yet, synced before it has its name, with the mode that new files get. Raises
    OSError: `FileExistsError` where anything has the name."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
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
