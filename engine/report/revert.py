"""What `cartage revert` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.commands import accept_command, command, typed
from engine.api.revert import RevertResult
from engine.finish.revert import LISTED, Outlook, Part, Reverted
from engine.plan.document import Plan
from engine.report.delete import MARKERS_ADDED, NOT_ACCEPTED, STAYS, newcomers_lines, stays_text, went_text
from engine.report.ndjson import picked
from engine.report.page import Page, Tone, Toned, next_step, to_type
from engine.report.tallies import TAKEN_BACK
from engine.report.text import aside_text, counted, duration_text, plural, size_text

MARKERS = "--accept-delete-markers"


def revert_page(plan: Plan, result: RevertResult, took_s: float, said: Sequence[str] = ()) -> Page:
    """What a revert would do, or did. `said` are the flags by which it was consented to."""
    found = result.outlook
    if result.way_back is not None:
        gone = plural(found.objects[Part.GONE], "source")
        head = f"{gone} deleted already, so nothing is removed. The way back is a plan like any other:"
        if result.rewritten is not None:
            told = f"{result.rewritten.sentence}: once it is verified, its own manifest and rewrite see to them"
            head = f"{told}\n{head}"
        links = ("--links", result.links) if result.links and "--links" not in plan.flags else ()
        return [
            head,
            *(
                Toned(
                    f"route {name}: not all of it is led back; it stands there as a comment, with the reason",
                    Tone.WARNING,
                )
                for name in result.left_out
            ),
            next_step(typed("cartage", "plan", str(result.way_back), *plan.flags, *links)),
        ]
    if result.reverted is not None:
        words = ["status"] if result.reverted.is_whole else ["revert", *said]
        return [*_left(found), *_reverted(result.reverted, took_s), next_step(command(plan, result.ledger, *words))]
    size = found.bytes.get(Part.REMOVE, 0)
    looked = f"(looked at in {duration_text(took_s)})"
    lines = [f"{plural(found.removable, 'copy', 'copies')} of this ledger, {size_text(size)} {looked}"]
    if result.taken_back and not result.has_work:
        lines = [f"{TAKEN_BACK} {looked}"]
    elif found.unsettled:
        lines.append(f"{plural(found.unsettled, 'object')} planned and not known to be copied: each is looked at")
    if found.uploads:
        lines.append(f"{plural(len(found.uploads), 'unfinished upload')} to be aborted")
    lines += _left(found)
    lines += result.markers
    if result.rewritten is not None and result.is_shut:
        undo = [command(plan, result.ledger, verb, "--undo") for verb in result.undo]
        lines.append(Toned(f"{result.rewritten.sentence}: put them back first, or accept it", Tone.WARNING))
        lines += map(to_type, undo if len(undo) > 1 else [])
        lines.append(to_type(accept_command(plan, result.ledger, result.rewritten.accept, result.rewritten.found)))
        lines.append(next_step(undo[0]))
    elif result.has_work:
        markers = [MARKERS] if result.markers and MARKERS not in said else []
        lines.append(next_step(command(plan, result.ledger, "revert", "--delete", *said, *markers)))
    else:
        lines += ["there is nothing to remove", next_step(command(plan, result.ledger, "status"))]
    return lines


def _left(found: Outlook) -> list[str]:
    counts = [(part, found.objects.get(part, 0)) for part in LISTED]
    missing = found.objects.get(Part.MISSING, 0)
    lines = [f"{plural(missing, 'copy', 'copies')} gone already"] if missing else []
    lines += [f"{stays_text(count, 'target')}, {part.value}" for part, count in counts if count]
    return lines + [f"  {aside_text(item)}" for item in found.left]


def _reverted(done: Reverted, took_s: float) -> list[str]:
    lines = [went_text(f"{plural(done.removed, 'copy', 'copies')} removed", done.removed, done.removed_bytes, took_s)]
    if done.aborted:
        lines.append(f"{plural(done.aborted, 'unfinished upload')} aborted")
    lines += newcomers_lines(done)
    lines += map(aside_text, done.first_kept)
    if done.stayed:
        lines.append(f"{stays_text(done.stayed)}: {counted(done.kept)}")
    if done.markers:
        lines.append(MARKERS_ADDED)
    if done.unaccepted:
        lines.append(NOT_ACCEPTED)
    return lines


def revert_values(result: RevertResult) -> dict[str, Any]:
    """The summary of a revert."""
    values = {
        **picked(result, "ledger removable=outlook.removable objects=outlook.objects unsettled=outlook.unsettled"),
        "open_uploads": len(result.outlook.uploads),
        "way_back": result.way_back,
        "left_out": result.left_out,
        "rewritten": result.rewritten,
        "undo": result.undo,
    }
    if result.reverted is not None:
        values |= picked(result.reverted, f"removed removed_bytes aborted_uploads=aborted newcomers {STAYS}")
    return values
