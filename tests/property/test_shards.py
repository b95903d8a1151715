"""Pieces of a route: which tile its keys, who has which key, and what is left when some are handed over."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.shards import Atlas, Piece, cut, far_apart, joined, shared_out, tile, without

KEY = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=4) | st.text(
    "ab/", min_size=1, max_size=4
)
POINTS = st.lists(KEY, max_size=8)


@given(POINTS, KEY)
def test_a_cut_route_tiles_its_keys_and_each_key_has_one_shard(points: list[str], key: str) -> None:
    pieces = cut(Piece("raw"), points)
    assert tile(pieces)
    assert sum(piece.holds(key) for piece in pieces) == 1
    atlas = Atlas({number: [piece] for number, piece in enumerate(pieces)})
    assert pieces[atlas.shard_of("raw", key)].holds(key)
    assert joined(pieces) == [Piece("raw")]


@given(POINTS.filter(bool), st.data())
def test_pieces_that_lack_a_key_or_have_one_twice_do_not_tile(points: list[str], data: st.DataObject) -> None:
    pieces = cut(Piece("raw"), points)
    one = data.draw(st.sampled_from(pieces))
    assert not tile([piece for piece in pieces if piece != one])
    assert not tile([*pieces, one])
    with pytest.raises(ValueError, match="both have keys"):
        Atlas({1: pieces, 2: [one]})


@given(POINTS, POINTS, KEY, st.data())
def test_what_is_handed_over_and_what_is_kept_are_all_keys_once(
    points: list[str], inner: list[str], key: str, data: st.DataObject
) -> None:
    whole = cut(Piece("raw"), points)
    finer = cut(Piece("raw"), [*points, *inner])
    rest = data.draw(st.lists(st.sampled_from(finer), unique=True))
    kept = without(whole, rest)
    assert tile([*kept, *rest])
    assert sum(piece.holds(key) for piece in [*kept, *rest]) == 1
    assert kept == joined(piece for piece in finer if piece not in rest)


@given(POINTS, st.none() | KEY, st.none() | KEY, KEY)
def test_an_atlas_gives_the_pieces_of_a_range_in_the_order_of_keys(
    points: list[str], after: str | None, upto: str | None, key: str
) -> None:
    pieces = cut(Piece("raw"), points)
    found = Atlas({number: [piece] for number, piece in enumerate(pieces)}).within("raw", after, upto)
    assert [number for _, number in found] == sorted(number for _, number in found)
    inside = Piece("raw", after, upto).holds(key)
    assert [number for piece, number in found if piece.holds(key)] == (
        [number for number, piece in enumerate(pieces) if piece.holds(key)] if inside else []
    )


@given(POINTS, POINTS, st.integers(1, 12))
def test_small_routes_come_together_and_neighbours_stay_so(some: list[str], others: list[str], shards: int) -> None:
    pieces = [*cut(Piece("a"), some), *cut(Piece("b"), others)]
    shared = shared_out(pieces, shards)
    assert [piece for shard in shared for piece in shard] == pieces
    assert len(shared) == min(shards, len(pieces))
    assert max(map(len, shared)) - min(map(len, shared)) <= 1


@given(st.integers(1, 60), st.integers(1, 12))
def test_shards_that_are_begun_together_are_far_apart(count: int, slots: int) -> None:
    """Each is begun once, and of those that are begun first no two are nearer to each other than they have to be."""
    order = far_apart(range(count), slots)
    assert sorted(order) == list(range(count))
    apart = ceil(count / slots)
    assert order[: ceil(count / apart)] == list(range(0, count, apart))


def test_a_key_that_no_shard_has_is_an_error() -> None:
    atlas = Atlas({1: [Piece("raw", "b", "d")]})
    assert atlas.shard_of("raw", "d") == 1
    for key in ("b", "e"):
        with pytest.raises(LookupError):
            atlas.shard_of("raw", key)
    with pytest.raises(LookupError):
        atlas.shard_of("other", "c")


def test_a_piece_says_which_keys_it_has() -> None:
    assert str(Piece("raw")) == '"raw" from the first key to the last'
    assert str(Piece("raw", "a", "m")) == "\"raw\" after 'a' to 'm'"
