"""What `cartage ls` shows."""

from __future__ import annotations

from typing import Any

from engine.events import BucketListed, Event, ObjectListed, PrefixSummed
from engine.finish.grouping import TAG, Group, Odd
from engine.finish.project import Figures, Summary
from engine.plan.prices import AS_OF, CLASSES, REGION, SAID, read_dollars
from engine.report.ndjson import picked
from engine.report.page import Table
from engine.report.text import cost_text, count_text, pace_text, plural, safe, size_text

GROUPS_SHOWN = 200


def listed_line(event: Event) -> str:
    """One object or prefix of a listing, as `aws s3 ls` has it."""
    if isinstance(event, ObjectListed):
        return f"{_moment(event.modified)}  {event.size:>15,}  {safe(event.key)}"
    if isinstance(event, BucketListed):
        return f"{_moment(event.created):19}  {safe(event.name)}{event.region and f'  ({safe(event.region)})'}"
    assert isinstance(event, PrefixSummed)
    return f"{'':19}  {'PRE':>15}  {safe(event.prefix)}"


def summary_page(summary: Summary, took_s: float | None = None) -> list[str | Table]:
    """A table by first-level prefix or whatever else they are summed up by, and the total, with what that costs; how
    fast it was listed, where that is known."""
    groups, by = summary.sorted(), summary.by
    rows = [_row(_group_text(group, by), item, summary) for group, item in groups[:GROUPS_SHOWN]]
    rows.append(_row("total", summary.total, summary))
    what_it_costs = ["a month"] if by else []
    header = [safe(by.removeprefix(TAG)), "objects", "size", *what_it_costs, "oldest", "newest", "classes"]
    page: list[str | Table] = [Table(header, rows, total=True)]
    if len(groups) > GROUPS_SHOWN:
        what = "groups" if by else "prefixes"
        page.append(f"({count_text(len(groups) - GROUPS_SHOWN)} more {what} are in the total; --json has them)")
    page += _cost_texts(summary)
    if took_s is not None:
        page.append(f"listed in {pace_text(summary.total.objects, took_s)}")
    return page


def _row(name: str, item: Figures, summary: Summary) -> list[str]:
    dollars = [_dollars(item)] if summary.by else []
    figures = [count_text(item.objects), size_text(item.bytes), *dollars]
    return [name, *figures, _moment(item.oldest), _moment(item.newest), _classes(item.classes)]


def _dollars(item: Figures) -> str:
    """What has no price is not worth nothing."""
    if item.unpriced == item.objects:
        return "no price" if item.objects else cost_text(0)
    return cost_text(item.dollars) + (f" and {count_text(item.unpriced)} without a price" if item.unpriced else "")


def _cost_texts(summary: Summary) -> list[str]:
    """What the figures in dollars mean, what they leave out, and what it took to know them."""
    if not summary.by:
        return []
    if not summary.priced:
        return ["files on this machine have no price"]
    said = [f"a month: storage alone, by {SAID}; other regions and servers have others"]
    if "INTELLIGENT_TIERING" in summary.total.classes:
        said.append("at most: which tier an object of INTELLIGENT_TIERING is in, no listing tells")
    if unknown := sorted(name for name in summary.total.classes if name not in CLASSES):
        said.append(f"no price is known of: {', '.join(map(safe, unknown))}; what is there is not in the sum")
    if summary.tags_asked:
        dollars = sum(read_dollars(name, count) for name, count in summary.total.classes.items())
        said.append(f"tags: {plural(summary.tags_asked, 'request')}, {cost_text(dollars)}")
    if summary.unread:
        unread = summary.groups[Odd.UNREAD].objects if Odd.UNREAD in summary.groups else 0
        said.append(f"the tags of {plural(unread, 'object')} could not be read, first {safe(summary.unread)}")
    return said


def _group_text(group: Group, by: str) -> str:
    if group is Odd.OTHERS:
        return "(all others)"
    if group is Odd.UNREAD:
        return "(could not be read)"
    if group is Odd.NONE:
        return "(untagged)" if by.startswith(TAG) else "(none)"
    return safe(str(group)) or ("(here)" if by in ("", "prefix") else '""')


def _moment(text: str) -> str:
    return safe(text[:19].replace("T", " "))


def _classes(classes: dict[str, int]) -> str:
    if len(classes) <= 1:
        return "".join(safe(name) for name in classes)
    return ", ".join(f"{safe(name)} {count_text(count)}" for name, count in sorted(classes.items()))


def summary_values(summary: Summary) -> dict[str, Any]:
    """The total, for a summary line."""
    total = summary.total
    values = picked(total, "objects bytes classes oldest newest") | {"classes": dict(sorted(total.classes.items()))}
    if not summary.by:
        return {**values, "prefixes": len(summary.groups)}
    return {
        **values,
        "by": summary.by,
        "groups": len(summary.groups),
        "dollars_a_month": total.dollars if summary.priced else None,
        "unpriced": total.unpriced,
        "prices": {"region": REGION, "as_of": AS_OF},
        **picked(summary, "tags_asked unread"),
    }
