"""How a server-side copy takes an object, and what that will cost: by its size, its ETag and what is listed. Pure."""

from __future__ import annotations

from enum import StrEnum

from engine.model import ListedObject
from engine.plan.integrity import parts_of
from engine.plan.parts import MAX_COPY_BYTES, fast_layout


class Method(StrEnum):
    """How an object is copied; the value is what the ledger records."""

    COPY = "copy"  # one CopyObject; a plain ETag proves itself
    COPY_CHECKED = "copy+checksum"  # one CopyObject, and a full-object checksum in place of the ETag
    OWN_PARTS = "parts of the source"  # so that the ETag must come out equal
    TAGS = "tags"  # set where they are; nothing is copied
    FAST_PARTS = "parts"  # sized for speed, proven by a full-object checksum where there is one


def method_for(source: ListedObject) -> Method:
    """Choose by size, form of ETag and what the listing says of checksums (docs/design.md, "How one object is
    copied")."""
    if ("-" not in source.etag and source.size <= MAX_COPY_BYTES) or not source.size:
        return Method.COPY
    if needs_own_parts(source):
        return Method.OWN_PARTS
    if source.size > MAX_COPY_BYTES:
        return Method.FAST_PARTS
    return Method.COPY_CHECKED if parts_of(source.etag) else Method.COPY


def needs_own_parts(source: ListedObject) -> bool:
    """Whether it was made of parts, and has nothing but its ETag to prove a copy by: none of the whole is listed. Of no
    bytes there is nothing to prove, whatever they were uploaded in."""
    return source.size > 0 and parts_of(source.etag) > 0 and not source.checksum.endswith(":FULL_OBJECT")


def requests_for(source: ListedObject) -> tuple[int, int]:
    """How many write and read requests copying this object takes, as far as a listing can tell."""
    method = method_for(source)
    if method is Method.COPY:
        return 1, 0
    if method is Method.COPY_CHECKED:
        return 1, 1
    if method is Method.FAST_PARTS:
        return fast_layout(max(source.size, 1)).count + 2, 2
    return parts_of(source.etag) + 2, 4
