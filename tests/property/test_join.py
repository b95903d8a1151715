"""The three-way join is set algebra, however the pages are cut and the ranges are split."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ListingBroken
from engine.model import ListedObject, Proof
from engine.plan.join import Join, Joined, Side
from engine.plan.lifecycle import State
from engine.plan.record import Entry

KEYS = st.sets(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=4), max_size=25)
SOURCE, TARGET = "old/", "new/é/"


def listed(prefix: str, key: str) -> ListedObject:
    return ListedObject(prefix + key, 1, "e", "")


def entry(key: str) -> Entry:
    return Entry(key, 1, "e", State.COPIED, "", "e", Proof.SIZE)


def run(
    join: Join, sources: set[str], targets: set[str], entries: set[str], cuts: list[int], shrink_to: str | None = None
) -> list[Joined]:
    """Feed whatever the join wants, in pages whose sizes `cuts` gives in turn."""
    waiting: dict[Side, list[Any]] = {
        Side.SOURCE: [listed(SOURCE, key) for key in sorted(sources)],
        Side.TARGET: [listed(TARGET, key) for key in sorted(targets)],
        Side.LEDGER: [entry(key) for key in sorted(entries)],
    }
    rows: list[Joined] = []
    turn = 0
    while not join.done:
        side = join.wants
        if side is not None:
            size = cuts[turn % len(cuts)]
            turn += 1
            page, waiting[side] = waiting[side][:size], waiting[side][size:]
            join.feed(side, page, last=not waiting[side])
        rows += join.take()
        if shrink_to is not None and (join.watermark is None or join.watermark <= shrink_to):
            join.shrink(shrink_to)
            shrink_to = None
    return rows


CUTS = st.lists(st.integers(1, 7), min_size=1, max_size=5)


@given(KEYS, KEYS, KEYS, CUTS)
def test_every_key_comes_once_in_order_with_all_that_is_known_of_it(
    sources: set[str], targets: set[str], entries: set[str], cuts: list[int]
) -> None:
    rows = run(Join(SOURCE, TARGET), sources, targets, entries, cuts)
    assert [row.key for row in rows] == sorted(sources | targets | entries)
    assert {row.key for row in rows if row.source} == sources
    assert {row.key for row in rows if row.target} == targets
    assert {row.key for row in rows if row.entry} == entries


@given(KEYS, KEYS, KEYS, CUTS, st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=4))
def test_two_ranges_side_by_side_give_what_one_gives(
    sources: set[str], targets: set[str], entries: set[str], cuts: list[int], bound: str
) -> None:
    def within(keys: set[str], after: str | None, upto: str | None) -> set[str]:
        return {key for key in keys if (after is None or key > after) and (upto is None or key <= upto)}

    low = run(Join(SOURCE, TARGET, upto=bound), sources, targets, entries, cuts)
    beyond = [within(keys, bound, None) for keys in (sources, targets, entries)]
    high = run(Join(SOURCE, TARGET, after=bound), beyond[0], beyond[1], beyond[2], cuts)
    assert [row.key for row in low + high] == sorted(sources | targets | entries)


@given(KEYS, KEYS, KEYS, CUTS, st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=4))
def test_a_range_that_shrinks_gives_up_exactly_what_lies_beyond(
    sources: set[str], targets: set[str], entries: set[str], cuts: list[int], bound: str
) -> None:
    everything = sorted(sources | targets | entries)
    rows = run(Join(SOURCE, TARGET), sources, targets, entries, cuts, shrink_to=bound)
    kept = [row.key for row in rows]
    assert kept == everything[: len(kept)]
    assert set(kept) >= {key for key in everything if key <= bound}


def test_keys_that_do_not_rise_stop_the_run() -> None:
    join = Join("", "")
    with pytest.raises(ListingBroken, match="do not rise"):
        join.feed(Side.SOURCE, [listed("", "b"), listed("", "a")], last=False)


def test_a_page_that_repeats_the_last_key_stops_the_run() -> None:
    join = Join("", "")
    join.feed(Side.SOURCE, [listed("", "a"), listed("", "b")], last=False)
    with pytest.raises(ListingBroken, match="do not rise"):
        join.feed(Side.SOURCE, [listed("", "b"), listed("", "c")], last=True)


def test_a_page_that_begins_before_its_range_stops_the_run() -> None:
    join = Join("old/", "", after="b")
    with pytest.raises(ListingBroken, match="does not begin after"):
        join.feed(Side.SOURCE, [listed("old/", "b"), listed("old/", "c")], last=True)


def test_a_key_outside_the_prefix_stops_the_run() -> None:
    with pytest.raises(ListingBroken, match="outside the prefix"):
        Join("data/", "").feed(Side.SOURCE, [listed("", "database")], last=True)


def test_nothing_is_decided_beyond_the_slowest_side() -> None:
    join = Join("", "")
    join.feed(Side.LEDGER, [], last=True)
    join.feed(Side.SOURCE, [listed("", "a"), listed("", "c")], last=True)
    assert join.take() == []
    join.feed(Side.TARGET, [listed("", "b")], last=False)
    assert [row.key for row in join.take()] == ["a", "b"]
    assert join.watermark == "b"


def test_an_exact_key_is_joined_under_the_empty_name() -> None:
    join = Join("a/model.tar.gz", "b/v1/model.tgz")
    join.feed(Side.LEDGER, [], last=True)
    join.feed(Side.SOURCE, [listed("", "a/model.tar.gz")], last=True)
    join.feed(Side.TARGET, [listed("", "b/v1/model.tgz")], last=True)
    [row] = join.take()
    assert row.key == "" and row.source is not None and row.target is not None


def test_what_is_left_out_still_tells_how_far_a_listing_has_come() -> None:
    join = Join("old/", "", upto="c")
    join.feed(Side.TARGET, [], last=True)
    join.feed(Side.LEDGER, [], last=True)
    join.feed(Side.SOURCE, [listed("old/", "a"), listed("old/", "b"), listed("old/", "d")], last=False)
    join.leave_out(Side.SOURCE, {"old/b", "old/d"})
    assert [row.key for row in join.take()] == ["a"]
    assert (join.done, join.sides[Side.SOURCE].first, join.sides[Side.SOURCE].beyond) == (True, "a", "d")


def test_a_page_is_looked_at_whole_before_it_is_cut_at_the_ranges_end() -> None:
    join = Join("", "", upto="c")
    with pytest.raises(ListingBroken, match="do not rise"):
        join.feed(Side.SOURCE, [listed("", "a"), listed("", "d"), listed("", "b")], last=False)
