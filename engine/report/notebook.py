"""A result in a notebook: a small table of what it came to, and one for what it has by route. Pure.

Keys and names are other people's: control characters are shown as escapes, and everything is escaped as HTML has it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from engine.report.results import values_of
from engine.report.text import safe

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
    return f"<div>{''.join(parts)}</div>"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())


def _nested(name: str, rows: dict[str, dict[str, Any]]) -> str:
    """A row each for what is known by name, as for routes."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    shown = [[key, *(row.get(column) for column in columns)] for key, row in list(rows.items())[:ROWS]]
    left = len(rows) - len(shown)
    return _table(name, ["", *columns], [*shown, *([[f"and {left:,} more"]] if left else [])])


def _table(caption: str, head: list[str], rows: Iterable[list[Any]]) -> str:
    cells = "".join(f"<th>{_escaped(name)}</th>" for name in head)
    top = f"<thead><tr>{cells}</tr></thead>" if head else ""
    body = "".join(
        f"<tr><th>{_text(row[0])}</th>{''.join(f'<td>{_text(cell)}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    return f"<table><caption>{_escaped(caption)}</caption>{top}<tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            return _several([f"{_escaped(str(name))}: {_text(item)}" for name, item in value.items()])
        case list():
            return _several([_text(item) for item in value])
        case _:
            return _escaped(str(value))


def _several(items: list[str]) -> str:
    more = [f"and {len(items) - SHOWN:,} more"] if len(items) > SHOWN else []
    return "<br>".join([*items[:SHOWN], *more])


def _escaped(text: str) -> str:
    return html.escape(safe(text))
