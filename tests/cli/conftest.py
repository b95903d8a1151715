"""A terminal for each test, and a sandbox for each module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.sandbox import Sandbox, SandboxSettings, start_sandbox
from tests.cli.commands import Terminal


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    """One whose clock, faults and settings are the module's own."""
    with start_sandbox(SandboxSettings()) as sandbox:
        yield sandbox


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path, monkeypatch, capfd)
