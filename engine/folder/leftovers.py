"""Files that runs which are no more had not finished, in a folder that is written to: met by its listings, removed once
nothing can still be in want of them. And files that lay apart when such a run was killed (`engine.folder.exchanging`):
each may be the last version of somebody's file, and is named and never touched.

A run takes up what an earlier one left of the file that it writes. What is left of a file that no run will ever write
again (its object was deleted meanwhile) would lie there for good. It is removed after a run that left nothing undone:
only what bears one of our names, is a file of this user's under no other name (but its own, in the same directory: then
that stays), is locked by no process, and was not written to for an hour, since not every file system has locks; a list
of parts that has no file any more at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from engine.folder import system
from engine.folder.names import PARTS_ENDING, is_apart, is_unfinished, shown
from engine.folder.ours import is_named_twice, is_ours, lock, standing_under
from engine.folder.roots import Root
from engine.folder.unfinished import temporary_name

KEPT = 10_000
"""So many are remembered of a folder; what is beyond is met by a later run."""

LEFT_FOR_NS = 3_600_000_000_000


class Swept(NamedTuple):
    """How many were removed, and the paths of those that were not; `apart`: what may be a version of a user's file,
    which is never removed, and the path of that file where it is there."""

    removed: int
    left: list[str]
    apart: list[tuple[str, str]]


class Leftovers:
    """Those that the listings of one folder met. To be filled by one thread at a time, in any order."""

    def __init__(self) -> None:
        self._met: set[tuple[bytes, bytes]] = set()

    def meet(self, parts: Sequence[bytes], name: bytes) -> None:
        """A name that may be ours in the directory at `parts`."""
        if len(self._met) < KEPT and (is_unfinished(name) or is_apart(name)):
            self._met.add((b"/".join(parts), name.removesuffix(PARTS_ENDING)))

    def sweep(self, root: Root, prefix: str, now_ns: int, *, remove: bool) -> Swept:
        """What lies below a prefix of the folder: removed where that is safe and `remove` says so. Blocks; what cannot
        be removed is left, without an error."""
        removed, left, apart = 0, [], []
        below = prefix.encode()
        for place, name in sorted(self._met):
            if not (place + b"/" if place else b"").startswith(below):
                continue
            with contextlib.suppress(OSError), root.directory(place.split(b"/") if place else []) as directory:
                if not any(system.stands(directory, each) for each in (name, name + PARTS_ENDING)):
                    continue
                at = root.shown(shown(place + b"/" + name if place else name))
                if is_apart(name):
                    apart.append((at, _written_from(directory, name)))
                elif remove and remove_left(directory, name, now_ns):
                    removed += 1
                else:
                    left.append(at)
        return Swept(removed, left, apart)


def _written_from(directory: int, apart: bytes) -> str:
    """The name of the file with which one that lies apart changed places; empty where it is gone."""
    names = map(os.fsencode, os.listdir(directory))
    return next((shown(name) for name in names if apart.startswith(temporary_name(name))), "")


def remove_left(directory: int, name: bytes, now_ns: int) -> bool:
    """Remove a file that nobody goes on with, and its list of parts, under its lock; whether it was. Whoever writes it
    anew in that moment finds it gone once he has the lock (`Unfinished`), and makes another."""
    parts = name + PARTS_ENDING
    try:
        descriptor = os.open(name, os.O_RDWR | system.AS_IT_STANDS, dir_fd=directory)
    except FileNotFoundError:
        # Its list alone is left, by a run that was killed just after it gave the file its name: nobody goes on with it.
        if not is_ours(os.stat(parts, dir_fd=directory, follow_symlinks=False), directory):
            return False
        system.unlink(directory, parts)
        return True
    except OSError:  # a link, or what may not be read
        return False
    try:
        status = os.fstat(descriptor)
        is_old = now_ns - max(status.st_mtime_ns, status.st_ctime_ns) >= LEFT_FOR_NS
        if not is_old or lock(descriptor) is False:
            return False
        if not (is_ours(status, directory) or is_named_twice(status, directory, name)):
            return False
        if standing_under(directory, name, descriptor) is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            system.unlink(directory, parts)
        system.unlink(directory, name)
        return True
    finally:
        os.close(descriptor)
