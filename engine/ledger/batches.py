"""A statement over many rows at a time, at a fraction of what it costs one by one.

What a statement costs by itself is shared by its rows: SQLite counts anew what an index's condition is compared with,
and sqlite3 gives the interpreter away and takes it back. And what all rows of a batch have in common, which is nearly
everything but key, ETags and size, is bound once: 100 ns a value and row.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain

ROWS_A_STATEMENT = (50, 10, 1)
"""More at once bring no more."""

TEXTS_KEPT = 128
"""As many as sqlite3 keeps compiled for a connection: what rows have in common is of few kinds."""

SHARED = ("route", "at_ms")
"""What is of the batch, and not of its rows."""

KEY = "key"
"""What no two rows have in common."""

Columns = Mapping[str, Sequence[object]]
"""The rows' values by name, each as plain text or a number."""


class BatchStatement:
    """SQL that names `:route`, `:at_ms` and the values of a row, `:key` among them; `{rows}` is where it takes the rows
    from."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._named = frozenset(re.findall(r":(\w+)", sql))

    def over(self, connection: sqlite3.Connection, route: int, at_ms: int, columns: Columns) -> int:
        """Carry it out; gives how many rows of the table were met."""
        alike: dict[str, object] = {}
        own: dict[str, Sequence[object]] = {}
        for name, column in columns.items():
            if name not in self._named:
                continue
            if name != KEY and column.count(column[0]) == len(column):
                alike[name] = column[0]
            else:
                own[name] = column
        rows = list(zip(*own.values(), strict=True))
        shared = (route, at_ms, *alike.values())
        met = begun = 0
        for many in ROWS_A_STATEMENT:
            while len(rows) - begun >= many:
                text = _text(self._sql, tuple(alike), tuple(own), many)
                some = chain.from_iterable(rows[begun : begun + many])
                met += connection.execute(text, (*shared, *some)).rowcount
                begun += many
        return met


@lru_cache(TEXTS_KEPT)
def _text(sql: str, alike: tuple[str, ...], own: tuple[str, ...], many: int) -> str:
    shared = (*SHARED, *alike)
    places = {name: f"?{at}" for at, name in enumerate(shared, 1)}
    places |= {name: f"rows.column{at}" for at, name in enumerate(own, 1)}
    numbers = [f"?{at}" for at in range(len(shared) + 1, len(shared) + many * len(own) + 1)]
    rows = ",".join(f"({','.join(numbers[at : at + len(own)])})" for at in range(0, len(numbers), len(own)))
    return re.sub(r":(\w+)", lambda found: places[found[1]], sql).format(rows=f"(VALUES {rows}) AS rows")
