"""A plan and its ledger at moments of a move, made without S3: what reports are made of, in tests and for pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import engine
from engine.finish.acceptances import keep_acceptance
from engine.finish.gate import Reason
from engine.finish.judged import note_gate
from engine.ledger import Binding, Ledger, Moment, SlowObject
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision, Outcome

Item = TypeVar("Item")

BEGAN_MS = 1_790_000_000_000
"""2026-09-21, 14:13:20 UTC."""

HOSTILE = (
    "<script>alert(1)</script>.png",
    "</style><img src=x onerror=alert(2)>",
    "line\nbreak\x1b[31m\x07",
    "right\u202eto-left\u2066.txt",
    "\U0001f9ff-\U00020000-e\u0301",
    "\"quoted\" & 'both'.json",
    "$E=mc^2$ \\frac{1}{2}",
    "a" * 900,
)
"""Keys as other people may have them."""

PLAN = """name = "pokemon-consolidation"
bucket = "pokemon-card-training"
prefix = "project/pokemon-card-recognition/"

[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
expect = { objects = 9000, size = "4.6 GB" }

[[routes]]
name = "processed"
from = "/data/processed/"
to = "data/processed/"
expect = { objects = 4001 }

[[routes]]
name = "reference"
from = "/data/reference/"
to = "data/reference/"

[[routes]]
name = "models"
from = "/models/"
to = "models/"

[cleanup]
hold = "24h"
"""
ROUTES = {"raw": 9_000, "processed": 4_000, "reference": 600, "models": 24}


def batched(rows: Sequence[Item], count: int) -> Iterator[Sequence[Item]]:
    """So many at a time."""
    return (rows[first : first + count] for first in range(0, len(rows), count))


class Stage(StrEnum):
    """Moments of a move."""

    BEFORE = "before"
    KILLED = "killed"
    COPIED = "copied"
    ASIDE = "aside"
    VERIFIED = "verified"
    FINISHED = "finished"


def size_of(route: str, number: int) -> int:
    """Small files, some larger, a few models of gigabytes: the same each time."""
    if route == "models":
        return 40_000_000 * int((1 + number % 7) ** 3)
    return 200 * int(3 ** (number % 11)) + (number * 7919) % 100_000


def keys_of(route: str) -> list[str]:
    names = [f"{route}/card-{number:06}.png" for number in range(ROUTES[route])]
    return [*names[: -len(HOSTILE)], *HOSTILE] if route == "reference" else names


async def made(folder: Path, stage: Stage) -> Plan:
    """The plan's file and its ledger, as they are at that moment. Gives the plan."""
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    plan = engine.load_plan(folder / "plan.toml")
    if stage is Stage.BEFORE:
        return plan
    async with _ledger(engine.ledger_path(plan), plan) as ledger:
        await _copied(ledger, stage)
        if stage in (Stage.VERIFIED, Stage.FINISHED):
            await _verified(ledger)
            await _accepted(ledger)
        if stage is Stage.FINISHED:
            await _deleted(ledger)
    return plan


class _Clock:
    def __init__(self) -> None:
        self.now_ms = BEGAN_MS

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def _ledger(path: Path, plan: Plan) -> AsyncIterator[Ledger]:
    buckets = ((plan.places[0].bucket, ""),)
    binding = Binding(plan.name, "https://s3.us-east-2.amazonaws.com", plan.binding_routes, buckets)
    async with await Ledger.open(path, binding, now_ms=_Clock()) as ledger:
        yield ledger


async def _copied(ledger: Ledger, stage: Stage) -> None:
    killed = stage is Stage.KILLED
    for route in ROUTES:
        await ledger.open_snapshot(route)
        keys = keys_of(route)
        rows = [
            Decision(
                key,
                size_of(route, number),
                f"{number:032x}",
                "2026-01-31T10:00:00.000Z",
                "GLACIER_IR" if number % 9 == 0 else "INTELLIGENT_TIERING" if number % 4 == 0 else "STANDARD",
                "",
                State.PLANNED,
            )
            for number, key in enumerate(keys)
        ]
        for some in batched(rows, 1_000):
            await ledger.decide(route, some)
        if not (killed and route == "raw"):
            await ledger.close_snapshot(route, len(rows), sum(row.size for row in rows))
        done = rows[: len(rows) // 3] if killed else rows
        outcomes = [_outcome(route, number, row, stage) for number, row in enumerate(done)]
        for some_done in batched(outcomes, 1_000):
            await ledger.conclude(route, some_done)
    await _history(ledger, killed=killed)


def _outcome(route: str, number: int, row: Decision, stage: Stage) -> Outcome:
    if stage is Stage.ASIDE and number % 1_500 == 7:
        return Outcome(row.key, State.FAILED, code="AccessDenied", message="s3:PutObjectTagging is not allowed")
    if stage is Stage.ASIDE and route == "reference" and row.key in HOSTILE:
        return Outcome(row.key, State.DRIFTED, code="Changed", message=f"changed since: {row.key}")
    method = "multipart" if row.size > 50_000_000 else "copy"
    return Outcome(row.key, State.COPIED, row.source_etag, "", Proof.NONE, method=method)


async def _history(ledger: Ledger, *, killed: bool) -> None:
    """A run of three minutes that was killed after one, and went on."""
    at_ms = BEGAN_MS
    for last, seconds in ((False, 60), (True, 120)):
        if killed and last:
            break
        run = await ledger.begin_run("run", at_ms)
        done = done_bytes = throttled = 0
        for second in range(1, seconds + 1):
            rate = 80 - 45 * (40 <= second < 52) + (second * 37) % 17 - 8
            throttled += 6 if 38 <= second < 44 else 0
            done += rate
            done_bytes += rate * (300_000 + (second * 7_919) % 90_000)
            await ledger.add_moment(
                run, Moment(at_ms + second * 1_000, done, done, done_bytes, 0, done + 40, throttled, 96)
            )
        at_ms += seconds * 1_000 + 600_000
        if last:
            await ledger.end_run(run, "done", at_ms - 600_000)
    slow = [SlowObject("models", keys_of("models")[n], size_of("models", n), 1_000 + 950 * n) for n in range(18)]
    await ledger.add_moment(run, Moment(at_ms - 600_000, done, done, done_bytes, 0, done + 40, throttled, 0), slow)


async def _verified(ledger: Ledger) -> None:
    run = await ledger.begin_run("verify", BEGAN_MS + 900_000)
    for route in ROUTES:
        outcomes = [
            Outcome(
                key,
                State.VERIFIED,
                f"{number:032x}",
                "",
                Proof.BYTES if route == "models" else Proof.DIGEST,
                "etag",
            )
            for number, key in enumerate(keys_of(route))
        ]
        for some in batched(outcomes, 1_000):
            await ledger.conclude(route, some)
    for second in range(1, 31):
        await ledger.add_moment(run, Moment(BEGAN_MS + 900_000 + second * 1_000, done=second * 454))
    await ledger.end_run(run, "done", BEGAN_MS + 930_000)
    reasons = [
        Reason("audit", True, "13,624 objects unchanged on both sides just now"),
        Reason("references", False, "3 places still name the old paths", "references", "3:ab"),
        Reason("lifecycle", True, "no lifecycle rule of pokemon-card-training expires a target"),
        Reason("versioning", True, "pokemon-card-training keeps no versions: what is deleted is gone for good"),
    ]
    await note_gate(ledger, reasons, BEGAN_MS + 960_000)


async def _accepted(ledger: Ledger) -> None:
    await keep_acceptance(ledger, "processed.objects", "4000", "one <b>card</b> was a duplicate")


async def _deleted(ledger: Ledger) -> None:
    run = await ledger.begin_run("cleanup", BEGAN_MS + 90_000_000)
    for route in ROUTES:
        for state in (State.DELETING, State.DELETED):
            proof = Proof.BYTES if route == "models" else Proof.DIGEST
            outcomes = [
                Outcome(key, state, f"{number:032x}", "", proof, "etag") for number, key in enumerate(keys_of(route))
            ]
            for some in batched(outcomes, 1_000):
                await ledger.conclude(route, some)
    for second in range(1, 9):
        await ledger.add_moment(run, Moment(BEGAN_MS + 90_000_000 + second * 1_000, done=second * 1_703))
    await ledger.end_run(run, "done", BEGAN_MS + 90_008_000)
