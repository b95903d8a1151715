"""What `cartage cleanup` shows: the gate, a reason a line, and what a deletion came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.cleanup import CleanupResult
from engine.api.commands import accept_command, command
from engine.finish.cleanup import Cleaned
from engine.finish.gate import closed
from engine.finish.sending import Fate
from engine.plan.document import Plan
from engine.plan.overlap import sharing
from engine.plan.record import NOT_ON_DISK
from engine.report.delete import MARKERS_ADDED, STAYS, newcomers_lines, stays_text, went_text
from engine.report.ndjson import picked
from engine.report.page import Page, Tone, Toned, next_step
from engine.report.tallies import opened_by
from engine.report.text import amount_text, aside_text, count_text, counted, duration_text, plural, safe, size_text


def gate_page(plan: Plan, result: CleanupResult, took_s: float, said: Sequence[str] = ()) -> list[str]:
    """Every reason on a line of its own, open or closed, and how to accept those that can be. `said` are the flags by
    which this cleanup was consented to."""
    width = max(len(reason.name) for reason in result.reasons)
    lines = [_settled_text(result.settled)] if result.settled else []
    for reason in result.reasons:
        head = f"{'open  ' if reason.open else 'CLOSED'}  {reason.name.ljust(width)}  "
        lines.append(Toned(f"{head}{safe(reason.sentence)}", Tone.GOOD if reason.open else Tone.BAD, hang=len(head)))
        if not reason.open and reason.accept:
            accept = accept_command(plan, result.ledger, reason.accept, reason.found)
            lines.append(Toned(f"{' ' * 8}{accept}", Tone.NEXT, whole=True))
    shut = len(closed(result.reasons))
    twice = ", those of several routes counted for each" if sharing(plan.routes) else ""
    what = amount_text(result.objects, result.bytes, "source") + twice
    gone = f"; {count_text(result.gone)} gone already" if result.gone else ""
    if result.cleaned is not None:
        return lines
    took = f"looked at in {duration_text(took_s)}"
    if shut:
        lines += ["", f"the gate is closed by {plural(shut, 'reason')}; nothing is deleted ({took})"]
        lines.append(next_step(_opening(plan, result, said)))
    elif result.unsettled and not result.objects:
        left = plural(result.unsettled, "delete")
        lines += ["", f"the gate is open, and {left} not confirmed{gone}: the cleanup again looks ({took})"]
        lines.append(next_step(command(plan, result.ledger, "cleanup", *said)))
    elif not result.objects:
        lines += ["", f"the gate is open, and there is nothing to delete{gone} ({took})"]
        lines.append(next_step(command(plan, result.ledger, "receipt")))
    else:
        lines += ["", Toned(f"the gate is open for {what}{gone} ({took})", Tone.GOOD)]
        lines.append(next_step(command(plan, result.ledger, "cleanup", "--delete", *said)))
    return lines


def _opening(plan: Plan, result: CleanupResult, said: Sequence[str]) -> str:
    """The command that gets on best with what keeps the gate closed: the first that does something, then the first
    that accepts; else the same again, later, or with what the condition's own sentence names, where it is alone."""
    shut = closed(result.reasons)
    words = next(filter(None, (opened_by(plan, result, reason.name) for reason in shut)), [])
    accept = next((reason for reason in shut if reason.accept), None)
    if not words and accept is not None:
        return accept_command(plan, result.ledger, accept.accept, accept.found)
    alone = result.objects > 0 and all(reason.name == "condition" for reason in shut)
    return command(plan, result.ledger, *(words or ["cleanup", *said, *(["--unconditional"] if alone else [])]))


def _settled_text(settled: dict[Fate, int]) -> str:
    said = {
        Fate.GONE: "gone",
        Fate.LEFT: "still there, unchanged",
        Fate.CHANGED: "gone, with another object in its place",
        Fate.DENIED: "not to be looked at",
        Fate.OPEN: "gone, and listed all the same",
    }
    parts = [f"{count_text(count)} {said[fate]}" for fate, count in settled.items()]
    return f"deletes that an earlier run left open: {', '.join(parts)}\n"


def cleaned_page(plan: Plan, result: CleanupResult, cleaned: Cleaned, took_s: float, said: Sequence[str] = ()) -> Page:
    """What was deleted, how fast, and what stays and why."""
    went = f"{plural(cleaned.deleted, 'source')} deleted"
    lines = [went_text(went, cleaned.deleted, cleaned.deleted_bytes, took_s)]
    if cleaned.gone:
        how = "gone already, or with another route" if sharing(plan.routes) else "gone already"
        lines.append(f"{plural(cleaned.gone, 'source')} {how}, {size_text(cleaned.gone_bytes)}")
    lines += newcomers_lines(cleaned)
    lines += map(aside_text, cleaned.first_kept)
    stays = cleaned.kept.keys() - {Fate.ELSEWHERE.value, Fate.OPEN.value}
    is_open = Fate.OPEN.value in cleaned.kept or bool(result.unsettled)
    if cleaned.stayed:
        open_alone = ". the cleanup again looks whether they are gone" if is_open else ""
        again = ". run and verify the plan again, then this" if stays else open_alone
        lines.append(f"{stays_text(cleaned.stayed, 'source')}: {counted(cleaned.kept)}{again}")
    if any(item.code == NOT_ON_DISK for item in cleaned.first_kept):
        lines.append("a disk did not keep what it was given: see to it first. what was there is not trusted any more")
    if cleaned.markers:
        lines.append(MARKERS_ADDED)
    if cleaned.unaccepted:
        buckets = ", ".join(cleaned.unaccepted)
        lines.append(f"stopped, since that was not accepted for {buckets}: the gate shows it, without --delete")
    if not cleaned.interrupted:
        words = ["run"] if stays else ["cleanup", *said] if cleaned.unaccepted or is_open else ["receipt"]
        lines.append(next_step(command(plan, result.ledger, *words)))
    return lines


def gate_values(result: CleanupResult) -> dict[str, Any]:
    """The summary of a cleanup."""
    values = picked(result, "ledger open reasons objects bytes gone settled")
    return values | (
        picked(result.cleaned, f"deleted deleted_bytes gone gone_bytes newcomers {STAYS}")
        if result.cleaned is not None
        else {}
    )
