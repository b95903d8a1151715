"""Memory for what passes through this machine: one pool a carrier, which is all that its parts ever take together."""

from __future__ import annotations

import asyncio
from collections import deque
from mmap import mmap

from engine.windows import pages

STEP_BYTES = 128 << 10
"""Buffers are of whole steps, so that they can be used again: a new one costs a page fault every 4 KiB."""

BESIDE_BYTES = 96 << 10
"""What its connection takes beside each buffer: what TLS and the loop hold of what is under way."""


class Buffers:
    """At most `limit` bytes are out at once with what goes beside them, first come first served; one that is longer by
    itself goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._out = 0
        self._idle: dict[int, list[mmap]] = {}
        self._idle_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[mmap]]] = deque()

    async def take(self, size: int) -> memoryview:
        """A buffer of `size` bytes, once there is room for it. What is in it is anybody's. Answer with `give`."""
        steps = -(-size // STEP_BYTES) * STEP_BYTES or STEP_BYTES
        if not self._waiting and self._fits(steps):
            return memoryview(self._taken(steps))[:size]
        ready: asyncio.Future[mmap] = asyncio.get_running_loop().create_future()
        self._waiting.append((steps, ready))
        try:
            return memoryview(await ready)[:size]
        except BaseException:
            if ready.done() and not ready.cancelled():
                self._out -= steps + BESIDE_BYTES  # it came just then
            self._serve()
            raise

    def give(self, buffer: memoryview) -> None:
        """Give a buffer back: it is not to be touched any more."""
        whole = buffer.obj
        assert isinstance(whole, mmap)
        if self._waiting and self._waiting[0][0] == len(whole) and not self._waiting[0][1].done():
            self._waiting.popleft()[1].set_result(whole)
            return
        self._out -= len(whole) + BESIDE_BYTES
        self._idle.setdefault(len(whole), []).append(whole)
        self._idle_bytes += len(whole)
        self._serve()
        self._trim()

    def _fits(self, size: int) -> bool:
        return self._out == 0 or self._out + size + BESIDE_BYTES <= self._limit

    def _taken(self, size: int) -> mmap:
        """An idle one of this very length, or a new one."""
        self._out += size + BESIDE_BYTES
        idle = self._idle.get(size)
        if idle:
            self._idle_bytes -= size
            return idle.pop()
        self._trim()
        return pages(size)

    def _trim(self) -> None:
        """What lies idle and what is out are no more than the limit together."""
        while self._idle_bytes and self._out + self._idle_bytes > self._limit:
            size, idle = next(iter(self._idle.items()))
            if idle:
                idle.pop()
                self._idle_bytes -= size
            if not idle:
                del self._idle[size]

    def _serve(self) -> None:
        while self._waiting:
            size, ready = self._waiting[0]
            if not ready.done():
                if not self._fits(size):
                    return
                ready.set_result(self._taken(size))
            self._waiting.popleft()
