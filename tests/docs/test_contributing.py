"""docs/contributing.md sends nobody to a file that is not there, and knows every way in."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, REPOSITORY, sections, table_rows

TEXT = (DOCS / "contributing.md").read_text(encoding="utf-8")
CHANGES = dict(sections(TEXT, 2))["Ten usual changes"]
FOLDERS = ("engine", "tests", "docs", "bench")


def test_every_path_on_the_page_is_there() -> None:
    named = set(re.findall(rf"\b(?:{'|'.join(FOLDERS)})(?:/[\w.-]+)+/?|\b[A-Z]+\.md\b", TEXT))
    assert len(named) > 50
    assert sorted(path for path in named if not (REPOSITORY / path.rstrip(".")).exists()) == []


@pytest.mark.parametrize("change", [row[0] for row in table_rows(CHANGES)])
def test_every_change_names_its_files_and_its_tests_or_docs(change: str) -> None:
    where = dict(table_rows(CHANGES))[change]
    paths = re.findall(r"`((?:engine|tests|docs|bench)/[^`]*)`", where)
    assert len([path for path in paths if path.startswith(("engine/", "bench/"))]) >= 2
    assert [path for path in paths if path.startswith(("tests/", "docs/"))] != []


def test_there_are_ten() -> None:
    assert len(table_rows(CHANGES)) == 10
