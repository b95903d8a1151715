"""On an accepted plan the mapping of keys is injective: no two source objects are sent to one target key."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.errors import PlanError
from engine.model import ListedObject
from engine.plan.document import Plan
from engine.plan.selection import Selection, head_of, problem_of_pattern, tail_of
from tests.faults.amount import examples

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
few = st.text("ab/.", max_size=5)
prefixes = few.map(lambda text: f"{text}/" if text else "")
patterns = st.text("ab/.*?", min_size=1, max_size=5)


def listed(key: str) -> ListedObject:
    return ListedObject(key, 1, "e" * 32, "2026-01-31T10:00:00.000Z")


@st.composite
def routes(draw: st.DrawFn) -> dict[str, object]:
    buckets = st.sampled_from(["one", "two"])
    if draw(st.booleans()):
        ends = [f"s3://{draw(buckets)}/{draw(prefixes)}" for _ in range(2)]
        return {
            "from": ends[0],
            "to": ends[1],
            "include": draw(st.lists(patterns, max_size=2)),
            "exclude": draw(st.lists(patterns, max_size=2)),
        }
    ends = [f"s3://{draw(buckets)}/{draw(few)}x" for _ in range(2)]
    return {"from": ends[0], "to": ends[1]}


def plan_text(tables: list[dict[str, object]]) -> str:
    lines = []
    for index, table in enumerate(tables):
        lines += ["[[routes]]", f'name = "r{index}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines)


def accepted(tables: list[dict[str, object]]) -> Plan:
    try:
        return Plan.parse(plan_text(tables))
    except PlanError:
        assume(False)
        raise


keys = st.lists(st.text("abx/.", min_size=1, max_size=8), min_size=1, max_size=40, unique=True)


@settings(max_examples=examples(300))
@given(st.lists(routes(), min_size=1, max_size=3), keys)
def test_no_two_source_objects_share_a_target_key(tables: list[dict[str, object]], names: list[str]) -> None:
    plan = accepted(tables)
    came_from: dict[tuple[str, str], tuple[str, str, str]] = {}
    for route in plan.routes:
        for key in names:
            inside = key.startswith(route.source.key) if route.source.is_prefix else key == route.source.key
            if inside and route.selects(listed(key)):
                target = (route.target.bucket, route.target_key(route.relative(key)))
                source = (route.name, route.source.bucket, key)
                assert came_from.setdefault(target, source) == source


@settings(max_examples=examples(300))
@given(st.lists(routes(), min_size=1, max_size=3), keys)
def test_no_route_reads_what_a_route_writes(tables: list[dict[str, object]], names: list[str]) -> None:
    plan = accepted(tables)
    read, written = set(), set()
    for route in plan.routes:
        for key in names:
            inside = key.startswith(route.source.key) if route.source.is_prefix else key == route.source.key
            if inside and route.selects(listed(key)):
                read.add((route.source.bucket, key))
                written.add((route.target.bucket, route.target_key(route.relative(key))))
    assert not read & written


@given(anything, anything, anything)
def test_a_key_comes_back_from_its_relative_key_byte_for_byte(source: str, target: str, rest: str) -> None:
    plan = Plan.of(f"s3://one/{source}/", f"s3://two/{target}/")
    (route,) = plan.routes
    key = f"{source}/{rest}"
    relative = route.relative(key)
    assert relative == rest
    assert route.source_key(relative) == key
    assert route.target_key(relative) == f"{target}/{rest}"


@given(st.lists(patterns, max_size=3), st.lists(patterns, max_size=3), few)
def test_a_selection_is_what_its_patterns_say_one_by_one(include: list[str], exclude: list[str], key: str) -> None:
    wanted = not include or any(fnmatchcase(key, pattern) for pattern in include)
    unwanted = any(fnmatchcase(key, pattern) for pattern in exclude)
    assert Selection(tuple(include), tuple(exclude)).takes_key(key) == (wanted and not unwanted)


@given(st.text("ab[]!*?", min_size=1, max_size=6), st.text("ab[]!", max_size=6))
def test_what_a_pattern_matches_begins_and_ends_as_it_says(pattern: str, key: str) -> None:
    assume(not problem_of_pattern(pattern))
    if fnmatchcase(key, pattern):
        assert key.startswith(head_of(pattern))
        assert key.endswith(tail_of(pattern))


@given(patterns, few, few)
def test_a_prefix_said_to_be_left_out_is_left_out_whole(pattern: str, prefix: str, rest: str) -> None:
    selection = Selection(exclude=(pattern,))
    if selection.leaves_out_all_under(prefix):
        assert not selection.takes_key(prefix + rest)
