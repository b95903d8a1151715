"""Where ranges are cut, and that cutting them changes nothing of what is read."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import ListingBroken
from engine.listing.lister import KeyRange
from engine.listing.pages import Prefix
from engine.listing.ranges import GUESSES, MOST_RANGES, RouteJoin, meets
from engine.model import ListedObject, Location, Page, Proof
from engine.plan.join import Joined
from engine.plan.lifecycle import State
from engine.plan.ranges import Reach, breadth, head_end, planned_cuts, split_points, spread, successor, widened
from engine.plan.record import Entry
from engine.plan.shards import Piece, joined, tile
from engine.store import ListPage
from tests.fake_store import FakeStore
from tests.faults.amount import examples

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6)
NARROW = st.text("ab/\U0010ffff", max_size=6)
SOURCE, TARGET = Location("bkt", "old/"), Location("bkt", "new/é/")


@given(TEXT | NARROW, TEXT | NARROW, st.none() | TEXT | NARROW, TEXT, st.integers(0, 9))
@example("a", "a", "a\x00", "a\x00b", 4)
@example("\ud7ff", "\ud7ff", None, "", 4)
def test_points_lie_strictly_inside_in_order_and_are_text(
    first: str, last: str, upto: str | None, alphabet: str, count: int
) -> None:
    first, last = sorted([first, last])
    if upto is not None and upto < last:
        last, upto = upto, last
        first = min(first, last)
    points = split_points(first, last, upto, "".join(sorted(set(alphabet))), count)
    assert len(points) <= count
    assert points == sorted(set(points))
    for point in points:
        assert point > last
        assert upto is None or point < upto
        assert len(point) <= len(last)
        point.encode()  # no surrogates


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=5), TEXT, st.data())
def test_the_end_of_a_head_is_above_all_that_begins_so_and_below_all_else(
    key: str, other: str, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(key) - 1))
    end = head_end(key, position)
    begins_so = key[: position + 1] + other
    if end is None:
        assert key[position] == "\U0010ffff"
        return
    assert begins_so < end
    if other > begins_so and not other.startswith(key[: position + 1]):
        assert other >= end


def test_the_next_character_skips_what_no_key_can_hold() -> None:
    assert successor("\ud7ff") == "\ue000"
    assert successor("a") == "b"
    assert successor("\U0010ffff") is None


def test_a_range_that_parts_earlier_is_the_wider_one() -> None:
    assert breadth("img_1", None) > breadth("img_1", "imh") > breadth("img_1", "img_9") > breadth("img_1", "img_2")


def test_a_counter_is_cut_at_each_of_its_digits() -> None:
    points = split_points("img_000000", "img_000999", None, "0123456789gim_", 12)
    assert {"img_1", "img_01"} <= set(points)
    # Once it is known that all begin with img_, the first digit is what is cut.
    assert {"img_3", "img_6"} <= set(split_points("img_100000", "img_100999", "img`", "0123456789gim_", 12))


def test_the_worked_example_is_what_is_found() -> None:
    known = "0123456789_gim"
    assert split_points("img_000000", "img_000999", None, known, 12) == [
        "img_01", "img_1", "img`", "imh", "in", "j", "m",
    ]  # fmt: skip
    assert split_points("img_100000", "img_100999", "img`", known, 12) == [
        "img_11", "img_2", "img_3", "img_4", "img_5", "img_6", "img_7", "img_8", "img_9", "img_:",
    ]  # fmt: skip


def test_what_looks_like_one_more_page_is_not_cut() -> None:
    assert split_points("k0", "k6", "k:", "0123456789k", 8) == []
    assert split_points("a", "b", "c", "abc", 8) == []


def test_a_range_is_cut_only_where_keys_lie_on_both_sides() -> None:
    points, firsts = ["c", "f", "k", "p"], ["g", "g", "m", None]
    assert planned_cuts(points, firsts, Reach("b", None, None)) == (["k", "f"], "p")
    assert planned_cuts(points, firsts, Reach("f", None, None)) == (["k"], "p"), "read that far already"
    assert planned_cuts(points, firsts, Reach("b", "h", None)) == (["f"], "k"), "what is beyond is another range's"
    assert planned_cuts(points, firsts, Reach("b", None, "n")) == (["k", "f"], "n")
    assert planned_cuts(points, [None] * 4, Reach("b", None, None)) == ([], "c")


@given(st.lists(st.integers(), max_size=40), st.integers(0, 12))
def test_spread_takes_some_of_them_in_order(items: list[int], count: int) -> None:
    some = spread(items, count)
    assert len(some) == min(count, len(items))
    positions = iter(items)
    assert all(any(item == other for other in positions) for item in some)


def test_an_alphabet_stays_small() -> None:
    assert widened("b", ["cab"]) == "abc"
    assert len(widened("", ["".join(chr(0x4E00 + n) for n in range(5_000))])) == 256


async def read_all(
    store: FakeStore, entries: dict[str, Entry], most: int, within: KeyRange | None = None
) -> tuple[list[Joined], RouteJoin]:
    async def read_entries(after: str | None, upto: str | None, limit: int) -> list[Entry]:
        keys = [key for key in sorted(entries) if (after is None or key > after) and (upto is None or key <= upto)]
        return [entries[key] for key in keys[:limit]]

    rows: list[Joined] = []
    covered: list[Piece] = []
    async with anyio.create_task_group() as group:
        join = RouteJoin(
            group, Prefix(store, SOURCE), Prefix(store, TARGET), read_entries, within, most_ranges=most, patience_s=0
        )
        while (batch := await join.next_batch()) is not None:
            assert [row.key for row in batch.rows] == sorted(row.key for row in batch.rows)
            covered.append(Piece("r", batch.after, batch.upto))
            assert all(covered[-1].holds(row.key) for row in batch.rows)
            rows += batch.rows
    whole = Piece("r", within.after, within.upto) if within is not None else Piece("r")
    assert joined(covered) == [whole] or (whole.upto is not None and whole.upto <= (whole.after or "") and not covered)
    return rows, join


def entry(key: str) -> Entry:
    return Entry(key, 1, "e", State.COPIED, "", "e", Proof.SIZE)


A_KEY = TEXT | NARROW | st.integers(0, 300).map("img_{:04d}.jpg".format)
KEYS = st.sets(A_KEY, max_size=60)
RANGES = st.tuples(st.none() | A_KEY, st.none() | A_KEY).map(lambda ends: KeyRange(*ends))


@settings(max_examples=examples(60))
@given(
    KEYS, KEYS, KEYS, st.just(KeyRange()) | RANGES, st.integers(1, 7), st.sampled_from([1, 3, MOST_RANGES]),
    st.integers(0, 3),
)  # fmt: skip
def test_however_it_is_cut_every_key_of_a_range_comes_once_with_all_that_is_known_of_it(
    sources: set[str],
    targets: set[str],
    entries: set[str],
    within: KeyRange,
    page_keys: int,
    most: int,
    patience: int,
) -> None:
    store = FakeStore()
    store.page_keys = page_keys
    for bucket, key in [("bkt", "old"), ("bkt", "old0"), ("bkt", "new/é"), ("bkt", "new/ê")]:
        store.put(f"s3://{bucket}/{key}")  # neighbours that belong to neither side
    for key in sources:
        store.put(f"s3://bkt/{SOURCE.key}{key}")
    for key in targets:
        store.put(f"s3://bkt/{TARGET.key}{key}")
    turn = 0

    async def gate(operation: str, request: object) -> None:
        # Answers come back in all kinds of order.
        nonlocal turn
        turn += 1
        for _ in range(turn * 7919 % (patience + 1) * 3):
            await anyio.lowlevel.checkpoint()

    store.before = gate
    rows, _ = anyio.run(read_all, store, {key: entry(key) for key in entries}, most, within)

    def inside(keys: set[str]) -> set[str]:
        after, upto = within.after, within.upto
        return {key for key in keys if (after is None or key > after) and (upto is None or key <= upto)}

    assert sorted(row.key for row in rows) == sorted(inside(sources | targets | entries))
    assert {row.key for row in rows if row.source} == inside(sources)
    assert {row.key for row in rows if row.target} == inside(targets)
    assert {row.key for row in rows if row.entry} == inside(entries)


async def read_in_turns(store: FakeStore, most_keys: int) -> tuple[list[str], int]:
    """Each turn reads until it has so many keys, and leaves the rest to turns of their own."""
    keys: list[str] = []
    covered: list[Piece] = []
    turns = 0
    left = [KeyRange()]
    while left:
        turns += 1
        within, read = left.pop(), 0
        async with anyio.create_task_group() as group:
            join = RouteJoin(group, Prefix(store, SOURCE), None, None, within, patience_s=0)
            while (batch := await join.next_batch()) is not None:
                covered.append(Piece("r", batch.after, batch.upto))
                keys += [row.key for row in batch.rows]
                read += len(batch.rows)
                if read >= most_keys:
                    join.end_early()
        left += join.rest
    assert tile(covered), "what was handed on and what was left are all, and no key is in both"
    return keys, turns


@settings(max_examples=60)
@given(KEYS, st.integers(1, 7), st.integers(1, 30), st.integers(1, 4))
def test_what_a_turn_leaves_is_read_by_others_and_every_key_comes_once(
    sources: set[str], page_keys: int, most_keys: int, patience: int
) -> None:
    store = FakeStore()
    store.page_keys = page_keys
    for key in sources:
        store.put(f"s3://bkt/{SOURCE.key}{key}")
    store.before = Busy(patience)
    keys, turns = anyio.run(read_in_turns, store, most_keys)
    assert sorted(keys) == sorted(sources)
    assert turns > 1 or len(sources) <= max(most_keys, page_keys) * MOST_RANGES


class FromTheBeginning(FakeStore):
    """Ignores where a listing is to begin."""

    asked = 0

    async def list_page(self, request: ListPage) -> Page:
        self.asked += bool(request.start_after)
        return await super().list_page(request._replace(start_after=""))


def test_a_server_that_ignores_where_to_begin_is_read_by_one_range_and_each_key_comes_once() -> None:
    store = FromTheBeginning()
    store.page_keys = 25
    for number in range(2_000):
        store.put(f"s3://bkt/old/img_{number:06d}.jpg")

    async def gate(operation: str, request: object) -> None:
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    store.before = gate
    rows, _ = anyio.run(read_all, store, {}, MOST_RANGES)
    assert [row.key for row in rows] == [f"img_{number:06d}.jpg" for number in range(2_000)]
    assert 0 < store.asked <= GUESSES


def utf16(key: str) -> Any:
    """The order of Java, JavaScript and .NET: characters beyond U+FFFF before U+E000."""
    return key.encode("utf-16-be")


def folded(key: str) -> Any:
    """The order of a case-insensitive index."""
    return key.casefold(), key


def backwards(key: str) -> Any:
    return [-ord(character) for character in key] + [1]


ORDERS = {"utf-16": utf16, "folded": folded, "backwards": backwards}


class OtherOrder(FakeStore):
    """Lists in an order of its own, and consistently so."""

    def __init__(self, order: Callable[[str], Any]) -> None:
        super().__init__()
        self._order = order
        self._sorted: dict[str, tuple[list[str], list[Any]]] = {}

    def _list(self, request: ListPage) -> Page:
        if request.prefix not in self._sorted:
            keys = sorted((key for _, key in self.objects if key.startswith(request.prefix)), key=self._order)
            self._sorted[request.prefix] = keys, [self._order(key) for key in keys]
        keys, places = self._sorted[request.prefix]
        after = request.token or request.start_after
        at = bisect_right(places, self._order(after)) if after else 0
        shown = [ListedObject(key, 1, "e", "") for key in keys[at : at + self.page_keys]]
        return Page(shown, shown[-1].key if at + len(shown) < len(keys) else None)


class Busy:
    """Lets answers come back in all kinds of order."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._turn = 0

    async def __call__(self, operation: str, request: object) -> None:
        self._turn += 1
        for _ in range(self._turn * 7919 % self._patience + 10):
            await anyio.lowlevel.checkpoint()


def error_of(raised: BaseException) -> BaseException:
    while isinstance(raised, BaseExceptionGroup):
        raised = raised.exceptions[0]
    return raised


CHARACTERS = st.sampled_from(["a", "B", "b", "~", "\ue000", "\uff01", "\uff71", "\U00010000", "\U0001f600"])
FORM = st.sampled_from(["{c}/{n:04d}", "z{c}{n:04d}", "{n:04d}{c}", "{c}{n}{c}", "img_{n:05d}{c}"])
TREE = st.lists(st.tuples(FORM, CHARACTERS, st.sampled_from([1, 3, 30, 100])), min_size=1, max_size=7)


@settings(max_examples=examples(60))
@given(st.sampled_from(sorted(ORDERS)), TREE, st.sampled_from([5, 20]), st.integers(1, 40), st.booleans())
@example(
    "utf-16",
    [("{c}/{n:04d}", "\uff01", 300), ("{c}/{n:04d}", "\U0001f600", 300), ("{c}/{n:04d}", "a", 300)],
    25,
    1,
    True,
)
def test_a_server_that_lists_in_another_order_loses_no_key_unseen(
    order: str, tree: list[tuple[str, str, int]], page_keys: int, patience: int, of_source: bool
) -> None:
    """What it lists is all there is, or the listing is refused: on the source's side and on the target's."""
    keys = {form.format(c=character, n=number) for form, character, count in tree for number in range(count)}
    store = OtherOrder(ORDERS[order])
    store.page_keys = page_keys
    location = SOURCE if of_source else TARGET
    for key in keys:
        store.put(f"s3://bkt/{location.key}{key}")
    if not of_source:  # something to cut ranges by, in an order that is right
        for number in range(200):
            store.put(f"s3://bkt/{SOURCE.key}{chr(0x61 + number % 3)}{number:06d}")
    store.before = Busy(patience)
    try:
        rows, _ = anyio.run(read_all, store, {}, MOST_RANGES)
    except BaseException as raised:
        assert isinstance(error_of(raised), ListingBroken)
        return
    found = [row.key for row in rows if (row.source if of_source else row.target)]
    assert sorted(found) == sorted(keys)


@pytest.mark.parametrize("seed", range(4))
def test_a_right_order_is_not_refused_while_others_write_and_delete_where_ranges_meet(seed: int) -> None:
    store = FakeStore()
    store.page_keys = 10
    rng = random.Random(seed)
    names = [f"img_{number:05d}" for number in range(0, 3_000, 3)]
    for name in names:
        store.put(f"s3://bkt/old/{name}")
    kept = {name for name in names if name.endswith("5")}
    busy = Busy(30)

    async def gate(operation: str, request: object) -> None:
        for _ in range(20):
            name = f"img_{rng.randrange(3_000):05d}"
            if name in kept:
                continue
            for prefix in ("old/", TARGET.key):
                if rng.random() < 0.5:
                    store.put(f"s3://bkt/{prefix}{name}")
                else:
                    store.objects.pop(("bkt", prefix + name), None)
        await busy(operation, request)

    store.before = gate
    rows, _ = anyio.run(read_all, store, {}, MOST_RANGES)
    assert kept <= {row.key for row in rows if row.source}
    starts = {request.start_after for request in store.made("ListObjectsV2")}
    assert len(starts) > 3, "it was not cut"


async def test_ranges_that_miss_each_other_are_asked_again_and_refused_only_where_the_key_stays() -> None:
    store = OtherOrder(utf16)
    store.put("s3://bkt/old/a")
    store.put("s3://bkt/old/\U0001f600")
    lister = Prefix(store, SOURCE)
    assert not await meets(lister, "a", "\ue000")  # from there on it shows nothing, and after a the key beyond
    assert await meets(lister, "a", "b")
    assert await meets(lister, "a", "\U0001f600")


@pytest.mark.parametrize("keys", [0, 1, 10])
def test_what_fits_on_one_page_costs_one_request_a_side(keys: int) -> None:
    store = FakeStore()
    store.page_keys = 10
    for number in range(keys):
        store.put(f"s3://bkt/old/img_{number:04d}.jpg")
    anyio.run(read_all, store, {}, MOST_RANGES)
    assert len(store.made("ListObjectsV2")) == 2


@pytest.mark.parametrize("there", ["", "img_000000.jpg", "img_000999.jpg", "z"])
def test_a_target_that_has_come_to_its_end_is_not_asked_for_again_by_each_range(there: str) -> None:
    store = FakeStore()
    store.page_keys = 25
    for number in range(1_000):
        store.put(f"s3://bkt/old/img_{number:06d}.jpg")
    if there:
        store.put(f"s3://bkt/{TARGET.key}{there}")
    rows, _ = anyio.run(read_all, store, {}, MOST_RANGES)
    assert {row.key for row in rows if row.target} == ({there} if there else set())
    of_target = [request for request in store.made("ListObjectsV2") if request.prefix == TARGET.key]
    ranges = {request.start_after for request in store.made("ListObjectsV2") if request.prefix == SOURCE.key}
    assert len(ranges) > 2, "it was not cut"
    if there < "img_000999.jpg":
        assert len(of_target) == 1


SHAPES = {
    "counter": "images/img_{:06d}.jpg",
    "dated": "{0:03d}/shard={0:06d}/part-00000.parquet",
    "greek": "εικόνα/{:06d}",
    "control": "\x01\x02{:06d}\x7f",
}


@pytest.mark.parametrize("shape", [*SHAPES, "hashes"])
def test_many_pages_are_read_by_many_ranges_at_hardly_any_extra_cost(shape: str) -> None:
    """400 pages take 400 times one latency in a row. In units of that latency:"""
    store = FakeStore()
    store.page_keys = 25
    for number in range(10_000):
        key = f"{number * 2654435761 % 2**32:08x}" if shape == "hashes" else SHAPES[shape].format(number)
        store.put(f"s3://bkt/old/{key}")
    waits = 0
    waiting: list[anyio.Event] = []

    async def gate(operation: str, request: object) -> None:
        event = anyio.Event()
        waiting.append(event)
        await event.wait()

    async def read() -> list[Joined]:
        nonlocal waits
        rows: list[Joined] = []

        async def answer_in_rounds() -> None:
            nonlocal waits
            while True:
                for _ in range(30):  # everyone who can go on has gone on
                    await anyio.lowlevel.checkpoint()
                waits += 1
                batch = waiting[:]
                waiting.clear()
                for event in batch:
                    event.set()

        async with anyio.create_task_group() as clock:
            clock.start_soon(answer_in_rounds)
            async with anyio.create_task_group() as group:
                join = RouteJoin(group, Prefix(store, SOURCE), None, None, patience_s=0)
                while (batch := await join.next_rows()) is not None:
                    rows += batch
            clock.cancel_scope.cancel()
        return rows

    store.before = gate
    rows = anyio.run(read)
    assert len(rows) == 10_000
    assert waits <= 60, (waits, len(store.requests))
    assert len(store.requests) <= 2 * 400, (waits, len(store.requests))
