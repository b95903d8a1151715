"""Letting a finished file take another's place, if that other is the one that is expected.

The two names change places at one moment and what came out is looked at: another than expected is put back, and what
cannot be put back is kept beside it: a version that was saved meanwhile is not lost. What a program that has the old
file open writes into it after that look is: it goes with that file. Should this process be killed between the exchange
and the look, what came out lies under the temporary name, until that is written to again, or swept. Where a system has
no such exchange, the file is looked at just before the rename, and what is saved in between is lost.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress

from engine.folder import system


class NotPutBack(Exception):
    """A version that is not to be lost came out, and its place could not be given back to it. Says where it is now."""

    advice = "Look at it before the command is run again, and give it its name back if it is the one to keep."

    def __init__(self, where: bytes) -> None:
        super().__init__(
            f"a version of it could not be put back in its place: it lies beside it now, as {os.fsdecode(where)}"
        )


def take_place(directory: int, temporary: bytes, name: bytes, is_expected: Callable[[bytes], bool]) -> bool:
    """Give `temporary` the name of the file that `is_expected` says yes to; that file is gone then. False where another
    stands there: all is as it was. `is_expected` is told under which name to look. Raises `OSError` where all is as it
    was too, and `NotPutBack`."""
    ours = identity(directory, temporary)
    if not system.exchange(directory, temporary, name):
        if not is_expected(name):
            return False
        system.rename(directory, temporary, name)
        return True
    try:
        expected = is_expected(temporary)
    except BaseException:
        _put_back(directory, temporary, name, ours)
        raise
    if not expected:
        _put_back(directory, temporary, name, ours)
        return False
    with suppress(OSError):  # the new one has its name: what is left of the old one is swept (`leftovers`)
        system.unlink(directory, temporary)
    return True


def _put_back(directory: int, temporary: bytes, name: bytes, ours: tuple[int, int]) -> None:
    """Somebody may write to it in this moment too: what comes out is theirs then, and goes nowhere else."""
    with suppress(OSError):
        system.exchange(directory, temporary, name)
        if identity(directory, temporary) == ours:
            return
    aside = temporary + f".{secrets.token_hex(4)}.kept".encode()  # no name of ours: it is never swept
    try:
        system.rename_to_nothing(directory, temporary, aside)
    except OSError:
        aside = temporary
    raise NotPutBack(aside)


def identity(directory: int, name: bytes) -> tuple[int, int]:
    """Which file stands under a name, whatever it is called."""
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return found.st_dev, found.st_ino
