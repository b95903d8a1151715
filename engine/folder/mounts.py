"""What of one folder is part of another since it is mounted there a second time (`mount --bind`, one disk at two
places): told by Linux' own list of mounts. Device and inode of what lies in it are the same by both names, and nothing
that can be asked of the directories above it leads from the one to the other.

Elsewhere there are no such mounts, or none that could be told: then nothing is found.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import NamedTuple

from engine.folder import system
from engine.folder.making import Identity

_ESCAPED = re.compile(rb"\\([0-7]{3})")


class _Place(NamedTuple):
    """A directory: where it is seen, and where it lies on which device's file system."""

    seen: bytes
    device: bytes
    lies: bytes


def shared(folder: str, other: str) -> set[Identity]:
    """Directories below `folder` that are part of `other`, or that `other` is part of. Blocks."""
    mounts = _told()
    found: set[Identity] = set()
    for path in _shared(mounts, os.fsencode(os.path.realpath(folder)), os.fsencode(os.path.realpath(other))):
        with suppress(OSError):  # it is hidden by another mount
            status = os.stat(path)  # noqa: PTH116  (bytes)
            found.add((status.st_dev, status.st_ino))
    return found


def below(folder: str) -> list[bytes]:
    """Where anything is mounted below a folder. Blocks."""
    real = os.fsencode(os.path.realpath(folder))
    return [mount.seen for mount in _told() if mount.seen != real and _below(mount.seen, real) is not None]


def is_mounted(directory: int, name: bytes) -> bool:
    """Whether another file is mounted over that name of a directory at a descriptor. Blocks; raises `OSError`."""
    if not hasattr(os, "O_PATH"):
        return False
    file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        return system.mount_of(file) != system.mount_of(directory)
    finally:
        os.close(file)


def _told() -> list[_Place]:
    """What the system says is mounted; nothing where it does not say."""
    try:
        return mounts_of(system.MOUNTS.read_bytes())
    except OSError:
        return []


def mounts_of(text: bytes) -> list[_Place]:
    """What is mounted, in the order in which it was."""
    rows = (line.split(b" ", 5) for line in text.splitlines())
    return [_Place(_plain(row[4]), row[2], _plain(row[3])) for row in rows if len(row) == 6]


def _plain(path: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), path)


def _shared(mounts: list[_Place], folder: bytes, other: bytes) -> set[bytes]:
    """The paths of such directories."""
    theirs = _places(mounts, other)
    found = set()
    for ours in _places(mounts, folder):
        for place in theirs:
            if ours.device != place.device:
                continue
            if _below(ours.lies, place.lies) is not None:
                found.add(ours.seen)
            elif (rest := _below(place.lies, ours.lies)) is not None:
                found.add(ours.seen + rest)
    return found - {folder}  # which is looked at before anything is done (`engine.folder.apart`)


def _places(mounts: list[_Place], folder: bytes) -> list[_Place]:
    """A folder, and all that is mounted in it."""
    places = [mount for mount in mounts if mount.seen != folder and _below(mount.seen, folder) is not None]
    under = [(mount, rest) for mount in mounts if (rest := _below(folder, mount.seen)) is not None]
    if under:  # of two at one place the later one is seen
        mount, rest = max(reversed(under), key=lambda item: len(item[0].seen))
        places.append(_Place(folder, mount.device, mount.lies.rstrip(b"/") + rest))
    return places


def _below(path: bytes, folder: bytes) -> bytes | None:
    """What of a path follows the folder's; None where it does not lie in it."""
    folder = folder.rstrip(b"/")
    if path.rstrip(b"/") == folder:
        return b""
    return path[len(folder) :] if path.startswith(folder + b"/") else None
