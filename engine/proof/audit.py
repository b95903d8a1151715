"""The audit before a delete: both sides listed again and joined with the ledger. It writes no proof and trusts none.

An error while listing is a finding that closes the gate, and never the end of a listing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio

from engine.errors import ListingBroken, RunError, StoreError, one_error
from engine.events import Listener, Looking
from engine.ledger import LedgerReader
from engine.listing.ranges import RouteJoin
from engine.listing.sources import Sources
from engine.listing.through import read_through
from engine.model import LinkedObject, Proof
from engine.plan.concern import audited
from engine.plan.join import Joined
from engine.plan.lifecycle import ENDED, State
from engine.plan.noted import key_said
from engine.plan.route import Route
from engine.proof.judge import Kind, Question, is_contradicted, judge
from engine.proof.stages import Heads
from engine.store import StoreOf

UNASKED = (Kind.EXTRA, Kind.SOURCE_DELETED)
"""What is no concern of a delete: a target that stands alone, a source that is gone by our own delete."""

WRONG = (
    ((Kind.DRIFTED,), "source", "changed since the copy"),
    ((Kind.NEW,), "object", "arrived in the source since (the next run takes it along)"),
    ((Kind.MISSING, Kind.LOST), "target", "missing"),
    ((Kind.DAMAGED, Kind.SIZE, Kind.DIGEST), "target", "no longer what was proven"),
)
"""What closes the gate by the audit's own word, and the words; what is undone is counted from the ledger."""

BAD = frozenset(kind for kinds, _, _ in WRONG for kind in kinds)


def audit_row(row: Joined, minimum: Proof) -> Kind | None:
    """What is to be said of one joined key; None where it is `UNASKED`, or has a reason of its own in the gate
    (`plan.lifecycle.ENDED`)."""
    if row.entry is not None and row.entry.state in ENDED and row.source is None:
        return None
    finding = judge(row, minimum)
    return None if finding is None or finding.kind in UNASKED else finding.kind


@dataclass(slots=True)
class RouteAudit:
    """One route: how many of each kind were found, the first key that is bad, and the listing's error, if any. `gone`
    counts those that stand to be deleted and are not there any more, `linked` those that lie below a symbolic link,
    which stay."""

    route: str
    counts: Counter[Kind] = field(default_factory=Counter)
    first: str | None = None
    error: str = ""
    gone: int = 0
    gone_bytes: int = 0
    linked: int = 0
    linked_bytes: int = 0
    first_linked: str = ""

    @property
    def bad(self) -> int:
        return sum(self.counts[kind] for kind in BAD)

    def add(self, kind: Kind, row: Joined, minimum: Proof) -> None:
        entry = row.entry
        self.counts[kind] += 1
        if kind in BAD and self.first is None:
            self.first = row.key
        if entry is None or entry.state is not State.VERIFIED or entry.proof < minimum:
            return
        if kind is Kind.SOURCE_GONE:
            self.gone += 1
            self.gone_bytes += entry.size
        elif isinstance(row.source, LinkedObject):
            self.linked += 1
            self.linked_bytes += entry.size
            self.first_linked = self.first_linked or row.key


async def audit(
    store_of: StoreOf,
    sources: Sources,
    routes: Sequence[Route],
    ledger: LedgerReader,
    listener: Listener,
    minimum: Proof = Proof.NONE,
    digests: Callable[[Route], bool] = lambda route: True,
    compares: Callable[[Route, str], bool] = lambda route, algorithm: True,
) -> list[RouteAudit]:
    """Question at both sides of every route now. `minimum` is the proof that the plan asks for, `digests` and
    `compares` as `Verifier` has them: a proof that the ETags contradict is asked for anew.

    Raises what leaves nothing to judge (bad credentials, no bucket); a listing that fails is in its route's `error`."""
    found = [RouteAudit(route.name) for route in routes]
    heads = Heads(store_of, compares)

    def tell(*, done: bool) -> None:
        seen = sum(report.counts.total() for report in found)
        listener(Looking.of_listing(seen, ended=done, aside=sum(report.bad for report in found)))

    async def lost(route: Route) -> str:
        found = await sources.lost_of(route.name, ledger.knows)
        return (
            f"{len(found):,} that its list names are not there; the first is {key_said(found[0].key)}" if found else ""
        )

    async def doubts(route: Route, rows: Sequence[Joined]) -> dict[str, Kind]:
        """Those whose proof does not come out again, by their keys."""
        asked = [row for row in rows if is_contradicted(row)] if digests(route) else []
        judged = [(row, finding) for row in asked if (finding := judge(row, minimum)) is not None]
        judged = [item for item in judged if item[1].question is Question.CHECKSUMS]
        found = await heads.prove(route, judged)
        stands = {row.key for row, finding in found if finding.outcome and finding.outcome.proof >= Proof.DIGEST}
        return {row.key: Kind.DIGEST for row, _ in judged if row.key not in stands}

    async def look(route: Route, report: RouteAudit) -> None:
        try:
            async with one_error(), anyio.create_task_group() as group:
                join = sources.join(group, store_of, route, ledger.entries)
                while (rows := await join.next_rows()) is not None:
                    rows = join.judged(audited(route, rows))
                    doubted = await doubts(route, rows)
                    for row in rows:
                        if (kind := doubted.get(row.key) or audit_row(row, minimum)) is not None:
                            report.add(kind, row, minimum)
                    tell(done=False)
                report.error = "; ".join(filter(None, [_unlisted(join), await lost(route)]))
        except StoreError as error:
            if isinstance(error, RunError) and not isinstance(error, ListingBroken):
                raise
            report.error = str(error)

    await read_through(routes, found, look)
    tell(done=True)
    return found


def _unlisted(join: RouteJoin) -> str:
    """What lies on either side and hides what would lie below it; empty where nothing does."""
    count = sum(things.count for things in join.unlisted)
    named = [item for things in join.unlisted for item in things.named()[:1]]
    first = f"; the first is {key_said(named[0][0])}: {named[0][1].message}" if named else ""
    return f"{count:,} lie there and cannot be objects, or be looked at{first}" if count else ""
