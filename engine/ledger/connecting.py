"""A read-only connection to a ledger's file, whatever format it has, and without a lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from engine.errors import LedgerCorrupt, LedgerMissing
from engine.ledger.descriptors import Hold, refuse_planted
from engine.ledger.files import beside, reading, refuse_foreign
from engine.ledger.schema import MIGRATIONS, OLDER_VIEWS, refuse_newer
from engine.ledger.writer import damaged, translating


def hold_existing(path: Path) -> Hold:
    """A hold for reading on a ledger that has to be there. Raises `LedgerMissing`, `LedgerError`."""
    refuse_missing(path)
    with reading(path):
        return Hold(path, own=False)


def refuse_missing(path: Path) -> None:
    """Raise `LedgerMissing` where there is none."""
    if not path.exists():
        raise LedgerMissing(
            f"there is no ledger at {path}.", advice="Run the plan first, or name the ledger with --ledger."
        )


def connect_to_read(path: Path, hold: Hold, *, own: bool = False) -> sqlite3.Connection:
    """A read-only connection to the ledger that is held. `own`: it may be closed last, after who writes, and then puts
    what the -wal has into the file; one that may not write would leave that behind. Raises `LedgerCorrupt` or
    `LedgerError`."""
    refuse_foreign(path, hold)
    if own:
        refuse_planted(path)
    with translating(path):
        connection, version = _open_to_read(path, ["mode=rw"] if own else _ways(path))
    try:
        refuse_newer(path, version)
        if version < 1:
            raise damaged(path, "no format")
    except LedgerCorrupt:
        connection.close()
        raise
    for older in range(version, len(MIGRATIONS)):
        connection.executescript(OLDER_VIEWS[older])
    connection.execute("PRAGMA query_only = ON")
    return connection


def _ways(path: Path) -> list[str]:
    """In a folder that may not be written to, or on a full disk, SQLite cannot share a ledger with a writer (its -shm
    takes 32 KB). Where nothing is in a -wal there is none, and the file is read as one that does not change."""
    try:
        has_more = beside(path, "-wal").stat().st_size > 0
    except FileNotFoundError:
        has_more = False
    return ["mode=ro"] if has_more else ["mode=ro", "mode=ro&immutable=1"]


def _open_to_read(path: Path, ways: Sequence[str]) -> tuple[sqlite3.Connection, int]:
    """The connection, in the first of these ways that works, and the format's number."""
    for way in ways:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{way}", uri=True, isolation_level=None, check_same_thread=False, timeout=30
        )
        try:
            return connection, int(connection.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.OperationalError:
            connection.close()
            if way == ways[-1]:
                raise
        except BaseException:
            connection.close()
            raise
    raise AssertionError("one of the ways was the last")
