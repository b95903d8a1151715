"""For any JSON and any place: the text that comes out means what was asked for, and the rest is untouched."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plan.manifest_text import JSON, NotParsed, parse
from engine.references import telling
from engine.references.places import NoPlace, value_in
from tests.faults.amount import examples

KEYS = st.sampled_from(["a", "b", "c", "project", "data", "r\u00e4w", '"', "0"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-1000, 10**20), st.floats(-1e6, 1e6), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(KEYS, min_size=1, max_size=4).map(".".join)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """An object, written in one of the ways that people and programs write it."""
    value = draw(OBJECTS)
    plain = draw(st.booleans())
    way = draw(st.sampled_from([None, 1, 2, 4, "\t", "tight", "odd"]))
    if way == "tight":
        text = json.dumps(value, ensure_ascii=plain, separators=(",", ":"))
    elif way == "odd":
        text = json.dumps(value, ensure_ascii=plain, separators=(" ,\n", " :  "))
    else:
        text = json.dumps(value, ensure_ascii=plain, indent=way)
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(st.sampled_from(["", " ", "\n\n"])) + text + draw(st.sampled_from(["", "\n", "\r\n \n"]))


def set_values(text: str, values: list[tuple[str, Any]]) -> str:
    return telling.set_values(JSON, text, values)


def value_at(text: str, path: str) -> Any:
    return value_in(parse(JSON, text), path)


def put(value: Any, path: str, new: Any) -> Any:
    """The same by another hand: on the parsed value."""
    value = copy.deepcopy(value)
    node, segments = value, path.split(".")
    for at, segment in enumerate(segments):
        if isinstance(node, list):
            if not segment.isdecimal() or int(segment) >= len(node):
                raise NoPlace
            key: Any = int(segment)
        elif isinstance(node, dict):
            key = segment
        else:
            raise NoPlace
        if at == len(segments) - 1:
            node[key] = new
        elif isinstance(node, dict) and key not in node:
            node[key] = {}
        node = node[key]
    return value


@given(texts(), PATHS, VALUES)
@settings(max_examples=examples(400))
def test_it_means_what_was_asked_for(text: str, path: str, new: Any) -> None:
    before = json.loads(text)
    try:
        expected = put(before, path, new)
    except NoPlace:
        with pytest.raises(NoPlace):
            set_values(text, [(path, new)])
        return
    after = set_values(text, [(path, new)])
    assert json.loads(after) == expected
    assert list(json.loads(after)) == list(expected)
    assert value_at(after, path) == new
    assert set_values(after, [(path, new)]) == after


@given(texts(), PATHS, SCALARS)
@settings(max_examples=examples(300))
def test_only_one_stretch_changes(text: str, path: str, new: Any) -> None:
    try:
        after = set_values(text, [(path, new)])
    except NoPlace:
        return
    head = next((at for at, (one, other) in enumerate(zip(text, after, strict=False)) if one != other), len(text))
    tail = 0
    while tail < min(len(text), len(after)) - head and text[-1 - tail] == after[-1 - tail]:
        tail += 1
    removed, added = text[head : len(text) - tail], after[head : len(after) - tail]
    if value_at(text, path) is None and "." not in path and path not in json.loads(text) and json.loads(text):
        assert removed == ""  # a new member moves nothing
    assert len(added) <= len(json.dumps(new)) + len(path) * 8 + 60
    assert after.endswith(text[len(text.rstrip()) :])
    assert after.startswith(text[: len(text) - len(text.lstrip())])


@given(texts(), st.lists(st.tuples(PATHS, SCALARS), max_size=4))
@settings(max_examples=examples(150))
def test_several_are_set_one_after_the_other(text: str, values: list[tuple[str, Any]]) -> None:
    expected = json.loads(text)
    try:
        for path, new in values:
            expected = put(expected, path, new)
    except NoPlace:
        return
    assert json.loads(set_values(text, values)) == expected


@given(st.text(max_size=12))
def test_what_is_not_json_is_refused(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(NotParsed):
            set_values(text, [("a", 1)])


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"b": {"c": [1, -Infinity]}}'])
def test_what_python_reads_and_json_has_not_is_refused(text: str) -> None:
    with pytest.raises(NotParsed, match="is no value of JSON"):
        set_values(text, [("x", 1)])


@pytest.mark.parametrize("path", ["list.1", "list.01"])
def test_a_place_in_a_list_is_its_number(path: str) -> None:
    assert set_values('{"list": [1, [2], {"a": 3}]}', [(path, 5)]) == '{"list": [1, 5, {"a": 3}]}'


def test_of_equal_names_the_last_counts() -> None:
    assert set_values('{"a": 1, "a": 2}', [("a", 3)]) == '{"a": 1, "a": 3}'
