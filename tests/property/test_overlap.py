"""Of many routes exactly those are found to meet that are found to when each two of them are looked at alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from engine.model import Location
from engine.plan.overlap import collisions, sharing
from engine.plan.route import Route

PREFIXES = ["", "a/", "a/b/", "a!/", "a/b/c/", "ab/", "b/"]
KEYS = ["a", "a/b", "a/b/c", "a/b0", "ab/x"]
places = st.builds(Location, st.sampled_from(["one-bucket", "other-bucket"]), st.sampled_from(PREFIXES + KEYS))


@given(st.lists(st.tuples(places, places), min_size=2, max_size=7))
def test_routes_meet_as_each_two_of_them_do(pairs: list[tuple[Location, Location]]) -> None:
    routes = [Route(f"r{number}", *pair) for number, pair in enumerate(pairs)]

    def told(some: Sequence[Route]) -> set[tuple[str, str, str]]:
        return {(item.route.name, item.other.name, item.why) for item in collisions(some, {})}

    twos = list(combinations(routes, 2))
    assert told(routes) == set().union(*map(told, twos))
    by_twos = {(name, item.name) for two in twos for name, found in sharing(two).items() for item in found}
    assert {(name, item.name) for name, found in sharing(routes).items() for item in found} == by_twos
