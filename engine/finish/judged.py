"""The gate for who looks at the ledger alone: as it was judged last, and what the ledger itself says by now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.finish.failed_sync import failed_sync_of
from engine.finish.gate import Facts, Reason, judge
from engine.finish.holding import hold_of, proven_before_ms
from engine.ledger import Ledger, LedgerReader, open_routes, taken_by_route
from engine.plan.barred import BARRED
from engine.plan.document import Plan
from engine.plan.estimate import expectation_report
from engine.plan.misnamed import MISNAMED
from engine.plan.noted import LOST, PROPERTIES, WITHDRAWN

GATE = "gate"
"""The ledger's note of the reasons that `cleanup` gave last, and when."""

OF_THE_LEDGER = frozenset({"snapshot", "proof", "hold", "withdrawn", "lost", "expected"})
"""Reasons that the ledger and the plan alone decide. The others take a look at both sides, the buckets, or files."""


class Judged(NamedTuple):
    """A reason, and when it was looked at (epoch milliseconds); 0: the ledger says so now."""

    reason: Reason
    at_ms: int


async def note_gate(ledger: Ledger, reasons: Sequence[Reason], at_ms: int) -> None:
    """Keep what the gate said."""
    await ledger.set_note(GATE, {"at_ms": at_ms, "reasons": [list(reason) for reason in reasons]})


async def judged_last(ledger: LedgerReader) -> list[Judged]:
    """Every reason of the last time; none where the gate was never looked at."""
    note = await ledger.note(GATE) or {"at_ms": 0, "reasons": []}
    return [Judged(Reason(*values), note["at_ms"]) for values in note["reasons"]]


async def facts_of(plan: Plan, ledger: LedgerReader, now_ms: int | None) -> Facts:
    """What the ledger alone tells of it; `now_ms` is the server's clock, None where it sends no date."""
    cleanup, tallies, snapshots = plan.cleanup, await ledger.tallies(), await ledger.snapshots()
    held = await ledger.held(cleanup.proof, proven_before_ms(now_ms, cleanup.hold_s))
    noted = await ledger.noted()
    return Facts(
        routes=tuple(route.name for route in plan.routes),
        open_snapshots=tuple(open_routes(snapshots)),
        tallies=tuple(tallies),
        minimum=cleanup.proof,
        hold=hold_of(held, cleanup.hold_s, now_ms),
        expectations=expectation_report(plan, taken_by_route(snapshots, tallies)),
        withdrawn=noted[WITHDRAWN],
        lost=noted[LOST],
        properties=noted[PROPERTIES],
        accepted=frozenset(await ledger.accepted()),
        failed_sync=await failed_sync_of(ledger),
        misnamed=await ledger.failed_by(MISNAMED),
        barred=await ledger.failed_by(BARRED),
    )


async def judged_now(plan: Plan, ledger: LedgerReader, now_ms: int) -> tuple[list[Judged], Facts]:
    """What the ledger says of the gate at this moment, then what was found the last time of all else; and the facts
    that it was judged by. `now_ms` is taken for the server's clock."""
    facts = await facts_of(plan, ledger, now_ms)
    now = [Judged(reason, 0) for reason in judge(facts) if reason.name in OF_THE_LEDGER]
    return now + [item for item in await judged_last(ledger) if item.reason.name not in OF_THE_LEDGER], facts
