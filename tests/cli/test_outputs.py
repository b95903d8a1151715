"""What a command writes for its user never takes the place of a plan or of a ledger's files."""

from __future__ import annotations

import pytest

from tests.cli.canned import answering, holding
from tests.cli.commands import Terminal, assert_said_well, write_plan

WRITING = (
    ("export", "--output"),
    ("report", "--output"),
    ("run", "--report"),
    ("status", "--log-file"),
    ("run", "--log-file"),
)


@pytest.mark.parametrize(("verb", "flag"), WRITING)
@pytest.mark.parametrize("where", ["moving.toml", "a-plan.txt", "moving.ledger", "moving.ledger.lock", "moving.db"])
def test_it_is_refused_and_what_is_there_stays(terminal: Terminal, verb: str, flag: str, where: str) -> None:
    plan = write_plan(terminal.folder)
    (terminal.folder / "a-plan.txt").write_bytes(plan.read_bytes())
    with answering(holding("old/a")) as server:
        terminal.at(server.url)
        assert terminal.call("run", plan).code == 0
        plan.with_suffix(".db").write_bytes(plan.with_suffix(".ledger").read_bytes())
        kept = {path: path.read_bytes() for path in terminal.folder.iterdir()}
        asked = len(server.asked)
        ended = terminal.call(verb, plan, flag, terminal.folder / where)
        assert len(server.asked) == asked
    assert_said_well(ended, verb)
    assert ended.code == 2 and f"{where} is a" in ended.err
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.parametrize("flag", ["--output", "--list"])
def test_share_refuses_a_plan_before_anything_is_asked(terminal: Terminal, flag: str) -> None:
    plan = write_plan(terminal.folder)
    kept = plan.read_bytes()
    with answering(holding("old/a")) as server:
        terminal.at(server.url)
        ended = terminal.call("share", "s3://bucket/old/", flag, plan)
        assert ended.code == 2 and not server.asked
    assert plan.read_bytes() == kept and [item.name for item in terminal.folder.iterdir()] == [plan.name]


def test_a_report_in_the_place_of_a_ledger_that_is_yet_to_be_made_is_refused(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder)
    terminal.at("http://127.0.0.1:1")
    ended = terminal.call("run", plan, "--report", plan.with_suffix(".ledger"))
    assert ended.code == 2 and not plan.with_suffix(".ledger").exists()
