"""What a run has done so far, which objects took longest, and what carrying a plan came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from heapq import heappush, heappushpop
from typing import NamedTuple, Protocol

from engine.events import Listener, ObjectAside, ObjectTook, Progress
from engine.listing.unlisted import ToldUnlisted
from engine.model import ListedObject
from engine.plan.lifecycle import ASIDE, State
from engine.plan.record import ObjectRecord, Outcome, Tally, is_later
from engine.sites.site import Gauges
from engine.transfer.carrier import Task
from engine.transfer.methods import Method

ASIDES_SHOWN = 10
SLOWEST_SHOWN = 20
REPLACED_NAMED = 3
BRIEF_S = 0.5
"""What takes no longer is not worth telling."""
FOUND = ("", "found")
"""The methods of what was in place."""
TAGS = Method.TAGS.value


class Replacing(Protocol):
    """What counts how many objects take another's place, how many of those were written after their source, and has
    the keys of the first."""

    replaced: int
    replaced_newer: int
    first_replaced: list[str]


def count_replaced(counts: Replacing, key: str, source: ListedObject, over: ListedObject) -> None:
    """Count one that takes the place of `over`."""
    counts.replaced += 1
    counts.replaced_newer += is_later(over.modified, source.modified)
    if len(counts.first_replaced) < REPLACED_NAMED:
        counts.first_replaced.append(key)


@dataclass(slots=True)
class Counters:
    """What this run has done so far. Mutated on the event loop alone."""

    listed: int = 0
    listed_bytes: int = 0
    listings_open: int = 0
    done: int = 0
    done_bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    replaced: int = 0
    replaced_newer: int = 0
    """What was written over another object, and where that was written after its source."""
    found: int = 0
    aside: int = 0
    requests: int = 0
    first_asides: list[ObjectAside] = field(default_factory=list)
    first_replaced: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    """The codes of what was set aside, by this process."""

    def add(self, task: Task, outcome: Outcome) -> None:
        """A task ended so. What was set aside is counted by whoever tells of it."""
        size = task.source.size
        self.done += 1
        self.done_bytes += size
        self.requests += outcome.requests
        if task.over is not None and outcome.target_etag and outcome.method not in (*FOUND, TAGS):
            count_replaced(self, task.key, task.source, task.over)  # also by a copy that turned out to be another
        if outcome.state is not State.COPIED:
            return
        if outcome.method in FOUND:
            self.found += 1
            return
        self.copied += 1
        self.copied_bytes += size if outcome.method != TAGS else 0

    def take_back(self, record: ObjectRecord) -> None:
        """An object that counted as in place is so no more; what it was written over is gone all the same."""
        if record.method in FOUND:
            self.found -= 1
            return
        self.copied -= 1
        self.copied_bytes -= record.size if record.method != TAGS else 0


def progress_of(counters: Counters, told_bytes: int, gauges: Gauges) -> Progress:
    """An immutable snapshot, with the bytes that are told as done."""
    return Progress(
        listed=counters.listed,
        listed_bytes=counters.listed_bytes,
        listing_done=counters.listings_open == 0,
        done=counters.done,
        done_bytes=told_bytes,
        copied=counters.copied,
        replaced=counters.replaced,
        replaced_newer=counters.replaced_newer,
        found=counters.found,
        aside=counters.aside,
        requests=gauges.requests,
        throttled=gauges.throttled,
        rate_rps=gauges.rate_rps,
        in_flight=gauges.in_flight,
    )


def counters_of(
    progress: Progress, copied_bytes: int, first_asides: list[ObjectAside], first_replaced: list[str]
) -> Counters:
    """What other processes told of a run, when it has ended."""
    return Counters(
        listed=progress.listed,
        listed_bytes=progress.listed_bytes,
        done=progress.done,
        done_bytes=progress.done_bytes,
        copied=progress.copied,
        copied_bytes=copied_bytes,
        replaced=progress.replaced,
        replaced_newer=progress.replaced_newer,
        found=progress.found,
        aside=progress.aside,
        requests=progress.requests,
        first_asides=first_asides,
        first_replaced=first_replaced,
    )


class Slowest:
    """The objects that took longest so far, a few of them, told as they are found. `least_s` is what an object has to
    exceed to be one of them, in seconds: who asks that first pays next to nothing for the others."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._took_s: list[float] = []
        self.least_s = BRIEF_S

    def add(self, route: str, key: str, size: int, took_s: float) -> None:
        """Tell of one that took more than `least_s`; `size` is bytes."""
        if len(self._took_s) < SLOWEST_SHOWN:
            heappush(self._took_s, took_s)
        else:
            heappushpop(self._took_s, took_s)
            self.least_s = self._took_s[0]
        self._listener(ObjectTook(route, key, size, round(took_s * 1000)))


class Held(NamedTuple):
    """What a ledger holds: objects, their bytes, and how many are set aside."""

    objects: int
    bytes: int
    aside: int

    @classmethod
    def of(cls, tallies: Iterable[Tally]) -> Held:
        """By its tallies."""
        rows = [*tallies]
        aside = sum(item.objects for item in rows if item.state in ASIDE)
        return cls(sum(item.objects for item in rows), sum(item.bytes for item in rows), aside)


class Carried(NamedTuple):
    """What became of a plan that was carried: `requests` and `throttled` are of this run."""

    counters: Counters
    stopped: bool
    unlisted: ToldUnlisted
    requests: int
    throttled: int

    def then(self, later: Carried, before: Held, now: Held) -> Carried:
        """This, and what was carried after it of the same objects, by what the ledger held `before` that and holds
        `now`: what was set aside may be copied by now, and new objects may have come."""
        counters, more = self.counters, later.counters
        came, came_bytes = now.objects - before.objects, now.bytes - before.bytes
        counters = replace(
            counters,
            listed=counters.listed + came,
            listed_bytes=counters.listed_bytes + came_bytes,
            done=counters.done + came,
            done_bytes=counters.done_bytes + came_bytes,
            copied=counters.copied + more.copied,
            copied_bytes=counters.copied_bytes + more.copied_bytes,
            replaced=counters.replaced + more.replaced,
            replaced_newer=counters.replaced_newer + more.replaced_newer,
            first_replaced=[*counters.first_replaced, *more.first_replaced][:REPLACED_NAMED],
            found=counters.found + more.found,
            aside=counters.aside + now.aside - before.aside,
            reasons=Counter(),  # of what was set aside at first, and may be copied by now
        )
        return later._replace(counters=counters, unlisted=self.unlisted)
