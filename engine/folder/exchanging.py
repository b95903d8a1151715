"""Letting a finished file take another's place, if that other is the one that is expected.

The two names change places at one moment and what came out is looked at: another than expected is put back, and what
cannot be put back is kept beside it: a version that was saved meanwhile is not lost. Nor is it where this process is
killed before that look: the name that the finished file has for the exchange is one that nothing is ever written to or
removed under but here, so that what came out lies there until its owner has looked at it. What a program that has the
old file open writes into it after that look is lost: it goes with that file. Where a system has no such exchange, the
file is looked at just before the rename, and what is saved in between is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from engine.folder import system
from engine.folder.names import name_apart


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
    apart = name_apart(temporary)
    system.rename(directory, temporary, apart)
    expected = exchanged = False
    try:
        exchanged = system.exchange(directory, apart, name)
        expected = is_expected(apart if exchanged else name)
        if expected and not exchanged:
            system.rename(directory, apart, name)
    finally:
        if exchanged and not expected:
            _put_back(directory, apart, name, ours)
        _give_back(directory, apart, temporary, ours)
    if expected and exchanged:
        with suppress(OSError):  # the new one has its name; what is left of the old one is met as one that is kept
            system.unlink(directory, apart)
    return expected


def _put_back(directory: int, apart: bytes, name: bytes, ours: tuple[int, int]) -> None:
    """Somebody may write to it in this moment too: what comes out is theirs then, and goes nowhere else."""
    with suppress(OSError):
        system.exchange(directory, apart, name)
        if identity(directory, apart) == ours:
            return
    raise NotPutBack(apart)


def _give_back(directory: int, apart: bytes, temporary: bytes, ours: tuple[int, int]) -> None:
    """Where what is ours did not get the name, it lies where it lay before."""
    with suppress(OSError):
        if identity(directory, apart) != ours:
            return
        try:
            system.rename_to_nothing(directory, apart, temporary)
        except FileExistsError:  # another process writes it anew
            system.unlink(directory, apart)


def identity(directory: int, name: bytes) -> tuple[int, int]:
    """Which file stands under a name, whatever it is called."""
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return found.st_dev, found.st_ino
