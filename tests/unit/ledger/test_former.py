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
    [row] = [item async for batch in ledger.records() for item in batch if item.key == "k"]
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


async def test_the_join_is_told_what_was_known_before(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path / "moving.ledger", clock=clock) as ledger:
        await ledger.decide("raw", [decision("j"), decision("l")])
        before = await deleted(ledger, clock)
        await ledger.decide("raw", [decision("k", State.CONFLICT, size=20)])
        found = {item.key: item.former for item in await ledger.entries("raw", None, None, 10)}
        assert found.pop("k") == (await ledger.entry("raw", "k")).former  # type: ignore[union-attr]
        assert found == {"j": None, "l": None}
        known = await ledger.entry("raw", "k")
        assert known is not None and known.former is not None and known.former.former is None
        assert (known.former.state, known.former.target_etag, known.former.size) == (State.DELETED, "etag-k", 10)
        assert known.former.source_modified == before.source_modified


async def test_a_source_that_came_back_takes_its_own_copy_as_it_was(tmp_path: Path) -> None:
    """The newcomer met that copy at the target: it is not what stood there before us."""
    clock = Clock()
    async with opened(tmp_path / "moving.ledger", clock=clock) as ledger:
        await deleted(ledger, clock)
        await ledger.decide("raw", [decision("k", State.CONFLICT, size=20, held="etag-k")])
        assert (await record(ledger)).overwritten == "etag-k"
        await ledger.decide("raw", [decision("k", COPIED)])
        assert (await record(ledger)).overwritten == ""
