"""What a plan will cost, or setting what objects carry where they are; the least time it can take; and how what was
found compares with what was expected. Pure.

Prices and rates are those of us-east-1 and us-east-2, Standard (aws.amazon.com/s3/pricing; S3 User Guide, "Best
practices design patterns": 3,500 writes a second and partitioned prefix).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.model import GIB, ListedObject
from engine.plan.document import Plan
from engine.plan.prices import (
    CLASSES,
    DAYS_A_MONTH,
    STANDARD,
    TAG_MONTH,
    dollars_a_month,
    early_dollars,
    read_dollars,
)
from engine.plan.route import Route
from engine.plan.sizes import moment_ms

WRITES_PER_S = 3500
"""COPY, PUT, POST and DELETE that S3 takes at least, a second and partitioned prefix."""

PAGE_KEYS = 1000
PASSES = 2
"""Listings of both sides: a run's and a verification's."""
EGRESS_GB = 0.09
"""What leaves AWS for the Internet, in dollars, the first 10 TB a month; to a machine in the same region nothing is
paid."""


@dataclass(slots=True)
class RouteCounts:
    """What an estimate needs of one route. `copy_requests` are the writes that its copies take: one a CopyObject;
    parts, create and complete for an upload; `head_requests` are the reads. `in_bytes`, `out_bytes` and `egress_bytes`
    are as in `RouteSurvey`. What goes `into_folder` takes no storage that anybody bills."""

    route: str
    objects: int = 0
    bytes: int = 0
    there: int = 0
    copy_requests: int = 0
    head_requests: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    egress_bytes: int = 0
    into_folder: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests by kind, their price, what the doubled storage costs, and the time below which S3 will not go.

    `in_bytes` and `out_bytes` pass through this machine, `egress_dollars` is the most that those cost which leave AWS.
    `floor_s` counts the writes alone, since reads and listings have budgets of their own."""

    copy_requests: int
    head_requests: int
    list_requests: int
    delete_requests: int
    requests_dollars: float
    storage_dollars_a_day: float
    storage_dollars_of_hold: float
    floor_s: float
    in_bytes: int = 0
    out_bytes: int = 0
    egress_dollars: float = 0.0

    @property
    def requests(self) -> int:
        return self.copy_requests + self.head_requests + self.list_requests + self.delete_requests


def estimate(counts: Iterable[RouteCounts], *, hold_s: int = 86_400, writes_per_s: float = WRITES_PER_S) -> Estimate:
    """What carrying these routes out takes: the listings, the copies, and the deletes of the sources in batches of
    1,000, which are free.

    Storage is counted twice for everything that a route to S3 holds, copied or found, until the hold is over."""
    counts = list(counts)
    lists = sum((2 * PASSES - 1) * _pages(item.objects) + _pages(item.there) for item in counts)
    copies = sum(item.copy_requests for item in counts)
    heads = sum(item.head_requests for item in counts)
    a_day = sum(item.bytes for item in counts if not item.into_folder) / GIB * STANDARD.gb_month / DAYS_A_MONTH
    return Estimate(
        copy_requests=copies,
        head_requests=heads,
        list_requests=lists,
        delete_requests=sum(-(-item.objects // PAGE_KEYS) for item in counts),
        requests_dollars=(copies + lists) / 1000 * STANDARD.writes_per_1000 + heads / 1000 * STANDARD.reads_per_1000,
        storage_dollars_a_day=a_day,
        storage_dollars_of_hold=a_day * hold_s / 86_400,
        floor_s=copies / writes_per_s,
        in_bytes=sum(item.in_bytes for item in counts),
        out_bytes=sum(item.out_bytes for item in counts),
        egress_dollars=sum(item.egress_bytes for item in counts) / GIB * EGRESS_GB,
    )


def _pages(objects: int) -> int:
    """Pages of a listing; an empty one takes one too."""
    return max(1, -(-objects // PAGE_KEYS))


class Difference(NamedTuple):
    """One figure that was expected, beside what was found. `agrees` within `tolerance`.

    `what` is the name by which it can be accepted ("processed.objects", "total.size"). `found` is None while some of
    its routes are not listed to their end: that is never taken for agreement."""

    what: str
    expected: int
    found: int | None
    tolerance: int
    agrees: bool


def expectation_report(plan: Plan, found: Mapping[str, tuple[int, int]]) -> tuple[Difference, ...]:
    """Every figure that the plan expects, with what was found, in the plan's order.

    `found` gives (objects, bytes) of each route whose listing reached its end."""
    report = []
    for expectation in plan.expectations:
        known = all(route in found for route in expectation.routes)
        objects = sum(found[route][0] for route in expectation.routes) if known else None
        size = sum(found[route][1] for route in expectation.routes) if known else None
        if expectation.objects is not None:
            report.append(_compare(f"{expectation.name}.objects", expectation.objects, objects, 0))
        if expectation.size_bytes is not None:
            report.append(
                _compare(f"{expectation.name}.size", expectation.size_bytes, size, expectation.tolerance_bytes)
            )
    return tuple(report)


def _compare(what: str, expected: int, found: int | None, tolerance: int) -> Difference:
    return Difference(what, expected, found, tolerance, found is not None and abs(found - expected) <= tolerance)


def expected_in_all(plan: Plan, seen: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """About how many objects and bytes the routes take: as they were `seen`, else as their owner says, of each or, if
    that is more, of several together. (0, 0) where nobody knows of one of them. Nothing rests on it but what is shown.
    """
    known = dict(seen)
    for item in plan.expectations:
        unseen = next((name for name in item.routes if name not in seen), None)
        if unseen is not None and item.objects:
            for name in item.routes:
                known.setdefault(name, (0, 0))
            objects, size_bytes = _sum(known[name] for name in item.routes)
            more = max(0, item.objects - objects), max(0, (item.size_bytes or 0) - size_bytes)
            known[unseen] = _sum([known[unseen], more])  # which of them has it does not matter
    if not all(route.name in known for route in plan.routes):
        return 0, 0
    return _sum(known[route.name] for route in plan.routes)


def _sum(figures: Iterable[tuple[int, int]]) -> tuple[int, int]:
    counts, sizes = zip(*figures, strict=True)
    return sum(counts), sum(sizes)


DAY_MS = 86_400_000


@dataclass(slots=True)
class Change:
    """The objects that a run may copy onto themselves, and what of it AWS bills, in US dollars.

    `before_dollars` and `after_dollars` are their storage in a month, `tag_dollars` what the tags that are set cost in
    one, at most. `early_objects` leave a class before the least time that it is billed for; what is left of it is
    `early_dollars`, due where the bucket keeps no versions. `small` are smaller than what their new class bills at
    least. `unpriced` have a class, old or new, that has no price here, and are in no sum. Without `is_certain` it is
    the most: what no listing tells, tags and metadata, may be set already."""

    storage_class: str = ""
    is_certain: bool = True
    objects: int = 0
    bytes: int = 0
    before_dollars: float = 0.0
    after_dollars: float = 0.0
    write_dollars: float = 0.0
    read_dollars: float = 0.0
    retrieval_dollars: float = 0.0
    early_objects: int = 0
    early_dollars: float = 0.0
    tag_dollars: float = 0.0
    small: int = 0
    unpriced: int = 0

    @property
    def dollars(self) -> float:
        """What it costs once, in a bucket that keeps no versions."""
        return self.write_dollars + self.read_dollars + self.retrieval_dollars + self.early_dollars

    @classmethod
    def of(cls, route: Route) -> Change:
        return cls(route.storage_class, not route.sets_unlisted)

    def add(self, source: ListedObject, route: Route, writes: int, reads: int, now_ms: int) -> None:
        """Count an object that takes so many requests."""
        self.read_dollars += read_dollars(source.storage_class, reads)
        self.tag_dollars += len(route.set_tags or ()) * TAG_MONTH
        if route.sets_tags_alone:
            self.write_dollars += writes / 1000 * STANDARD.writes_per_1000
            return
        self.objects += 1
        self.bytes += source.size
        old, new = source.storage_class or "STANDARD", route.storage_class_for(source)
        before, after = dollars_a_month(old, source.size), dollars_a_month(new, source.size)
        if before is None or after is None:
            self.unpriced += 1
            return
        self.before_dollars += before
        self.after_dollars += after
        left, wanted = CLASSES[old], CLASSES[new]
        self.write_dollars += writes / 1000 * wanted.writes_per_1000
        self.retrieval_dollars += source.size / GIB * left.retrieval_gb
        self.small += source.size < wanted.least_bytes
        early = early_dollars(old, source.size, _age_days(source, now_ms))
        self.early_objects += early > 0
        self.early_dollars += early


def _age_days(source: ListedObject, now_ms: int) -> float:
    """How long ago it was written: never longer than it can be known to be."""
    written_ms = moment_ms(source.modified)
    return 0.0 if written_ms is None else max(0.0, (now_ms - written_ms) / DAY_MS)
