"""The Python on the pages about it runs, one block after another, as a reader would type it."""

from __future__ import annotations

from typing import Any

import pytest

import engine
from tests.docs.pages import DOCS, play_python
from tests.library.conftest import OBJECTS


@pytest.mark.parametrize("page", ["python.md", "metrics.md"])
async def test_what_is_on_the_page_runs(plan: engine.Plan, page: str) -> None:
    engine.ledger_path(plan).parent.joinpath("moving.toml").rename("plan.toml")
    names: dict[str, Any] = {"plan": engine.load_plan("plan.toml")}
    assert await play_python(DOCS / page, names)
    assert names["result"].copied == OBJECTS
