"""The table of servers in docs/guides.md is what a run made, and the servers still do what is written down of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.trying import COLUMNS, GUIDE, NAMES, guide_with, table, try_server, written
from tests.servers import Endpoint


def test_the_guide_shows_what_was_found() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert guide_with(text, written()) == text, "run python -m tests.real.trying"
    assert table(written()).count("\n") == len(written()) + 1


def test_every_server_that_the_tests_start_was_tried_in_every_respect() -> None:
    assert {"sandbox", "moto", "localstack", "rgw", "swift"} <= set(written()) <= set(NAMES)
    for facts in written().values():
        assert {column.fact for column in COLUMNS} <= set(facts)


@pytest.mark.parametrize(
    "name",
    ["sandbox", "moto", *(pytest.param(name, marks=pytest.mark.real) for name in ("localstack", "rgw", "swift"))],
)
def test_a_server_does_what_is_written_down_of_it(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    endpoint: Endpoint = request.getfixturevalue(name)
    assert try_server(endpoint, tmp_path) == written()[name]
