"""What `cartage ls` shows."""

from __future__ import annotations

from typing import Any

from engine.events import BucketListed, Event, ObjectListed, PrefixSummed
from engine.finish.project import OTHERS, Figures, Summary
from engine.report.page import Table
from engine.report.text import count_text, pace_text, safe, size_text

PREFIXES_SHOWN = 200


def listed_line(event: Event) -> str:
    """One object or prefix of a listing, as `aws s3 ls` has it."""
    if isinstance(event, ObjectListed):
        return f"{_moment(event.modified)}  {event.size:>15,}  {safe(event.key)}"
    if isinstance(event, BucketListed):
        return f"{_moment(event.created):19}  {event.name}{event.region and f'  ({event.region})'}"
    assert isinstance(event, PrefixSummed)
    return f"{'':19}  {'PRE':>15}  {safe(event.prefix)}"


def summary_page(summary: Summary, took_s: float | None = None) -> list[str | Table]:
    """A table by first-level prefix, and the total; how fast it was listed, where that is known."""
    events = summary.events()
    rows = [_row(_prefix_text(event.prefix), event) for event in events[:PREFIXES_SHOWN]]
    rows.append(_row("total", summary.total))
    page: list[str | Table] = [Table(["", "objects", "size", "oldest", "newest", "classes"], rows, total=True)]
    if len(events) > PREFIXES_SHOWN:
        page.append(f"({count_text(len(events) - PREFIXES_SHOWN)} more prefixes are in the total; --json has them)")
    if took_s is not None:
        page.append(f"listed in {pace_text(summary.total.objects, took_s)}")
    return page


def _row(name: str, item: PrefixSummed | Figures) -> list[str]:
    figures = [count_text(item.objects or 0), size_text(item.bytes or 0)]
    return [name, *figures, _moment(item.oldest), _moment(item.newest), _classes(item.classes or {})]


def _prefix_text(prefix: str) -> str:
    if prefix == OTHERS:
        return "(all others)"
    return safe(prefix) or "(directly there)"


def _moment(text: str) -> str:
    return safe(text[:19].replace("T", " "))


def _classes(classes: dict[str, int]) -> str:
    if len(classes) <= 1:
        return "".join(safe(name) for name in classes)
    return ", ".join(f"{safe(name)} {count_text(count)}" for name, count in sorted(classes.items()))


def summary_values(summary: Summary) -> dict[str, Any]:
    """The total, for a summary line."""
    total = summary.total
    return {
        "objects": total.objects,
        "bytes": total.bytes,
        "classes": dict(sorted(total.classes.items())),
        "oldest": total.oldest,
        "newest": total.newest,
        "prefixes": len(summary.prefixes),
    }
