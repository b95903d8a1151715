"""A result in a notebook: a small table of what it came to, and one for what it has by route. Pure.

Keys and names are other people's, and made harmless (`markup`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element, tostring

from engine.report.markup import Child, tag
from engine.report.ndjson import values_of

SHOWN = 5
"""Of a list, or of a table's rows beyond which only their number is said. `to_dict` has all of it."""

ROWS = 50


def result_html(result: object) -> str:
    """A fragment for a notebook's cell."""
    values = values_of(result)
    nested = {name: value for name, value in values.items() if _is_table(value)}
    plain = {name: value for name, value in values.items() if name not in nested}
    parts = [_table(type(result).__name__, [], [[name, value] for name, value in plain.items()])]
    parts += [_nested(name, value) for name, value in nested.items()]
    return tostring(tag("div", parts), encoding="unicode", method="html")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())


def _nested(name: str, rows: dict[str, dict[str, Any]]) -> Element:
    """A row each for what is known by name, as for routes."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    shown = [[key, *(row.get(column) for column in columns)] for key, row in list(rows.items())[:ROWS]]
    left = len(rows) - len(shown)
    return _table(name, ["", *columns], [*shown, *([[f"and {left:,} more"]] if left else [])])


def _table(caption: str, head: list[str], rows: Iterable[list[Any]]) -> Element:
    top = tag("thead", tag("tr", [tag("th", name) for name in head])) if head else None
    body = [tag("tr", tag("th", _shown(row[0])), [tag("td", _shown(cell)) for cell in row[1:]]) for row in rows]
    return tag("table", tag("caption", caption), top, tag("tbody", body))


def _shown(value: Any) -> Child:
    if value is None or value in ("", [], {}):
        return None
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            return _several([[f"{name}: ", _shown(item)] for name, item in value.items()])
        case list():
            return _several([_shown(item) for item in value])
        case _:
            return str(value)


def _several(items: list[Child]) -> list[Child]:
    shown = [*items[:SHOWN], *([f"and {len(items) - SHOWN:,} more"] if len(items) > SHOWN else [])]
    return [part for item in shown for part in (tag("br"), item)][1:]
