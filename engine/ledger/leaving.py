"""What reads much of a ledger's file and writes nothing, ended at once when nobody waits for it any more."""

from __future__ import annotations

import sqlite3
import threading

STEPS = 100_000
"""So many of SQLite's instructions pass before a statement notices by itself: some milliseconds, and costs nothing."""


class Leaving:
    """What reads by the connection that is watched ends with `sqlite3.OperationalError` once somebody leaves: what is
    under way then, and what is begun after it."""

    def __init__(self) -> None:
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._watched: sqlite3.Connection | None = None

    def watch(self, connection: sqlite3.Connection | None) -> None:
        """Watch this connection from now on, and the one before no longer."""
        with self._lock:  # so that none is interrupted that is closed, or writes
            if self._watched is not None:
                self._watched.set_progress_handler(None, 0)
            self._watched = connection
            if connection is not None:
                connection.set_progress_handler(self._left.is_set, STEPS)

    def leave(self) -> None:
        """From any thread."""
        with self._lock:
            self._left.set()
            if self._watched is not None:
                self._watched.interrupt()  # a check of the whole file notices nothing else
