"""What `cartage restore` shows: what is archived, what having it back costs and takes, what became of asking."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.api.restore import RestoreResult
from engine.archive.restoring import NO_EXPEDITED, Asked, refused_tier
from engine.events import ObjectAside
from engine.plan.prices import AS_OF, REGION, Tier
from engine.plan.retrieval import TIERED, Amount, ArchiveOutlook, ArchiveShare
from engine.report.ndjson import picked, rounded
from engine.report.page import Page, Table, Tone, Toned, next_step
from engine.report.text import amount_text, aside_text, cost_text, count_text, counted, plural, safe, size_text


def outlook_page(what: str, outlook: ArchiveOutlook) -> list[str | Table]:
    """What was found, and what having it back costs and takes."""
    lines: list[str | Table] = [f"{safe(what)}: {_found(outlook)}"]
    if outlook.shares:
        lines += ["", *_costs(outlook)]
    if refused := refused_tier(outlook):
        lines += ["", Toned(f"left: {refused}", Tone.WARNING)]
    tiered = {code: objects for code, objects in outlook.unseen.items() if code != ObjectAside.UNSEEN}
    if tiered:
        codes = ", ".join(sorted(tiered))
        said = f"in {TIERED}, of which S3 does not tell whether they are archived (HEAD: {safe(codes)})"
        lines += ["", Toned(f"left: {count_text(sum(tiered.values()))} {said}", Tone.WARNING)]
    if listed := outlook.unseen.get(ObjectAside.UNSEEN):
        lines += ["", Toned(f"left: {count_text(listed)} of a list of keys, which S3 refuses to show", Tone.WARNING)]
    return lines


def next_lines(outlook: ArchiveOutlook, to_ask: str, to_wait: str) -> list[str]:
    """What follows where nothing was asked for: `to_ask` is the command that asks for it, `to_wait` the one that copies
    what comes back, empty where there is no plan."""
    if outlook.shares:
        return ["", "nothing is asked for yet", next_step(to_ask)]
    return [next_step(to_wait)] if outlook.under_way.objects and to_wait else []


def _found(outlook: ArchiveOutlook) -> str:
    archived = _sum(outlook.archived.values())
    if not archived.objects and not outlook.under_way.objects and not outlook.readable:
        return f"nothing is archived of {plural(outlook.objects, 'object')}{_looked(outlook)}"
    readable = _sum(outlook.readable.values())
    said = []
    if archived.objects:
        said.append(amount_text(archived.objects, archived.bytes, "archived object"))
    if outlook.under_way.objects:
        said.append(f"{count_text(outlook.under_way.objects)} on their way back")
    if readable.objects:
        said.append(f"{count_text(readable.objects)} restored already")
    return f"{', '.join(said)}{_looked(outlook)}"


def _looked(outlook: ArchiveOutlook) -> str:
    return f"; {plural(outlook.looked, 'HEAD')} for INTELLIGENT_TIERING" if outlook.looked else ""


def _costs(outlook: ArchiveOutlook) -> list[str | Table]:
    shares = outlook.shares
    rows = [
        [
            share.kind,
            count_text(share.objects),
            size_text(share.bytes),
            cost_text(share.requests_dollars),
            cost_text(share.retrieval_dollars),
            cost_text(share.storage_dollars),
            _time(share),
        ]
        for share in shares
    ]
    lines: list[str | Table] = [
        Table(["", "objects", "size", "requests", "retrieval", "copies", "readable within"], rows),
        "",
        f"cost  {cost_text(sum(share.dollars for share in shares))} at most, by AWS's list prices ({REGION}, {AS_OF}): "
        f"requests, retrieval by tier {outlook.tier.value}, and the temporary copies for "
        f"{plural(outlook.days, 'day')} and to the next midnight (UTC)",
    ]
    if any(share.kind.endswith("_ACCESS") for share in shares):
        lines.append("INTELLIGENT_TIERING has no temporary copies: what is restored there stays readable")
    if expiring := _sum(outlook.expiring.values()).objects:
        lines.append(
            f"{plural(expiring, 'copy', 'copies')} that would expire before a run could end, the first at "
            f"{outlook.first_expiry}, {'is' if expiring == 1 else 'are'} asked for again, to last longer"
        )
    return lines


def _time(share: ArchiveShare) -> str:
    if not share.most_s:
        return "lasts longer"
    unit, seconds = ("h", 3600) if share.least_s >= 3600 else ("min", 60)
    return f"{share.least_s // seconds} to {share.most_s // seconds} {unit}"


def asked_page(asked: Asked, to_ask: str, to_wait: str) -> Page:
    """What became of asking; commands as for `next_lines`."""
    lines = [f"asked for {amount_text(asked.begun.objects, asked.begun.bytes)}"]
    if asked.prolonged.objects:
        lines.append(f"{plural(asked.prolonged.objects, 'copy', 'copies')} that were there last longer now")
    if asked.under_way.objects:
        lines.append(f"{count_text(asked.under_way.objects)} were on their way already, and not asked for again")
    lines += [safe(aside_text(item)) for item in asked.first_refused]
    if asked.refused:
        lines.append(Toned(f"refused: {counted(asked.refused)}", Tone.WARNING))
    if NO_EXPEDITED in asked.refused:
        lines.append(f"AWS has no room for expedited restores now: try again later, or by --tier {Tier.STANDARD.value}")
    if asked.unknown:
        lines.append(
            Toned(
                f"whether S3 took {plural(asked.unknown, 'request')} is not known: asking again does no harm",
                Tone.WARNING,
            )
        )
    if asked.beyond.objects:
        lines.append(f"{plural(asked.beyond.objects, 'object')} archived since were not agreed to, and not asked for")
    if asked.left > asked.not_by_tier.objects or asked.stopped:  # by another tier: that was said
        return [*lines, next_step(to_ask)]
    return [*lines, next_step(to_wait)] if to_wait else lines


def _sum(amounts: Any) -> Amount:
    total = Amount()
    for amount in amounts:
        total.add(amount.bytes, amount.objects)
    return total


def restore_values(result: RestoreResult) -> dict[str, Any]:
    """The summary of a restore."""
    outlook, asked = result.outlook, result.asked
    became = "begun prolonged under_way readable beyond not_by_tier refused unknown stopped"
    ready = datetime.fromtimestamp(outlook.ends_ms / 1000, UTC)
    return {
        "ledger": result.ledger,
        **picked(outlook, "tier days objects archived not_by_tier under_way"),
        "readable": _sum(outlook.readable.values()),
        **picked(outlook, "expiring heads=looked unseen"),
        "to_ask": [
            picked(share, "kind objects bytes least_s most_s")
            | rounded(share, "requests_dollars retrieval_dollars storage_dollars")
            for share in outlook.shares
        ],
        "cost_dollars": round(sum(share.dollars for share in outlook.shares), 4),
        "ready_by": ready.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "asked": picked(asked, became) if asked else None,
    }
