"""What a run came to, in its first line."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from engine.api.run import MigrationResult
from engine.errors import CUSTOMER_KEY
from engine.events import ObjectAside
from engine.ledger import Snapshot
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Tally
from engine.plan.settings import Connection
from engine.report.run import result_page
from engine.transfer.counting import Counters

PLAN = Plan.of("s3://mine/old/", "s3://mine/new/")


def page_of(counters: Counters, *, resumed: bool, plan: Plan = PLAN, **states: int) -> list[str]:
    tallies = [Tally("r", State(name), Proof.NONE, False, objects, objects * 1_000) for name, objects in states.items()]
    result = MigrationResult(
        Path("p.ledger"),
        counters,
        tallies,
        [Snapshot("r", 1, 2, 0, 0)],
        False,
        resumed,
        requests=9,
        throttled=0,
        barred=counters.reasons[CUSTOMER_KEY],
    )
    return [str(line) for line in result_page(plan, result, 1.0)]


def first_line(counters: Counters, *, resumed: bool, **states: int) -> str:
    line = page_of(counters, resumed=resumed, plan=PLAN, **states)[0]
    return line.removeprefix(f"{PLAN.name}: ").removesuffix("; 9 requests, 0 answered SlowDown")


@pytest.mark.parametrize(
    ("counters", "resumed", "states", "said"),
    [
        (
            Counters(),
            True,
            {"copied": 523},
            "nothing was left to copy; 523 objects (523 kB) were in place from earlier runs",
        ),
        (Counters(), True, {"verified": 1}, "nothing was left to copy; 1 object (1 kB) was in place from earlier runs"),
        (
            Counters(copied=3_156, copied_bytes=316),
            True,
            {"copied": 4_000},
            "copied 3,156 objects (316 B); 844 were in place before",
        ),
        (
            Counters(aside=1),
            True,
            {"copied": 2, "failed": 1},
            "copied 0 objects (0 B), 1 set aside; 2 were in place before",
        ),
        (
            Counters(copied=4, copied_bytes=4),  # an earlier run set one aside, which this one could do nothing about
            True,
            {"copied": 6, "failed": 1, "withdrawn": 1},
            "copied 4 objects (4 B), 2 set aside; 2 were in place before",
        ),
        (
            Counters(copied=1, copied_bytes=5, found=2),
            False,
            {"copied": 3},
            "copied 1 object (5 B), found 2 in place, 0 set aside",
        ),
    ],
)
def test_what_earlier_runs_did_is_told_apart_from_what_this_one_found(
    counters: Counters, resumed: bool, states: dict[str, int], said: str
) -> None:
    assert first_line(counters, resumed=resumed, **states) == said


def test_what_lacks_its_owners_key_is_not_run_again() -> None:
    """No run ever has the key."""
    plan = replace(PLAN, source="moving.toml")
    for failed in (1, 3):
        counters = Counters(copied=3, aside=failed, reasons=Counter({CUSTOMER_KEY: failed}))
        page = page_of(counters, resumed=False, plan=plan, failed=failed)
        assert f"not done: {failed} failed{', all with CustomerKey' * (failed > 1)}" in page
        assert not any("run again" in line for line in page)
        assert page[-1].startswith("each with its reason: ")


def asides(plan: Plan, code: str) -> Counters:
    first = ObjectAside(plan.routes[0].name, "a", "failed", code, "access denied")
    return Counters(aside=3_000, first_asides=[first], reasons=Counter({code: 3_000}))


def test_one_reason_of_all_is_said_and_what_is_denied_is_looked_at() -> None:
    refused = asides(PLAN, "AccessDenied")
    page = page_of(refused, resumed=False, failed=3_000)
    assert "not done: 3,000 failed, all with AccessDenied" in page
    assert page[-1] == "next: cartage check s3://mine/old/ && cartage check s3://mine/new/ --write"
    elsewhere = replace(PLAN, source="moving.toml", connection=Connection(endpoint_url="http://127.0.0.1:9"))
    page = page_of(refused, resumed=False, plan=elsewhere, failed=3_000)
    assert not any("cartage check" in line for line in page)  # which knows nothing of the plan's own connection
    local = Plan.of("/data/old/", "s3://mine/new/", folder=Path("/"))
    page = page_of(asides(local, "AccessDenied"), resumed=False, plan=local, failed=3_000)
    assert page[-1] == "next: cartage check s3://mine/new/ --write"
    page = page_of(asides(PLAN, "SourceDenied"), resumed=False, failed=3_000)
    assert page[-1] == "next: cartage check s3://mine/old/"
    page = page_of(asides(local, "SourceDenied"), resumed=False, plan=local, failed=3_000)
    assert not any("cartage check" in line for line in page)  # which knows nothing of files
    for reasons, failed in ((Counter({"AccessDenied": 2_999, "Rejected": 1}), 3_000), (refused.reasons, 3_001)):
        several = replace(refused, reasons=reasons)
        page = page_of(several, resumed=False, failed=failed)
        assert f"not done: {failed:,} failed" in page and not any("cartage check" in line for line in page)
