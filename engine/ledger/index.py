"""The index of a ledger in shards: the statements that its tables are read and changed by (docs/ledger.md).

The index has everything that is one for the whole plan (binding, snapshots, acceptances, notes, kept files) and, of
each shard, the keys that it has and its *record*: the sums of its rows when it was closed last. So what is asked of the
whole is answered without opening a shard. A shard that `is_open` may have changed since its record.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.plan.noted import Noted
from engine.plan.record import Tally
from engine.plan.shards import Piece

WHOLE = 0
"""The parent of the shards that a plan is cut into at first."""


class ShardRecord(NamedTuple):
    """One shard: its keys, and what is known of its rows without asking it. `listed` is, by route, for which snapshot
    (its `opened_ms`) its keys were listed to their end; `undone` counts rows that a run has something to do about."""

    number: int
    parent: int
    pieces: tuple[Piece, ...]
    is_open: bool
    uploads: int
    listed: Mapping[str, int]
    tallies: Sequence[tuple[str, int]]
    """State and objects, of all its routes."""


class Closing(NamedTuple):
    """What a shard's own ledger says at its end. `listings` are objects and bytes by route, of those that were listed
    to their end for the snapshot that was opened at the moment given."""

    tallies: list[Tally]
    noted: dict[str, Noted]
    uploads: int
    listings: list[tuple[str, int, int, int]]


def add(connection: sqlite3.Connection, shards: list[list[Piece]]) -> list[int]:
    """Make shards of these pieces; gives their numbers."""
    return _add(connection, shards, WHOLE)


def _add(connection: sqlite3.Connection, shards: list[list[Piece]], parent: int) -> list[int]:
    numbers = []
    for pieces in shards:
        cursor = connection.execute(
            "INSERT INTO shards (parent, is_open, uploads, noted, recorded_ms) VALUES (?, 0, 0, '{}', 0)", (parent,)
        )
        numbers.append(int(cursor.lastrowid or 0))
        _give(connection, numbers[-1], pieces)
    return numbers


def _give(connection: sqlite3.Connection, number: int, pieces: list[Piece]) -> None:
    routes = dict(connection.execute("SELECT name, id FROM routes").fetchall())
    connection.executemany(
        "INSERT INTO pieces (shard, route, after, upto) VALUES (?, ?, ?, ?)",
        [(number, routes[piece.route], piece.after, piece.upto) for piece in pieces],
    )


def hand_over(connection: sqlite3.Connection, number: int, kept: list[Piece], rest: list[list[Piece]]) -> list[int]:
    """Leave a shard with what it has `kept`, and make shards of the rest; gives their numbers."""
    connection.execute("DELETE FROM pieces WHERE shard = ?", (number,))
    _give(connection, number, kept)
    return _add(connection, rest, number)


def set_open(connection: sqlite3.Connection, number: int) -> None:
    """The shard is about to change."""
    connection.execute("UPDATE shards SET is_open = 1 WHERE number = ?", (number,))


def record(connection: sqlite3.Connection, number: int, closing: Closing, at_ms: int, still_open: bool) -> None:
    """Keep what a shard's rows come to."""
    routes = dict(connection.execute("SELECT name, id FROM routes").fetchall())
    connection.execute("DELETE FROM shard_tallies WHERE shard = ?", (number,))
    connection.executemany(
        "INSERT INTO shard_tallies (shard, route, state, proof, found, objects, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (number, routes[item.route], item.state.value, int(item.proof), int(item.found), item.objects, item.bytes)
            for item in closing.tallies
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO shard_listings (shard, route, opened_ms, objects, bytes) VALUES (?, ?, ?, ?, ?)",
        [(number, routes[route], *figures) for route, *figures in closing.listings],
    )
    noted = json.dumps({name: list(item) for name, item in closing.noted.items() if item.objects})
    connection.execute(
        "UPDATE shards SET is_open = ?, uploads = ?, noted = ?, recorded_ms = ? WHERE number = ?",
        (int(still_open), closing.uploads, noted, at_ms, number),
    )


def noted_of(texts: Iterable[str]) -> dict[str, Noted]:
    """What is the matter with the rows of these shards together, from their records."""
    found: dict[str, Noted] = {}
    for text in texts:
        for name, values in json.loads(text).items():
            found[name] = found.get(name, Noted()).plus(Noted(*values))
    return found


def records(connection: sqlite3.Connection) -> list[ShardRecord]:
    """Every shard, by number."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    listed: dict[int, dict[str, int]] = defaultdict(dict)
    tallies: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for number, *piece in connection.execute(
        "SELECT p.shard, r.name, p.after, p.upto FROM pieces p JOIN routes r ON r.id = p.route ORDER BY p.rowid"
    ):
        pieces[number].append(Piece(*piece))
    for number, route, opened_ms in connection.execute(
        "SELECT l.shard, r.name, l.opened_ms FROM shard_listings l JOIN routes r ON r.id = l.route"
    ):
        listed[number][route] = opened_ms
    for number, state, objects in connection.execute(
        "SELECT shard, state, sum(objects) FROM shard_tallies GROUP BY shard, state"
    ):
        tallies[number].append((state, objects))
    return [
        ShardRecord(number, parent, tuple(pieces[number]), bool(is_open), uploads, listed[number], tallies[number])
        for number, parent, is_open, uploads in connection.execute(
            "SELECT number, parent, is_open, uploads FROM shards ORDER BY number"
        )
    ]


def had_objects(connection: sqlite3.Connection, number: int) -> bool:
    """Whether a shard had any when it was recorded last."""
    sql = "SELECT 1 FROM shard_tallies WHERE shard = ? AND objects > 0 LIMIT 1"
    return connection.execute(sql, (number,)).fetchone() is not None


def listed_by_route(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Objects and bytes by route, of those whose every shard was listed to its end for the open snapshot."""
    found = {}
    for route, shards, listed, objects, size_bytes in connection.execute(
        """SELECT r.name, count(*), count(l.shard), total(l.objects), total(l.bytes) FROM routes r
        JOIN (SELECT DISTINCT shard, route FROM pieces) p ON p.route = r.id
        LEFT JOIN shard_listings l ON l.shard = p.shard AND l.route = r.id AND l.opened_ms = r.opened_ms
        GROUP BY r.id"""
    ):
        if shards == listed:
            found[route] = (int(objects), int(size_bytes))
    return found
