"""What a verification says at its end: what could not be read is no difference that a run could mend."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import Proof
from engine.plan.document import Plan
from engine.proof.judge import Kind
from engine.proof.verification import RouteVerification, Verification
from engine.report.page import Tone, Toned, wrong_of
from engine.report.status import LIST_GONE
from engine.report.verify import verification_page

PLAN = Plan.of("s3://one/a/", "s3://two/b/", name="p")


def end(kinds: dict[str, int], closed: bool = True) -> tuple[str, str]:
    """The sentence and the next step."""
    counted = Counter({Kind(kind): count for kind, count in kinds.items()})
    route = RouteVerification("r", objects=9, by_kind=counted, snapshot_closed=closed)
    said, last = verification_page(PLAN, Path("p.ledger"), Verification([route]), 1.0)[-2:]
    return str(said), str(last)


def test_of_a_copy_that_is_proven_by_its_size_alone_it_is_not_said_that_it_is_proven() -> None:
    plan = replace(PLAN, source="")
    for proof, expected in (
        (Proof.DIGEST, "nothing is left to do: every object is proven at its target"),
        (Proof.SIZE, "next: cartage verify --deep=below-digest --ledger p.ledger"),
    ):
        route = RouteVerification(
            "r", objects=1, by_kind=Counter([Kind.OK]), by_proof=Counter([proof]), snapshot_closed=True
        )
        assert str(verification_page(plan, Path("p.ledger"), Verification([route]), 1.0)[-1]) == expected


def test_what_could_not_be_read_alone_asks_for_no_run() -> None:
    said, last = end({"unread": 3, "ok": 1})
    assert said == "p: 3 could not be read"
    assert last == "next: allow what is refused above, or mend what is said there, then the same again"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [({"missing": 2}, "p: 2 differences"), ({"missing": 1, "unread": 3}, "p: 1 difference and 3 could not be read")],
)
def test_what_a_run_can_mend_asks_for_one(kinds: dict[str, int], expected: str) -> None:
    said, last = end(kinds)
    assert said == expected and ("run" in last or "the same copy again" in last)


def test_a_listing_that_never_ended_asks_for_a_run_first() -> None:
    assert "allow" not in end({"unread": 3}, closed=False)[1]


def test_under_quiet_the_next_step_stays_where_a_verification_of_no_plan_found_differences() -> None:
    route = RouteVerification("r", objects=9, by_kind=Counter([Kind.MISSING]), snapshot_closed=True)
    page = verification_page(replace(PLAN, source=""), Path("p.ledger"), Verification([route]), 1.0)
    assert [str(line) for line in wrong_of(page)] == ["p: 1 difference", "next: the same copy again, then this"]


def test_neither_is_it_dropped_where_a_list_is_gone() -> None:
    assert wrong_of(["found", Toned("1 failed", Tone.BAD), LIST_GONE])[-1] == LIST_GONE
