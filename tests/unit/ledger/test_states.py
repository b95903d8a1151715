"""The ledger takes every step that the table of states has, and no other."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LedgerError
from engine.ledger import Ledger
from engine.plan.lifecycle import ASIDE, FIRST, TRANSITIONS, State
from tests.unit.ledger.scene import assert_tallies_agree, decision, opened, outcome


def way_to(goal: State) -> list[State]:
    """The shortest way from nothing to a state."""
    ways: deque[list[State]] = deque([state] for state in sorted(FIRST))
    while ways:
        way = ways.popleft()
        if way[-1] is goal:
            return way
        ways.extend([*way, after] for after in sorted(TRANSITIONS[way[-1]]) if after not in way)
    raise AssertionError(goal)


async def bring(ledger: Ledger, key: str, goal: State, **more: Any) -> None:
    first, *rest = way_to(goal)
    await ledger.decide("raw", [decision(key, first)])
    for state in rest:
        await ledger.conclude("raw", [outcome(key, state, **more)])


@pytest.mark.parametrize("before", State)
async def test_an_outcome_follows_only_what_the_table_says(tmp_path: Path, before: State) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        for after in State:
            key = after.value
            await bring(ledger, key, before)
            if after in TRANSITIONS[before]:
                await ledger.conclude("raw", [outcome(key, after)])
            else:
                with pytest.raises(LedgerError, match=f"'{key}' cannot go from {before} to {after}"):
                    await ledger.conclude("raw", [outcome(key, after)])
                with pytest.raises(LedgerError, match=f"'{key}' cannot go from {before} to {after}"):
                    await ledger.decide("raw", [decision(key, after)])
        states = {entry.key: entry.state for entry in await ledger.entries("raw", None, None, 100)}
    assert states == {after.value: after if after in TRANSITIONS[before] else before for after in State}
    assert_tallies_agree(path)


async def test_a_row_begins_only_as_the_table_says(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        for state in State:
            if state in FIRST:
                await ledger.decide("raw", [decision(state.value, state)])
            else:
                with pytest.raises(LedgerError, match=f"cannot begin as {state}"):
                    await ledger.decide("raw", [decision(state.value, state)])
        with pytest.raises(LedgerError, match="before any decision"):
            await ledger.conclude("raw", [outcome("never decided")])
        assert {entry.key for entry in await ledger.entries("raw", None, None, 100)} == FIRST
    assert_tallies_agree(path)


async def test_only_what_nothing_was_written_of_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        for state in State:
            nothing_written = {"target_etag": ""} if state in ASIDE else {}
            await bring(ledger, state.value, state, **nothing_written)
        for state in State:
            if state in ASIDE:
                await ledger.forget("raw", [state.value])
            else:
                with pytest.raises(LedgerError, match="is not forgotten"):
                    await ledger.forget("raw", [state.value])
        await bring(ledger, "written", State.FAILED)
        with pytest.raises(LedgerError, match="is not forgotten"):
            await ledger.forget("raw", ["written"])
        left = {entry.key for entry in await ledger.entries("raw", None, None, 100)}
    assert left == {state.value for state in set(State) - ASIDE} | {"written"}
    assert_tallies_agree(path)


@pytest.mark.parametrize("state", [State.FAILED, State.DRIFTED, State.CONFLICT, State.ARCHIVED])
async def test_what_was_written_before_a_failure_stays_known_as_ours(tmp_path: Path, state: State) -> None:
    async with opened(tmp_path / "ours.ledger") as ledger:
        await ledger.decide("raw", [decision("k", State.PLANNED, target_etag="ours")])
        await ledger.conclude("raw", [outcome("k", state, target_etag="")])
        [entry] = await ledger.entries("raw", None, None, 10)
    assert entry.target_etag == "ours"


async def test_an_upload_makes_a_planned_object_copying_and_no_other(tmp_path: Path) -> None:
    from tests.unit.ledger.scene import upload

    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        for state in State:
            await bring(ledger, state.value, state)
            await ledger.intend_upload(upload(state.value))
        states = {entry.key: entry.state for entry in await ledger.entries("raw", None, None, 100)}
    assert states == {state.value: state if state is not State.PLANNED else State.COPYING for state in State}
    assert_tallies_agree(path)


async def test_what_is_gone_on_both_sides_is_let_go_whatever_was_written_of_it(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        for state in State:
            await bring(ledger, state.value, state)
        await ledger.let_go("raw", ["never known", *(state.value for state in State if state is not State.COPIED)])
        left = [entry.key for entry in await ledger.entries("raw", None, None, 100)]
    assert left == [State.COPIED.value]
    assert_tallies_agree(path)


# --- what a row keeps of its target beside its state ----------------------------------------------------------


async def kept(ledger: Ledger) -> tuple[str, str]:
    """What was found damaged, and what was overwritten, of the one object that there is."""
    (entry,) = await ledger.entries("raw", None, None, 10)
    ((record,),) = [batch async for batch in ledger.records()]
    return entry.damaged, record.overwritten


@pytest.mark.parametrize("after", sorted(TRANSITIONS[State.DAMAGED] - {State.DAMAGED, State.VERIFIED, State.LOST}))
async def test_damage_is_kept_through_every_decision_and_outcome_until_a_copy_ends(
    tmp_path: Path, after: State
) -> None:
    async with opened(tmp_path / "moving.ledger") as ledger:
        await bring(ledger, "a", State.COPIED)
        await ledger.conclude("raw", [outcome("a", State.DAMAGED, method="", code="BytesDiffer")])
        await ledger.decide("raw", [decision("a", after, held="etag-a")])
        assert await kept(ledger) == ("etag-a", "etag-a" if after is not State.COPIED else "")
        for state in (State.FAILED, State.DRIFTED, State.CONFLICT, State.ARCHIVED):
            await ledger.decide("raw", [decision("a")])
            await ledger.conclude("raw", [outcome("a", state, target_etag="", method="")])
            assert (await kept(ledger))[0] == "etag-a"
        await ledger.decide("raw", [decision("a")])
        await ledger.conclude("raw", [outcome("a", method="found", target_etag="another")])
        assert (await kept(ledger))[0] == "etag-a"
        await ledger.conclude("raw", [outcome("a", State.LOST)])
        await ledger.decide("raw", [decision("a")])
        assert (await kept(ledger))[0] == "etag-a"
        await ledger.conclude("raw", [outcome("a")])
        assert (await kept(ledger))[0] == ""


@pytest.mark.parametrize("code", ["TargetMissing", "TargetChanged"])
async def test_what_was_gone_or_another_is_not_what_was_written_and_damaged(tmp_path: Path, code: str) -> None:
    async with opened(tmp_path / "moving.ledger") as ledger:
        await bring(ledger, "a", State.COPIED)
        await ledger.conclude("raw", [outcome("a", State.DAMAGED, method="", code=code)])
        assert (await kept(ledger))[0] == ""


@pytest.mark.parametrize("before", ["", "theirs"])
async def test_a_copy_over_our_own_overwrites_what_the_first_one_did(tmp_path: Path, before: str) -> None:
    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.decide("raw", [decision("a", held=before)])
        await ledger.conclude("raw", [outcome("a", target_etag="first")])
        for _ in range(2):  # the second after one that failed
            await ledger.decide("raw", [decision("a", held="first", target_etag="first")])
            await ledger.conclude("raw", [outcome("a", State.FAILED, target_etag="", method="")])
        await ledger.decide("raw", [decision("a", held="first", target_etag="first")])
        await ledger.conclude("raw", [outcome("a", target_etag="second")])
        assert await kept(ledger) == ("", before)
        await ledger.decide("raw", [decision("a", held="strange")])
        await ledger.conclude("raw", [outcome("a", target_etag="third")])
        assert await kept(ledger) == ("", "strange")


async def test_our_own_copy_that_a_listing_finds_still_stands_over_what_it_replaced(tmp_path: Path) -> None:
    """Its answer was lost, or it was missing and is back."""
    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.decide("raw", [decision("a", held="theirs")])
        await ledger.decide("raw", [decision("a", State.COPIED, target_etag="ours")])
        assert await kept(ledger) == ("", "theirs")
