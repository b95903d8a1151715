"""What a cleanup says at a closed gate, and after it deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.api.cleanup import CleanupResult
from engine.finish.cleanup import Cleaned
from engine.finish.gate import Reason
from engine.finish.sending import Fate
from engine.plan.document import Plan
from engine.report.cleanup import cleaned_page, gate_page
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


def test_a_delete_that_could_not_be_settled_is_for_the_next_cleanup(tmp_path: Path) -> None:
    plan = Plan.parse(PLAN, source=str(tmp_path / "moving.toml"))
    result = CleanupResult(tmp_path / "l", [Reason("proof", True, "")], 0, 0, settled={Fate.OPEN: 1})
    for page in (gate_page(plan, result, 1.0), cleaned_page(plan, result, Cleaned(), 1.0)):
        assert "cartage cleanup " in str(page[-1])


@pytest.mark.parametrize(
    ("shut", "following"),
    [(["condition"], "cleanup"), (["claim", "condition"], "cleanup"), (["condition", "audit"], "run")],
)
def test_the_next_step_leads_on_where_a_server_deletes_by_no_condition(
    tmp_path: Path, shut: list[str], following: str
) -> None:
    """The same again would be refused again."""
    plan = Plan.parse(PLAN, source=str(tmp_path / "moving.toml"))
    result = CleanupResult(tmp_path / "l", [Reason(name, False, "no") for name in shut], 2, 9)
    last = str(gate_page(plan, result, 1.0, ["--allow-commands"])[-1])
    assert f"cartage {following} " in last
    assert ("--allow-commands --unconditional" in last) == (shut == ["condition"])
    nothing_left = replace(result, objects=0)
    assert "--unconditional" not in str(gate_page(plan, nothing_left, 1.0, [])[-1])


def test_what_went_with_another_route_is_not_said_to_have_gone_by_itself(tmp_path: Path) -> None:
    again = '[[routes]]\nname = "again"\nfrom = "/data/raw/"\nto = "again/"\n'
    for text, said in ((PLAN, "2 sources gone already, 9 B"), (PLAN + again, "already, or with another route, 9")):
        plan, cleaned = Plan.parse(text, source=str(tmp_path / "moving.toml")), Cleaned(gone=2, gone_bytes=9)
        lines = cleaned_page(plan, CleanupResult(tmp_path / "l", [], 0, 0), cleaned, 1.0)
        assert any(said in str(line) for line in lines), lines
