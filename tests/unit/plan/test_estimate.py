"""Cost, least time, and expected beside found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.api.load import load_plan
from engine.plan.document import Plan
from engine.plan.estimate import Difference, RouteCounts, estimate, expectation_report, expected_in_all

EXAMPLE = Path(__file__).parents[3] / "examples" / "pokemon.toml"

FOUND = {
    "calibration": (1024, 734_000_000),
    "raw": (17_592, 13_000_000_000),
    "processed": (34_374, 13_000_000_000),
    "reference": (4, 109_237_752),
    "teacher": (1, 5_600_000_000),
}


def test_the_reference_migration_costs_a_quarter_of_a_dollar_and_at_least_fifteen_seconds() -> None:
    images = [
        RouteCounts(name, count, size, copy_requests=count)
        for name, (count, size) in FOUND.items()
        if name != "teacher"
    ]
    whole = estimate(images)

    assert whole.copy_requests == 52_994
    assert round(whole.copy_requests / 1000 * 0.005, 2) == 0.26
    assert round(whole.requests_dollars, 2) == 0.27
    assert round(whole.storage_dollars_a_day, 2) == 0.02
    assert round(whole.floor_s, 1) == 15.1
    assert whole.delete_requests == 56


def test_parts_and_heads_are_counted_where_they_are_known() -> None:
    teacher = RouteCounts("teacher", 1, 5_600_000_000, copy_requests=670, head_requests=2)
    assert (estimate([teacher]).copy_requests, estimate([teacher]).head_requests) == (670, 2)


def test_nobody_bills_what_goes_into_a_folder() -> None:
    counts = [RouteCounts("down", 1, 30 << 30, into_folder=True), RouteCounts("over", 1, 30 << 30, copy_requests=1)]
    assert estimate(counts).storage_dollars_a_day == estimate(counts[1:]).storage_dollars_a_day > 0


def test_nothing_to_copy_still_costs_its_listings() -> None:
    done = estimate([RouteCounts("r", 1500, 10, there=1500)])
    assert (done.copy_requests, done.list_requests, done.floor_s) == (0, 8, 0)
    assert done.requests_dollars == pytest.approx(8 * 0.005 / 1000)


def test_an_empty_route_takes_one_page_a_side_and_pass() -> None:
    assert estimate([RouteCounts("r")]).list_requests == 4


def test_rate_and_hold_are_the_users_own() -> None:
    counts = [RouteCounts("r", 1000, 30 << 30, copy_requests=1000, head_requests=500, egress_bytes=10 << 30)]
    mine = estimate(counts, hold_s=2 * 86_400, writes_per_s=100)
    assert mine.requests_dollars == pytest.approx(1.004 * 0.005 + 0.5 * 0.0004)
    assert mine.storage_dollars_of_hold == pytest.approx(2 * 0.023)
    assert mine.egress_dollars == pytest.approx(0.9)
    assert mine.floor_s == 10


def test_one_route_of_the_reference_migration_differs_and_the_total_agrees() -> None:
    report = expectation_report(load_plan(EXAMPLE), FOUND)

    differing = [item for item in report if not item.agrees]
    assert differing == [Difference("processed.objects", 17_592, 34_374, 0, False)]
    assert [item.what for item in report if item.what.startswith("total")] == ["total.objects", "total.size"]


def test_a_size_agrees_within_its_tolerance_and_not_beyond() -> None:
    plan = Plan.parse('[[routes]]\nname="r"\nfrom="s3://one/a/"\nto="s3://two/b/"\nexpect={size=1000, tolerance="1 %"}')
    agrees = [expectation_report(plan, {"r": (1, size)})[0].agrees for size in (989, 990, 1010, 1011)]
    assert agrees == [False, True, True, False]


def test_what_is_not_listed_to_its_end_never_agrees() -> None:
    plan = load_plan(EXAMPLE)
    report = {item.what: item for item in expectation_report(plan, {"raw": (17_592, 13_000_000_000)})}
    assert report["raw.objects"].agrees
    assert report["total.objects"] == Difference("total.objects", 52_994, None, 0, False)


def test_what_routes_hold_together_is_the_larger_of_what_is_said_of_each_and_of_all() -> None:
    """The reference migration's own figures make 36,213, and four of its routes are said to hold 52,994."""
    plan = load_plan(EXAMPLE)
    assert expected_in_all(plan, {}) == (52_995, 26_843_000_000 + 5_600_000_000)
    assert expected_in_all(plan, {"raw": FOUND["raw"]})[0] == 52_995
    assert expected_in_all(plan, {"processed": FOUND["processed"]})[0] == 52_995
    more = {"processed": (60_000, 1), "raw": (10_000, 1)}
    assert expected_in_all(plan, more)[0] == 60_000 + 10_000 + 1024 + 4 + 1
    assert expected_in_all(plan, FOUND | {"raw": (10_000, 1)})[0] == 10_000 + 34_374 + 1024 + 4 + 1, (
        "all were looked at"
    )


def test_of_a_route_that_nobody_knows_of_nothing_is_expected_in_all() -> None:
    plan = load_plan(EXAMPLE)
    of_few = replace(plan, expectations=plan.expectations[:3])
    assert expected_in_all(of_few, {}) == (0, 0)
    assert expected_in_all(of_few, {"reference": (4, 1), "teacher": (1, 1)})[0] == 36_208 + 5
    together = replace(plan, expectations=plan.expectations[4:])
    assert expected_in_all(together, {})[0] == 52_995
