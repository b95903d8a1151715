"""A terminal for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Terminal


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path, monkeypatch, capfd)
