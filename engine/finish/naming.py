"""Whether the plan's sources and targets are the same objects by two names, as one of the gate's reasons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from engine.finish.gate import NAMES, UNKNOWN, Reason
from engine.finish.names import Finding, Pair, Seen, pairs_of, remove, try_pairs
from engine.ledger import Ledger
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.locations import is_access_point
from engine.sites.sites import Sites

PROBES = "name probes"
"""The ledger's note of what a crash would leave."""

SAME = "{why}: source and target are the same objects by two names, so that to delete the one is to delete both"


def pairs_to_try(plan: Plan, opened: Sites) -> list[Pair]:
    """The pairs of which their names alone do not tell. On AWS two names of buckets are two buckets, and a bucket has
    no second name but those of access points ("Bucket naming rules", S3 User Guide)."""

    def hidden(where: Location) -> bool:
        return not opened.site(where).is_aws or is_access_point(where.bucket)

    return [pair for pair in pairs_of(plan.routes) if hidden(pair.source) or hidden(pair.target)]


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

    findings = await try_pairs(opened.store, pairs_to_try(plan, opened), partial(_note, ledger))
    worst: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.pair.source.bucket_name, finding.pair.target.bucket_name)
        if finding.seen is Seen.SAME or (finding.seen is Seen.UNKNOWN and key not in worst):
            worst[key] = finding
    reasons = [_reason(finding, accepted) for finding in worst.values()]
    return reasons or [Reason(NAMES, True, "sources and targets are different objects, as a trial showed just now")]


def _reason(finding: Finding, accepted: Collection[tuple[str, str]]) -> Reason:
    if finding.seen is Seen.SAME:
        return Reason(NAMES, False, SAME.format(why=finding.why))
    pair = finding.pair
    one, other = pair.source.bucket_name, pair.target.bucket_name
    name = f"{NAMES}.{one}.{other}"
    said = f"whether {one} and {other} hold the same objects is not known: {finding.why}"
    return Reason.unless_accepted(NAMES, said, name, UNKNOWN, accepted)


async def remove_left_probes(opened: Sites, ledger: Ledger) -> None:
    """Remove what a crash left of an earlier trial."""
    noted = await ledger.note(PROBES)
    if noted:
        await _note(ledger, await remove(opened.store, [Location(*probe) for probe in noted]))


async def _note(ledger: Ledger, probes: Sequence[Location]) -> None:
    sites = [[where.site] if where.site else [] for where in probes]
    noted = [[where.bucket, where.key, *site] for where, site in zip(probes, sites, strict=True)]
    await ledger.set_note(PROBES, noted or None)
