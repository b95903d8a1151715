"""The names of one directory in the order of keys, however many there are.

A directory is read once, as the system gives it, in no order. Up to `NAMES_HELD` names are sorted in memory; of more,
each such lot is sorted and written to an unnamed temporary file, and the lots are merged as they are asked for. Names
are bytes; a directory's ends with `/`, which is what its keys have there, so that the order of names is that of the
keys below them (`a.txt` lies between a file `a` and what is in a directory `a`).
"""

from __future__ import annotations

import errno
import heapq
import os
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from engine.errors import Unwritable
from engine.folder.names import is_unfinished
from engine.folder.system import write
from engine.plan.own import MARK

NAMES_HELD = 50_000
"""Names in memory at once, for each directory on the way down to where a listing is: about 5 MB."""

BLOCK_BYTES = 32 << 10
"""Read of each lot at once: two hundred lots of a directory of ten million names take 6 MB."""

Keep = Callable[[bytes], bool]
"""Whether a name is of those that are asked for."""


class Scan(NamedTuple):
    """A directory's names that were asked for, in order, and whether there is nothing at all in it. The names are to be
    closed by whoever does not read them to their end."""

    names: Generator[bytes, None, None]
    is_empty: bool


def scan(
    directory: int,
    keep: Keep | None = None,
    *,
    follow: bool = False,
    meet: Callable[[bytes], None] | None = None,
    own: Collection[bytes] = (),
) -> Scan:
    """The names of the directory at a descriptor for which `keep` says so. `follow`: a link to a directory is one;
    `meet` hears of each name that may be of a file while it is written, which is none of them, or changes places. None
    is any of our `own`.

    Raises `OSError`, and `Unwritable` where there is no room to sort so many. What is added or removed meanwhile may be
    there or not."""
    held: list[bytes] = []
    lots: _Lots | None = None
    empty = True
    with os.scandir(directory) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if _is_directory(entry, follow):
                name += b"/"
            if entry.name.startswith(MARK):
                if meet is not None:
                    meet(name)
                if is_unfinished(name):
                    continue
            empty = False  # also of what holds our own alone: it cannot be removed as an empty one is
            if (own and name.rstrip(b"/") in own) or (keep is not None and not keep(name)):
                continue
            held.append(name)
            if len(held) >= NAMES_HELD:
                lots = lots or _Lots()
                lots.add(held)
                held = []
    if lots is None:
        held.sort()
        return Scan((name for name in held), empty)
    if held:
        lots.add(held)
    return Scan(lots.merged(), empty)


def _is_directory(entry: os.DirEntry[str], follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:  # a link that leads to itself
        return False


class _Lots:
    """Sorted lots of names in one temporary file, which has no name itself and goes with its last reader. Names hold no
    NUL, and so are parted by it."""

    def __init__(self) -> None:
        with _sorting():
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._spans: list[tuple[int, int]] = []
        self._end = 0

    def add(self, names: list[bytes]) -> None:
        names.sort()
        data = b"\0".join(names)
        try:
            with _sorting():
                write(self._file.fileno(), data, self._end)
        except Unwritable:
            self._file.close()
            raise
        self._spans.append((self._end, len(data)))
        self._end += len(data)

    def merged(self) -> Generator[bytes, None, None]:
        with self._file:
            yield from heapq.merge(*(self._read(start, length) for start, length in self._spans))

    def _read(self, start: int, length: int) -> Iterator[bytes]:
        descriptor = self._file.fileno()
        rest = b""
        end = start + length
        while start < end:
            data = os.pread(descriptor, min(BLOCK_BYTES, end - start), start)
            if not data:
                raise OSError("a temporary file was cut short while a directory's names were read back from it")
            start += len(data)
            *whole, rest = (rest + data).split(b"\0")
            yield from whole
        yield rest


@contextmanager
def _sorting() -> Iterator[None]:
    """What the system refuses of the temporary file is no fault of the directory whose names are sorted."""
    try:
        yield
    except OSError as error:
        at = tempfile.tempdir or os.environ.get("TMPDIR", "")
        raise Unwritable(
            f"the names of a large directory are sorted in the folder for temporary files, and {at or 'it'} cannot be "
            f"written: {error.strerror or error}",
            operation="ListObjectsV2",
            ref=at,
            code="DiskFull" if error.errno == errno.ENOSPC else errno.errorcode.get(error.errno or 0, "OSError"),
            advice="Make room there, or name another folder with the environment variable TMPDIR; "
            "then run the command again.",
        ) from error
