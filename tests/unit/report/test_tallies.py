"""Sums of a ledger's objects, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.noted import WITHDRAWN, Noted
from engine.plan.record import Tally
from engine.report.page import wrong_of
from engine.report.tallies import Ways, aside_lines, noted_lines, opened_by, tallies_table


def tally(route: str, state: State, objects: int, size: int) -> Tally:
    return Tally(route, state, Proof.NONE, False, objects, size)


def test_a_route_of_any_name_counts_once() -> None:
    tallies = [
        tally("total", State.COPIED, 6, 42),
        tally("b", State.COPIED, 2, 40_000),
        tally("b", State.FAILED, 1, 20_000),
    ]
    table = tallies_table(tallies)
    assert table.header == ["route", "copied", "failed", "size"]
    assert table.rows == [
        ["total", "6", "0", "42 B"],
        ["b", "2", "1", "60 kB"],
        ["total", "8", "1", "60 kB"],
    ]


def test_what_was_set_in_place_is_not_called_copied() -> None:
    tallies = [tally("a", State.COPIED, 6, 42), tally("a", State.FAILED, 1, 8)]
    assert tallies_table(tallies, in_place=True).header == ["route", "set", "failed", "size"]


def test_a_ledger_without_an_object_has_no_sum() -> None:
    assert tallies_table([]).rows == []


def test_what_lists_them_is_said_where_only_what_is_wrong_is() -> None:
    page = aside_lines({State.FAILED: 2}, "cartage status x.toml --failed", Ways("cartage run x.toml"))
    assert [*wrong_of(page)] == page and any("--failed" in line for line in page)


def test_of_what_was_set_where_it_is_and_was_removed_nothing_stands() -> None:
    noted, ledger = {WITHDRAWN: Noted(1)}, Path("p.ledger")
    [copied] = noted_lines(noted, set(), None, ledger)
    assert copied.endswith("; what was copied stands")
    [is_set, _] = noted_lines(noted, set(), Plan.setting("s3://bucket/p/", tags={"a": "1"}), ledger)
    assert is_set == "1 removed by its owner since it was set"


@pytest.mark.parametrize("why", ["misnamed", "barred"])
def test_what_no_run_mends_is_not_said_to_be_mended_by_one(why: str) -> None:
    """Keys that can be no file's name, and objects under a key of their owner's own."""
    listing, ways = "cartage status x.toml --failed", Ways("cartage run x.toml")
    page = "\n".join(aside_lines({State.FAILED: 2}, listing, ways, **{why: 2}))
    assert "exclude" in page and "run again" not in page and "cartage run" not in page
    page = "\n".join(aside_lines({State.FAILED: 3}, listing, ways, **{why: 2}))
    assert "exclude" in page and "run again to try again" in page and "next: cartage run x.toml" in page


def test_what_no_run_mends_opens_no_gate_by_one() -> None:
    @dataclass
    class Holds:
        tallies: list[Tally]
        misnamed: int = 0
        barred: int = 0

    plan, verified = Plan.of("s3://bkt/p/", "/x/"), tally("a", State.VERIFIED, 1, 1)
    failed = tally("a", State.FAILED, 2, 1)
    assert opened_by(plan, Holds([verified, failed]), "proof") == ["run"]
    assert opened_by(plan, Holds([verified, failed], 1, 1), "proof") == ["status", "--failed"]
