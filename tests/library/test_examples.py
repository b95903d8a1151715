"""The Python on the pages about it runs, one block after another, as a reader would type it."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import prometheus_client
import pytest

import engine
from tests.docs.pages import DOCS, blocks
from tests.library.conftest import OBJECTS


@pytest.mark.parametrize("page", ["python.md", "metrics.md"])
async def test_what_is_on_the_page_runs(plan: engine.Plan, page: str) -> None:
    engine.ledger_path(plan).parent.joinpath("moving.toml").rename("plan.toml")
    names: dict[str, Any] = {"__name__": "example", "plan": engine.load_plan("plan.toml")}
    examples = [block for block in blocks((DOCS / page).read_text(encoding="utf-8")) if block.language == "python"]
    assert examples
    for example in examples:
        code = compile(example.text, f"{page}:{example.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if inspect.iscoroutine(running := eval(code, names)):
            await running
    if metrics := names.get("metrics"):
        prometheus_client.REGISTRY.unregister(metrics)
    assert names["result"].copied == OBJECTS
