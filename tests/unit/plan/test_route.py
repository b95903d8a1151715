"""What a route takes, where it sends it, and what the copy carries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import ListedObject, Location
from engine.plan.route import PropertyRule, PropertyRules, Route
from engine.plan.selection import Selection, head_of, problem_of_pattern, tail_of

ROUTE = Route("r", Location("one", "data/"), Location("two", "project/data/"))


def listed(
    key: str, *, size: int = 10, modified: str = "2026-01-31T10:00:00.000Z", cls: str = "STANDARD"
) -> ListedObject:
    return ListedObject(key, size, "e" * 32, modified, cls)


def test_keys_keep_everything_after_the_prefix() -> None:
    key = "data//a b/%2F?versionId=1\n../é"
    assert ROUTE.relative(key) == "/a b/%2F?versionId=1\n../é"
    assert ROUTE.target_key(ROUTE.relative(key)) == "project/" + key
    assert ROUTE.source_key(ROUTE.relative(key)) == key


def test_the_placeholder_of_the_prefix_itself_goes_to_the_target_prefix() -> None:
    assert ROUTE.target_key(ROUTE.relative("data/")) == "project/data/"


def test_an_exact_route_has_one_object_with_an_empty_relative_key() -> None:
    route = Route("r", Location("one", "a/model.bin"), Location("two", "b/other.bin"))
    assert route.relative("a/model.bin") == ""
    assert route.target_key("") == "b/other.bin"
    assert route.maps_any_key


def test_a_target_key_over_1024_bytes_is_told_by_its_bytes() -> None:
    assert not ROUTE.maps_any_key
    assert ROUTE.problem_of("data/" + "x" * (1024 - len("project/data/"))) == ""
    assert "has 1,025 bytes, and S3 allows 1,024" in ROUTE.problem_of("data/" + "x" * (1025 - len("project/data/")))
    assert "has 1,025 bytes" in ROUTE.problem_of("data/" + "é" * 506)


def test_a_target_prefix_that_is_no_longer_can_take_every_key() -> None:
    assert Route("r", Location("one", "abc/"), Location("two", "é/")).maps_any_key


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("*.png", "a/b/c.png", True),
        ("*.png", "a.PNG", False),
        ("*.png", "new\nline.png", True),
        ("a/*", "a/b/c", True),
        ("a/*", "b/a/c", False),
        ("?.txt", "/.txt", True),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[*].txt", "*.txt", True),
        ("[*].txt", "a.txt", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns_are_the_aws_command_lines(pattern: str, key: str, matches: bool) -> None:
    assert Selection(include=(pattern,)).takes_key(key) is matches
    assert Selection(exclude=(pattern,)).takes_key(key) is not matches


def test_exclude_wins_over_include() -> None:
    selection = Selection(include=("*.png", "*.jpg"), exclude=("tmp/*",))
    assert selection.takes_key("a.jpg")
    assert not selection.takes_key("tmp/a.jpg")
    assert not selection.takes_key("a.txt")


def test_patterns_are_matched_after_the_prefix() -> None:
    route = replace(ROUTE, selection=Selection(include=("raw/*",)))
    assert not route.selects_all
    assert route.selects(listed("data/raw/x"))
    assert not route.selects(listed("data/data/raw/x"))


def test_since_is_included_and_until_is_not_with_and_without_fractions() -> None:
    selection = Selection(since="2026-01-31T10:00:00", until="2026-01-31T11:00:00")
    for fraction in ("", ".000"):
        assert not selection.takes("x", listed("x", modified=f"2026-01-31T09:59:59{fraction}Z"))
        assert selection.takes("x", listed("x", modified=f"2026-01-31T10:00:00{fraction}Z"))
        assert selection.takes("x", listed("x", modified=f"2026-01-31T10:59:59{fraction}Z"))
        assert not selection.takes("x", listed("x", modified=f"2026-01-31T11:00:00{fraction}Z"))


def test_both_bounds_of_a_size_are_included() -> None:
    selection = Selection(min_bytes=10, max_bytes=20)
    assert [selection.takes("x", listed("x", size=size)) for size in (9, 10, 20, 21)] == [False, True, True, False]


def test_an_upper_bound_of_nothing_takes_empty_objects_only() -> None:
    selection = Selection(max_bytes=0)
    assert not selection.is_everything
    assert selection.takes("x", listed("x", size=0))
    assert not selection.takes("x", listed("x", size=1))


def test_the_storage_class_is_the_sources_unless_the_route_says_otherwise() -> None:
    source = listed("data/x", cls="STANDARD_IA")
    assert ROUTE.storage_class_for(source) == "STANDARD_IA"
    assert ROUTE.storage_class_for(listed("data/x", cls="")) == "STANDARD"
    assert replace(ROUTE, storage_class="GLACIER_IR").storage_class_for(source) == "GLACIER_IR"
    assert (
        replace(ROUTE, properties=PropertyRules(storage_class=PropertyRule.DROP)).storage_class_for(source)
        == "STANDARD"
    )


def test_only_what_copyobject_does_not_do_by_itself_needs_a_look_at_the_source() -> None:
    assert ROUTE.plain_properties
    tags_only = replace(ROUTE, set_tags=(("a", "b"),), properties=PropertyRules(tags=PropertyRule.SET))
    assert (tags_only.plain_properties, tags_only.rewrites_headers) == (False, False)
    for changed in (
        replace(ROUTE, set_metadata=(("a", "b"),)),
        replace(ROUTE, properties=PropertyRules(content_headers=PropertyRule.DROP)),
    ):
        assert (changed.rewrites_headers, changed.looks_at_source, changed.plain_properties) == (True, True, False)
    for kept in (
        PropertyRules(encryption=PropertyRule.PRESERVE),
        PropertyRules(website_redirect=PropertyRule.FAIL),
        PropertyRules(lock=PropertyRule.PRESERVE),
        PropertyRules(metadata=PropertyRule.FAIL),
    ):
        route = replace(ROUTE, properties=kept)
        assert (route.rewrites_headers, route.looks_at_source, route.plain_properties) == (False, True, False)
    # What the route says by itself needs no look at the source.
    for said in (
        PropertyRules(encryption=PropertyRule.SET),
        PropertyRules(lock=PropertyRule.SET),
        PropertyRules(acl=PropertyRule.SET),
    ):
        route = replace(ROUTE, properties=said)
        assert (route.looks_at_source, route.plain_properties) == (False, False)


@pytest.mark.parametrize(
    ("pattern", "head", "tail"),
    [("*.png", "", ".png"), ("a/*", "a/", ""), ("a?b[cd]e", "a", "e"), ("plain", "plain", "plain"), ("*", "", "")],
)
def test_a_pattern_says_how_its_keys_begin_and_end(pattern: str, head: str, tail: str) -> None:
    assert (head_of(pattern), tail_of(pattern)) == (head, tail)


@pytest.mark.parametrize("pattern", ["[]]x", "[!]]x", "[[]x", "[a-z]*"])
def test_brackets_that_are_closed_are_patterns(pattern: str) -> None:
    assert problem_of_pattern(pattern) == ""
