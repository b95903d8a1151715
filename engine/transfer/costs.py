"""What an object takes on its way, as far as a listing can tell: requests, and bytes through this machine. Pure."""

from __future__ import annotations

from typing import NamedTuple

from engine.model import ListedObject
from engine.plan.integrity import is_plain, parts_of
from engine.plan.parts import MAX_COPY_BYTES, SMALL_BYTES, WHOLE_BYTES, part_layout, range_bytes
from engine.plan.route import Route
from engine.transfer import methods


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
        return Cost(*methods.requests_for(source))
    return Cost(*_relayed(source), source.size, source.size)


def _in_place(source: ListedObject, route: Route) -> Cost:
    """A HEAD before and one after, its tags and its ACL; what has parts keeps them."""
    if route.sets_tags_alone:
        return Cost(1, 2)
    parts = parts_of(source.etag) if source.size else 0
    return Cost(parts + 2, 8) if parts else Cost(1, 4)


def _relayed(source: ListedObject) -> tuple[int, int]:
    """Of a source whose checksum is not listed it is taken that it has none but its ETag."""
    own = methods.needs_own_parts(source)
    if source.size <= SMALL_BYTES and not own:
        return 1, 1
    if own:  # whose bounds are asked for
        return parts_of(source.etag) + 2, parts_of(source.etag) + 3
    if is_plain(source.etag) and not source.checksum.endswith(":FULL_OBJECT") and source.size <= MAX_COPY_BYTES:
        return 1, 2
    count = part_layout(source.size).count
    return count + 2, count + 1
