"""Letting a finished file take another's place, if that other is the one that is expected.

The two names change places at one moment and what came out is looked at: another than expected is put back, so that not
even a write of the last microsecond is lost. Where a system has no such exchange, the file is looked at just before the
rename.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from engine.folder import system


def take_place(directory: int, temporary: bytes, name: bytes, is_expected: Callable[[bytes], bool]) -> bool:
    """Give `temporary` the name of the file that `is_expected` says yes to; that file is gone then. False where another
    stands there: all is as it was. `is_expected` is told under which name to look. Raises `OSError`."""
    ours = _identity(directory, temporary)
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
    system.unlink(directory, temporary)
    return True


def _put_back(directory: int, temporary: bytes, name: bytes, ours: tuple[int, int]) -> None:
    """Somebody may write to it in this moment too: what comes out is theirs then, and goes nowhere else."""
    system.exchange(directory, temporary, name)
    if _identity(directory, temporary) != ours:
        aside = temporary + b".kept"
        system.rename_to_nothing(directory, temporary, aside)
        raise OSError(errno.EBUSY, f"it was written to twice in one moment; one of both is in {os.fsdecode(aside)}")


def _identity(directory: int, name: bytes) -> tuple[int, int]:
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return found.st_dev, found.st_ino
