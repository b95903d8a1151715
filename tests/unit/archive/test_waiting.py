"""Looking again at what a ledger set aside as archived: by pages of a listing, from one key that waits to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.archive.waiting import LONGEST_S, SHORTEST_S, Waiting, look, pause_s
from engine.ledger import Ledger
from engine.model import RESTORING, Properties
from engine.plan.decide import archived_words
from engine.plan.lifecycle import State
from engine.plan.record import Decision
from engine.plan.retrieval import UNDER_WAY
from engine.plan.shards import Piece
from tests.fake_store import FakeStore, everywhere
from tests.unit.transfer.scene import ROUTE, open_ledger

UNTIL = "2026-02-01T00:00:00.000Z"
GLACIER = Properties(storage_class="GLACIER")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with await open_ledger(tmp_path / "plan.ledger", ROUTE) as ledger:
        yield ledger


async def set_aside(store: FakeStore, ledger: Ledger, restores: dict[str, str]) -> None:
    """Objects in GLACIER that a run found archived; how they stand by now."""
    code, message = archived_words("GLACIER", under_way=False)
    decisions = []
    for key, restore in sorted(restores.items()):
        held = store.put(f"s3://bkt/old/{key}", properties=GLACIER)
        held.restore = restore
        decisions.append(
            Decision(
                key, held.size, held.etag, held.modified, "GLACIER", "", State.ARCHIVED, "", code=code, message=message
            )
        )
    await ledger.decide(ROUTE.name, decisions)
    store.requests.clear()


async def codes(ledger: Ledger) -> dict[str, str]:
    return {item.key: item.code async for batch in ledger.records() for item in batch}


async def test_what_is_back_is_told_as_ranges_that_hold_nothing_that_waits(ledger: Ledger) -> None:
    store = FakeStore()
    await set_aside(store, ledger, {"a": UNTIL, "b": UNTIL, "c": RESTORING, "d": UNTIL, "e": ""})
    found = await look(everywhere(store), ledger, [ROUTE])
    assert (found.ready, found.under_way, found.unasked) == (3, 1, 1)
    waits = ("c", "e")
    for piece, keys in zip(found.back, (("a", "b"), ("d",)), strict=True):
        assert all(piece.holds(key) for key in keys)
        assert not any(piece.holds(key) for key in waits)


async def test_the_ledger_follows_and_says_how_many_are_on_their_way(ledger: Ledger) -> None:
    store = FakeStore()
    await set_aside(store, ledger, {"a": RESTORING, "b": ""})
    assert await ledger.restoring() == 0
    await look(everywhere(store), ledger, [ROUTE])
    assert await codes(ledger) == {"a": UNDER_WAY, "b": "Archived"}
    assert await ledger.restoring() == 1
    held = store.get("s3://bkt/old/a")
    assert held is not None
    held.restore = ""  # its copy came, and expired before its turn
    await look(everywhere(store), ledger, [ROUTE])
    assert await ledger.restoring() == 0


async def test_many_keys_cost_a_page_and_not_a_request_each(ledger: Ledger) -> None:
    store = FakeStore()
    keys = {f"k{number:04}": RESTORING for number in range(1_500)}
    await set_aside(store, ledger, keys)
    found = await look(everywhere(store), ledger, [ROUTE])
    assert found == Waiting(under_way=1_500)
    assert store.counts["ListObjectsV2"] <= 3
    assert store.counts["HeadObject"] <= 10


async def test_what_lies_between_two_keys_that_wait_is_not_paged_through(ledger: Ledger) -> None:
    """A listing goes on at the next key that waits, however much else lies before it."""
    store = FakeStore()
    await set_aside(store, ledger, {f"{letter}{number:02}": RESTORING for letter in "az" for number in range(20)})
    for number in range(5_000):
        store.put(f"s3://bkt/old/m{number:04}")
    await look(everywhere(store), ledger, [ROUTE])
    assert store.counts["ListObjectsV2"] <= 3


async def test_a_source_that_is_gone_is_for_the_run_to_settle(ledger: Ledger) -> None:
    store = FakeStore()
    await set_aside(store, ledger, {"a": RESTORING})
    store.objects.clear()
    found = await look(everywhere(store), ledger, [ROUTE])
    assert found.back == [Piece(ROUTE.name, found.back[0].after, "a")]


async def test_of_intelligent_tiering_each_is_asked_for(ledger: Ledger) -> None:
    store = FakeStore()
    await set_aside(store, ledger, {"a": RESTORING})
    await look(everywhere(store), ledger, [ROUTE], tiered_alone=True)
    assert store.requests == [], "what is in GLACIER was told by the listing"


def test_it_looks_often_at_first_and_seldom_later() -> None:
    assert pause_s(0) == SHORTEST_S
    assert SHORTEST_S < pause_s(3_600) < LONGEST_S
    assert pause_s(48 * 3_600) == LONGEST_S


async def test_the_object_that_a_folder_is_marked_by_comes_back_too(ledger: Ledger) -> None:
    store = FakeStore()
    await set_aside(store, ledger, {"": UNTIL, "b": ""})
    waiting = await look(everywhere(store), ledger, [ROUTE])
    assert (waiting.ready, waiting.back) == (1, [Piece(ROUTE.name, None, "")])
