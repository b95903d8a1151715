"""However much lies in a folder that cannot be an object: all of it is counted, in bounded memory, and none of it, nor
what would lie below it, is taken for absent."""

from __future__ import annotations

from engine.events import Event, ObjectAside
from engine.listing.unlisted import UnlistedThings
from engine.model import Unlisted

LINK = Unlisted("", "SymbolicLink", "a link")


def named(*keys: str) -> list[tuple[str, Unlisted]]:
    return [(key, LINK) for key in keys]


def test_the_first_are_named_and_all_are_counted() -> None:
    things = UnlistedThings(named=3)
    reading = things.reading(None)
    for number in range(10):
        things.add(reading, named(f"k{number}"))
    assert (things.count, [key for key, _ in things.named()]) == (10, ["k0", "k1", "k2"])


def test_of_those_without_a_name_the_whole_span_may_be_there() -> None:
    things = UnlistedThings(named=1)
    things.add(things.reading(None), named("a", "d", "d-1", "f"))
    assert all(things.covers(key) for key in ("a", "a/x", "d", "d/x", "e", "f", "f/x"))
    assert not any(things.covers(key) for key in ("b", "a.txt", "c/d", "f.txt", "g"))


def test_where_two_passes_overlap_each_thing_counts_once() -> None:
    things = UnlistedThings(named=2)
    one, other = things.reading(None), things.reading("c")
    things.add(one, named("a", "b", "d", "e"))
    things.add(other, named("d", "e", "f"))
    things.add(one, named("f", "g"))
    things.add(other, named("g", "h"))
    assert things.count == 7


def test_what_the_patterns_leave_out_is_not_counted_and_hides_what_is_below_it() -> None:
    heard: list[Event] = []
    things = UnlistedThings(lambda key: key.endswith(".txt"), heard.append)
    things.add(things.reading(None), named("d", "x.txt"))
    assert (things.count, [key for key, _ in things.named()]) == (1, ["x.txt"])
    assert heard == [ObjectAside("", "x.txt", "unlisted", "SymbolicLink", "a link")]
    assert things.covers("d/a.txt")
