"""Memory that the machine has already, kept for the files that a run is to write.

A virtual machine may give its free memory back to its host. A page that it takes again costs a fault there: 2 s a GB on
the machine that this was met on, against 0.3 for writing to one that it still has, which is more than all else that is
done to a byte. Which client meets it would be chance, so none is to: what the files will need is taken before the run,
and freed as they grow.
"""

from __future__ import annotations

import os
from pathlib import Path

AHEAD_BYTES = 64 << 20
"""So much is free beside what was written: more than any client writes between two looks, and not for long."""
_STEP = bytes(1 << 20)


class Ballast:
    """A file on the same file system as a run's, as long as they will be together, that gives way to them."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._path = folder / "ballast"
        with self._path.open("wb") as file:
            for _ in range(0, 2 * size_bytes, len(_STEP)):
                file.write(_STEP)
            file.truncate(size_bytes)  # as much again is free, and the machine's: it may be taken before what gives way
        self._size = self._left = size_bytes
        self._others = self._used() - size_bytes

    def give_way(self) -> None:
        """Free as much as others have written since it was made, and a little more."""
        written = self._used() - self._left - self._others
        left = max(0, min(self._left, self._size - written - AHEAD_BYTES))
        if left < self._left:
            os.truncate(self._path, left)
            self._left = left

    def _used(self) -> int:
        status = os.statvfs(self._folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize
