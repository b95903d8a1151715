"""Routes of one plan never meet: not at a target key, and not by reading what another writes."""

from __future__ import annotations

import pytest

from engine.model import Location
from engine.plan.locations import parse_location
from engine.plan.overlap import collisions
from engine.plan.route import Route
from engine.plan.selection import Selection


def route(
    name: str, source: str, target: str, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> Route:
    return Route(name, parse_location(source), parse_location(target), selection=Selection(include, exclude))


def whys(*routes: Route) -> list[str]:
    return [item.why for item in collisions(routes, {})]


def test_routes_from_one_source_to_two_places_are_fine() -> None:
    assert whys(route("a", "s3://src/x/", "s3://tgt/a/"), route("b", "s3://src/x/", "s3://tgt/b/")) == []


def test_two_prefixes_to_one_target_are_refused() -> None:
    (why,) = whys(route("a", "s3://src/x/", "s3://tgt/a/"), route("b", "s3://src/y/", "s3://tgt/a/"))
    assert why == 'routes "a" and "b" both write to s3://tgt/a/'


@pytest.mark.parametrize(("one", "other"), [("s3://tgt/a/", "s3://tgt/a/b/"), ("s3://tgt/a/b/", "s3://tgt/a/")])
def test_a_target_inside_anothers_target_is_refused_in_any_order(one: str, other: str) -> None:
    (why,) = whys(route("a", "s3://src/x/", one), route("b", "s3://src/y/", other))
    assert "s3://tgt/a/b/ is inside s3://tgt/a/" in why


def test_an_exact_target_inside_anothers_prefix_is_refused() -> None:
    (why,) = whys(route("a", "s3://src/x/", "s3://tgt/a/"), route("b", "s3://src/y", "s3://tgt/a/y"))
    assert "could write one target key" in why


def test_an_exclude_that_keeps_them_apart_is_understood() -> None:
    outer = route("a", "s3://src/x/", "s3://tgt/a/", exclude=("inner/*",))
    assert whys(outer, route("b", "s3://src/y/", "s3://tgt/a/inner/")) == []
    assert whys(outer, route("b", "s3://src/y/", "s3://tgt/a/inner/deeper/")) == []
    assert whys(outer, route("b", "s3://src/y", "s3://tgt/a/inner/y")) == []
    assert len(whys(outer, route("b", "s3://src/y/", "s3://tgt/a/inner2/"))) == 1


def test_an_exclude_of_only_some_of_it_is_not_enough() -> None:
    outer = route("a", "s3://src/x/", "s3://tgt/a/", exclude=("inner/*.png",))
    assert len(whys(outer, route("b", "s3://src/y/", "s3://tgt/a/inner/"))) == 1


def test_includes_that_end_differently_never_meet() -> None:
    images = route("a", "s3://src/x/", "s3://tgt/a/", include=("*.png", "*.jpg"))
    assert whys(images, route("b", "s3://src/x/", "s3://tgt/a/", include=("*.json",))) == []
    assert len(whys(images, route("b", "s3://src/x/", "s3://tgt/a/", include=("*.json", "*g")))) == 1


def test_includes_that_begin_differently_never_meet() -> None:
    train = route("a", "s3://src/x/", "s3://tgt/a/", include=("train/*",))
    assert whys(train, route("b", "s3://src/y/", "s3://tgt/a/", include=("test/*",))) == []
    assert len(whys(train, route("b", "s3://src/y/", "s3://tgt/a/", include=("t*",)))) == 1


def test_reading_what_another_route_writes_is_refused() -> None:
    (why,) = whys(route("a", "s3://src/x/", "s3://src/data/raw/"), route("b", "s3://src/data/", "s3://tgt/a/"))
    assert 'it writes to s3://src/data/raw/, which route "b" reads as part of s3://src/data/' in why


def test_a_chain_through_one_key_is_refused() -> None:
    found = list(collisions([route("a", "s3://src/1", "s3://src/2"), route("b", "s3://src/2", "s3://src/3")], {}))
    assert [(item.route.name, item.other.name) for item in found] == [("a", "b")]


def test_a_chain_kept_apart_by_an_exclude_is_fine() -> None:
    reader = route("b", "s3://src/data/", "s3://tgt/a/", exclude=("raw/*",))
    assert whys(route("a", "s3://src/x/", "s3://src/data/raw/"), reader) == []


def test_an_access_point_may_be_any_bucket() -> None:
    hidden = Route("b", Location("src", "y/"), Location("point-abc-s3alias", "a/"))
    assert len(whys(route("a", "s3://src/x/", "s3://tgt/a/"), hidden)) == 1
    assert whys(route("a", "s3://src/x/", "s3://tgt/c/"), hidden) == []
