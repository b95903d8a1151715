"""The statements that change object rows, each batch in one transaction with the tallies that it changes.

What nearly every page's decisions are, rows new to the ledger, has a quick way, checked by the number of rows that it
meets; outcomes are checked by what their rows were, counted by state. Where a count is not what it has to be each row
is read. Nothing takes a step that the table of states (`engine.plan.lifecycle`) does not know.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.errors import LedgerError
from engine.ledger.batches import BatchStatement
from engine.model import Proof
from engine.plan.lifecycle import ASIDE, BEREFT, FIRST, TRANSITIONS, UNDONE, State
from engine.plan.record import NOT_KEPT, Decision, Outcome

TallyKey = tuple[str, int, int]
"""State, proof, found."""

_NEW_ROW = {
    "route": ":route",
    **{column: f":{column}" for column in Decision._fields},
    "checksum": "''",
    "method": "''",
    "attempts": ":state = 'planned'",
    "decided_ms": ":at_ms",
    "copied_ms": "CASE WHEN :state = 'copied' THEN :at_ms ELSE 0 END",
    "size_ms": "0",
    "digest_ms": "0",
    "bytes_ms": "0",
    "xxh3": "''",
    "overwritten": ":held",
}
_DECIDED_AGAIN = {
    **{column: f"excluded.{column}" for column in _NEW_ROW if column not in ("route", "key")},
    # How what stands there came there, while it is known to stand.
    "method": "CASE WHEN excluded.properties <> '' OR (target_etag <> '' AND excluded.target_etag = target_etag) "
    "THEN method ELSE '' END",
    "attempts": "attempts + excluded.attempts",
    # What is copied anew over our own copy, compared with it or taken as it, is still not what stood there before us.
    "overwritten": "CASE WHEN excluded.state = 'copied' AND excluded.found = 0 THEN overwritten "
    "WHEN target_etag <> '' AND found = 0 AND excluded.target_etag = target_etag "
    "AND excluded.held IN (target_etag, held) THEN overwritten ELSE excluded.held END",
}
_INTO = f"INTO objects ({', '.join(_NEW_ROW)}) SELECT {', '.join(_NEW_ROW.values())} FROM {{rows}}"
_INSERT = BatchStatement(f"INSERT OR IGNORE {_INTO}")
_UPSERT = BatchStatement(
    f"INSERT {_INTO} WHERE true ON CONFLICT (route, key) DO UPDATE SET "
    + ", ".join(f"{column} = {value}" for column, value in _DECIDED_AGAIN.items())
)

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
    "properties": f"CASE WHEN {_SAME_TARGET} AND properties = '{NOT_KEPT}' || :properties THEN properties "
    f"WHEN :properties = '' AND ({_SAME_TARGET} OR {_KEEPS_TARGET}) THEN properties ELSE :properties END",
    # What was missing, or another object, is no damage of the one that was written. Only a copy of ours ends a damage.
    "damaged": "CASE WHEN :state IN ('damaged', 'lost') AND :code NOT IN ('TargetMissing', 'TargetChanged') "
    "THEN :target_etag WHEN :state = 'copied' AND :method NOT IN ('', 'found') THEN '' ELSE damaged END",
    "target_etag": f"CASE WHEN {_KEEPS_TARGET} THEN target_etag ELSE :target_etag END",
}
_CONCLUDE = BatchStatement(
    f"UPDATE objects SET {', '.join(f'{column} = {value}' for column, value in _AFTERWARDS.items())} "
    "FROM {rows} WHERE route = :route AND key = :key"
)

KEYS_A_QUERY = 512


def decide(connection: sqlite3.Connection, route: int, decisions: list[Decision], at_ms: int) -> None:
    """Write decisions. Raises `LedgerError` for a step that the table of states does not know."""
    if not decisions:
        return
    columns = _columns(decisions)
    added, added_bytes = Counter[TallyKey](), Counter[TallyKey]()
    tallied: Iterator[Any] = zip(*(columns[name] for name in ("state", "proof", "found")), strict=True)
    for tally, size in zip(tallied, columns["size"], strict=True):
        added[tally] += 1
        added_bytes[tally] += size
    connection.execute("SAVEPOINT quick")
    inserted = _INSERT.over(connection, route, at_ms, columns)
    if inserted == len(decisions) and {item.state for item in decisions} <= FIRST:
        connection.execute("RELEASE quick")
        _tally(connection, route, added, added_bytes)
        return
    connection.execute("ROLLBACK TO quick")
    connection.execute("RELEASE quick")
    _keep_former(connection, route, _leave(connection, route, ((item.key, item.state) for item in decisions), new=True))
    _take_for_former(connection, route, {item.key: item.target_etag for item in decisions if _is_taken(item)})
    _drop_former(connection, route, [item.key for item in decisions if item.state not in UNDONE])
    _UPSERT.over(connection, route, at_ms, columns)
    _tally(connection, route, added, added_bytes)


def conclude(connection: sqlite3.Connection, route: int, outcomes: Sequence[Outcome], at_ms: int) -> None:
    """Write outcomes over rows that exist. Raises `LedgerError` as `decide`, and for a key that was never decided."""
    if not outcomes:
        return
    alike: dict[tuple[State, Proof, str], list[str]] = {}
    for item in outcomes:
        alike.setdefault((item.state, item.proof, item.method), []).append(item.key)
    objects, size_bytes = Counter[TallyKey](), Counter[TallyKey]()
    what = "SELECT state, proof, found, count(*), sum(size) FROM objects WHERE route = ?"
    met = 0
    for (after, proof, method), keys in alike.items():
        for state, *of, found, count, size in _of_keys(connection, route, keys, what, " GROUP BY state, proof, found"):
            if after not in TRANSITIONS[State(state)]:
                continue
            met += count
            now_found = found if method == "" else int(method == "found")
            for tally, sign in (((state, *of, found), -1), ((after.value, int(proof), now_found), 1)):
                objects[tally] += sign * count
                size_bytes[tally] += sign * size
    if met != len(outcomes) or len({item.key for item in outcomes}) != met:
        _leave(connection, route, ((item.key, item.state) for item in outcomes), new=False)
        raise AssertionError("one of these steps was refused, and is there")
    _CONCLUDE.over(connection, route, at_ms, _columns(outcomes))
    _drop_former(connection, route, [item.key for item in outcomes if item.state not in UNDONE])
    _tally(connection, route, objects, size_bytes)


def _columns(rows: Sequence[Decision] | Sequence[Outcome]) -> dict[str, Sequence[Any]]:
    """As plain text and numbers: sqlite3 first looks for an adapter of what is a subclass (0.9 µs a row)."""
    columns: dict[str, Sequence[Any]] = dict(zip(type(rows[0])._fields, zip(*rows, strict=True), strict=True))
    columns["state"] = [state.value for state in columns["state"]]
    for name in ("proof", "found"):
        if name in columns:
            columns[name] = list(map(int, columns[name]))
    return columns


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
    """Remove rows of objects that vanished before anything of them was written; what was known before of their keys
    holds again. Raises `LedgerError` for any other."""
    _leave(connection, route, ((key, None) for key in keys), new=False)
    connection.executemany("DELETE FROM objects WHERE route = ? AND key = ?", [(route, key) for key in keys])
    _bring_back_former(connection, route, keys)


def let_go(connection: sqlite3.Connection, route: int, keys: list[str]) -> None:
    """Remove rows of objects that their owner has removed on both sides; of keys that are not known nothing."""
    known = [row[0] for row in _of_keys(connection, route, keys, "SELECT key FROM objects WHERE route = ?")]
    _leave(connection, route, ((key, None) for key in known), new=False, is_gone=True)
    _drop_former(connection, route, known)
    connection.executemany("DELETE FROM objects WHERE route = ? AND key = ?", [(route, key) for key in known])


def _leave(
    connection: sqlite3.Connection,
    route: int,
    steps: Iterable[tuple[str, State | None]],
    *,
    new: bool,
    is_gone: bool = False,
) -> list[str]:
    """Check each step against the table and take the rows out of their tallies. A key comes once in a batch: what the
    second step follows would not be in the table yet. `is_gone`: nothing is left of what was written. Gives the keys
    whose own object was gone before."""
    gone, gone_bytes = Counter[TallyKey](), Counter[TallyKey]()
    asked = list(steps)
    what = "SELECT key, state, proof, found, size, target_etag FROM objects WHERE route = ?"
    known = {row[0]: row for row in _of_keys(connection, route, [key for key, _ in asked], what)}
    seen: set[str] = set()
    bereft = []
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
        if state in BEREFT:
            bereft.append(key)
    _tally(connection, route, gone, gone_bytes)
    return bereft


# --- what was known of an object whose source is gone, while another one is at its key: until that is in place, or gone


def _keep_former(connection: sqlite3.Connection, route: int, keys: Sequence[str]) -> None:
    for key in keys:
        found = connection.execute("SELECT * FROM objects WHERE route = ? AND key = ?", (route, key))
        row = dict(zip((column for column, *_ in found.description), found.fetchone(), strict=True))
        connection.execute("INSERT OR REPLACE INTO former VALUES (?, ?, ?)", (route, key, json.dumps(row)))


def _is_taken(decision: Decision) -> bool:
    """Whether the target is one that we wrote, and that is taken as it stands."""
    return decision.state is State.COPIED and not decision.found


def _take_for_former(connection: sqlite3.Connection, route: int, taken: dict[str, str]) -> None:
    """Where the target that is taken is the one that was written of the former object, what stood there before that is
    known again: what the newcomer met there was that copy."""
    for key, text in _of_keys(connection, route, list(taken), "SELECT key, row FROM former WHERE route = ?"):
        row = json.loads(text)
        if row["target_etag"] == taken[key]:
            sql = "UPDATE objects SET overwritten = ? WHERE route = ? AND key = ?"
            connection.execute(sql, (row["overwritten"], route, key))


def _drop_former(connection: sqlite3.Connection, route: int, keys: Sequence[str]) -> None:
    if keys and connection.execute("SELECT 1 FROM former LIMIT 1").fetchone():
        connection.executemany("DELETE FROM former WHERE route = ? AND key = ?", [(route, key) for key in keys])


def _bring_back_former(connection: sqlite3.Connection, route: int, keys: Sequence[str]) -> None:
    objects, size_bytes = Counter[TallyKey](), Counter[TallyKey]()
    for key, text in list(_of_keys(connection, route, keys, "SELECT key, row FROM former WHERE route = ?")):
        row = json.loads(text)
        named = ", ".join(f":{column}" for column in row)
        connection.execute(f"INSERT INTO objects ({', '.join(row)}) VALUES ({named})", row)
        connection.execute("DELETE FROM former WHERE route = ? AND key = ?", (route, key))
        tally = (row["state"], row["proof"], row["found"])
        objects[tally] += 1
        size_bytes[tally] += row["size"]
    _tally(connection, route, objects, size_bytes)


def _tally(
    connection: sqlite3.Connection, route: int, objects: Counter[TallyKey], size_bytes: Counter[TallyKey]
) -> None:
    connection.executemany(
        """INSERT INTO tallies (route, state, proof, found, objects, bytes) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (route, state, proof, found) DO UPDATE SET
        objects = objects + excluded.objects, bytes = bytes + excluded.bytes""",
        # As many may leave as enter, and be of other sizes.
        [(route, *key, count, size_bytes[key]) for key, count in objects.items() if count or size_bytes[key]],
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
