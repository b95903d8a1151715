"""A compressed file's bytes as they are meant, for whoever looks for old paths in them. Pure."""

from __future__ import annotations

import gzip
import io
import zlib

_MAGICS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_GZIP = frozenset({"gzip", "x-gzip"})
_PLAIN = frozenset({"", "identity", "aws-chunked"})


class Unreadable(Exception):
    """A compressed file that cannot be looked into, and why."""


def packing_of(body: bytes) -> str:
    """How a file is compressed, by its first bytes; empty where they tell of nothing."""
    return next((name for magic, name in _MAGICS if body.startswith(magic)), "")


def packing_said(content_encoding: str) -> str:
    """How an object is compressed, by its Content-Encoding; empty where that speaks of no compression."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    return ", ".join(name for name in names if name not in _PLAIN)


def unpacked(body: bytes, packing: str, longest: int) -> bytes:
    """The bytes inside. Raises `Unreadable` for what is not gzip, is damaged, or is longer than `longest`."""
    if packing not in _GZIP:
        raise Unreadable(f"compressed ({packing}), and not to be looked into")
    try:
        inside = gzip.GzipFile(fileobj=io.BytesIO(body)).read(longest + 1)
    except (OSError, EOFError, zlib.error):
        raise Unreadable(f"compressed ({packing}), and damaged") from None
    if len(inside) > longest:
        raise Unreadable(f"longer than {longest >> 20} MiB once it is unpacked")
    if packing_of(inside):
        raise Unreadable("compressed more than once, and not to be looked into")
    return inside
