"""YAML changed in places: what is set is set, and not one other character moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plan import manifest_text
from engine.plan.manifest_text import YAML, NotParsed, parse
from engine.references.places import NoPlace, value_in
from engine.references.telling import set_values
from tests.faults.amount import examples

pytest.importorskip("ruamel.yaml")

TEXT = """\
# the project
project:
    name: cards        # as it is called
    version: '1.4.0'   # of the data
    data:
        raw:
            path: s3://b/data/raw/
            size_gb: 13.0
            num_files: 17592   # counted

        # the database
        reference:
            path: "s3://b/data/reference/"
    owners: [vision, {mail: a@example.com}]
    about: |
        Two lines
        of text.

    empty:
threshold: 1.50
"""


def changed(*values: tuple[str, Any], text: str = TEXT) -> str:
    return set_values(YAML, text, values)


def test_values_that_are_there_are_replaced_in_the_quotes_that_they_had() -> None:
    after = changed(
        ("project.version", "2.0.0"),
        ("project.data.raw.path", "s3://b/p/data/raw/"),
        ("project.data.raw.num_files", 5),
        ("project.data.reference.path", "s3://b/p/data/reference/"),
    )  # fmt: skip
    assert after == TEXT.replace("'1.4.0'", "'2.0.0'").replace("s3://b/data/", "s3://b/p/data/").replace("17592", "5")


def test_what_is_there_already_is_not_written_again() -> None:
    assert changed(("project.data.raw.size_gb", 13), ("threshold", 1.5), ("project.empty", None)) == TEXT


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("project.data.raw.note", "Card images", "# counted\n", "# counted\n            note: Card images\n"),
        ("project.data.reference.num_files", 4, 'reference/"\n', 'reference/"\n            num_files: 4\n'),
        ("project.owners.1.role", "ml", "{mail: a@example.com}", "{mail: a@example.com, role: ml}"),
        ("project.owners.0", "nobody", "[vision,", "[nobody,"),
        ("project.empty", "no", "    empty:\n", '    empty: "no"\n'),
        ("project.empty", {"a": {"b": 1}}, "    empty:\n", "    empty:\n        a:\n            b: 1\n"),
        ("project.about", "One line", "|\n        Two lines\n        of text.\n\n", "One line\n\n"),
        ("threshold", [1, "a"], "1.50", "[1, a]"),
        ("new.deep", {"x": 1}, "1.50\n", "1.50\nnew:\n    deep:\n        x: 1\n"),
    ],
)  # fmt: skip
def test_what_is_missing_is_spelled_like_its_neighbours(path: str, value: Any, before: str, after: str) -> None:
    assert TEXT.count(before) == 1
    assert changed((path, value)) == TEXT.replace(before, after)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "# only a comment", "---\n", "{}", "{}\n"])
def test_a_new_file(text: str) -> None:
    after = changed(("project.data.raw", {"path": "x/", "size_mb": 1.5}), ("project.version", "2.0"), text=text)
    assert parse("YAML", after) == {"project": {"data": {"raw": {"path": "x/", "size_mb": 1.5}}, "version": "2.0"}}
    assert "# only a comment" not in text or "# only a comment\n" in after


def test_line_ends_stay_those_of_the_file() -> None:
    after = changed(("project.data.raw.description", "Cards"), ("a.b", 1), text=TEXT.replace("\n", "\r\n"))
    assert after.count("\n") == after.count("\r\n") == TEXT.count("\n") + 3


def test_a_text_without_a_last_newline() -> None:
    assert changed(("b", 2), text="a: 1") == "a: 1\nb: 2"


@pytest.mark.parametrize(
    "value",
    [
     "yes", "No", "null", "~", "1.0", "1_000", "12:30", "2026-01-31", "0o7", "a: b", "a #b", "- a", "", " a", "a ",
     "*a", "&a", "!a", "%a", "@a", "`a", "[a]", "{a}", "a\nb", "\x85", "\u2028", "é", "😀", "'", '"',
     "s3://b/ä/", "true", "=", "<<"],
)  # fmt: skip
def test_text_stays_text_whatever_it_looks_like(value: str) -> None:
    for style in ("old", "'old'", '"old"'):
        assert value_in(parse(YAML, changed(("a", value), text=f"a: {style}\n")), "a") == value
    assert value_in(parse(YAML, changed(("b", value), text="a: {c: 1}\n")), "b") == value
    assert value_in(parse(YAML, changed(("a.b", value), text="a: {c: 1}\n")), "a.b") == value


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        (TEXT, "project.name.x", "leads through project.name, which is neither an object nor a list"),
        (TEXT, "project.owners.7", "leads through project.owners, which is a list without that place"),
        ("a: &x {p: 1}\nb: *x\n", "b.p", "an anchor or an alias"),
        ("a: &x {p: 1}\nb: *x\n", "a.p", "an anchor or an alias"),
        ("a: &x {p: 1}\nb: {<<: *x, q: 2}\n", "a.p", "an anchor or an alias"),
    ],
)
def test_what_has_no_place_of_its_own(text: str, path: str, why: str) -> None:
    with pytest.raises(NoPlace, match=why):
        changed((path, 5), text=text)


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "\ta: 1", "a: !!python/object:os.system x"]
)
def test_what_is_no_yaml_or_not_plainly_one_document(text: str) -> None:
    with pytest.raises(NotParsed):
        changed(("a", 5), text=text)


KEYS = st.sampled_from(["a", "b", "data", "yes", "1", "s3://x", "with space"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-999, 999), st.floats(-9, 9), st.text(max_size=4))
VALUES = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2))


@settings(max_examples=examples(60), deadline=None)
@given(value=st.dictionaries(KEYS, VALUES, max_size=4), path=st.lists(KEYS, min_size=1, max_size=3), new=VALUES)
def test_what_was_set_is_read_again_and_all_else_is_as_it_was(value: Any, path: list[str], new: Any) -> None:
    text = set_values(YAML, "", value.items())
    assert parse("YAML", text) == (value or None)
    try:
        after = set_values(YAML, text, [(".".join(path), new)])
    except NoPlace:
        return
    found = parse("YAML", after)
    assert value_in(found, ".".join(path)) == new
    for key in value:
        if key != path[0]:
            assert found[key] == value[key]


# --- what a hostile text would cost -------------------------------------------------------------------------


def aliases_of_aliases(level: str) -> str:
    """Ten levels, each of which has the one below eight times."""
    lines = ["a0: &a0 {x: y}"]
    for number in range(1, 11):
        lines.append(f"a{number}: &a{number} " + level % ", ".join([f"*a{number - 1}"] * 8))
    return "\n".join(lines)


@pytest.mark.parametrize("level", ["[%s]", "{v: [%s]}", "{<<: [%s]}"])
def test_aliases_of_aliases_are_refused_before_they_are_followed(level: str) -> None:
    with pytest.raises(NotParsed, match="more than 1,000,000 values more where its aliases are followed"):
        parse(YAML, aliases_of_aliases(level))


def test_a_value_that_holds_itself_is_refused() -> None:
    with pytest.raises(NotParsed, match="holds itself"):
        parse(YAML, "a: &a [*a]")


def test_what_is_written_is_never_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_text, "MOST_VALUES", 10)
    text = f"base: &base {{a: 1}}\nother: *base\nmany: [{', '.join(['x'] * 20)}]\n"
    assert len(parse(YAML, text)["many"]) == 20


def test_aliases_are_no_harm_by_themselves() -> None:
    text = "base: &base {size_gb: 1, more: [1, 2]}\nothers: [*base, *base]\nmerged: {<<: *base, size_gb: 2}\n"
    base = {"size_gb": 1, "more": [1, 2]}
    assert parse(YAML, text) == {"base": base, "others": [base, base], "merged": {**base, "size_gb": 2}}


@pytest.mark.parametrize("text", ["[" * 5_000, "[{" * 2_500, "- " * 5_000 + "x"])
def test_what_is_nested_without_end_is_refused_at_once(text: str) -> None:
    with pytest.raises(NotParsed, match="nested too deeply"):
        parse(YAML, text)
