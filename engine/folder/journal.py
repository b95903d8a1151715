"""Which parts of an unfinished file lie on the disk: a small text file beside it, one line a part.

The first line says what is being written (`pin`: the source's version and whatever else the parts depend on), each
other one names a part, where it lies, and its digest. A part is listed once its bytes are synced; and none is trusted
for being listed: whoever goes on hashes what lies there (`engine.folder.publishing`). A journal of another pin, or one
that is damaged, is worth nothing, and the file is begun anew.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import NamedTuple

import xxhash

from engine.folder import system
from engine.folder.ours import is_ours

_LINE = re.compile(rb"([0-9]{1,6}) ([0-9]{1,16}) ([0-9]{1,16}) ([0-9A-Za-z+/=]{1,128})").fullmatch
LONGEST = 4 << 20
"""Bytes of a journal that are read: 10,000 parts take one."""


class Part(NamedTuple):
    """A part of a file: its number, its place, and the checksum of its bytes as `engine.checksums` spells it."""

    number: int
    offset: int
    length: int
    checksum: str


def header_of(pin: str, size: int) -> bytes:
    """The first line of a journal."""
    return f"cartage-parts-1 {xxhash.xxh3_128_hexdigest(pin.encode('utf-8', 'surrogatepass'))} {size}\n".encode()


class Listed(NamedTuple):
    """What a journal lists, and where in it the last whole line ends: 0 where there is none of this file's."""

    parts: list[Part]
    end: int


NOTHING = Listed([], 0)


def read_parts(directory: int, name: bytes, header: bytes, size: int) -> Listed:
    """The parts that a journal lists; none where there is no journal, or one of something else. A line that a crash cut
    short ends it."""
    try:
        descriptor = os.open(name, os.O_RDONLY | system.AS_IT_STANDS, dir_fd=directory)
    except OSError:
        return NOTHING
    try:
        data = os.pread(descriptor, LONGEST, 0) if is_ours(os.fstat(descriptor), directory) else b""
    finally:
        os.close(descriptor)
    if not data.startswith(header):
        return NOTHING
    parts: dict[int, Part] = {}
    end = len(header)
    *lines, _ = data[end:].split(b"\n")
    for line in lines:
        if (found := _LINE(line)) is None:
            break
        part = Part(int(found[1]), int(found[2]), int(found[3]), found[4].decode())
        if part.offset + part.length > size:
            break
        parts[part.number] = part
        end += len(line) + 1
    return Listed([parts[number] for number in sorted(parts)], end)


class Journal:
    """The list of parts of one unfinished file, for writing. Not for several threads at once."""

    def __init__(self, directory: int, name: bytes, header: bytes, end: int, *, durable: bool) -> None:
        """Gone on with after its `end`, so that no crash loses what it lists; begun anew where that is 0. Of a part
        that is listed twice the last line counts."""
        self._durable = durable
        self._end = end
        if end:
            self._descriptor = os.open(name, os.O_RDWR | system.AS_IT_STANDS, dir_fd=directory)
            system.cut(self._descriptor, end)
            return
        with contextlib.suppress(FileNotFoundError):
            system.unlink(directory, name)
        self._descriptor = system.create(directory, name)
        self._append(header)

    def add(self, part: Part) -> None:
        """List a part, whose bytes are synced."""
        self._append(f"{part.number} {part.offset} {part.length} {part.checksum}\n".encode())

    def _append(self, data: bytes) -> None:
        system.write(self._descriptor, data, self._end)
        self._end += len(data)
        if self._durable:
            system.sync_data(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)
