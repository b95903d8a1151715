"""What reads much of a ledger's file and writes nothing, ended when nobody waits for it any more."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STEPS = 100_000
"""So many of SQLite's instructions pass before a statement is asked whether to end: some milliseconds, for nothing."""


class Leaving:
    """What reads inside of `watching` ends with `sqlite3.OperationalError` once somebody leaves: what is under way
    then, and what is begun after it."""

    def __init__(self) -> None:
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._watched: sqlite3.Connection | None = None

    @contextmanager
    def watching(self, connection: sqlite3.Connection) -> Iterator[None]:
        """What reads by this connection until the context ends."""
        connection.set_progress_handler(self._left.is_set, STEPS)
        with self._lock:
            self._watched = connection
        try:
            yield
        finally:
            with self._lock:  # so that no connection is interrupted that writes, or is closed
                self._watched = None
            connection.set_progress_handler(None, 0)
            if self._left.is_set():  # an interruption stands until a statement begins, and would leave a -wal behind
                connection.execute("SELECT 1")

    def leave(self) -> None:
        """From any thread."""
        with self._lock:
            self._left.set()
            if self._watched is not None:
                self._watched.interrupt()  # a check of the whole file asks nothing for seconds
