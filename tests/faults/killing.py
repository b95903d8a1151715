"""`python -m tests.faults.killing VERB …`: cartage, killed at a moment that the environment names.

CARTAGE_TEST_KILL is `<moment>:<number>:<signal>`: at the so-maniest of `commit-before`, `commit-after` (just before and
just after the ledger's COMMIT), `request-before`, `request-after` (before a request is sent, and after its answer came
and before anybody has read it), `disk-before`, `disk-after` (just before and just after something is done to a local
folder), or after so many milliseconds (`time`), the process sends itself that signal. CARTAGE_TEST_COUNTS names a file
for how many moments of each kind there were, CARTAGE_TEST_BODIES one for every body that was asked for or sent, a line
each. Nothing of this is in the product.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

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


KINDS = ("commit-before", "commit-after", "request-before", "request-after", "disk-before", "disk-after")

ON_DISK = (
    "create", "create_unnamed", "give_name",
    "make_directory", "write", "cut", "allocate", "sync", "sync_data", "rename", "rename_to_nothing",
    "exchange", "unlink",
)  # fmt: skip
"""What `engine.folder.system` does that a power cut or a kill may come before or after."""


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
    from engine.folder import system
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
    for name in ON_DISK:
        setattr(system, name, _between(getattr(system, name), killer))


def _between(done: Callable[..., Any], killer: Killer) -> Callable[..., Any]:
    def watched(*of: Any) -> Any:
        killer.met("disk-before")
        answer = done(*of)
        killer.met("disk-after")
        return answer

    return watched


def note_bodies(path: str) -> None:
    """Write down each body before it is asked for or sent: its method, its key, and where it begins."""
    from engine.s3.wire_store import WireStore

    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    ask = WireStore._ask

    async def noted(self: WireStore, call: Call, stream: Stream | None = None) -> Answer:
        name = call.operation.name
        if name in ("GetObject", "PutObject", "UploadPart"):
            part = dict(parse_qsl(call.query)).get("partNumber", "")
            place = dict(zip(call.names, call.values, strict=True)).get("range", part)
            os.write(descriptor, (json.dumps([name, call.ref.key, place]) + "\n").encode())
        return await ask(self, call, stream)

    setattr(WireStore, "_ask", noted)  # noqa: B010


def main() -> None:
    killer = Killer(Moment.from_text(os.environ.get("CARTAGE_TEST_KILL", "never:0:0")))
    arm(killer)
    if bodies := os.environ.get("CARTAGE_TEST_BODIES"):
        note_bodies(bodies)
    counts = os.environ.get("CARTAGE_TEST_COUNTS")
    if counts:
        atexit.register(lambda: Path(counts).write_text(json.dumps(killer.counts)))
    from engine.cli.main import main as cartage

    sys.argv[0] = "cartage"
    killer.begin()
    cartage()


if __name__ == "__main__":
    main()
