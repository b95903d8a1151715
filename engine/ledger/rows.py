"""The statements that change object rows, each batch in one transaction with the tallies that it changes.

What nearly every batch is (rows new to the ledger; planned objects that were copied) has a quick way, checked by the
number of rows that it meets; everything else goes a careful way that reads each row first. Either refuses a step that
the table of states (`engine.plan.lifecycle`) does not know.
"""

from __future__ import annotations

import re
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


def _numbered(sql: str, names: Sequence[str]) -> str:
    """A statement with `:name` for each value, as one that takes a tuple in the order of `names`: sqlite3 binds a dict
    at more than twice the cost (5.0 and 2.1 µs a row)."""
    return re.sub(r":(\w+)", lambda found: f"?{names.index(found[1]) + 1}", sql)


_DECIDED = ("route", "at_ms", *Decision._fields)
"""The values of a decision, in the order in which `decide` gives them."""

_NEW_ROW = {
    **{column: f":{column}" for column in _DECIDED if column != "at_ms"},
    "checksum": "''",
    "method": "''",
    "attempts": ":state = 'planned'",
    "decided_ms": ":at_ms",
    "copied_ms": "CASE WHEN :state = 'copied' THEN :at_ms ELSE 0 END",
    "size_ms": "0",
    "digest_ms": "0",
    "bytes_ms": "0",
    "xxh3": "''",
}
_DECIDED_AGAIN = {
    **{column: f"excluded.{column}" for column in _NEW_ROW if column not in ("route", "key")},
    "method": "CASE WHEN excluded.properties = '' THEN '' ELSE method END",
    "attempts": "attempts + excluded.attempts",
}
_INTO = f"INTO objects ({', '.join(_NEW_ROW)}) VALUES ({', '.join(_NEW_ROW.values())})"
_INSERT = _numbered(f"INSERT OR IGNORE {_INTO}", _DECIDED)
_UPSERT = _numbered(
    f"INSERT {_INTO} ON CONFLICT (route, key) DO UPDATE SET "
    + ", ".join(f"{column} = {value}" for column, value in _DECIDED_AGAIN.items()),
    _DECIDED,
)

_ENDED = ("route", "at_ms", *Outcome._fields)
"""The values of an outcome, in the order in which `conclude` gives them."""

_SAME_TARGET = "target_etag = :target_etag"
_KEEPS_TARGET = ":target_etag = '' AND :state IN ('failed', 'drifted', 'conflict', 'archived')"


def _reached(column: str, level: Proof) -> str:
    """When this proof was reached: now, or before where the target is the same; what a row knew stays while it is
    verified or deleted, and is gone in every other state."""
    return f"""CASE
        WHEN :state = 'verified' AND :proof >= {int(level)} THEN
            CASE WHEN {column} > 0 AND {_SAME_TARGET} THEN {column} ELSE :at_ms END
        WHEN :state IN ('verified', 'deleting', 'deleted') THEN {column} ELSE 0 END"""


_AFTERWARDS = {
    "state": ":state",
    "checksum": f"CASE WHEN :checksum = '' AND {_SAME_TARGET} THEN checksum ELSE :checksum END",
    "proof": ":proof",
    "compared": "CASE WHEN :compared = '' AND :proof > 0 THEN compared ELSE :compared END",
    "method": "CASE WHEN :method = '' THEN method ELSE :method END",
    "code": ":code",
    "message": ":message",
    "found": "CASE :method WHEN 'found' THEN 1 WHEN '' THEN found ELSE 0 END",
    "copied_ms": "CASE WHEN copied_ms = 0 AND :state IN ('copied', 'verified') THEN :at_ms ELSE copied_ms END",
    "size_ms": _reached("size_ms", Proof.SIZE),
    "digest_ms": _reached("digest_ms", Proof.DIGEST),
    "bytes_ms": _reached("bytes_ms", Proof.BYTES),
    "xxh3": f"CASE WHEN :xxh3 = '' AND {_SAME_TARGET} THEN xxh3 ELSE :xxh3 END",
    "properties": f"CASE WHEN :properties = '' AND ({_SAME_TARGET} OR {_KEEPS_TARGET}) "
    "THEN properties ELSE :properties END",
    "target_etag": f"CASE WHEN {_KEEPS_TARGET} THEN target_etag ELSE :target_etag END",
}
_CONCLUDE = _numbered(
    f"UPDATE objects SET {', '.join(f'{column} = {value}' for column, value in _AFTERWARDS.items())} "
    "WHERE route = :route AND key = :key",
    _ENDED,
)

_COPIED = _numbered(
    "UPDATE objects SET state = 'copied', target_etag = :target_etag, checksum = :checksum, proof = :proof, "
    "compared = :compared, method = :method, code = :code, message = :message, copied_ms = :at_ms, "
    "found = :method = 'found' WHERE route = :route AND key = :key",
    ("route", "at_ms", "key", "target_etag", "checksum", "proof", "compared", "method", "code", "message"),
)
"""What `_CONCLUDE` comes to over a planned row, whose checksum, method, times and xxh3 are empty."""

KEYS_A_QUERY = 512


def decide(connection: sqlite3.Connection, route: int, decisions: list[Decision], at_ms: int) -> None:
    """Write decisions. Raises `LedgerError` for a step that the table of states does not know."""
    rows: list[tuple[object, ...]] = []
    added, added_bytes = Counter[TallyKey](), Counter[TallyKey]()
    for item in decisions:
        # As plain text and numbers: sqlite3 first looks for an adapter of what is a subclass (0.9 µs a row).
        state, found, proof = item.state.value, int(item.found), int(item.proof)
        rows.append((route, at_ms, *item[:6], state, item.held, item.target_etag, found, proof, *item[11:]))
        added[state, proof, found] += 1
        added_bytes[state, proof, found] += item.size
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
    before = _leave(connection, route, ((item.key, item.state) for item in outcomes), new=False)
    connection.executemany(
        _CONCLUDE,
        [(route, at_ms, item.key, item.state.value, *item[2:4], int(item.proof), *item[5:]) for item in outcomes],
    )
    added, added_bytes = Counter[TallyKey](), Counter[TallyKey]()
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
    objects, size_bytes = Counter[TallyKey](), Counter[TallyKey]()
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
        _COPIED, [(route, at_ms, item.key, *item[2:4], int(item.proof), *item[5:7], *item[8:10]) for item in outcomes]
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


def source_etags(connection: sqlite3.Connection, route: int, keys: Sequence[str]) -> dict[str, str]:
    """The sources' ETags of these rows."""
    return dict(_of_keys(connection, route, keys, "SELECT key, source_etag FROM objects WHERE route = ?"))


def forget(connection: sqlite3.Connection, route: int, keys: list[str]) -> None:
    """Remove rows of objects that vanished before anything of them was written. Raises `LedgerError` for any other."""
    _leave(connection, route, ((key, None) for key in keys), new=False)
    connection.executemany("DELETE FROM objects WHERE route = ? AND key = ?", [(route, key) for key in keys])


def let_go(connection: sqlite3.Connection, route: int, keys: list[str]) -> None:
    """Remove rows of objects that their owner has removed on both sides; of keys that are not known nothing."""
    known = [row[0] for row in _of_keys(connection, route, keys, "SELECT key FROM objects WHERE route = ?")]
    _leave(connection, route, ((key, None) for key in known), new=False, is_gone=True)
    connection.executemany("DELETE FROM objects WHERE route = ? AND key = ?", [(route, key) for key in known])


def _leave(
    connection: sqlite3.Connection,
    route: int,
    steps: Iterable[tuple[str, State | None]],
    *,
    new: bool,
    is_gone: bool = False,
) -> list[tuple[int, int]]:
    """Check each step against the table and take the rows out of their tallies; gives (size, found) of each row. A key
    comes once in a batch: what the second step follows would not be in the table yet. `is_gone`: nothing is left of
    what was written."""
    gone, gone_bytes = Counter[TallyKey](), Counter[TallyKey]()
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
        if after is None and not is_gone and (State(state) not in ASIDE or target_etag):
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
