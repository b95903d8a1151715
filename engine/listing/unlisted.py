"""What a listing met that lies there and cannot be an object, or to be looked at, however much of it there is.

All of it is counted; the first `NAMED` are kept by name, and of the rest the span of keys that it lies in: nothing is
concluded from the absence of a key in that span, nor of one below a key in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from engine.events import Listener, ObjectAside
from engine.model import Unlisted

NAMED = 10_000
"""Kept by name: about 3 MB."""


@dataclass(slots=True, eq=False)
class Reading:
    """One pass over a range of keys: what lies between `after` and `upto` it has counted."""

    after: str
    upto: str = ""


class UnlistedThings:
    """By relative key, of one side of a route or of one location. `takes` says which keys a route's patterns take:
    what they leave out is not counted, and hides what lies below it all the same. `tell` hears of each that counts at
    once, however many there are."""

    def __init__(
        self, takes: Callable[[str], bool] | None = None, tell: Listener | None = None, *, named: int = NAMED
    ) -> None:
        self._takes = takes
        self._tell = tell
        self._most = named
        self._named: dict[str, Unlisted] = {}
        self._first = self._last = ""
        self._readings: list[Reading] = []
        self.count = 0

    def reading(self, after: str | None) -> Reading:
        """A pass that begins after a key, for `add`. Two passes may overlap where a range was cut: what both meet is
        counted once."""
        reading = Reading(after or "")
        self._readings.append(reading)
        return reading

    def add(self, reading: Reading, items: Iterable[tuple[str, Unlisted]]) -> None:
        """What a page of a pass met, in its order."""
        for key, item in items:
            if key not in self._named and not any(
                other is not reading and other.after < key <= other.upto for other in self._readings
            ):
                self._keep(key, item)
            reading.upto = max(reading.upto, key)

    def meet(self, key: str, item: Unlisted) -> None:
        """One that no page met, and a look at its key did."""
        if not self._is_met(key):
            self._keep(key, item)

    def _keep(self, key: str, item: Unlisted) -> None:
        if self._counts(key):
            self.count += 1
            if self._tell is not None:
                self._tell(aside_of("", key, item))
        if len(self._named) < self._most:
            self._named[key] = item
        elif not self._last:
            self._first = self._last = key
        else:
            self._first, self._last = min(self._first, key), max(self._last, key)

    def _counts(self, key: str) -> bool:
        return self._takes is None or self._takes(key)

    @property
    def met(self) -> bool:
        """Whether there is anything at all, counted or not."""
        return bool(self._named)

    def covers(self, key: str) -> bool:
        """Whether a key, or what it would lie below, may be there and cannot be an object."""
        if not self._named:
            return False
        return any(self._is_met(place) for place in _places(key))

    def _is_met(self, place: str) -> bool:
        return place in self._named or (self._last != "" and self._first <= place <= self._last)

    def named(self) -> list[tuple[str, Unlisted]]:
        """Those that are kept by name and count, in order of their keys."""
        return [(key, self._named[key]) for key in sorted(self._named) if self._counts(key)]


@dataclass(frozen=True, slots=True)
class ToldUnlisted:
    """What several listings met: those that are named, and how many there are of each route."""

    named: list[ObjectAside] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.counts.total()

    def of_route(self, route: str) -> tuple[int, list[ObjectAside]]:
        """How many there are of one, and those that are named."""
        return self.counts[route], [item for item in self.named if item.route == route]

    @classmethod
    def of_all(cls, several: Iterable[ToldUnlisted]) -> ToldUnlisted:
        """Of shards: each met others."""
        found = list(several)
        return cls([one for item in found for one in item.named], sum((item.counts for item in found), Counter()))


def told(listings: Iterable[tuple[str, UnlistedThings]]) -> ToldUnlisted:
    """What the sources of routes hold that cannot be an object; each listing with its route's name."""
    # Of a list of keys the same things are met piece by piece.
    found = [*{id(things): (route, things) for route, things in listings}.values()]
    counts: Counter[str] = Counter()
    for route, things in found:
        counts[route] += things.count
    return ToldUnlisted([aside_of(route, key, item) for route, things in found for key, item in things.named()], counts)


def aside_of(route: str, key: str, item: Unlisted) -> ObjectAside:
    """What is told of one of them."""
    return ObjectAside(route, key, ObjectAside.UNLISTED, item.code, item.message)


def lost_of(route: str, key: str) -> ObjectAside:
    """What is told of a key that the route's list names, and that is not there."""
    said = "the list names it, and there is no such object"
    return ObjectAside(route, key, ObjectAside.UNLISTED, ObjectAside.MISSING, said)


def _places(key: str) -> Iterator[str]:
    """A key as a file and as a directory, and so each directory above it."""
    yield key
    yield key.rstrip("/")
    at = key.find("/")
    while at >= 0:
        yield key[:at]
        yield key[: at + 1]
        at = key.find("/", at + 1)
