"""A Markdown table of the project's data between two marks in a text, everything around it staying as it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from engine.references.filetext import Edit, edited

BEGIN, END = "<!-- cartage:data -->", "<!-- /cartage:data -->"
_MARKS = re.compile(r"^[ \t]*<!--\s*(/?)cartage:data\s*-->[ \t]*(?=\r?$)", re.M)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class NoMarks(ValueError):
    """The text has not just one place for the table; the message says why."""


class Row(NamedTuple):
    """A data set. `size` as people write it; `description` empty where the plan gives none."""

    name: str
    path: str
    files: int
    size: str
    description: str = ""


def with_table(text: str, rows: Sequence[Row]) -> str:
    """The text with the table of `rows` between its marks. Raises `NoMarks`."""
    marks = list(_MARKS.finditer(text))
    kinds = [bool(mark.group(1)) for mark in marks]
    if kinds != [False, True]:
        found = "neither of them is there" if not marks else f"it has {len(marks)} of them, in another order"
        raise NoMarks(f"the table stands between the lines {BEGIN} and {END}, and {found}")
    newline = "\r\n" if "\r\n" in text else "\n"
    first, last = marks[0].end(), marks[1].start()
    table = newline.join(_lines(rows))
    return edited(text, [Edit(first, last, f"{newline}{newline}{table}{newline}{newline}")])


def _lines(rows: Sequence[Row]) -> list[str]:
    told = any(row.description for row in rows)
    lines = ["| data | path | files | size |", "|---|---|--:|--:|"]
    lines += [f"| {_cell(row.name)} | {_code(row.path)} | {row.files:,} | {row.size} |" for row in rows]
    if told:
        ends = [" description |", "---|", *(f" {_cell(row.description)} |" for row in rows)]
        lines = [line + end for line, end in zip(lines, ends, strict=True)]
    return lines


def _cell(text: str) -> str:
    """Text as a cell shows it: what would end the cell, begin markup or a tag is escaped."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", _CONTROL.sub(" ", text))


def _code(text: str) -> str:
    """A path in a cell. Backticks inside are fenced by more of them; a bar ends a cell even in code, unless escaped."""
    text = _CONTROL.sub(" ", text).replace("|", "\\|")
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"
