"""The engine's own objects are told by their names, and nothing else is."""

from __future__ import annotations

import pytest

from engine.errors import PlanError
from engine.model import ListedObject, Location
from engine.plan.document import Plan
from engine.plan.own import CLAIM, PROBE, is_claim, is_own, without_own
from engine.sites import trial


@pytest.mark.parametrize("key", [CLAIM, f"backup/{CLAIM}", f"{PROBE}{'0a' * 8}", f"a/b/{PROBE}{'0a' * 8}-copy"])
def test_its_own(key: str) -> None:
    assert is_own(key)
    assert is_claim(key) is key.endswith(CLAIM)


@pytest.mark.parametrize(
    "key", [f"my{CLAIM}", f"{CLAIM}s", f"{CLAIM}/a", f"{PROBE}1", f"{PROBE}{'0a' * 8}/data", f"a{PROBE}{'0a' * 8}", "a"]
)
def test_somebody_elses(key: str) -> None:
    assert not is_own(key) and not is_claim(key)


def test_what_a_server_is_tried_out_with_has_such_a_name() -> None:
    assert is_own(trial.probe_at(Location("bkt", "a/")).key)


def test_no_route_is_of_one() -> None:
    text = f'name = "p"\n[[routes]]\nname = "r"\nfrom = "s3://one/{CLAIM}"\nto = "s3://two/{CLAIM}"\n'
    with pytest.raises(PlanError) as refused:
        Plan.parse(text, source="p.toml")
    assert len(refused.value.problems) == 2
    assert all("which no route takes along" in problem for problem in refused.value.problems)


def test_a_page_without_any_is_not_even_copied() -> None:
    page = [ListedObject(key, 1, "e", "", "STANDARD", "") for key in ("a", "b")]
    assert without_own(page, probes=True) is page
    own = [ListedObject(key, 1, "e", "", "STANDARD", "") for key in (CLAIM, f"{PROBE}{'0a' * 8}", "b")]
    assert [item.key for item in without_own(own, probes=True)] == ["b"]
    assert [item.key for item in without_own(own, probes=False)] == [f"{PROBE}{'0a' * 8}", "b"]
