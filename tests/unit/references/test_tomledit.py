"""TOML changed in places: what is set is set, and not one other character moves."""

from __future__ import annotations

import tomllib

import pytest

from engine.plan.manifest_text import TOML, NotParsed
from engine.references.places import NoPlace
from engine.references.telling import set_values

pytest.importorskip("tomlkit")

TEXT = """\
# the project
[project]
name    = 'cards'      # as it is called
version = "1.4.0"      # of the data

[project.data.raw]
path      = "s3://b/data/raw/"
size_gb   = 13.0
num_files = 17_592

[[owners]]
mail = "vision@example.com"

[other]
inline = { a = 1, b = 2 }   # kept
when   = 2026-01-31
"""


def test_values_that_are_there_are_replaced_and_their_comments_stay() -> None:
    after = set_values(TOML, TEXT, [("project.version", "2.0.0"), ("project.data.raw.path", "s3://b/p/data/raw/")])
    assert after == TEXT.replace('"1.4.0"', '"2.0.0"').replace("s3://b/data/", "s3://b/p/data/")


def test_what_is_there_already_is_not_written_again() -> None:
    assert set_values(TOML, TEXT, [("project.data.raw.num_files", 17592), ("project.data.raw.size_gb", 13)]) == TEXT


def test_what_is_missing_stands_where_it_belongs() -> None:
    after = set_values(
        TOML, TEXT, [("project.data.raw.description", "Cards"), ("other.inline.c", 3), ("owners.0.role", "ml")]
    )
    assert 'num_files = 17_592\ndescription = "Cards"\n' in after
    assert tomllib.loads(after)["other"]["inline"] == {"a": 1, "b": 2, "c": 3}
    assert tomllib.loads(after)["owners"] == [{"mail": "vision@example.com", "role": "ml"}]
    lost = [line for line in TEXT.splitlines() if line not in after.splitlines() and not line.startswith("inline")]
    assert not lost


def test_a_whole_table_is_made_and_those_above_it() -> None:
    after = set_values(TOML, TEXT, [("project.data.reference", {"path": "x/", "num_files": 4}), ("new.deep.one", 1)])
    found = tomllib.loads(after)
    assert found["project"]["data"]["reference"] == {"path": "x/", "num_files": 4}
    assert found["new"] == {"deep": {"one": 1}}
    assert all(line in after.splitlines() for line in TEXT.splitlines())


def test_a_new_file() -> None:
    after = set_values(TOML, "", [("project.version", "2.0.0"), ("project.data.raw", {"path": "x/", "size_mb": 1.5})])
    assert tomllib.loads(after) == {"project": {"version": "2.0.0", "data": {"raw": {"path": "x/", "size_mb": 1.5}}}}


def test_line_ends_stay_those_of_the_file() -> None:
    after = set_values(TOML, TEXT.replace("\n", "\r\n"), [("project.data.raw.description", "Cards")])
    assert after.count("\n") == after.count("\r\n") == TEXT.count("\n") + 1


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("project.name.x", 1, "leads through project.name, which is neither an object nor a list"),
        ("owners.7.mail", 1, "leads through owners, which is a list without that place"),
        ("project.version", None, "cannot be set"),
    ],
)
def test_what_has_no_place(path: str, value: object, why: str) -> None:
    with pytest.raises(NoPlace, match=why):
        set_values(TOML, TEXT, [(path, value)])


def test_what_is_no_toml() -> None:
    with pytest.raises(NotParsed, match="Invalid value"):
        set_values(TOML, "a = ", [("a", 1)])
    with pytest.raises(NotParsed):
        set_values(TOML, "[", [])
