"""A compressed file's bytes as they are meant, for whoever looks for old paths in them. Pure."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

_MAGICS = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"BZh[1-9]1AY&SY"), "bzip2"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz"),
    (re.compile(rb"PK\x03\x04"), "zip"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd"),
    (re.compile(rb"\x04\x22\x4d\x18"), "lz4"),
    (re.compile(rb"\xff\x06\x00\x00sNaPpY"), "snappy"),
    (re.compile(rb"\x1f\x9d"), "compress"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "7z"),
    (re.compile(rb"Rar!\x1a\x07"), "rar"),
)
_PLAIN = frozenset({"", "identity", "aws-chunked"})
XZ_MEMORY_BYTES = 128 << 20


class Unreadable(Exception):
    """A compressed file that cannot be looked into, and why."""


class Part(NamedTuple):
    """What a compressed file holds; `name` is empty but for one of several in an archive."""

    name: str
    body: bytes


def packing_of(body: bytes) -> str:
    """How a file is compressed, by its first bytes; empty where they tell of nothing."""
    return next((name for magic, name in _MAGICS if magic.match(body)), "")


def packing_said(content_encoding: str) -> str:
    """How an object is compressed, by its Content-Encoding; empty where that speaks of no compression."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    return ", ".join(name for name in names if name not in _PLAIN)


def unpacked(body: bytes, packing: str, longest: int) -> list[Part]:
    """What is inside. Raises `Unreadable` for what nothing here can undo, is damaged, or is longer than `longest`."""
    unpack = _UNPACKERS.get(packing)
    if unpack is None:
        raise Unreadable(f"compressed ({packing}), and not to be looked into")
    parts: list[Part] = []
    left = longest
    try:
        for part in unpack(body, longest):
            left -= len(part.body)
            if left < 0:
                raise Unreadable(f"longer than {longest >> 20} MiB once it is unpacked")
            if packing_of(part.body):
                raise Unreadable("compressed more than once, and not to be looked into")
            parts.append(part)
    except _damages():
        raise Unreadable(f"compressed ({packing}), and damaged") from None
    return parts


def _damages() -> tuple[type[Exception], ...]:
    """What the unpackers raise for bytes that somebody mangled; zipfile also what it means for others. Such bytes may
    ask for more memory than there is: a member of a zip by LZMA has four of them to say so, and zipfile no limit."""
    import lzma
    import zipfile

    of_zip = (zipfile.BadZipFile, NotImplementedError, LookupError, struct.error)
    return (OSError, EOFError, ValueError, MemoryError, zlib.error, lzma.LZMAError, *of_zip)


def _gzip(body: bytes, longest: int) -> Iterator[Part]:
    yield Part("", gzip.GzipFile(fileobj=io.BytesIO(body)).read(longest + 1))


def _bzip2(body: bytes, longest: int) -> Iterator[Part]:
    import bz2

    yield Part("", bz2.BZ2File(io.BytesIO(body)).read(longest + 1))


def _xz(body: bytes, longest: int) -> Iterator[Part]:
    """One stream after another, as `xz` writes and `cat` joins them; what would take more memory counts as damaged."""
    import lzma

    found = b""
    while body and len(found) <= longest:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)
        found += stream.decompress(body, longest + 1 - len(found))
        if not stream.eof and len(found) <= longest:
            raise EOFError
        body = stream.unused_data.lstrip(b"\0")
    yield Part("", found)


def _zip(body: bytes, longest: int) -> Iterator[Part]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for item in archive.infolist():
            if item.is_dir():
                continue
            try:
                with archive.open(item) as file:
                    yield Part(item.filename, file.read(longest + 1))
            except (RuntimeError, NotImplementedError):  # a password, or a method of compression
                raise Unreadable(f"compressed (zip), and {item.filename} in it is not to be looked into") from None


_UNPACKERS: dict[str, Callable[[bytes, int], Iterator[Part]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zip": _zip,
}
