"""The sandbox that all fault tests share, how much of them runs, and the record of what was tried.

How much is tried: tests/faults/amount.py. CARTAGE_TRUST_RECORD names a file for what was tried, a line a test, from
which `python -m bench.soak` makes the tables of docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.sandbox import SandboxSettings, start_sandbox
from engine.sandbox.launch import Sandbox
from tests.faults.scene import credentials

# They say what was not as it should.
pytest.register_assert_rewrite("tests.faults.invariants", "tests.faults.crashes", "tests.faults.chaos.episode")

Record = Callable[..., None]


@pytest.fixture(scope="session")
def faulty() -> Iterator[Sandbox]:
    """A sandbox of the fault tests' own. Each test has a bucket of its own, and leaves no fault behind."""
    with start_sandbox(SandboxSettings(count_writes=True)) as sandbox:
        yield sandbox


@pytest.fixture
def signed_in(faulty: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox, calm before and after, with its credentials in this process's environment."""
    for name in [*os.environ]:
        if name.startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    for name, value in credentials(faulty).items():
        monkeypatch.setenv(name, value)
    faulty.control("settings", {"faults": []})
    yield faulty
    faulty.control("settings", {"faults": []})


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Write down what was tried: `record(area, what, tries, outcome, **figures)`."""
    began = time.monotonic()

    def write(area: str, what: str, tries: int, outcome: str, **figures: Any) -> None:
        path = os.environ.get("CARTAGE_TRUST_RECORD")
        if path:
            line = {"area": area, "what": what, "tries": tries, "outcome": outcome, "test": request.node.name}
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line | figures | {"seconds": round(time.monotonic() - began, 2)}) + "\n")

    return write
