"""What the sections of a report's page are put together from. Pure, but for the pictures that they have drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from engine.errors import ExtraMissing
from engine.ledger.composition import Share
from engine.plan.lifecycle import State
from engine.plan.record import Tally
from engine.report import pictures
from engine.report.markup import Child, tag
from engine.report.text import count_text, key_text, size_text


def total(tallies: Iterable[Tally], states: Iterable[State] = tuple(State)) -> Share:
    """Objects and bytes in these states."""
    wanted = set(states)
    found = [item for item in tallies if item.state in wanted]
    return Share(sum(item.objects for item in found), sum(item.bytes for item in found))


def number(value: int) -> Element:
    """A figure as it is shown, with what it is exactly."""
    return tag("data", count_text(value), value=value)


def size(value: int) -> Element:
    return tag("data", size_text(value), value=value, title=f"{count_text(value)} bytes")


def moment(at_ms: int) -> Element:
    """A time in UTC, which is what a reader anywhere can reckon with."""
    if not at_ms:
        return tag("span", "–")
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return tag("time", f"{at:%Y-%m-%d %H:%M:%S} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def typed(text: str) -> Element:
    return tag("code", text, class_="command")


def key(text: str) -> Element:
    return tag("span", key_text(text), class_="key")


Rows = list[list[Child]]


def table(
    caption: str, head: Sequence[str], rows: Rows, *, words: int = 1, has_total: bool = False, titled: bool = True
) -> Element:
    """The first `words` columns are words, the others figures; `titled` shows the caption to everyone. A table wider
    than the page is moved in its frame, which a keyboard reaches."""
    body = []
    for place, row in enumerate(rows):
        cells = [
            tag("th" if not column else "td", cell, scope="row" if not column else None, class_=_kind(column, words))
            for column, cell in enumerate(row)
        ]
        body.append(tag("tr", cells, class_="total" if has_total and place == len(rows) - 1 else None))
    top = [tag("th", name, scope="col", class_=_kind(column, words)) for column, name in enumerate(head)]
    made = tag("table", tag("thead", tag("tr", top)), tag("tbody", body), aria_label=caption)
    frame = tag("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)
    return tag("div", tag("p", caption, class_="caption") if titled else None, frame, class_="table")


def _kind(column: int, words: int) -> str | None:
    return None if column < words else "number"


def section(name: str, title: str, *children: Child) -> Element:
    return tag("section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def picture(
    title: str,
    more: str,
    draw: Callable[[], list[Element]],
    legend: Sequence[tuple[str, str]],
    behind: Element | None = None,
) -> Element | None:
    """A picture with what its colours mean, and the table `behind` that says the same; None where there is neither, as
    where the table is on the page anyway."""
    named = tag("figcaption", title, *([tag("small", f" {more}", class_="muted")] if more else []))
    try:
        drawn = draw()
    except (ExtraMissing, OSError):  # `what_they_need` says what it takes
        return tag("figure", named, behind) if behind is not None else None
    details = tag("details", tag("summary", f"{title} as a table"), behind) if behind is not None else None
    return tag("figure", named, _legend(legend), drawn, details)


def _legend(items: Sequence[tuple[str, str]]) -> Element | None:
    if not items:
        return None
    marks = []
    for colour, text in items:
        swatch = tag("rect", width=10, height=10, rx=2, fill=f"var(--{pictures.NAMES[colour]})")
        drawn = tag("svg", swatch, aria_hidden="true")
        drawn.set("viewBox", "0 0 10 10")
        marks.append(tag("li", drawn, text))
    return tag("ul", marks, class_="legend")


def share_bar(part: int, whole: int, label: str, *, done: bool = False) -> Element:
    percent = percent_text(part, whole)
    shown = min(part, whole)
    class_ = "done" if done and whole and part >= whole else None
    return tag("progress", percent, max=max(whole, 1), value=shown, aria_label=f"{label}: {percent}", class_=class_)


def percent_text(part: int, whole: int) -> str:
    """Never 100 % while anything is missing, and never 0 % of something."""
    if not whole:
        return "–"
    if not part or part >= whole:
        return "100 %" if part else "0 %"
    tenths = min(999, max(1, part * 1000 // whole))
    return f"{tenths / 10:.1f} %"
