"""What the fake store holds: objects, and uploads under way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from engine import crc
from engine.model import Checksum, ObjectRef, Properties, UploadedPart
from engine.store import CreateUpload

START_S = 1_767_323_045


def md5(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def ref_of(location: str) -> ObjectRef:
    """The object at "s3://bucket/key"."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return ObjectRef(bucket, key)


@dataclass
class Held:
    """One object. `parts` are (ETag, size) of the parts it was made of, empty for one made in one piece; `body` is
    None where only its size is known, and is then read as zeros."""

    size: int
    etag: str
    properties: Properties = field(default_factory=Properties)
    parts: tuple[tuple[str, int], ...] = ()
    checksums: tuple[Checksum, ...] = ()
    body: bytes | None = None
    modified: str = ""
    restore: str = ""

    def read(self, first: int, last: int) -> bytes:
        """The bytes from `first` to `last`, both included."""
        return bytes(last - first + 1) if self.body is None else self.body[first : last + 1]


def checksum_of(algorithm: str, held: Held) -> Checksum:
    """The checksum of the whole object; of its ETag where nobody knows its bytes."""
    body = held.etag.encode() if held.body is None else held.body
    return Checksum(algorithm, "FULL_OBJECT", crc.to_base64(algorithm, crc.crc(algorithm, body)))


@dataclass
class Open:
    """One upload under way. `bodies` has the parts whose bytes are known."""

    request: CreateUpload
    modified: str
    parts: dict[int, UploadedPart] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
