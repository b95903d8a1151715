"""The fingerprint of a tree: one figure for everything under a location, whatever order it is met in.

Each object gives one xxh3-128 over its relative key, its size and, where it is known and comparable, its digest; the
figure is the sum of these modulo 2^128. A sum does not depend on the order in which pages and ranges come; and unlike
XOR it does not cancel two equal members out. It finds accidents, not adversaries: whoever may choose keys and contents
can make two trees with one sum.

What is known and comparable of a listing is a plain ETag, the MD5 of the bytes; an ETag of parts depends on how the
object was uploaded, so that such an object counts with key and size alone. The line says how many had a digest: two
lines are of one tree only if they are equal to the last character.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import xxhash

from engine.plan.integrity import is_plain

_MODULUS = 1 << 128


class Basis(StrEnum):
    """What an object counts with besides its key and size."""

    SIZE = "size"  # nothing more
    ETAG = "etag"  # its MD5, where the ETag is one
    BYTES = "bytes"  # the xxh3-128 of its bytes, all of them read


_DIGESTS = {Basis.SIZE: "", Basis.ETAG: "md5", Basis.BYTES: "xxh3-128"}


@dataclass(slots=True)
class Fingerprint:
    """A sum under way. `digests` counts the objects that a digest was known of."""

    basis: Basis = Basis.ETAG
    figure: int = 0
    objects: int = 0
    bytes: int = 0
    digests: int = 0

    def add(self, key: str, size: int, digest: str = "") -> None:
        """Add one object by its relative key; `digest` in hex, empty where none is known."""
        self.figure = (self.figure + _member(key, size, _DIGESTS[self.basis] if digest else "", digest)) % _MODULUS
        self.objects += 1
        self.bytes += size
        self.digests += bool(digest)

    @property
    def line(self) -> str:
        """ "3f… objects=52994 bytes=26767102345 by=key+size+md5:52993": equal lines, equal trees."""
        name = _DIGESTS[self.basis]
        by = f"key+size+{name}:{self.digests}" if name and self.digests else "key+size"
        return f"{self.figure:032x} objects={self.objects} bytes={self.bytes} by={by}"


def digest_of_etag(etag: str) -> str:
    """What an ETag is worth in a fingerprint: itself where it has the form of an MD5, else nothing."""
    return etag.lower() if is_plain(etag) else ""


def _member(key: str, size: int, kind: str, digest: str) -> int:
    name = key.encode("utf-8", "surrogateescape")  # a local file's name may be any bytes
    return xxhash.xxh3_128_intdigest(b"%d:%s %d %s=%s" % (len(name), name, size, kind.encode(), digest.encode()))
