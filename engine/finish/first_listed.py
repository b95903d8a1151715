"""The first keys of a snapshot that is kept for a deletion, to be shown before that is agreed to."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from engine.finish.deletion_list import Row


def first_listed(path: Path, count: int) -> list[str]:
    """The first so many keys that a deletion's list still holds, which nobody has open; none where it cannot be read:
    that is for whoever deletes to say."""
    # It may write, and does not: a connection that may not would leave files of SQLite's behind.
    address = f"{path.absolute().as_uri()}?mode=rw"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as connection:
        sql = "SELECT key FROM objects WHERE state = ? ORDER BY key LIMIT ?"
        return [key for (key,) in connection.execute(sql, (Row.LISTED.value, count))]
    return []
