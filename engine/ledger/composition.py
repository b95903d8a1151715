"""What a ledger's objects are made of: storage classes, sizes, ways of copying, and the largest of them.

Unlike the tallies this is not kept beside the rows: it is read from them, about a second a million.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from engine.plan.lifecycle import UNDONE, State

Name = TypeVar("Name", str, int)

LARGEST = 10

EDGES: tuple[int, ...] = (0, *(step * 10**power for power in range(16) for step in (1, 2, 5)))
"""Where the sizes' bins begin, in bytes: empty objects, then three a decade."""


class Share(NamedTuple):
    """So many objects, and their bytes."""

    objects: int = 0
    bytes: int = 0

    def plus(self, other: Share) -> Share:
        return Share(self.objects + other.objects, self.bytes + other.bytes)


class LargeObject(NamedTuple):
    """One of the largest; `state` as the ledger has it."""

    route: str
    key: str
    size: int
    state: str


class Composition(NamedTuple):
    """Shares by storage class, by the bin of their size (its place in `EDGES`) and by how they were copied (empty: not
    yet); the largest objects first; `over` is what took the place of something that stood there before."""

    classes: dict[str, Share]
    sizes: dict[int, Share]
    methods: dict[str, Share]
    largest: tuple[LargeObject, ...] = ()
    over: Share = Share()


_PLACE = " ".join(f"WHEN size < {edge} THEN {place}" for place, edge in enumerate(EDGES[1:]))
_NOT_THERE = ", ".join(f"'{state}'" for state in sorted(UNDONE - {State.DAMAGED}))
_WAY = f"CASE WHEN method = '' AND state NOT IN ({_NOT_THERE}) THEN 'found' ELSE method END"
"""What stands there by a decision alone was found by the listing: no answer told how it came there."""
_SHARES = f"""SELECT storage_class, CASE {_PLACE} ELSE {len(EDGES) - 1} END AS place, {_WAY} AS way, count(*), sum(size)
    FROM objects GROUP BY storage_class, place, way"""
_OVER = f"""SELECT count(*), ifnull(sum(size), 0) FROM objects
    WHERE overwritten <> '' AND target_etag <> '' AND NOT found AND state NOT IN ({_NOT_THERE})"""
_LARGEST = """SELECT r.name, o.key, o.size, o.state FROM (SELECT route, key, size, state FROM objects
    ORDER BY size DESC, route, key LIMIT ?) o JOIN routes r ON r.id = o.route ORDER BY o.size DESC, r.id, o.key"""


def read(connection: sqlite3.Connection) -> Composition:
    """Look at every row."""
    found = Composition({}, {}, {})
    for storage_class, place, method, *figures in connection.execute(_SHARES):
        share = Share(*figures)
        _add(found.classes, {storage_class: share})
        _add(found.sizes, {place: share})
        _add(found.methods, {method: share})
    largest = connection.execute(_LARGEST, (LARGEST,))
    over = Share(*connection.execute(_OVER).fetchone())
    return found._replace(largest=tuple(LargeObject(*row) for row in largest), over=over)


def together(parts: Iterable[Composition]) -> Composition:
    """That of several ledgers, none of which has an object of another."""
    sums = Composition({}, {}, {})
    largest: list[LargeObject] = []
    for part in parts:
        _add(sums.classes, part.classes)
        _add(sums.sizes, part.sizes)
        _add(sums.methods, part.methods)
        sums = sums._replace(over=sums.over.plus(part.over))
        largest += part.largest
    largest.sort(key=lambda item: (-item.size, item.route, item.key))
    return sums._replace(largest=tuple(largest[:LARGEST]))


def _add(sums: dict[Name, Share], shares: Mapping[Name, Share]) -> None:
    for name, share in shares.items():
        sums[name] = sums.get(name, Share()).plus(share)
