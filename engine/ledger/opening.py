"""A ledger's file made, checked, brought up to date and bound, before anyone writes to it.

A new ledger is made whole under another name and then renamed: a file at the ledger's own place is never half made,
and an empty one there is one that was cut short.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from engine.errors import LedgerCorrupt, LedgerError
from engine.ledger.binding import Binding
from engine.ledger.descriptors import Hold, refuse_planted
from engine.ledger.files import beside, make_new, refuse_foreign, sync_folder, writing
from engine.ledger.leaving import Leaving
from engine.ledger.rebinding import bind_anew, empty_view, holds_any, is_view, settle
from engine.ledger.schema import MIGRATIONS, migrate, refuse_newer
from engine.ledger.writer import damaged
from engine.plan.lifecycle import State


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes. Commits outlive this process; those that are asked to (`Writer.do`) a power cut."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves data in the drive's cache
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path, binding: Binding, hold: Hold, leaving: Leaving) -> tuple[dict[str, int], bool]:
    """Check the ledger, bring it up to date and compare what it is bound to. Gives the routes' ids and whether it holds
    no object yet, and as an index no shard. The caller has locked `hold`; the checks, which read every row and write
    nothing, end where it is `leaving`.

    Raises `LedgerMismatch` with every difference, `LedgerCorrupt`, `LedgerError`, `sqlite3.Error`."""
    refuse_foreign(path, hold)
    refuse_planted(path)
    hold.make_private()
    with closing(connect(path)) as connection:
        with leaving.watching(connection):
            _check(path, connection)
        _upgrade(path, connection)
        with leaving.watching(connection):
            _check_totals(path, connection)
        settle(path, connection, binding)
        route_ids = dict(connection.execute("SELECT name, id FROM routes").fetchall())
        return route_ids, not holds_any(connection, "objects", "shards")


def create(path: Path, binding: Binding) -> None:
    """Make a new ledger, where there is none. The caller has the lock file. Raises `LedgerError`, `sqlite3.Error`."""

    def fill(connection: sqlite3.Connection) -> None:
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        bind_anew(connection, binding)
        connection.execute("COMMIT")

    make_whole(path, fill)


def make_whole(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a database whole under another name, and rename it. Raises `LedgerError`, and what `fill` raises."""
    stray = beside(path, "-wal")
    if stray.exists() and stray.stat().st_size:
        raise LedgerError(
            f"{stray} is there, and the ledger {path} that it belongs to is not.",
            advice="Put the two together again, or move the one away too: what is copied is found.",
        )
    new = beside(path, ".new")
    with writing(path):
        for leftover in (stray, new, beside(new, "-journal")):
            leftover.unlink(missing_ok=True)
        make_new(new)
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            fill(connection)
        new.replace(path)
        sync_folder(path)


def _check(path: Path, connection: sqlite3.Connection) -> None:
    trouble = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if trouble != "ok":
        raise damaged(path, trouble)


_TOTALS = "SELECT route, {objects}, {bytes}, {proof}, {found}, {states} FROM {table} GROUP BY route ORDER BY route"
_OF_ROWS = _TOTALS.format(
    table="objects",
    objects="count(*)",
    bytes="sum(size)",
    proof="sum(proof)",
    found="sum(found)",
    states=", ".join(f"sum(state = '{state.value}')" for state in State),
)
_OF_TALLIES = _TOTALS.format(
    table="(SELECT * FROM tallies WHERE objects <> 0)",
    objects="sum(objects)",
    bytes="sum(bytes)",
    proof="sum(proof * objects)",
    found="sum(found * objects)",
    states=", ".join(f"sum(CASE WHEN state = '{state.value}' THEN objects ELSE 0 END)" for state in State),
)


def _check_totals(path: Path, connection: sqlite3.Connection) -> None:
    """The tallies are kept with every change: rows that do not add up to them were changed by something else."""
    rows, tallies = (connection.execute(sql).fetchall() for sql in (_OF_ROWS, _OF_TALLIES))
    if rows != tallies or any(row[1] != sum(row[5:]) for row in rows):
        raise damaged(path, "its rows do not add up to its totals")


def _upgrade(path: Path, connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    refuse_newer(path, version)
    # What a change did when the view's format was made is perhaps not what it does in one that is made now.
    if 0 < version < len(MIGRATIONS) and is_view(connection):
        connection.execute("BEGIN IMMEDIATE")
        empty_view(connection)
        connection.execute("COMMIT")
    try:
        migrate(connection)
    except ValueError as error:
        raise LedgerCorrupt(
            f"{path} cannot be used as a ledger: {error}.", advice="Name another with --ledger."
        ) from error
