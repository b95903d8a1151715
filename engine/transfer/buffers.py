"""Memory for what passes through this machine: one pool a carrier, which is all that its parts ever take together."""

from __future__ import annotations

import asyncio
from collections import deque

from engine.model import MIB

KEPT_FROM = MIB
"""A buffer at least this long is kept for the next part: a new one costs a page fault every 4 KiB."""


class Buffers:
    """At most `limit` bytes are out at once, first come first served; one that is longer by itself goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._out = 0
        self._idle: list[bytearray] = []
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> memoryview:
        """A buffer of `size` bytes, once there is room for it. What is in it is anybody's. Answer with `give`."""
        if self._waiting or not self._fits(size):
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, ready))
            try:
                await ready
            except BaseException:
                if ready.done() and not ready.cancelled():
                    self._out -= size  # it came just then
                self._serve()
                raise
        else:
            self._out += size
        return memoryview(self._reused(size) or bytearray(size))[:size]

    def give(self, buffer: memoryview) -> None:
        """Give a buffer back: it is not to be touched any more."""
        self._out -= len(buffer)
        whole = buffer.obj
        if isinstance(whole, bytearray) and len(whole) >= KEPT_FROM:
            self._idle.append(whole)
        self._serve()
        while self._idle and self._out + sum(map(len, self._idle)) > self._limit:
            self._idle.pop(0)

    def _fits(self, size: int) -> bool:
        return self._out == 0 or self._out + size <= self._limit

    def _reused(self, size: int) -> bytearray | None:
        """An idle one that is long enough, and not so long that most of it would lie waste."""
        for place, idle in enumerate(self._idle):
            if size <= len(idle) <= 2 * size:
                return self._idle.pop(place)
        while self._idle and self._out + sum(map(len, self._idle)) > self._limit:
            self._idle.pop(0)
        return None

    def _serve(self) -> None:
        while self._waiting:
            size, ready = self._waiting[0]
            if not ready.done():
                if not self._fits(size):
                    return
                self._out += size
                ready.set_result(None)
            self._waiting.popleft()
