"""What the ledger's tests begin with: a binding, a ledger that is open, decisions and outcomes in a few words."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from engine.ledger import Binding, Ledger
from engine.model import Proof
from engine.plan.binding import RouteBinding
from engine.plan.lifecycle import State
from engine.plan.record import Decision, Outcome, UploadRecord

RAW = RouteBinding("raw", "s3://bucket/data/raw/", "s3://bucket/project/data/raw/", "rules-1")
MODEL = RouteBinding("model", "s3://bucket/model.tar.gz", "s3://bucket/project/model.tar.gz", "rules-2")
BINDING = Binding("moving", "https://s3.us-east-2.amazonaws.com", (RAW, MODEL), (("bucket", ""),))

PLANNED, COPYING, COPIED, VERIFIED = State.PLANNED, State.COPYING, State.COPIED, State.VERIFIED


class Clock:
    """Milliseconds that a test moves."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def opened(path: Path, binding: Binding = BINDING, clock: Clock | None = None) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(path, binding, now_ms=clock or Clock())
    async with ledger:
        yield ledger


def decision(key: str, state: State = PLANNED, size: int = 10, **more: object) -> Decision:
    values = {"held": "", "target_etag": f"etag-{key}" if state is COPIED else ""} | more
    return Decision(key, size, f"etag-{key}", "2026-01-31T10:00:00.000Z", "STANDARD", "", state, **values)  # type: ignore[arg-type]


def outcome(key: str, state: State = COPIED, proof: Proof = Proof.NONE, **more: object) -> Outcome:
    values = {"target_etag": f"etag-{key}", "method": "copy"} | more
    return Outcome(key, state, proof=proof, **values)  # type: ignore[arg-type]


def upload(key: str, intent_ms: int = 1_000) -> UploadRecord:
    return UploadRecord(
        "raw", key, "bucket", f"project/{key}", "", f"etag-{key}", 10, "8388608", "CRC64NVME", intent_ms
    )


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the file itself, past the engine."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, *statements: str) -> None:
    """Change the file itself, past the engine."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


RECOUNT = """SELECT r.name, o.state, o.proof, o.found, count(*), sum(o.size)
FROM objects o JOIN routes r ON r.id = o.route
GROUP BY o.route, o.state, o.proof, o.found ORDER BY o.route, o.state, o.proof, o.found"""
TALLIES = """SELECT r.name, t.state, t.proof, t.found, t.objects, t.bytes FROM tallies t JOIN routes r ON r.id = t.route
WHERE t.objects <> 0 OR t.bytes <> 0 ORDER BY t.route, t.state, t.proof, t.found"""


def assert_tallies_agree(path: Path) -> None:
    assert query(path, TALLIES) == query(path, RECOUNT)
