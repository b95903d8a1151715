"""What requests come to, counted for whoever watches: how many ended how, how long they took, what was sent again.

A `Meter` is written on the event loop and may be read from any thread: each figure is one number, and a reader copies
the tables that they are in. Nothing of it is there unless someone asked for it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from engine.decorator import Method, StoreDecorator
from engine.errors import StoreError, Throttled
from engine.store import Answered, Asked, ObjectStore

if TYPE_CHECKING:
    from engine.sites.site import Gauges

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Where the histogram's buckets end. S3 answers a small request in 20 to 100 ms; a part of 128 MiB takes seconds."""

OK = "ok"
OTHER = "other"
CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
Figures = dict[str, list[list[Any]]]

KEYS_KEPT = 400
"""A server chooses its words: once there are so many of site, operation and word, new ones are counted together."""


class Durations:
    """How many of one operation's requests took how long: `counts` by bucket, the last without an end."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0


class Meter:
    """Figures by site, operation and how it ended: `OK`, or S3's own word for what went wrong."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str], int] = {}
        self.retries: dict[tuple[str, str, str], int] = {}
        self.durations: dict[tuple[str, str], Durations] = {}
        self.throttled: dict[str, int] = {}
        self._open: list[tuple[str, Callable[[], Gauges]]] = []
        self._parts: dict[tuple[int, int], Figures] = {}

    @contextmanager
    def watching(self, site: str, gauges: Callable[[], Gauges]) -> Iterator[None]:
        """While a site is open, how its requests are paced."""
        opened = site, gauges
        self._open.append(opened)
        self.throttled.setdefault(site, 0)
        try:
            yield
        finally:
            self._open.remove(opened)

    def ended(self, site: str, operation: str, status: str, took_s: float) -> None:
        requests, key = self.requests, (site, operation, status)
        try:
            requests[key] += 1
        except KeyError:
            _count(requests, key)
        durations = self.durations.get((site, operation))
        if durations is None:
            durations = self.durations[site, operation] = Durations()
        durations.counts[bisect_left(BOUNDS_S, took_s)] += 1
        durations.sum_s += took_s

    def retried(self, site: str, error: StoreError) -> None:
        _count(self.retries, (site, error.operation, status_of(error)))

    def figures(self) -> Figures:
        """All of it as JSON has it, each row a key and its figure."""
        return {
            "requests": [[*key, count] for key, count in list(self.requests.items())],
            "retries": [[*key, count] for key, count in list(self.retries.items())],
            "throttled": [[site, count] for site, count in list(self.throttled.items())],
            "durations": [[*key, list(item.counts), item.sum_s] for key, item in list(self.durations.items())],
            "gauges": [[site, *gauges()] for site, gauges in list(self._open)],
        }

    def take(self, part: tuple[int, int], figures: Figures | None) -> None:
        """What another process has counted by now: its number in the run, and its process's."""
        if figures is not None:
            self._parts[part] = figures

    def part_ended(self, number: int) -> None:
        """That process has nothing in flight any more."""
        for part, figures in self._parts.items():
            if part[0] == number:
                figures["gauges"] = []

    def all_figures(self) -> list[Figures]:
        """This process's, and the others'."""
        return [self.figures(), *list(self._parts.values())]


def _count(counts: dict[tuple[str, str, str], int], key: tuple[str, str, str]) -> None:
    if key not in counts and len(counts) >= KEYS_KEPT:
        key = (*key[:2], OTHER)
    counts[key] = counts.get(key, 0) + 1


def status_of(error: StoreError) -> str:
    """S3's code, or the status where it gave none; what the error is, where nothing was answered. What is no code is
    none: a server may write anything there."""
    code = error.code or type(error).__name__
    return code if CODE.fullmatch(code) else OTHER


class MeasuredStore(StoreDecorator):
    """Counts each attempt, from its sending to the last byte of its answer. It belongs right around what sends, so that
    no waiting for a turn is in it."""

    def __init__(self, inner: ObjectStore, meter: Meter, site: str) -> None:
        super().__init__(inner)
        self._meter = meter
        self._site = site

    async def _call(self, method: Method[Asked, Answered], request: Asked) -> Answered:
        began_s = perf_counter()
        try:
            answer = await method(request)
        except StoreError as error:
            self._meter.ended(self._site, request.operation, status_of(error), perf_counter() - began_s)
            if isinstance(error, Throttled):
                self._meter.throttled[self._site] += 1
            raise
        self._meter.ended(self._site, request.operation, OK, perf_counter() - began_s)
        return answer
