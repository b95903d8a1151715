"""A file's version: what stands for an ETag, and for LastModified. Pure, but for `know_inodes`.

The version is size, mtime and ctime in nanoseconds, and inode; a symbolic link's says that it is one, so that no file
is ever taken for it. It tells a file from what it was before, and says nothing of its bytes: an `OpaqueEtag`. Where a
file system numbers its files anew each time that it is mounted the inode is 0: else all would seem changed afterwards.

Two writes within one tick of the file system's clock leave the same times. So what was written within its last tick
(`is_young`) may change once more and look unchanged: its version then bears the moment of the look, which no later look
repeats. Whoever compares versions finds it changed the next time and looks at it again; whoever acts upon a version
(`same`) leaves the moment aside. Only a file that is being written all the time, or one on a file system that counts
whole seconds, is ever met so: a look waits for one tick before it judges (`engine.folder.walking`).
"""

from __future__ import annotations

import os
import stat
import time
from functools import lru_cache

from engine.model import OpaqueEtag

TICK_NS = 20_000_000
"""Twice the coarsest tick of Linux (CONFIG_HZ=100). Newer kernels stamp more finely once a file has been looked at."""

COARSE_NS = 2_000_000_000
"""FAT counts in two seconds, HFS+ and ext3 in one: so do those of whose times no fraction of a second is seen."""

AHEAD_NS = 86_400_000_000_000
"""A day: by so much at most the clock that stamps files, a server's perhaps, is taken to be ahead of this machine's.
What is dated later was not written now."""

_SECOND = 1_000_000_000
_FIRST_SECOND = -62_135_596_800  # 0001-01-01T00:00:00
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59

_unnumbered: set[int] = set()


def know_inodes(device: int, *, last: bool) -> None:
    """From now on versions of files on this device have their inode only where it lasts."""
    (_unnumbered.discard if last else _unnumbered.add)(device)


def inode_of(status: os.stat_result) -> int:
    """A file's inode, or 0 where it is left out."""
    return 0 if status.st_dev in _unnumbered else status.st_ino


def version_of(status: os.stat_result) -> OpaqueEtag:
    """The version of a file. That of a directory, which is a marker and holds no bytes, is its inode alone."""
    inode = inode_of(status)
    if stat.S_ISDIR(status.st_mode):
        return OpaqueEtag(f"directory-{inode}")
    kind = "link" if stat.S_ISLNK(status.st_mode) else ""
    return OpaqueEtag(f"{kind}{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{inode}")


def is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two looks at a file find one version of it."""
    return (one.st_ctime_ns, one.st_mtime_ns, one.st_size, one.st_ino) == (
        other.st_ctime_ns,
        other.st_mtime_ns,
        other.st_size,
        other.st_ino,
    )


def version_at(status: os.stat_result, now_ns: int) -> OpaqueEtag:
    """The version of a file that was looked at at `now_ns`: of a young one it bears the moment."""
    version = version_of(status)
    return OpaqueEtag(f"{version}-young-{now_ns}") if is_young(status, now_ns) else version


def is_young(status: os.stat_result, now_ns: int) -> bool:
    """Whether one more write could leave the times as they are. A write sets both, mtime to now: where that was set to
    another time, as is done to a file that was downloaded, it is seen; so it is where either lies far ahead, as in a
    file from a machine whose clock was wrong."""
    if stat.S_ISDIR(status.st_mode):
        return False
    mtime, ctime = status.st_mtime_ns, status.st_ctime_ns
    tick = TICK_NS if mtime % _SECOND or ctime % _SECOND else COARSE_NS
    return -AHEAD_NS < now_ns - ctime < tick and -AHEAD_NS < now_ns - mtime < tick


def same(one: str, other: str) -> bool:
    """Whether two versions are of one state of a file, whenever it was looked at."""
    return one.partition("-young-")[0] == other.partition("-young-")[0]


def moment_of(time_ns: int) -> str:
    """A time as S3 writes it, in milliseconds: "2026-01-31T10:00:00.000Z"."""
    second, fraction = divmod(time_ns, _SECOND)
    return f"{_second(second)}.{fraction // 1_000_000:03d}Z"


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    # A file may bear any time; the form has four digits for the year.
    year, month, day, hour, minute, at = time.gmtime(min(max(second, _FIRST_SECOND), _LAST_SECOND))[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{at:02d}"
