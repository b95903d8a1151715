"""Which routes get in each other's way: found before anything is listed. Pure.

A route's keys are described by *shapes*: what they begin with and what they end with. Two shapes that agree in neither
cannot share a key; anything else might, and is refused. So every accepted plan has at most one source object for a
target key, and no route reads what a route of the same plan writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import NamedTuple

from engine.model import Location
from engine.plan.locations import covers, is_access_point, may_be_same_bucket
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


def collisions(routes: Sequence[Route]) -> Iterator[Collision]:
    """Every reason why these routes could lose or mix data, each route with itself first."""
    for route in routes:
        why = _with_itself(route)
        if why:
            yield Collision(route, route, why)
    for first, second in combinations(routes, 2):
        if _could_share(first, first.target, second, second.target):
            yield Collision(second, first, _one_key(first, second))
    for writer, reader in permutations(routes, 2):
        if _could_share(writer, writer.target, reader, reader.source):
            yield Collision(
                writer,
                reader,
                f'it writes to {writer.target}, which route "{reader.name}" reads as part of {reader.source}: '
                "copies would be copied again, and cleanup would delete them",
            )


def _with_itself(route: Route) -> str:
    source, target = route.source, route.target
    where = _hidden(source, target)
    if source.key == target.key and may_be_same_bucket(source.bucket, target.bucket):
        return f"it would copy {source} onto itself{where}"
    if covers(source, target):
        return f"its target {target} is inside its source {source}{where}: it would copy its own copies"
    if covers(target, source):
        return f"its source {source} is inside its target {target}{where}: originals and copies would be mixed"
    return ""


def _hidden(source: Location, target: Location) -> str:
    """A word on access points, which may stand for the very bucket on the other side."""
    if source.bucket != target.bucket and (is_access_point(source.bucket) or is_access_point(target.bucket)):
        return " (an access point may stand for the same bucket)"
    return ""


def _one_key(first: Route, second: Route) -> str:
    if first.target == second.target:
        return f'routes "{first.name}" and "{second.name}" both write to {second.target}'
    outer, inner = (first, second) if covers(first.target, second.target) else (second, first)
    return (
        f'routes "{first.name}" and "{second.name}" could write one target key: {inner.target} is inside '
        f'{outer.target} (leave it out of route "{outer.name}" by an exclude if they never meet)'
    )


def _could_share(first: Route, one: Location, second: Route, other: Location) -> bool:
    """Whether a key of `first` at the location `one` might be a key of `second` at the location `other`."""
    if not may_be_same_bucket(one.bucket, other.bucket) or not (covers(one, other) or covers(other, one)):
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
