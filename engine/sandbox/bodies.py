"""What objects hold, without holding it: a seed and a length stand for bytes that can be read at any place.

A `Stream` is one shared mebibyte block repeated, with 32 bytes at the end of every mebibyte (and of the stream)
that depend on the seed and the place, so no two mebibytes of any two streams are equal. Content is a tuple of
segments, so that a multipart copy of ranges composes, and copies share it. Checksums come by algebra.

MD5 has no algebra. Up to one mebibyte it is computed; above, virtual content has a digest that depends on exactly
(seed, offset, length) of its segments: equal content has an equal ETag, and real bytes always have their true MD5.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from engine import crc

CELL_BYTES = 1 << 20
STAMP_BYTES = 32
_BLOCK_BYTES = 1 << 16
_SNAPSHOT_BYTES = 1 << 10

PIECE_BYTES = 1 << 18
"""How much of a body is made at once when it is sent."""


class Stream(NamedTuple):
    """Virtual bytes: `size` of them, that `seed` determines."""

    seed: int
    size: int


class Made(NamedTuple):
    """Virtual bytes that mean something: `size` of them, of which `make` gives those from one place up to another."""

    name: str
    size: int
    make: Callable[[int, int], bytes]


class Segment(NamedTuple):
    """`length` bytes of `source` from `offset` on."""

    source: Stream | Made | bytes
    offset: int
    length: int


Content = bytes | Stream | Made | tuple[Segment, ...]
"""What an object or part holds: real bytes, one whole stream, or segments in order."""

EMPTY = b""


@lru_cache(maxsize=1)
def _cell() -> bytes:
    """The shared mebibyte: begins like a PNG file, and reads as finite float32 throughout."""
    noise = bytearray(random.Random("cartage").randbytes(_BLOCK_BYTES))
    noise[3::4] = bytes(0x3C + (byte & 3) for byte in noise[3::4])
    noise[:8] = b"\x89PNG\r\n\x1a\n"
    return bytes(noise) * (CELL_BYTES // _BLOCK_BYTES)


def _stamp(seed: int, index: int) -> bytes:
    return hashlib.md5(b"%d/%d" % (seed, index), usedforsecurity=False).hexdigest().encode()


def _read_cell(stream: Stream, index: int, first: int, last: int) -> bytes:
    """Bytes `first` to `last` (exclusive) of the stream's mebibyte `index`."""
    length = min(CELL_BYTES, stream.size - index * CELL_BYTES)
    edge = max(0, length - STAMP_BYTES)
    body = _cell()[first : min(last, edge)] if first < edge else b""
    if last > edge:
        body += _stamp(stream.seed, index)[max(0, first - edge) : last - edge]
    return body


def _read_virtual(source: Stream | Made, first: int, last: int) -> Iterator[bytes]:
    if isinstance(source, Stream):
        yield from _read_stream(source, first, last)
    else:
        for position in range(first, last, PIECE_BYTES):
            yield source.make(position, min(position + PIECE_BYTES, last))


def _read_stream(stream: Stream, first: int, last: int) -> Iterator[bytes]:
    position = first
    while position < last:
        index, within = divmod(position, CELL_BYTES)
        stop = min(last - index * CELL_BYTES, CELL_BYTES, within + PIECE_BYTES)
        yield _read_cell(stream, index, within, stop)
        position = index * CELL_BYTES + stop


def size_of(content: Content) -> int:
    """The length of content in bytes."""
    if isinstance(content, bytes):
        return len(content)
    if isinstance(content, (Stream, Made)):
        return content.size
    return sum(segment.length for segment in content)


def segments_of(content: Content) -> tuple[Segment, ...]:
    """The same content as segments."""
    if isinstance(content, (bytes, Stream, Made)):
        size = size_of(content)
        return (Segment(content, 0, size),) if size else ()
    return content


def cut(content: Content, first: int, last: int) -> Content:
    """Bytes `first` to `last` (exclusive), sharing the content."""
    if first == 0 and last == size_of(content):
        return content
    if isinstance(content, bytes):
        return content[first:last]
    kept = []
    position = 0
    for segment in segments_of(content):
        start = max(first - position, 0)
        stop = min(last - position, segment.length)
        if start < stop:
            kept.append(Segment(segment.source, segment.offset + start, stop - start))
        position += segment.length
    return join([tuple(kept)])


def join(contents: list[Content]) -> Content:
    """Contents one after the other; neighbouring ranges of one virtual source become one again."""
    merged: list[Segment] = []
    for content in contents:
        for segment in segments_of(content):
            last = merged[-1] if merged else None
            if (
                last is not None
                and not isinstance(segment.source, bytes)
                and last.source == segment.source
                and last.offset + last.length == segment.offset
            ):
                merged[-1] = Segment(last.source, last.offset, last.length + segment.length)
            else:
                merged.append(segment)
    if len(merged) == 1:
        source, offset, length = merged[0]
        if offset == 0 and length == size_of(source):
            return source
    return tuple(merged) if merged else EMPTY


def read(content: Content, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """Bytes `first` to `last` (exclusive) in pieces of at most `PIECE_BYTES`."""
    stop_at = size_of(content) if last is None else last
    for source, offset, length in segments_of(cut(content, first, stop_at)):
        if not isinstance(source, bytes):
            yield from _read_virtual(source, offset, offset + length)
        else:
            for position in range(offset, offset + length, PIECE_BYTES):
                yield source[position : min(position + PIECE_BYTES, offset + length)]


def read_all(content: Content) -> bytes:
    """Every byte; for content known to be small."""
    return content if isinstance(content, bytes) else b"".join(read(content))


# --- digests --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _md5_snapshots() -> list[Any]:
    """MD5 of every whole number of KiB of the shared block, to be gone on from."""
    running = hashlib.md5(usedforsecurity=False)
    found = [running.copy()]
    cell = _cell()
    for start in range(0, CELL_BYTES, _SNAPSHOT_BYTES):
        running.update(cell[start : start + _SNAPSHOT_BYTES])
        found.append(running.copy())
    return found


def md5_of(content: Content) -> str:
    """The MD5 of content in hexadecimal, or above a mebibyte of virtual content what stands for it (see above)."""
    if isinstance(content, bytes):
        return hashlib.md5(content, usedforsecurity=False).hexdigest()
    if isinstance(content, Stream) and STAMP_BYTES <= content.size <= CELL_BYTES:
        return _md5_of_one_cell(content)
    segments = segments_of(content)
    real = all(isinstance(segment.source, bytes) for segment in segments)
    digest = hashlib.md5(usedforsecurity=False)
    if real or size_of(content) <= CELL_BYTES:
        for piece in read(content):
            digest.update(piece)
        return digest.hexdigest()
    for source, offset, length in segments:
        if isinstance(source, Stream):
            digest.update(b"virtual %d %d %d\n" % (source.seed, offset, length))
        elif isinstance(source, Made):
            digest.update(b"made %s %d %d\n" % (source.name.encode(), offset, length))
        else:
            digest.update(b"real " + hashlib.md5(source[offset : offset + length], usedforsecurity=False).digest())
    return digest.hexdigest()


@lru_cache(maxsize=1 << 16)
def _md5_of_one_cell(stream: Stream) -> str:
    edge = stream.size - STAMP_BYTES
    whole = edge // _SNAPSHOT_BYTES
    running = _md5_snapshots()[whole].copy()
    running.update(_cell()[whole * _SNAPSHOT_BYTES : edge] + _stamp(stream.seed, 0))
    found: str = running.hexdigest()
    return found


def multipart_etag(part_etags: list[str]) -> str:
    """The ETag of an object of parts: MD5 of the parts' binary MD5s, a dash, and their number."""
    digest = hashlib.md5(b"".join(bytes.fromhex(etag) for etag in part_etags), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(part_etags)}"


# --- checksums ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=3)
def _cell_prefixes(algorithm: str) -> list[int]:
    """The CRC of every beginning of one period of the shared block."""
    return crc.prefix_crcs(algorithm, _cell()[:_BLOCK_BYTES])


@lru_cache(maxsize=3)
def _cell_periods(algorithm: str) -> list[int]:
    """The CRC of 0, 1, … 16 periods of the shared block."""
    one = _cell_prefixes(algorithm)[_BLOCK_BYTES]
    found = [0]
    for _ in range(CELL_BYTES // _BLOCK_BYTES):
        found.append(crc.shift_fixed(algorithm, found[-1], _BLOCK_BYTES) ^ one)
    return found


@lru_cache(maxsize=1024)
def _shared_prefix(algorithm: str, length: int) -> int:
    """The CRC of the first `length` bytes of the shared mebibyte."""
    periods, rest = divmod(length, _BLOCK_BYTES)
    return crc.combine(algorithm, _cell_periods(algorithm)[periods], _cell_prefixes(algorithm)[rest], rest)


def _crc_of_cell(algorithm: str, stream: Stream, index: int, first: int, last: int) -> int:
    length = min(CELL_BYTES, stream.size - index * CELL_BYTES)
    edge = max(0, length - STAMP_BYTES)
    value = 0
    if first < edge:
        stop = min(last, edge)
        value = _shared_prefix(algorithm, stop)
        if first:
            value ^= crc.shift(algorithm, _shared_prefix(algorithm, first), stop - first)
    if last > edge:
        value = crc.crc(algorithm, _stamp(stream.seed, index)[max(0, first - edge) : last - edge], value)
    return value


@lru_cache(maxsize=1 << 14)
def _crc_of_stream(algorithm: str, stream: Stream, first: int, last: int) -> int:
    value = 0
    position = first
    while position < last:
        index, within = divmod(position, CELL_BYTES)
        stop = min(last - index * CELL_BYTES, CELL_BYTES)
        piece = _crc_of_cell(algorithm, stream, index, within, stop)
        if not value:  # nothing before it, as in most objects
            value = piece
        elif stop - within == CELL_BYTES:
            value = crc.shift_fixed(algorithm, value, CELL_BYTES) ^ piece
        else:
            value = crc.combine(algorithm, value, piece, stop - within)
        position = index * CELL_BYTES + stop
    return value


@lru_cache(maxsize=64)
def _crc_of_made(algorithm: str, source: Made, first: int, last: int) -> int:
    value = 0
    for piece in _read_virtual(source, first, last):
        value = crc.crc(algorithm, piece, value)
    return value


def crc_of(algorithm: str, content: Content) -> int:
    """The CRC of content: true for virtual content too."""
    value = 0
    for source, offset, length in segments_of(content):
        if isinstance(source, Stream):
            piece = _crc_of_stream(algorithm, source, offset, offset + length)
        elif isinstance(source, Made):
            piece = _crc_of_made(algorithm, source, offset, offset + length)
        else:
            piece = crc.crc(algorithm, memoryview(source)[offset : offset + length])
        value = crc.combine(algorithm, value, piece, length) if value else piece
    return value
