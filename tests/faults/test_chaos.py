"""Chaos: other users who write, replace, re-tag and delete on both sides, two machines, ledgers put back, processes
stopped and killed, and the judge inside the server (docs/sandbox.md). It ends at the first object that is on neither
side, at the first delete on an old look, and at the first `verified` that is not true.

CARTAGE_TRUST=ci goes on for a minute, CARTAGE_CHAOS_SECONDS says another time; CARTAGE_CHAOS_SEED is the first seed.
CARTAGE_FAULT_SEED=<number> replays one episode.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from itertools import count
from pathlib import Path

from tests.faults.amount import SEED, amount
from tests.faults.chaos.episode import Told, episode
from tests.faults.chaos.script import Attack
from tests.faults.conftest import Record

SECONDS = float(os.environ.get("CARTAGE_CHAOS_SECONDS") or amount(1, 60, 60))
FIRST = int(os.environ.get("CARTAGE_CHAOS_SEED") or 1)
AT_ONCE = 4
SOON_S = 0.1


async def test_no_object_is_lost_and_no_proof_is_untrue_in_chaos(tmp_path: Path, record: Record) -> None:
    told = [await played(int(SEED), tmp_path)] if SEED else await chaos(tmp_path)
    for one in told:
        gaps = one.figures["gaps_s"]
        record(
            "chaos",
            one.attack,
            1,
            "no content lost, every proof true",
            seed=one.seed,
            commands=one.ends.total(),
            killed=sum(number for end, number in one.ends.items() if end.endswith(" -9")),
            halted=one.stopped,
            acts=one.acts.total(),
            deleted=one.figures["deleted"],
            proofs=one.figures["claims"],
            later=sum(gap > SOON_S for gap in gaps),
            gap_ms=round(1000 * max(gaps, default=0)),
            in_gap=one.figures["in_gap"],
        )
    if len(told) >= 2 * len(Attack):  # else chance may have left something out
        assert_everything_happened(told)


async def chaos(folder: Path) -> list[Told]:
    """Episodes of one seed after the other, some at once, until the time is up; the first that fails ends it."""
    ends_s, seeds, told = time.monotonic() + SECONDS, count(FIRST), []

    async def play() -> None:
        while time.monotonic() < ends_s:
            told.append(await played(next(seeds), folder))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE if SECONDS > 1 else 1):
                group.create_task(play())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return told


async def played(seed: int, folder: Path) -> Told:
    try:
        return await episode(seed, folder / str(seed))
    except AssertionError as error:
        error.add_note(f"replay with: CARTAGE_FAULT_SEED={seed} pytest {__file__}")
        raise


def assert_everything_happened(told: list[Told]) -> None:
    """A trial in which nothing was deleted, or nobody was in the way, would prove nothing."""
    ends: Counter[str] = sum((one.ends for one in told), Counter())
    acts: Counter[str] = sum((one.acts for one in told), Counter())
    assert {one.attack for one in told} == set(Attack)
    assert sum(one.figures["deleted"] for one in told) > 1_000
    assert sum(one.figures["claims"] for one in told) > 1_000
    assert sum(one.stopped for one in told) > 0
    assert any(end.endswith(" -9") for end in ends)
    assert {"delete", "replace", "retype", "retag"} <= {act.split()[0] for act in acts}
