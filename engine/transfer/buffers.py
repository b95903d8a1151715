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


class Room:
    """A context manager: room for one buffer, and the buffer itself once it is asked for. What has been requested and
    does not come yet needs none, so that few are in use, by turns, and lie in the processor's cache still."""

    __slots__ = ("_buffers", "_memory", "_view", "size", "steps")

    def __init__(self, buffers: Buffers, size: int, steps: int) -> None:
        self._buffers = buffers
        self._memory: mmap | None = None
        self._view: memoryview
        self.size, self.steps = size, steps

    def buffer(self) -> memoryview:
        """`size` bytes, the same ones each time. What is in it at first is anybody's."""
        if self._memory is None:
            self._memory = self._buffers.memory(self.steps)
            self._view = memoryview(self._memory)[: self.size]
        return self._view

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *raised: object) -> None:
        """All of it is given back: the buffer is not to be touched any more."""
        memory, self._memory = self._memory, None
        self._buffers.leave(self.steps, memory)


class Buffers:
    """Room for at most `limit` bytes at once with what goes beside them, first come first served; a buffer that is
    longer by itself goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._out = 0  # that there is room for, with what goes beside it
        self._beside = 0
        self._made_bytes = 0  # of buffers, in use or idle
        self._idle: dict[int, list[mmap]] = {}
        self._idle_bytes = 0
        self._waiting: deque[tuple[Room, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> Room:
        """Room for `size` bytes, once there is any, to be used as a context manager."""
        steps = -(-size // STEP_BYTES) * STEP_BYTES or STEP_BYTES
        room = Room(self, size, steps)
        if not self._waiting and self._fits(steps):
            self._enter(steps)
            return room
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((room, ready))
        try:
            await ready
        except BaseException:
            if ready.done() and not ready.cancelled():
                self.leave(steps, None)  # it came just then
            else:
                self._serve()
            raise
        return room

    def memory(self, steps: int) -> mmap:
        """An idle buffer of this very length, the one that was used last; or a new one."""
        idle = self._idle.get(steps)
        if idle:
            self._idle_bytes -= steps
            return idle.pop()
        self._made_bytes += steps
        self._trim()
        return pages(steps)

    def leave(self, steps: int, memory: mmap | None) -> None:
        """Somebody's room is free again, and with it his buffer, if he had one."""
        if memory is not None:
            self._idle.setdefault(steps, []).append(memory)
            self._idle_bytes += steps
        if self._waiting and self._waiting[0][0].steps == steps and not self._waiting[0][1].done():
            self._waiting.popleft()[1].set_result(None)  # the next in line wants as much
            return
        self._out -= steps + BESIDE_BYTES
        self._beside -= BESIDE_BYTES
        self._serve()
        self._trim()

    def _fits(self, steps: int) -> bool:
        return self._out == 0 or self._out + steps + BESIDE_BYTES <= self._limit

    def _enter(self, steps: int) -> None:
        self._out += steps + BESIDE_BYTES
        self._beside += BESIDE_BYTES

    def _trim(self) -> None:
        """Idle buffers go as long as all that was made is more than the limit."""
        while self._idle_bytes and self._made_bytes + self._beside > self._limit:
            steps, idle = next(iter(self._idle.items()))
            if idle:
                idle.pop()
                self._idle_bytes -= steps
                self._made_bytes -= steps
            if not idle:
                del self._idle[steps]

    def _serve(self) -> None:
        while self._waiting:
            room, ready = self._waiting[0]
            if not ready.done():
                if not self._fits(room.steps):
                    return
                self._enter(room.steps)
                ready.set_result(None)
            self._waiting.popleft()
