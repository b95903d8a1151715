"""Which routes get in each other's way: found before anything is listed. Pure.

A route's keys are described by *shapes*: what they begin with and what they end with. Two shapes that agree in neither
cannot share a key; anything else might, and is refused. So every accepted plan has at most one source object for a
target key, and no route reads what a route of the same plan writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.errors import PlanError
from engine.model import Location
from engine.plan.locations import covers, flat, is_access_point, may_be_same_bucket, may_be_same_site
from engine.plan.route import Route
from engine.plan.selection import head_of, tail_of


class Collision(NamedTuple):
    """Why routes cannot stand together. `route` is the one whose line is named, `other` a second one or itself."""

    route: Route
    other: Route
    why: str


class Shape(NamedTuple):
    """Keys that begin with `head` and end with `tail`; `exact`: the one key `head`."""

    head: str
    tail: str
    exact: bool


def collisions(routes: Sequence[Route], endpoints: Mapping[str, str]) -> Iterator[Collision]:
    """Every reason why these routes could lose or mix data, each route with itself first. `endpoints` are the sites'
    URLs as far as they are known: two sites that may be one server are taken for one."""
    for route in routes:
        why = _with_itself(route, endpoints)
        if why:
            yield Collision(route, route, why)
    targets, sources = [route.target for route in routes], [route.source for route in routes]
    for one, other in _nested(targets, targets):
        first, second = routes[one], routes[other]
        if one < other and _could_share(first, first.target, second, second.target, endpoints):
            yield Collision(second, first, _one_key(first, second, endpoints))
    for one, other in _nested(targets, sources):
        writer, reader = routes[one], routes[other]
        if one != other and _could_share(writer, writer.target, reader, reader.source, endpoints):
            yield Collision(
                writer,
                reader,
                f'it writes to {writer.target}, which route "{reader.name}" reads as part of {reader.source}: '
                "copies would be copied again, and cleanup would delete them",
            )


def sharing(routes: Sequence[Route]) -> dict[str, list[Route]]:
    """The routes that may take objects of a route's source as well, by its name; sites of any name may be one."""
    found: dict[str, list[Route]] = {}
    sources = [route.source for route in routes]
    for one, another in _nested(sources, sources):
        route, other = routes[one], routes[another]
        if one != another and _could_share(route, route.source, other, other.source, {}):
            found.setdefault(route.name, []).append(other)
    return found


def refuse_collisions(routes: Sequence[Route], endpoints: Mapping[str, str]) -> None:
    """For sites whose endpoints the plan does not say, once they are known. Raises `PlanError` with every collision."""
    found = [f'route "{item.route.name}": {item.why}' for item in collisions(routes, endpoints)]
    if found:
        raise PlanError(found)


def _nested(ones: Sequence[Location], others: Sequence[Location]) -> list[tuple[int, int]]:
    """Where a location of the one and a location of the other lie in one another by their keys alone, whatever their
    buckets: their numbers, in order. No other two can share a key, and of a thousand routes few do."""
    keys = [(flat(at).key, 0, number) for number, at in enumerate(ones)]
    keys += [(flat(at).key, 1, number) for number, at in enumerate(others)]
    found: list[tuple[int, int]] = []
    around: list[tuple[str, int, int]] = []
    """Those whose key the present one begins with."""
    for key, side, number in sorted(keys):
        while around and not key.startswith(around[-1][0]):
            around.pop()
        found += [(number, item[2]) if side == 0 else (item[2], number) for item in around if item[1] != side]
        around.append((key, side, number))
    return sorted(found)


def _both(one: Location, other: Location, endpoints: Mapping[str, str]) -> tuple[Location, Location] | None:
    """The two as if at one site, local folders as long keys; None where no object can be in both, whatever their sites
    and buckets are called."""
    if not may_be_same_site(one.site, other.site, endpoints):
        return None
    one, other = flat(one), flat(other)
    if not may_be_same_bucket(one.bucket, other.bucket):
        return None
    return one, Location(other.bucket, other.key, one.site)


def _with_itself(route: Route, endpoints: Mapping[str, str]) -> str:
    source, target = route.source, route.target
    if route.in_place:
        return "" if source == target else f"it would set what {source} carries at {target}"
    both = _both(source, target, endpoints)
    if both is None:
        return ""
    one, other = both
    where = _hidden(source, target, endpoints)
    if one.key == other.key:
        return f"it would copy {source} onto itself{where}"
    if covers(one, other):
        return f"its target {target} is inside its source {source}{where}: it would copy its own copies"
    if covers(other, one):
        return f"its source {source} is inside its target {target}{where}: originals and copies would be mixed"
    return ""


def _hidden(source: Location, target: Location, endpoints: Mapping[str, str]) -> str:
    """A word on names that may stand for the very place on the other side: of access points, and of sites."""
    if source.site != target.site:
        if endpoints.get(source.site) and endpoints.get(target.site):
            return " (the two sites are one server; of two buckets of one name there, one takes another name)"
        return " (the two sites may be one server: an endpoint_url in each tells them apart)"
    if source.bucket != target.bucket and (is_access_point(source.bucket) or is_access_point(target.bucket)):
        return " (an access point may stand for the same bucket)"
    return ""


def _one_key(first: Route, second: Route, endpoints: Mapping[str, str]) -> str:
    both = _both(first.target, second.target, endpoints)
    if both is None or first.target == second.target:
        return f'routes "{first.name}" and "{second.name}" both write to {second.target}'
    outer, inner = (first, second) if covers(*both) else (second, first)
    return (
        f'routes "{first.name}" and "{second.name}" could write one target key: {inner.target} is inside '
        f'{outer.target} (leave it out of route "{outer.name}" by an exclude if they never meet)'
    )


def _could_share(first: Route, at: Location, second: Route, other_at: Location, endpoints: Mapping[str, str]) -> bool:
    """Whether a key of `first` at the location `at` might be a key of `second` at the location `other_at`."""
    both = _both(at, other_at, endpoints)
    if both is None:
        return False
    one, other = both
    if not (covers(one, other) or covers(other, one)):
        return False
    if _leaves_room(first, one, other) or _leaves_room(second, other, one):
        return False
    return any(_compatible(a, b) for a in _shapes(first, one) for b in _shapes(second, other))


def _leaves_room(outer: Route, at: Location, inner: Location) -> bool:
    """Whether `outer` excludes everything that can be at `inner`, as seen from its own location `at`."""
    if not at.is_prefix or not inner.key.startswith(at.key):
        return False
    relative = inner.key[len(at.key) :]
    if inner.is_prefix:
        return outer.selection.leaves_out_all_under(relative)
    return not outer.selection.takes_key(relative)


def _shapes(route: Route, at: Location) -> list[Shape]:
    if not at.is_prefix:
        return [Shape(at.key, at.key, True)]
    patterns = route.selection.include or ("*",)
    return [Shape(at.key + head_of(item), tail_of(item), False) for item in patterns]


def _compatible(a: Shape, b: Shape) -> bool:
    if a.exact or b.exact:
        key, shape = (a.head, b) if a.exact else (b.head, a)
        return key.startswith(shape.head) and key.endswith(shape.tail)
    heads = a.head.startswith(b.head) or b.head.startswith(a.head)
    tails = a.tail.endswith(b.tail) or b.tail.endswith(a.tail)
    return heads and tails
