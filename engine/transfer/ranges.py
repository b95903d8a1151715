"""How many ranges of large objects are fetched at once, of all objects together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

LEAST, MOST = 8, 32
"""Each range takes two windows and a connection. Eight keep a processor busy where the network is quick, and with 32
what each has just received has left the processor's cache when its turn comes: 5 % more processor a byte. Where
the network is what is waited for, more of them bring more."""

BUSY = 0.8
"""A thread that ran, or stood in line for a processor, for this part of the time that a range took was busy, and had
no use for one more."""

_RAN = Path("/proc/thread-self/schedstat")


def busy_s() -> float:
    """How long this thread has run, and stood in line for a processor where others had it (proc(5): schedstat has both
    first, in nanoseconds); where the system does not say, how long this process has run. In seconds."""
    try:
        ran, stood, _ = _RAN.read_bytes().split()
    except (OSError, ValueError):
        return time.process_time()
    return (int(ran) + int(stood)) / 1e9


class Ranges:
    """So many as keep this process busy, from `LEAST` to `MOST`: one more after each that left it time to spare, and
    one less after each that did not. `busy` is the time that it was busy, `now` the clock's, in seconds."""

    def __init__(self, busy: Callable[[], float] = busy_s, now: Callable[[], float] = time.monotonic) -> None:
        self._busy = busy
        self._now = now
        self._free = asyncio.Semaphore(LEAST)
        self.at_once = LEAST

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """One range, in its turn."""
        await self._free.acquire()
        began, before = self._now(), self._busy()
        try:
            yield
        finally:
            was_busy = self._busy() - before >= BUSY * (self._now() - began)
            changed = -1 if was_busy else 1
            if not LEAST <= self.at_once + changed <= MOST:
                changed = 0
            self.at_once += changed
            for _ in range(1 + changed):
                self._free.release()
