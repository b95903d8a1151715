"""Whether what came is what was asked for, and all of it: ranges of bytes, pages of lists. Pure; both planes use it.

A cache or a gateway may answer another range than the one asked for, and say so; a server may say in its own way that a
list goes on. Who believed either would call wrong bytes proven, or a part the whole.
"""

from __future__ import annotations

import re

from engine.errors import Ambiguous, PreconditionFailed
from engine.model import Value
from engine.store import Body, GetRange

MOST_PAGES, ENDLESS = 1_000, "its list does not end"
"""Of the parts of an upload (10,000 at most), or of uploads under one key: who says more means harm."""
NO_WAY_ON = "it does not say that it is whole, and not how to go on"

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.ASCII).fullmatch


class Wanted(Value, frozen=True):
    """Which bytes of an answer's body were asked for: `length` after `skip`. `size` is the whole object's."""

    skip: int
    length: int
    size: int


def body_of(request: GetRange, status: int, content_range: str, etag: str, data: bytes) -> Body:
    """The bytes that `request` asked for, of an answer whose body came whole. `etag` is bare. Raises as `wanted_of`."""
    wanted = wanted_of(request, status, content_range, etag, len(data))
    return Body(data[wanted.skip : wanted.skip + wanted.length], etag, wanted.size)


def wanted_of(request: GetRange, status: int, content_range: str, etag: str, length: int) -> Wanted:
    """Where the bytes that `request` asked for are in an answer with a body of `length` bytes. `etag` is bare.

    A server may leave a range aside and give the whole object by a 200 (RFC 9110, 14.2), from which it is taken. Raises
    `Ambiguous` for any other bytes than those asked for, an object of another size than `request.size`, or a whole one
    without an ETag (a page of a gateway's, say), and `PreconditionFailed` for one of another ETag than
    `request.if_match`."""
    first, last = request.first, request.last
    if status == 206 and first is not None:
        said = _CONTENT_RANGE(content_range)
        if said is None:
            raise _wrong(request, f"a range comes without saying which ({content_range[:100]!r})")
        begin, end, size = map(int, said.groups())
        asked_last = size - 1 if last is None else min(last, size - 1)
        if (begin, end) != (first, asked_last) or length != end - begin + 1:
            raise _wrong(request, f"{length} bytes came as {content_range} where {first}-{asked_last} was asked for")
        wanted = Wanted(0, length, size)
    elif status == 200:
        if not etag:
            raise _wrong(request, "it bears no ETag, which every object has")
        if first is None:
            wanted = Wanted(0, length, length)
        elif first >= length:
            raise _wrong(request, f"all of its {length} bytes came where it was asked for from byte {first} on")
        else:
            wanted = Wanted(first, (length if last is None else min(length, last + 1)) - first, length)
    else:
        raise _wrong(request, f"status {status} came with a body")
    if request.size is not None and wanted.size != request.size:
        raise _wrong(request, f"it has {wanted.size} bytes where it had {request.size}")
    if request.if_match and etag and etag != request.if_match:
        unmet = f"a condition did not hold: it bears the ETag {etag}, and the server answered all the same"
        raise PreconditionFailed(unmet, operation="GetObject", ref=str(request.ref), condition="If-Match")
    return wanted


def range_length(content_range: str) -> int:
    """How many bytes a Content-Range speaks of; none where it cannot be read."""
    said = _CONTENT_RANGE(content_range)
    return int(said[2]) - int(said[1]) + 1 if said is not None else 0


def is_last(truncated: str | None) -> bool:
    """Whether a page says that nothing follows it: by IsTruncated "false" and by nothing else, neither another spelling
    nor silence. Who says anything else has to say how to go on."""
    return truncated == "false"


def _wrong(request: GetRange, why: str) -> Ambiguous:
    said = f"what came is not what was asked for: {why}"
    return Ambiguous(said, operation="GetObject", ref=str(request.ref), code="WrongRange")
