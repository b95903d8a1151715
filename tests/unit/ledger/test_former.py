"""What was known of an object whose source is gone, while another one is at its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ledger import Ledger
from engine.model import Proof
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord, Outcome
from tests.unit.ledger.scene import (
    COPIED,
    PLANNED,
    VERIFIED,
    Clock,
    assert_tallies_agree,
    decision,
    opened,
    outcome,
    query,
)


async def deleted(ledger: Ledger, clock: Clock) -> ObjectRecord:
    """The row of an object that was copied, proven and deleted."""
    await ledger.decide("raw", [decision("k")])
    for state in (COPIED, VERIFIED, State.DELETING, State.DELETED):
        clock.now_ms += 1_000
        await ledger.conclude("raw", [outcome("k", state, Proof.DIGEST)])
    clock.now_ms += 1_000
    return await record(ledger)


async def record(ledger: Ledger) -> ObjectRecord:
    [row] = [item async for batch in ledger.records() for item in batch]
    return row


@pytest.mark.parametrize("after", [State.CONFLICT, State.ARCHIVED, PLANNED])
async def test_it_holds_again_once_the_newcomer_is_gone(tmp_path: Path, after: State) -> None:
    path, clock = tmp_path / "moving.ledger", Clock()
    async with opened(path, clock=clock) as ledger:
        before = await deleted(ledger, clock)
        await ledger.decide("raw", [decision("k", after, size=20)._replace(source_etag="another")])
        if after is PLANNED:
            await ledger.conclude("raw", [Outcome.seen("k", State.FAILED, "", "AccessDenied", "no")])
        await ledger.decide("raw", [decision("k", State.CONFLICT, size=30)._replace(source_etag="one more")])
        assert (await record(ledger)).size == 30
        assert await ledger.former() == (1, before.size)
        await ledger.forget("raw", ["k"])
        assert await ledger.former() == (0, 0)
        assert await record(ledger) == before
    assert_tallies_agree(path)
    assert query(path, "SELECT count(*) FROM former") == [(0,)]


async def test_it_ends_where_the_newcomer_is_in_place(tmp_path: Path) -> None:
    path, clock = tmp_path / "moving.ledger", Clock()
    async with opened(path, clock=clock) as ledger:
        await deleted(ledger, clock)
        await ledger.decide("raw", [decision("k", size=20)])
        await ledger.conclude("raw", [outcome("k", COPIED, Proof.SIZE)])
        assert (await record(ledger)).size == 20
    assert query(path, "SELECT count(*) FROM former") == [(0,)]


async def test_it_ends_where_the_newcomer_was_there_already(tmp_path: Path) -> None:
    path, clock = tmp_path / "moving.ledger", Clock()
    async with opened(path, clock=clock) as ledger:
        await deleted(ledger, clock)
        await ledger.decide("raw", [decision("k", State.CONFLICT, size=20)])
        await ledger.decide("raw", [decision("k", COPIED, size=20)])
    assert query(path, "SELECT count(*) FROM former") == [(0,)]
