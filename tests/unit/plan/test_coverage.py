"""What of a listing need not be read again: stretches of keys that tile whatever was decided."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.plan.coverage import OBJECTS_A_STRETCH, Coverage, Stretch
from engine.plan.shards import Piece, joined, tile


def page(route: str, first: int, last: int | None) -> Piece:
    return Piece(route, f"{first:04}" if first else None, f"{last:04}" if last is not None else None)


@given(st.permutations(range(20)), st.integers(1, 3), st.lists(st.integers(0, 3_000), min_size=20, max_size=20))
def test_pages_in_any_order_cover_their_keys_once_and_add_up(order: list[int], ranges: int, sizes: list[int]) -> None:
    coverage = Coverage()
    pages = {at: page("r", at, at + 1 if at < 19 else None) for at in range(20)}
    taken = sorted(order, key=lambda at: (order.index(at) // (20 // ranges), at))  # each range in order
    for done, at in enumerate(taken, 1):
        coverage.add(pages[at], sizes[at], 10 * sizes[at])
        found = coverage.stretches
        assert joined(item.piece for item in found) == joined(pages[one] for one in taken[:done])
        assert sum(item.objects for item in found) == sum(sizes[one] for one in taken[:done])
        assert sum(item.bytes for item in found) == 10 * sum(item.objects for item in found)
    assert tile(item.piece for item in coverage.stretches)


def test_pages_of_a_range_are_put_together_up_to_a_few_thousand_objects() -> None:
    coverage = Coverage()
    for at in range(20):
        coverage.add(page("r", at, at + 1), 1_000, 1_000)
    assert [item.objects for item in coverage.stretches] == [OBJECTS_A_STRETCH] * (20_000 // OBJECTS_A_STRETCH)


def test_the_end_of_a_range_belongs_to_what_was_read_before_it() -> None:
    full = Stretch(page("r", 0, 1), OBJECTS_A_STRETCH, 1)
    coverage = Coverage([full])
    coverage.add(page("r", 1, 2), 0, 0)
    assert coverage.stretches == [full._replace(piece=page("r", 0, 2))]


def test_routes_do_not_mix() -> None:
    coverage = Coverage([Stretch(page("a", 0, 1), 1, 1)])
    coverage.add(page("b", 1, 2), 1, 1)
    assert len(coverage.stretches) == 2
