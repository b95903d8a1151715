"""The statements that change object rows, each batch in one transaction with the tallies that it changes.

What nearly every batch is (rows new to the ledger; planned objects that were copied) has a quick way, checked by the
number of rows that it meets; everything else goes a careful way that reads each row first. Either refuses a step that
the table of states (`engine.plan.lifecycle`) does not know.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.errors import LedgerError
from engine.model import Proof
from engine.plan.lifecycle import ASIDE, FIRST, TRANSITIONS, State
from engine.plan.record import Decision, Outcome

TallyKey = tuple[str, int, int]
"""State, proof, found."""

_COLUMNS = (
    "route, key, size, source_etag, source_modified, storage_class, source_checksum, state, held, target_etag, "
    "checksum, proof, compared, found, method, attempts, code, message, decided_ms, copied_ms, size_ms, digest_ms, "
    "bytes_ms, xxh3, properties"
)
_VALUES = (
    "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, '', ?12, ?13, ?11, '', ?8 = 'planned', ?14, ?15, ?16, "
    "CASE WHEN ?8 = 'copied' THEN ?16 ELSE 0 END, 0, 0, 0, '', ?17"
)
_INSERT = f"INSERT OR IGNORE INTO objects ({_COLUMNS}) VALUES ({_VALUES})"
_UPSERT = f"""INSERT INTO objects ({_COLUMNS}) VALUES ({_VALUES})
ON CONFLICT (route, key) DO UPDATE SET
    size = excluded.size, source_etag = excluded.source_etag, source_modified = excluded.source_modified,
    storage_class = excluded.storage_class, source_checksum = excluded.source_checksum, state = excluded.state,
    held = excluded.held, target_etag = excluded.target_etag, checksum = '', proof = excluded.proof,
    compared = excluded.compared, found = excluded.found,
    method = CASE WHEN excluded.properties = '' THEN '' ELSE method END, attempts = attempts + excluded.attempts,
    code = excluded.code, message = excluded.message, decided_ms = excluded.decided_ms,
    copied_ms = excluded.copied_ms, size_ms = 0, digest_ms = 0, bytes_ms = 0, xxh3 = '',
    properties = excluded.properties"""

_REACHED = """CASE WHEN ?2 <> 'verified' OR ?5 < {level} THEN CASE WHEN ?2 = 'verified' OR ?2 = 'deleting'
    OR ?2 = 'deleted' THEN {column} ELSE 0 END WHEN {column} > 0 AND target_etag = ?3 THEN {column} ELSE ?10 END"""
_KEEPS_TARGET = "?3 = '' AND ?2 IN ('failed', 'drifted', 'conflict', 'archived')"
_CONCLUDE = f"""UPDATE objects SET
    state = ?2, checksum = CASE WHEN ?4 = '' AND target_etag = ?3 THEN checksum ELSE ?4 END,
    proof = ?5, compared = CASE WHEN ?6 = '' AND ?5 > 0 THEN compared ELSE ?6 END,
    method = CASE WHEN ?7 = '' THEN method ELSE ?7 END, code = ?8, message = ?9,
    found = CASE ?7 WHEN 'found' THEN 1 WHEN '' THEN found ELSE 0 END,
    copied_ms = CASE WHEN copied_ms = 0 AND ?2 IN ('copied', 'verified') THEN ?10 ELSE copied_ms END,
    size_ms = {_REACHED.format(level=int(Proof.SIZE), column="size_ms")},
    digest_ms = {_REACHED.format(level=int(Proof.DIGEST), column="digest_ms")},
    bytes_ms = {_REACHED.format(level=int(Proof.BYTES), column="bytes_ms")},
    xxh3 = CASE WHEN ?11 = '' AND target_etag = ?3 THEN xxh3 ELSE ?11 END,
    properties = CASE WHEN ?13 = '' AND (target_etag = ?3 OR {_KEEPS_TARGET}) THEN properties ELSE ?13 END,
    target_etag = CASE WHEN {_KEEPS_TARGET} THEN target_etag ELSE ?3 END
WHERE route = ?12 AND key = ?1"""

_COPIED = """UPDATE objects SET state = 'copied', target_etag = ?, checksum = ?, proof = ?, compared = ?, method = ?,
code = ?, message = ?, copied_ms = ?, found = ? WHERE route = ? AND key = ?"""
"""What `_CONCLUDE` comes to over a planned row, whose checksum, method, times and xxh3 are empty."""

KEYS_A_QUERY = 512


def decide(connection: sqlite3.Connection, route: int, decisions: Sequence[Decision], at_ms: int) -> None:
    """Write decisions. Raises `LedgerError` for a step that the table of states does not know."""
    rows = [
        (
            route,
            item.key,
            item.size,
            item.source_etag,
            item.source_modified,
            item.storage_class,
            item.source_checksum,
            item.state.value,
            item.held,
            item.target_etag,
            int(item.found),
            int(item.proof),
            item.compared,
            item.code,
            item.message,
            at_ms,
            item.properties,
        )
        for item in decisions
    ]
    added: Counter[TallyKey] = Counter()
    added_bytes: Counter[TallyKey] = Counter()
    for item in decisions:
        tally = (item.state.value, int(item.proof), int(item.found))
        added[tally] += 1
        added_bytes[tally] += item.size
    connection.execute("SAVEPOINT quick")
    inserted = connection.executemany(_INSERT, rows).rowcount
    if inserted == len(rows) and all(item.state in FIRST for item in decisions):
        connection.execute("RELEASE quick")
        _tally(connection, route, added, added_bytes)
        return
    connection.execute("ROLLBACK TO quick")
    connection.execute("RELEASE quick")
    _leave(connection, route, ((item.key, item.state) for item in decisions), new=True)
    connection.executemany(_UPSERT, rows)
    _tally(connection, route, added, added_bytes)


def conclude(connection: sqlite3.Connection, route: int, outcomes: Sequence[Outcome], at_ms: int) -> None:
    """Write outcomes over rows that exist. Raises `LedgerError` as `decide`, and for a key that was never decided."""
    if _conclude_copies(connection, route, outcomes, at_ms):
        return
    rows = [
        (
            item.key,
            item.state.value,
            item.target_etag,
            item.checksum,
            int(item.proof),
            item.compared,
            item.method,
            item.code,
            item.message,
            at_ms,
            item.xxh3,
            route,
            item.properties,
        )
        for item in outcomes
    ]
    before = _leave(connection, route, ((item.key, item.state) for item in outcomes), new=False)
    connection.executemany(_CONCLUDE, rows)
    added: Counter[TallyKey] = Counter()
    added_bytes: Counter[TallyKey] = Counter()
    for item, (size, found) in zip(outcomes, before, strict=True):
        tally = (item.state.value, int(item.proof), found if item.method == "" else int(item.method == "found"))
        added[tally] += 1
        added_bytes[tally] += size
    _tally(connection, route, added, added_bytes)


def _conclude_copies(connection: sqlite3.Connection, route: int, outcomes: Sequence[Outcome], at_ms: int) -> bool:
    """The quick way of `conclude`; False where some outcome is no copy of a planned object, and nothing was written."""
    keys_of: dict[TallyKey, list[str]] = {}
    for item in outcomes:
        if item.state is not State.COPIED or item.xxh3 or item.properties:
            return False
        tally = (State.COPIED.value, int(item.proof), int(item.method == "found"))
        keys_of.setdefault(tally, []).append(item.key)
    objects: Counter[TallyKey] = Counter()
    size_bytes: Counter[TallyKey] = Counter()
    what = (
        "SELECT proof, found, count(*), sum(size) FROM objects WHERE route = ? AND state = 'planned' AND found = 0 "
        "AND copied_ms = 0 AND checksum = '' AND xxh3 = '' AND properties = ''"
    )
    for tally, keys in keys_of.items():
        met = 0
        for proof, found, count, size in _of_keys(connection, route, keys, what, " GROUP BY proof, found"):
            met += count
            objects[tally] += count
            size_bytes[tally] += size
            objects[State.PLANNED.value, proof, found] -= count
            size_bytes[State.PLANNED.value, proof, found] -= size
        if met != len(keys):
            return False
    connection.executemany(
        _COPIED,
        [
            (
                item.target_etag,
                item.checksum,
                int(item.proof),
                item.compared,
                item.method,
                item.code,
                item.message,
                at_ms,
                int(item.method == "found"),
                route,
                item.key,
            )
            for item in outcomes
        ],
    )
    _tally(connection, route, objects, size_bytes)
    return True


def _of_keys(
    connection: sqlite3.Connection, route: int, keys: Sequence[str], what: str, after: str = ""
) -> Iterator[tuple[Any, ...]]:
    """`what` of the rows that these keys have, many keys at a time."""
    for first in range(0, len(keys), KEYS_A_QUERY):
        some = list(keys[first : first + KEYS_A_QUERY])
        # Few different statements, so that SQLite need not compile them anew: a key may be named more than once.
        marks = 16 if len(some) <= 16 else 128 if len(some) <= 128 else KEYS_A_QUERY
        named = [*some, *(some[-1:] * (marks - len(some)))]
        yield from connection.execute(f"{what} AND key IN ({','.join('?' * marks)}){after}", (route, *named))


def forget(connection: sqlite3.Connection, route: int, keys: Sequence[str]) -> None:
    """Remove rows of objects that vanished before anything of them was written. Raises `LedgerError` for any other."""
    _leave(connection, route, ((key, None) for key in keys), new=False)
    connection.executemany("DELETE FROM objects WHERE route = ? AND key = ?", [(route, key) for key in keys])


def _leave(
    connection: sqlite3.Connection, route: int, steps: Iterable[tuple[str, State | None]], *, new: bool
) -> list[tuple[int, int]]:
    """Check each step against the table and take the rows out of their tallies; gives (size, found) of each row. A key
    comes once in a batch: what the second step follows would not be in the table yet."""
    gone: Counter[TallyKey] = Counter()
    gone_bytes: Counter[TallyKey] = Counter()
    before: list[tuple[int, int]] = []
    asked = list(steps)
    what = "SELECT key, state, proof, found, size, target_etag FROM objects WHERE route = ?"
    known = {row[0]: row for row in _of_keys(connection, route, [key for key, _ in asked], what)}
    seen: set[str] = set()
    for key, after in asked:
        if key in seen:
            raise LedgerError(f"{key!r} comes twice in one batch")
        seen.add(key)
        row = known.get(key)
        if row is None:
            if not new:
                raise LedgerError(f"an outcome for {key!r} came before any decision about it")
            if after not in FIRST:
                raise LedgerError(f"{key!r} cannot begin as {after.value if after else 'nothing'}")
            continue
        _, state, proof, found, size, target_etag = row
        if after is None and (State(state) not in ASIDE or target_etag):
            raise LedgerError(f"{key!r} is {state}, and what was written of it is not forgotten")
        if after is not None and after not in TRANSITIONS[State(state)]:
            raise LedgerError(f"{key!r} cannot go from {state} to {after.value}")
        tally = (state, proof, found)
        gone[tally] -= 1
        gone_bytes[tally] -= size
        before.append((size, found))
    _tally(connection, route, gone, gone_bytes)
    return before


def _tally(
    connection: sqlite3.Connection, route: int, objects: Counter[TallyKey], size_bytes: Counter[TallyKey]
) -> None:
    connection.executemany(
        """INSERT INTO tallies (route, state, proof, found, objects, bytes) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (route, state, proof, found) DO UPDATE SET
        objects = objects + excluded.objects, bytes = bytes + excluded.bytes""",
        [(route, *key, count, size_bytes[key]) for key, count in objects.items() if count],
    )


def begin_copying(connection: sqlite3.Connection, route: int, key: str) -> None:
    """A planned object becomes an upload. One that is an upload already stays one."""
    row = connection.execute(
        "SELECT state, proof, found, size FROM objects WHERE route = ? AND key = ?", (route, key)
    ).fetchone()
    if row is None or row[0] != State.PLANNED.value:
        return
    _, proof, found, size = row
    connection.execute("UPDATE objects SET state = ? WHERE route = ? AND key = ?", (State.COPYING.value, route, key))
    planned, copying = (State.PLANNED.value, proof, found), (State.COPYING.value, proof, found)
    _tally(connection, route, Counter({planned: -1, copying: 1}), Counter({planned: -size, copying: size}))
