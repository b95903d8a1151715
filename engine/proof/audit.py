"""The audit before a delete: both sides listed again and joined with the ledger. It writes no proof and trusts none.

An error while listing is a finding that closes the gate, and never the end of a listing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import anyio

from engine.errors import ListingBroken, RunError, StoreError, one_error
from engine.events import Listener, Progress
from engine.listing.pages import EntriesOf
from engine.listing.sources import Sources
from engine.model import Proof
from engine.plan.decide import audited
from engine.plan.join import Joined
from engine.plan.lifecycle import ENDED
from engine.plan.route import Route
from engine.proof.judge import Kind, judge
from engine.store import StoreOf

EXAMPLES_KEPT = 10


class Verdict(StrEnum):
    """What the audit says of one key."""

    AGREES = "agrees"
    GONE = "gone"  # the source is not there any more; the target stands
    ARRIVED = "arrived"  # in the source, and not in the ledger
    CHANGED = "changed"  # the source is no longer what was copied
    MISSING = "missing"  # the target is not there
    DAMAGED = "damaged"  # the target is not what was proven
    UNDONE = "undone"  # not copied, or set aside


BAD = (Verdict.ARRIVED, Verdict.CHANGED, Verdict.MISSING, Verdict.DAMAGED)
"""What closes the gate by the audit's own word; what is undone is counted from the ledger."""

_VERDICTS = {
    Kind.OK: Verdict.AGREES,
    Kind.SOURCE_GONE: Verdict.GONE,
    Kind.NEW: Verdict.ARRIVED,
    Kind.DRIFTED: Verdict.CHANGED,
    Kind.MISSING: Verdict.MISSING,
    Kind.DAMAGED: Verdict.DAMAGED,
    Kind.SIZE: Verdict.DAMAGED,
    Kind.DIGEST: Verdict.DAMAGED,
    Kind.PENDING: Verdict.UNDONE,
    Kind.WITHDRAWN: Verdict.UNDONE,
    Kind.LOST: Verdict.MISSING,
}


def audit_row(row: Joined, minimum: Proof) -> Verdict | None:
    """What is to be said of one joined key; None where it is no concern of a delete (an extra target, a source that is
    gone by our own delete) or has a reason of its own in the gate (`plan.lifecycle.ENDED`)."""
    if row.entry is not None and row.entry.state in ENDED and row.source is None:
        return None
    finding = judge(row, minimum)
    return None if finding is None else _VERDICTS.get(finding.kind)


@dataclass(slots=True)
class RouteAudit:
    """One route: how many of each verdict, the first examples of what is bad, and the listing's error, if any."""

    route: str
    counts: dict[Verdict, int] = field(default_factory=dict)
    examples: list[tuple[Verdict, str]] = field(default_factory=list)
    error: str = ""

    @property
    def bad(self) -> int:
        return sum(self.counts.get(verdict, 0) for verdict in BAD)

    @property
    def looked_at(self) -> int:
        return sum(self.counts.values())

    def add(self, verdict: Verdict, key: str) -> None:
        self.counts[verdict] = self.counts.get(verdict, 0) + 1
        if verdict in BAD and len(self.examples) < EXAMPLES_KEPT:
            self.examples.append((verdict, key))


async def audit(
    store_of: StoreOf,
    sources: Sources,
    routes: Sequence[Route],
    entries: EntriesOf,
    listener: Listener,
    minimum: Proof = Proof.NONE,
) -> list[RouteAudit]:
    """Question at both sides of every route now. `minimum` is the proof that the plan asks for.

    Raises what leaves nothing to judge (bad credentials, no bucket); a listing that fails is in its route's `error`."""
    found = [RouteAudit(route.name) for route in routes]
    async with anyio.create_task_group() as group:
        for route, report in zip(routes, found, strict=True):
            group.start_soon(_audit_route, store_of, sources, route, report, entries, listener, found, minimum)
    listener(_progress(found, done=True))
    return found


async def _audit_route(
    store_of: StoreOf,
    sources: Sources,
    route: Route,
    report: RouteAudit,
    entries: EntriesOf,
    listener: Listener,
    every: list[RouteAudit],
    minimum: Proof,
) -> None:
    try:
        async with one_error(), anyio.create_task_group() as group:
            join = sources.join(group, store_of, route, entries)
            while (rows := await join.next_rows()) is not None:
                for row in join.judged(audited(route, rows)):
                    if (verdict := audit_row(row, minimum)) is not None:
                        report.add(verdict, row.key)
                listener(_progress(every, done=False))
            if count := sum(things.count for things in join.unlisted):
                named = [item for things in join.unlisted for item in things.named()[:1]]
                first = f"; the first is {named[0][0]!r}: {named[0][1].message}" if named else ""
                report.error = f"{count:,} lie there and cannot be objects{first}"
    except StoreError as error:
        if isinstance(error, RunError) and not isinstance(error, ListingBroken):
            raise
        report.error = str(error)


def _progress(every: list[RouteAudit], *, done: bool) -> Progress:
    seen = sum(report.looked_at for report in every)
    bad = sum(report.bad for report in every)
    return Progress.of_listing(seen, ended=done, aside=bad)
