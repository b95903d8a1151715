"""A run's figures over time, and sizes in bins, as what a picture and its table both show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.ledger import Moment, RunRecord
from engine.ledger.composition import EDGES, Share

DOING = {"run": "Copying", "verify": "Verifying", "cleanup": "Deleting", "revert": "Taking back"}
"""What a command of the history is called in a picture's title."""


class Stretch(NamedTuple):
    """What happened between two moments: seconds of work from the beginning of the first run, objects and bytes done,
    answers that asked for fewer requests."""

    from_s: float
    to_s: float
    done: int
    done_bytes: int
    throttled: int

    @property
    def objects_s(self) -> float:
        return self.done / (self.to_s - self.from_s)

    @property
    def bytes_s(self) -> float:
        return self.done_bytes / (self.to_s - self.from_s)


class Series(NamedTuple):
    """The runs of one command, one after the other without the time between them. `begins_s` is where each begins."""

    stretches: tuple[Stretch, ...]
    begins_s: tuple[float, ...]

    @property
    def took_s(self) -> float:
        return self.stretches[-1].to_s if self.stretches else 0.0


def series_of(runs: Sequence[RunRecord], command: str, most: int) -> Series:
    """In at most about `most` stretches, none of them over the end of a run."""
    stretches: list[Stretch] = []
    begins: list[float] = []
    chosen = [run for run in runs if run.command == command and len(run.moments) > 1]
    least_ms = sum(run.moments[-1].at_ms - run.moments[0].at_ms for run in chosen) / most
    at_s = 0.0
    for run in chosen:
        begins.append(at_s)
        first, *_, last = run.moments
        before = first
        for moment in run.moments[1:]:
            if moment.at_ms <= before.at_ms or (moment.at_ms - before.at_ms < least_ms and moment is not last):
                continue
            stretches.append(_between(before, moment, at_s - first.at_ms / 1000))
            before = moment
        at_s += (last.at_ms - first.at_ms) / 1000
    return Series(tuple(stretches), tuple(begins))


def _between(one: Moment, other: Moment, offset_s: float) -> Stretch:
    return Stretch(
        one.at_ms / 1000 + offset_s,
        other.at_ms / 1000 + offset_s,
        max(0, other.done - one.done),
        max(0, other.done_bytes - one.done_bytes),
        max(0, other.throttled - one.throttled),
    )


class Bin(NamedTuple):
    """Objects of `from_bytes` up to less than `to_bytes`; the first bin is that of empty objects."""

    from_bytes: int
    to_bytes: int
    share: Share


def bins_of(sizes: dict[int, Share]) -> list[Bin]:
    """From the least that holds anything to the greatest, those between them too."""
    if not sizes:
        return []
    ends = (*EDGES[1:], EDGES[-1] * 2)
    first = min((place for place in sizes if place), default=1)
    places = [*([0] if 0 in sizes else []), *range(first, max(sizes) + 1)]
    return [Bin(EDGES[place], ends[place], sizes.get(place, Share())) for place in places]
