"""Which objects take longest: a few of them, told as they are found."""

from __future__ import annotations

from heapq import heappush, heappushpop

from engine.events import Listener, ObjectTook

SHOWN = 20
BRIEF_S = 0.5
"""What takes no longer is not worth telling."""


class Slowest:
    """The slowest so far. `least_s` is what an object has to exceed to be one of them, in seconds: who asks that first
    pays next to nothing for the others."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._took_s: list[float] = []
        self.least_s = BRIEF_S

    def add(self, route: str, key: str, size: int, took_s: float) -> None:
        """Tell of one that took more than `least_s`; `size` is bytes."""
        if len(self._took_s) < SHOWN:
            heappush(self._took_s, took_s)
        else:
            heappushpop(self._took_s, took_s)
            self.least_s = self._took_s[0]
        self._listener(ObjectTook(route, key, size, round(took_s * 1000)))
