"""What a run has done so far, and what carrying a plan came to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engine.events import ObjectAside, Progress
from engine.listing.unlisted import ToldUnlisted
from engine.sites.site import Gauges

ASIDES_SHOWN = 10


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
    found: int = 0
    aside: int = 0
    requests: int = 0
    first_asides: list[ObjectAside] = field(default_factory=list)


def progress_of(counters: Counters, told_bytes: int, gauges: Gauges) -> Progress:
    """An immutable snapshot, with the bytes that are told as done."""
    return Progress(
        listed=counters.listed,
        listed_bytes=counters.listed_bytes,
        listing_done=counters.listings_open == 0,
        done=counters.done,
        done_bytes=told_bytes,
        copied=counters.copied,
        found=counters.found,
        aside=counters.aside,
        requests=gauges.requests,
        throttled=gauges.throttled,
        rate_rps=gauges.rate_rps,
        in_flight=gauges.in_flight,
    )


def counters_of(progress: Progress, copied_bytes: int, first_asides: list[ObjectAside]) -> Counters:
    """What other processes told of a run, when it has ended."""
    return Counters(
        listed=progress.listed,
        listed_bytes=progress.listed_bytes,
        done=progress.done,
        done_bytes=progress.done_bytes,
        copied=progress.copied,
        copied_bytes=copied_bytes,
        found=progress.found,
        aside=progress.aside,
        requests=progress.requests,
        first_asides=first_asides,
    )


class Carried(NamedTuple):
    """What became of a plan that was carried: `requests` and `throttled` are of this run."""

    counters: Counters
    stopped: bool
    unlisted: ToldUnlisted
    requests: int
    throttled: int

    def then(self, later: Carried) -> Carried:
        """This, and what was carried after it of the same objects: what was set aside before may be copied by now."""
        counters, more = self.counters, later.counters
        counters = replace(
            counters,
            done_bytes=counters.done_bytes + more.copied_bytes,
            copied=counters.copied + more.copied,
            copied_bytes=counters.copied_bytes + more.copied_bytes,
            found=counters.found + more.found,
            aside=counters.aside - more.copied - more.found,
        )
        return later._replace(counters=counters, unlisted=self.unlisted)
