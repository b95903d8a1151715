"""How bytes that do not lie in memory are handed on: window after window, into a sink or out of a source."""

from __future__ import annotations

from mmap import ACCESS_COPY, mmap
from typing import Protocol

WINDOW_BYTES = 256 << 10
"""The most bytes that a sink or a source is handed at a time. They stay in the processor's cache while they are
hashed and written; windows of 8 MiB do not."""


def pages(size: int) -> mmap:
    """New memory of `size` bytes (one at least) that begins where a page does. What Python takes for a bytearray begins
    16 bytes behind that, and the system needs longer to copy to and from there: of a large file that is sent 6 to 9 %
    of all processor time."""
    return mmap(-1, size, access=ACCESS_COPY)


def memory(size: int) -> memoryview:
    """`size` bytes of new memory, as `pages`."""
    return memoryview(pages(max(1, size)))[:size]


class Sink(Protocol):
    """Where the bytes of a GetRange go, window after window, in order.

    Every attempt begins with `restart`, the first one too. The window is the sink's until `write` returns; then it is
    filled anew, unless it lies in the sink's `room`, where a body of that very length may be put. None is empty.
    `room` gives the same each time, and is not asked for before the first byte has come.
    `write_now` writes one that waits for nothing, before it returns; False: nothing was done, and `write` is due. Both
    are called one at a time. What they raise (a full disk) ends the request, and reaches the caller as it is."""

    def restart(self) -> None: ...
    def room(self) -> memoryview | None: ...
    def write_now(self, window: memoryview) -> bool: ...
    async def write(self, window: memoryview) -> None: ...


class Source(Protocol):
    """Where the body of an upload comes from, window after window, in order. `length` is all of it, in bytes.

    Every attempt begins with `restart`; for a request that is signed with its body's hash it is read twice. A window
    stays as it is until the next `read`, or until the request has ended. What `read` raises ends the request, and
    reaches the caller as it is; one that gives other than `length` bytes in all is `Rejected` (code `ShortSource`)."""

    @property
    def length(self) -> int: ...
    def restart(self) -> None: ...
    async def read(self) -> memoryview: ...
