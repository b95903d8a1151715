"""`python -m tests.faults.killing VERB …`: cartage, killed at a moment that the environment names.

CARTAGE_TEST_KILL is `<moment>:<number>:<signal>`: at the so-maniest of `commit-before`, `commit-after` (just before and
just after the ledger's COMMIT), `request-before`, `request-after` (before a request is sent, and after its answer came
and before anybody has read it), or after so many milliseconds (`time`), the process sends itself that signal.
CARTAGE_TEST_COUNTS names a file for how many moments of each kind there were. Nothing of this is in the product.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from engine.s3.messages import Call
    from engine.s3.parsing import Answer
    from engine.s3.streams import Stream


class Moment(NamedTuple):
    kind: str
    number: int
    signal: int

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.number}:{self.signal}"

    @classmethod
    def from_text(cls, text: str) -> Moment:
        kind, number, signal = text.split(":")
        return cls(kind, int(number), int(signal))


KINDS = ("commit-before", "commit-after", "request-before", "request-after")


class Killer:
    """Counts moments, and sends the signal when the one that is wanted has come."""

    def __init__(self, wanted: Moment) -> None:
        self._wanted = wanted
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        """From here on it is cartage that runs, and no longer what this module needs."""
        if self._wanted.kind == "time":
            timer = threading.Timer(self._wanted.number / 1000, self._strike)
            timer.daemon = True
            timer.start()

    def met(self, kind: str) -> None:
        self.counts[kind] += 1
        if kind == self._wanted.kind and self.counts[kind] == self._wanted.number:
            self._strike()

    def _strike(self) -> None:
        os.kill(os.getpid(), self._wanted.signal)


class Watched:
    """A connection that tells of its commits."""

    def __init__(self, connection: sqlite3.Connection, killer: Killer) -> None:
        self._connection = connection
        self._killer = killer

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return self._connection.execute(sql, parameters)
        self._killer.met("commit-before")
        done = self._connection.execute(sql)
        self._killer.met("commit-after")
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def arm(killer: Killer) -> None:
    """Put the killer between the ledger's writer and SQLite, and between the wire and S3."""
    from engine.ledger import ledger
    from engine.s3.wire_store import WireStore

    connect, exchange = vars(ledger)["connect"], WireStore._exchange

    async def watched(self: WireStore, call: Call, stream: Stream | None = None) -> Answer:
        killer.met("request-before")
        answer = await exchange(self, call, stream)
        killer.met("request-after")
        return answer

    setattr(ledger, "connect", lambda path: Watched(connect(path), killer))  # noqa: B010
    WireStore._exchange = watched  # type: ignore[method-assign]


def main() -> None:
    killer = Killer(Moment.from_text(os.environ.get("CARTAGE_TEST_KILL", "never:0:0")))
    arm(killer)
    counts = os.environ.get("CARTAGE_TEST_COUNTS")
    if counts:
        atexit.register(lambda: Path(counts).write_text(json.dumps(killer.counts)))
    from engine.cli.main import main as cartage

    sys.argv[0] = "cartage"
    killer.begin()
    cartage()


if __name__ == "__main__":
    main()
