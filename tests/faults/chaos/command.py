"""`python -m tests.faults.chaos.command VERB …`: cartage with a journal of what its ledger commits.

CARTAGE_TEST_JOURNAL names a file that gets a line of JSON after a COMMIT: of each row that it made `verified`, with the
ETags that the row has then, and whether what goes with the content was found to agree; and once when the intent to
delete was committed (`begun`). CARTAGE_TEST_KILL is that of `tests.faults.killing`, with one more kind of moment:
`late`, the so-maniest answer since that intent was committed, before anybody has read it. Nothing of this is in the
product.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from functools import wraps
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from tests.faults.killing import Killer, Moment, arm

if TYPE_CHECKING:
    from engine.plan.record import Decision, Outcome
    from engine.s3.messages import Call
    from engine.s3.parsing import Answer
    from engine.s3.streams import Stream

LATE = "late"
VERIFIED = "SELECT key, source_etag, target_etag FROM objects WHERE state = 'verified'"


class Journal:
    """What the transaction under way is about to commit, and the lines of those before it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self.begun = False
        self.verified: dict[str, bool] = {}
        self.deletes = False

    def commit(self, connection: Any) -> None:
        rows = [
            (*row, self.verified[row[0]])
            for row in (connection.execute(VERIFIED) if self.verified else ())
            if row[0] in self.verified
        ]
        at_s = time.monotonic()
        connection.execute("COMMIT")
        if rows:
            self._file.write(json.dumps({"at_s": at_s, "verified": rows}) + "\n")
        if self.deletes and not self.begun:
            self.begun = True
            self._file.write(json.dumps({"at_s": at_s, "begun": True}) + "\n")
        self.forget()

    def forget(self) -> None:
        self.verified.clear()
        self.deletes = False


class Journalled:
    """A connection whose commits are in the journal."""

    def __init__(self, connection: Any, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor | None:
        if sql == "COMMIT":
            self._journal.commit(self._connection)
            return None
        if sql == "ROLLBACK":
            self._journal.forget()
        found: sqlite3.Cursor = self._connection.execute(sql, parameters)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def keep_journal(journal: Journal, killer: Killer, verb: str) -> None:
    """Put the journal where rows are written, and `late` where answers come in."""
    from engine.ledger import ledger, rows
    from engine.ledger.commands import COMMANDS
    from engine.s3.wire_store import WireStore

    conclude, decide, connect, exchange = rows.conclude, rows.decide, vars(ledger)["connect"], WireStore._exchange

    def concluded(connection: Connection, route: int, outcomes: Sequence[Outcome], at_ms: int) -> None:
        conclude(connection, route, outcomes, at_ms)
        journal.verified |= {item.key: item.properties == "agree" for item in outcomes if item.state == "verified"}
        journal.deletes = journal.deletes or any(item.state == "deleting" for item in outcomes)

    @wraps(decide)
    def decided(connection: Connection, route: int, decisions: list[Decision], at_ms: int) -> None:
        decide(connection, route, decisions, at_ms)
        journal.deletes = journal.deletes or (verb == "revert" and bool(decisions))

    async def watched(self: WireStore, call: Call, stream: Stream | None = None) -> Answer:
        answer = await exchange(self, call, stream)
        if journal.begun:
            killer.met(LATE)
        return answer

    rows.conclude, COMMANDS["decide"] = concluded, decided
    setattr(ledger, "connect", lambda path: Journalled(connect(path), journal))  # noqa: B010
    WireStore._exchange = watched  # type: ignore[method-assign]


def main() -> None:
    killer = Killer(Moment.from_text(os.environ.get("CARTAGE_TEST_KILL", "never:0:0")))
    arm(killer)
    keep_journal(Journal(Path(os.environ["CARTAGE_TEST_JOURNAL"])), killer, sys.argv[1])
    from engine.cli.main import main as cartage

    sys.argv[0] = "cartage"
    killer.begin()
    cartage()


if __name__ == "__main__":
    main()
