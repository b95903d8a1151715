"""The page on security is true: the tests that it names exist, its bounds and dependencies are the code's."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from functools import cache

from tests.docs.pages import DOCS, REPOSITORY, sections, table_rows

PAGE = (DOCS / "security.md").read_text(encoding="utf-8")
PROMISES = dict(sections(PAGE, 2))["Promises"]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
UNITS = {"": 1, "characters": 1, "s": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@cache
def defined_in(path: str) -> set[str]:
    """The tests that a file defines."""
    tree = ast.parse((REPOSITORY / path).read_bytes())
    return {item.name for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    named = TEST.findall(PAGE)
    assert len(named) > 40
    assert [f"{path}::{name}" for path, name in named if not (REPOSITORY / path).is_file()] == []
    assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []


def test_every_promise_names_the_test_that_holds_it() -> None:
    promises = re.findall(r"^- .+$", PROMISES, flags=re.MULTILINE)
    assert len(promises) > 30
    assert [line for line in promises if not TEST.search(line) or not line.endswith("`")] == []


def test_the_bounds_are_those_of_the_code() -> None:
    rows = table_rows(PROMISES)
    assert len(rows) == 24
    for what, figure, where in rows:
        module, _, name = where.strip("`").rpartition(".")
        number, _, unit = figure.partition(" ")
        assert int(number.replace(",", "")) * UNITS[unit] == getattr(importlib.import_module(module), name), what


def test_the_dependencies_are_those_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = sorted(re.split(r"[^\w-]", line)[0] for line in project["dependencies"])
    listed = re.search(r"^- At run time: (.+), and what these need", PROMISES, flags=re.MULTILINE)
    assert listed is not None and listed[1].split(", ") == needed
