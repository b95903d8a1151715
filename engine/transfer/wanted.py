"""What S3 says of an object's bytes that those which came can be compared with. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from engine.crc import PARAMETERS
from engine.model import Checksum, ObjectHead, Value
from engine.plan.integrity import is_md5, is_plain, joined_checksum, multipart_etag, parts_of, same_etag
from engine.plan.parts import Layout, OwnParts


class Wanted(Value, frozen=True):
    """What the bytes of an object are compared with: `algorithm` by which they are hashed, and what S3 says of them: a
    checksum of the whole, or an ETag (of the whole, or of `parts`). No `algorithm`: it says nothing."""

    algorithm: str
    checksum: Checksum | None = None
    etag: str = ""
    parts: OwnParts | None = None

    @property
    def layout(self) -> Layout | None:
        return self.parts.layout if self.parts is not None else None

    @property
    def known(self) -> str:
        """The checksum of the whole, as the ledger keeps it; empty where there is none."""
        return str(self.checksum) if self.checksum is not None else ""


def wanted_of(head: ObjectHead, size: int) -> Wanted:
    """By the whole object's CRC where S3 keeps one; else by its ETag where that is an MD5 of all of it, or of one part.
    None of these: by nothing, unless its parts can be found out."""
    for item in head.checksums:
        if item.type == "FULL_OBJECT" and item.value and item.algorithm in PARAMETERS:
            return Wanted(item.algorithm, checksum=item)
    if not size:
        return Wanted("MD5")  # another empty one is the same, whatever its ETag
    if not is_md5(head.properties.encryption):
        return Wanted("")
    if is_plain(head.etag):
        return Wanted("MD5", etag=head.etag)
    if parts_of(head.etag) == 1:
        return Wanted("MD5", etag=head.etag, parts=OwnParts(Layout(size, part_bytes=size), 1))
    return Wanted("")


def agrees(wanted: Wanted, layout: Layout, sums: Sequence[str]) -> bool:
    """Whether what was summed, part by part and base64, is what S3 says."""
    if wanted.checksum is not None and len(sums) == 1:
        return sums[0] == wanted.checksum.value
    if wanted.checksum is None:
        etags = [base64.b64decode(item).hex() for item in sums]
        return same_etag(etags[0] if is_plain(wanted.etag) else multipart_etag(etags), wanted.etag)
    pieces = [(part.size, item) for part, item in zip(layout, sums, strict=True)]
    return joined_checksum(wanted.algorithm, pieces) == wanted.checksum


def named(wanted: Wanted) -> str:
    """What a proof rests on, in a few words."""
    if wanted.checksum is not None:
        return f"{wanted.algorithm} full object"
    if not wanted.etag:
        return "no bytes"
    return "etag of parts" if parts_of(wanted.etag) else "etag"
