"""How a server-side copy takes an object, and what any carrier takes for one: requests, and bytes through this machine.
By its size, its ETag and what is listed. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from engine.model import ListedObject
from engine.plan.integrity import is_plain, parts_of
from engine.plan.parts import MAX_COPY_BYTES, SMALL_BYTES, WHOLE_BYTES, fast_layout, part_layout, range_bytes
from engine.plan.route import Route


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


class Cost(NamedTuple):
    """Write and read requests; bytes that come to this machine from another, and that go from it to another."""

    writes: int
    reads: int
    in_bytes: int = 0
    out_bytes: int = 0


def cost_of(source: ListedObject, route: Route, *, copies: bool) -> Cost:
    """What carrying this object takes; `copies`: the server does it by itself."""
    if route.in_place:
        return _in_place(source, route)
    if route.stays_here:
        return Cost(0, 0)
    if route.source.is_local:
        return Cost(1 if source.size <= SMALL_BYTES else part_layout(source.size).count + 2, 0, 0, source.size)
    if route.target.is_local:
        ranges = 1 if source.size <= WHOLE_BYTES else 1 + -(-source.size // range_bytes(source.size))
        return Cost(0, ranges, source.size, 0)
    if copies:
        return _copied(source)
    writes, reads = _relayed(source)
    return Cost(writes, reads + route.reads_tags, source.size, source.size)


def _copied(source: ListedObject) -> Cost:
    """By the server itself."""
    method = method_for(source)
    if method is Method.COPY:
        return Cost(1, 0)
    if method is Method.COPY_CHECKED:
        return Cost(1, 1)
    if method is Method.FAST_PARTS:
        return Cost(fast_layout(max(source.size, 1)).count + 2, 2)
    return Cost(parts_of(source.etag) + 2, 4)


def _in_place(source: ListedObject, route: Route) -> Cost:
    """A HEAD before and one after, its tags and its ACL; what has parts keeps them."""
    if route.sets_tags_alone:
        return Cost(1, 2)
    parts = parts_of(source.etag) if source.size else 0
    return Cost(parts + 2, 8) if parts else Cost(1, 4)


def _relayed(source: ListedObject) -> tuple[int, int]:
    """But for its tags. Of a source whose checksum is not listed it is taken that it has none but its ETag."""
    own = needs_own_parts(source)
    if source.size <= SMALL_BYTES and not own:
        return 1, 1
    if own:  # whose bounds are asked for
        return parts_of(source.etag) + 2, parts_of(source.etag) + 3
    if is_plain(source.etag) and not source.checksum.endswith(":FULL_OBJECT") and source.size <= MAX_COPY_BYTES:
        return 1, 2
    count = part_layout(source.size).count
    return count + 2, count + 1
