"""What `cartage delete` shows, and what every deletion says of what stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.finish.batches import DeletionReport
from engine.finish.project_deletion import DeleteResult, Deletion
from engine.report.ls import summary_page, summary_values
from engine.report.ndjson import picked
from engine.report.page import Page, Table, Tone, Toned, next_step
from engine.report.text import amount_text, aside_text, count_text, counted, pace_text, plural, safe, size_text

MARKERS_ADDED = "delete markers were added: data and cost stay, save of what had no version (suspended)"
STAYS = "kept delete_markers=markers not_accepted=unaccepted"
"""What the summaries of all commands that delete have of their `DeletionReport`."""
NOT_ACCEPTED = "stopped, since that was not accepted: --accept-delete-markers goes on"


def delete_page(location: str, result: DeleteResult, took_s: float, to_delete: str) -> Page:
    """The snapshot, and what stands to be done about it or was done. `to_delete` is the command that deletes it."""
    taken = datetime.fromtimestamp(result.taken_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    total = result.summary.total
    head = f"{safe(location)}, as listed at {taken} ({safe(str(result.path))})"
    if not result.fresh:
        before = f", {plural(result.deleted_before, 'object')} of it deleted before" if result.deleted_before else ""
        head += f"; an earlier snapshot{before}; --again takes a new one"
    elif result.replaces:
        head += "; the earlier snapshot was of another source or of other patterns, and is not used"
    if not total.objects and result.deletion is not None:
        return [head, "", *_deletion(result.deletion, took_s)]
    if not total.objects and result.deleted_before:
        return [head]
    if not total.objects:
        return [f"{head}: there is nothing under it"]
    lines: list[str | Table] = [head, "", *summary_page(result.summary), "", *_first(result)]
    lines += [Toned(reason, Tone.BAD) for reason in result.closed]
    if result.deletion is not None:
        lines += _deletion(result.deletion, took_s)
    elif not result.closed:
        said = f"nothing is deleted yet; to delete {amount_text(total.objects, total.bytes)}, exactly as listed:"
        lines += [Toned(said, Tone.WARNING), next_step(to_delete)]
    return lines


def _first(result: DeleteResult) -> list[str]:
    """The first keys that would go, while they are there."""
    if result.deletion is not None:
        return []
    more = result.summary.total.objects - len(result.first)
    return [*(f"  {safe(key)}" for key in result.first), *([f"  and {count_text(more)} more"] if more > 0 else []), ""]


def _deletion(done: Deletion, took_s: float) -> list[str]:
    lines = [went_text(f"{plural(done.deleted, 'object')} deleted", done.deleted, done.deleted_bytes, took_s)]
    lines += map(aside_text, done.first_kept)
    if done.stayed:
        said = f"{plural(done.stayed, 'object')} of the snapshot left in place: {counted(done.kept)}"
        lines.append(Toned(said, Tone.WARNING))
    if done.arrived:
        first = ", ".join(safe(key) for key in done.first_arrived[:3])
        lines.append(f"{plural(done.arrived, 'object')} left that the snapshot does not hold: {first}")
    if done.uploads:
        lines.append(f"{plural(done.uploads, 'unfinished upload')} are left there, and cost storage")
    if done.markers:
        lines.append(MARKERS_ADDED)
    if done.unaccepted:
        lines.append(NOT_ACCEPTED)
    return lines


def newcomers_lines(done: DeletionReport) -> list[str]:
    """What is where something was deleted whose delete was never answered, and is none of it."""
    if not done.newcomers:
        return []
    first = ", ".join(safe(place) for place in done.first_newcomers[:3])
    return [Toned(f"{plural(done.newcomers, 'new object')} left where one was deleted: {first}", Tone.WARNING)]


def delete_values(result: DeleteResult) -> dict[str, Any]:
    """The summary of a deletion."""
    values = {
        "list": result.path,
        "snapshot": summary_values(result.summary),
        **picked(result, "taken_ms fresh replaces closed deleted_before"),
    }
    if result.deletion is not None:
        values |= picked(result.deletion, f"deleted deleted_bytes arrived unfinished_uploads=uploads {STAYS}")
    return values


def went_text(said: str, count: int, size_bytes: int, took_s: float) -> str:
    """ "2 objects deleted, 3.1 MB, in 4 s, …": how much went, and how fast."""
    return f"{said}, {size_text(size_bytes)}, in {pace_text(count, took_s)}"


def stays_text(count: int, noun: str = "") -> str:
    """ "1 source stays", "2 sources stay"; "1 stays" without a noun."""
    return f"{plural(count, noun) if noun else count_text(count)} {'stays' if count == 1 else 'stay'}"
