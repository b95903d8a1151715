"""What a ledger is bound to, in its file: compared with what is wanted, and changed."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine.errors import LedgerCorrupt, LedgerMismatch
from engine.ledger.binding import Binding, differences, learned
from engine.ledger.shard_places import goes_by
from engine.ledger.writer import MOVE_AWAY, damaged

VIEW = "journal"
"""Under which key the `meta` of a journal's view has the journal's place and its next slot."""

LAST = "segment"
"""Under which key a view has what was in the slot before that one, by which it knows its journal again."""

BOUND = "bound"
"""Under which key an index that is a view has that its journal says what it is bound to: before that it is bound to
what this machine wanted alone."""


class Change(NamedTuple):
    """A change of what a ledger is bound to, by the name of its command."""

    name: str
    text: str


def change_to(path: Path, connection: sqlite3.Connection, wanted: Binding, *, journaled: bool = False) -> Change | None:
    """What has to change for the ledger to be bound to what is wanted; None: nothing. `journaled`: it is the index of
    a ledger that is kept in journals, as these have it now.

    Raises `LedgerMismatch` with every difference where it holds something, `LedgerCorrupt`."""
    bound = bound_in(path, connection)
    if journaled and not _has(connection, BOUND):
        if not holds_nothing(connection):
            raise unbound(goes_by(path))
        return Change("bind", wanted.text)
    different = differences(bound, wanted)
    if not different:
        more = learned(bound, wanted)
        return Change("learn", more.text) if more != bound else None
    if not holds_nothing(connection):
        start = anew(is_view=is_view(connection))
        raise LedgerMismatch(
            "\n".join(
                [f"the ledger {goes_by(path)} is bound to something else:", *(f"  - {line}" for line in different)]
            ),
            advice=f"Go back to what it is bound to, or {start}: what is copied is found.",
        )
    return Change("bind", wanted.text)


def settle(path: Path, connection: sqlite3.Connection, wanted: Binding) -> None:
    """Have the ledger bound to what is wanted, unless it is a view: that is changed by its journal alone. Raises as
    `change_to`."""
    change = change_to(path, connection, wanted)
    if change is None or is_view(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    if change.name == "bind":
        bind_anew(connection, wanted)
    else:
        learn(connection, change.text)
    connection.execute("COMMIT")


def unbound(where: object) -> LedgerMismatch:
    """The error of shards of which nobody can say what they are of."""
    return LedgerMismatch(
        f"{where} does not say what it is bound to: an older Cartage began it.",
        advice=f"Go on with that one to the end, or {anew(is_view=True)}: what is copied is found.",
    )


def anew(*, is_view: bool) -> str:
    """What to do where a ledger cannot be gone on with: a view is one of a place in S3, which is to be another too."""
    return f"start a new ledger with {'another --state and --ledger' if is_view else '--ledger'}"


def bound_in(path: Path, connection: sqlite3.Connection) -> Binding:
    """What a ledger is bound to. Raises `LedgerCorrupt`."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'binding'").fetchone()
    if row is None:
        raise LedgerCorrupt(f"the ledger {path} has no binding: it is not one that Cartage finished.", advice=MOVE_AWAY)
    try:
        return Binding.from_text(row[0])
    except ValueError as error:
        raise damaged(path, "its binding cannot be read") from error


def _has(connection: sqlite3.Connection, key: str) -> bool:
    return connection.execute("SELECT 1 FROM meta WHERE key = ?", (key,)).fetchone() is not None


def holds_nothing(connection: sqlite3.Connection) -> bool:
    """Nothing was decided, begun, accepted or kept: after a plan that was looked at and then mended, say."""
    return not holds_any(connection, "objects", "shards", "uploads", "acceptances", "keeps")


def holds_any(connection: sqlite3.Connection, *tables: str) -> bool:
    """Whether there is a row in one of these tables."""
    return any(connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in tables)


def is_view(connection: sqlite3.Connection) -> bool:
    """Whether it is what a journal says."""
    return _has(connection, VIEW)


def empty_view(connection: sqlite3.Connection) -> None:
    """Take out of a view, of whichever format, all that its journal says, so that it is made anew from the first slot.
    It stays a view of that one."""
    connection.execute("PRAGMA defer_foreign_keys = ON")  # until the transaction ends
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('meta', 'routes')"
    for (name,) in connection.execute(tables).fetchall():
        connection.execute(f"DELETE FROM {name}")
    connection.execute("UPDATE routes SET opened_ms = 0, closed_ms = 0, objects = 0, bytes = 0")
    connection.execute("DELETE FROM meta WHERE key IN (?, ?)", (BOUND, LAST))
    (kept,) = connection.execute("SELECT value FROM meta WHERE key = ?", (VIEW,)).fetchone()
    connection.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps([json.loads(kept)[0], 0]), VIEW))


def bind_anew(connection: sqlite3.Connection, binding: Binding) -> None:
    """Bind a ledger that holds nothing: of what it was bound to before nothing is left."""
    for name in ("slowest", "moments", "runs", "notes", "tallies", "routes"):
        connection.execute(f"DELETE FROM {name}")
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('binding', ?)", (binding.text,))
    connection.executemany(
        "INSERT INTO routes (name, source, target, digest) VALUES (?, ?, ?, ?)",
        [(item.name, item.source, item.target, item.digest) for item in binding.routes],
    )


# --- commands, as a journal has them ------------------------------------------------------------------------


def bind(connection: sqlite3.Connection, text: str) -> None:
    bind_anew(connection, Binding.from_text(text))
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, 'by its journal')", (BOUND,))


def learn(connection: sqlite3.Connection, text: str) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE key = 'binding'", (text,))


def bind_list(connection: sqlite3.Connection, route: str, digest: str, reopen: bool) -> None:
    (text,) = connection.execute("SELECT value FROM meta WHERE key = 'binding'").fetchone()
    bound = Binding.from_text(text)
    lists = {**dict(bound.lists), route: digest}
    learn(connection, replace(bound, lists=tuple(lists.items())).text)
    if reopen:
        connection.execute("UPDATE routes SET opened_ms = 0, closed_ms = 0 WHERE name = ?", (route,))
