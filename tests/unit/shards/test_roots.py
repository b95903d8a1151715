"""A plan is cut where its keys are, however they are named; and what comes of it tiles each route."""

from __future__ import annotations

import pytest

from engine.listing.pages import Prefix
from engine.model import Location
from engine.plan.shards import Piece, joined, shared_out, tile
from engine.shards.roots import finer
from tests.fake_store import FakeStore

EVEN = [f"{number * 7919 % 65536:04x}-{number:05}" for number in range(12_000)]
COUNTED = [f"img_{number:06}.jpg" for number in range(12_000)]
FOLDERS = [
    *(f"data/calibration/c{number:04}.jpg" for number in range(400)),
    *(f"data/processed/card-{number:05}/front.png" for number in range(6_000)),
    *(f"data/raw/img_{number:06}.jpg" for number in range(6_000)),
    "training/model.tar.gz",
]


def store_of(keys: list[str]) -> FakeStore:
    store = FakeStore()
    store.page_keys = 100
    for key in keys:
        store.put(f"s3://b/p/{key}")
    return store


@pytest.mark.parametrize("keys", [EVEN, COUNTED, FOLDERS], ids=["even", "counted", "folders"])
async def test_no_shard_has_most_of_the_keys(keys: list[str]) -> None:
    store = store_of(keys)
    pieces = await finer([Piece("r")], {"r": Prefix(store, Location("b", "p/"))}, 8)
    assert tile(pieces)
    shards = shared_out(pieces, 8)
    assert 4 <= len(shards) <= 8
    assert max(sum(piece.holds(key) for piece in some for key in keys) for some in shards) < 0.6 * len(keys)
    assert len(store.requests) < 120


async def test_a_few_keys_are_one_piece_and_cost_a_page() -> None:
    store = store_of(COUNTED[:50])
    assert len(await finer([Piece("r")], {"r": Prefix(store, Location("b", "p/"))}, 8)) == 1
    assert len(store.requests) == 1


async def test_each_route_has_its_share() -> None:
    store = store_of(COUNTED)
    store.put("s3://b/q/one")
    listers = {"many": Prefix(store, Location("b", "p/")), "one": Prefix(store, Location("b", "q/one"))}
    pieces = await finer([Piece(route) for route in listers], listers, 8)
    assert {piece.route for piece in pieces} == listers.keys()
    for route in listers:
        assert tile([piece for piece in pieces if piece.route == route])


async def test_what_is_left_of_a_shard_is_cut_as_a_route_is() -> None:
    store = store_of(COUNTED)
    rest = Piece("r", "img_003000.jpg", "img_008000.jpg")
    pieces = await finer([rest], {"r": Prefix(store, Location("b", "p/"))}, 4)
    assert joined(pieces) == [rest]
    held = [sum(piece.holds(key) for key in COUNTED) for piece in pieces]
    assert len(held) >= 4 and max(held) < 0.6 * 5_000


async def test_a_route_that_is_not_to_be_cut_stays_as_it_is() -> None:
    assert await finer([Piece("r", "a")], {}, 4) == [Piece("r", "a")]
