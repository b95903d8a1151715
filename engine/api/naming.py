"""Whether the plan's sources and targets are the same objects by two names, as one of the gate's reasons."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.finish.gate import NAMES, UNKNOWN, Reason
from engine.finish.names import Finding, Pair, Seen, pairs_of, remove, try_pairs
from engine.ledger import Ledger
from engine.model import ObjectRef
from engine.plan.document import Plan
from engine.plan.locations import is_access_point
from engine.sites.sites import Sites

PROBES = "name probes"
"""The ledger's note of what a crash would leave."""

SAME = "{why}: source and target are the same objects by two names, so that to delete the one is to delete both"


def pairs_to_try(plan: Plan, opened: Sites) -> list[Pair]:
    """The pairs of which their names alone do not tell. On AWS two names of buckets are two buckets, and a bucket has
    no second name but those of access points ("Bucket naming rules", S3 User Guide)."""
    pairs = pairs_of(plan.routes)
    if not opened.home.is_aws:
        return pairs
    return [pair for pair in pairs if is_access_point(pair.source.bucket) or is_access_point(pair.target.bucket)]


def names_outlook(plan: Plan, opened: Sites) -> Reason:
    """The gate's line before it is tried."""
    if not pairs_to_try(plan, opened):
        return Reason(NAMES, True, "sources and targets are different objects, as their names tell")
    return Reason(NAMES, True, "whether sources and targets are the same objects is tried before anything is deleted")


async def names_reasons(
    plan: Plan, opened: Sites, ledger: Ledger, accepted: Collection[tuple[str, str]]
) -> list[Reason]:
    """Try it: what keeps the gate closed, a line for each two buckets, or one that says that nothing does.

    Raises errors of scope `run`."""

    async def note(probes: Sequence[ObjectRef]) -> None:
        await ledger.set_note(PROBES, [list(ref) for ref in probes] or None)

    findings = await try_pairs(opened.home.store, pairs_to_try(plan, opened), note)
    worst: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.pair.source.bucket, finding.pair.target.bucket)
        if finding.seen is Seen.SAME or (finding.seen is Seen.UNKNOWN and key not in worst):
            worst[key] = finding
    reasons = [_reason(finding, accepted) for finding in worst.values()]
    return reasons or [Reason(NAMES, True, "sources and targets are different objects, as a trial showed just now")]


def _reason(finding: Finding, accepted: Collection[tuple[str, str]]) -> Reason:
    if finding.seen is Seen.SAME:
        return Reason(NAMES, False, SAME.format(why=finding.why))
    pair = finding.pair
    name = f"{NAMES}.{pair.source.bucket}.{pair.target.bucket}"
    said = f"whether {pair.source.bucket} and {pair.target.bucket} hold the same objects is not known: {finding.why}"
    return Reason.unless_accepted(NAMES, said, name, UNKNOWN, accepted)


async def remove_left_probes(opened: Sites, ledger: Ledger) -> None:
    """Remove what a crash left of an earlier trial."""
    noted = await ledger.note(PROBES)
    if noted:
        left = await remove(opened.home.store, [ObjectRef(*ref) for ref in noted])
        await ledger.set_note(PROBES, [list(ref) for ref in left] or None)
