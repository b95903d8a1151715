"""What a cleanup says after it deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.api.cleanup import CleanupResult
from engine.finish.cleanup import Cleaned
from engine.plan.document import Plan
from engine.report.cleanup import cleaned_page
from tests.unit.finish.scene import PLAN


@pytest.mark.parametrize(
    ("kept", "again", "following"),
    [
        ({"open": 2}, "2 open. the cleanup again looks whether they are gone", "cleanup"),
        ({"open": 2, "left": 1}, ". run and verify the plan again, then this", "run"),
    ],
)
def test_what_is_open_is_for_the_next_cleanup_to_settle(
    tmp_path: Path, kept: dict[str, int], again: str, following: str
) -> None:
    plan = Plan.parse(PLAN, source=str(tmp_path / "moving.toml"))
    lines = [str(line) for line in cleaned_page(plan, CleanupResult(tmp_path / "l", [], 0, 0), Cleaned(kept=kept), 1.0)]
    assert any(line.endswith(again) for line in lines)
    assert f"cartage {following} " in lines[-1]
