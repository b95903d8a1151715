"""What `cartage cleanup` and `cartage revert` show: the gate, a reason a line, and what a deletion came to."""

from __future__ import annotations

from typing import Any

from engine.api.cleanup import CleanupResult
from engine.api.commands import accept_command, command
from engine.finish.cleanup import Cleaned
from engine.finish.gate import closed
from engine.finish.sending import Fate
from engine.plan.document import Plan
from engine.report.deletion_report import MARKERS_ADDED, stays_text, stays_values
from engine.report.text import aside_text, count_text, counted, plural, safe, size_text


def gate_text(plan: Plan, result: CleanupResult) -> str:
    """Every reason on a line of its own, open or closed, and how to accept those that can be."""
    width = max(len(reason.name) for reason in result.reasons)
    lines = [_settled_text(result.settled)] if result.settled else []
    for reason in result.reasons:
        lines.append(f"{'open  ' if reason.open else 'CLOSED'}  {reason.name.ljust(width)}  {safe(reason.sentence)}")
        if not reason.open and reason.accept:
            lines.append(f"{' ' * (width + 10)}{accept_command(plan, result.ledger, reason.accept, reason.found)}")
    shut = len(closed(result.reasons))
    what = f"{plural(result.objects, 'source')} ({size_text(result.bytes)})"
    lines.append("")
    if shut:
        lines.append(f"the gate is closed by {plural(shut, 'reason')}; nothing is deleted")
    elif not result.objects:
        lines.append("the gate is open, and there is nothing to delete")
    elif result.cleaned is None:
        lines.append(
            f"the gate is open for {what}; to delete them: {command(plan, result.ledger, 'cleanup', '--delete')}"
        )
    return "\n".join(lines).rstrip()


def _settled_text(settled: dict[Fate, int]) -> str:
    said = {
        Fate.GONE: "gone",
        Fate.LEFT: "still there, unchanged",
        Fate.CHANGED: "changed since",
        Fate.DENIED: "not to be looked at",
    }
    parts = [f"{count_text(count)} {said[fate]}" for fate, count in settled.items()]
    return f"deletes that an earlier run left open: {', '.join(parts)}\n"


def cleaned_text(cleaned: Cleaned, noun: str = "source") -> str:
    """What was deleted, and what stays and why."""
    lines = [f"{plural(cleaned.deleted, noun)} deleted, {size_text(cleaned.deleted_bytes)}"]
    lines += map(aside_text, cleaned.first_kept)
    if cleaned.stayed:
        lines.append(
            f"{stays_text(cleaned.stayed, noun)}: {counted(cleaned.kept)}. run and verify the plan again, then this"
        )
    if cleaned.markers:
        lines.append(MARKERS_ADDED)
    if cleaned.unaccepted:
        buckets = ", ".join(cleaned.unaccepted)
        lines.append(f"stopped, since that was not accepted for {buckets}: the gate shows it, without --delete")
    return "\n".join(lines)


def gate_values(result: CleanupResult) -> dict[str, Any]:
    """The summary of a cleanup."""
    values: dict[str, Any] = {
        "ledger": str(result.ledger),
        "open": result.open,
        "reasons": [reason._asdict() for reason in result.reasons],
        "objects": result.objects,
        "bytes": result.bytes,
        "settled": {fate.value: count for fate, count in result.settled.items()},
    }
    return values | (cleaned_values(result.cleaned) if result.cleaned is not None else {})


def cleaned_values(cleaned: Cleaned) -> dict[str, Any]:
    """What a deletion came to."""
    return {"deleted": cleaned.deleted, "deleted_bytes": cleaned.deleted_bytes} | stays_values(cleaned)
