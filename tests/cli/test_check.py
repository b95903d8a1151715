"""`check --write`: what it made and does not know to be gone has a line of its own, and no lost answer ends with 0."""

from __future__ import annotations

from engine.sandbox import FaultRule, SandboxSettings, start_sandbox
from tests.cli.commands import Ended, Terminal
from tests.servers import Endpoint


def checked(terminal: Terminal, *faults: FaultRule) -> tuple[Ended, Ended, list[str]]:
    """How it ended, as text and as JSON, and the addresses of the objects that are there afterwards."""
    with start_sandbox(SandboxSettings(faults=faults)) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        terminal.on(Endpoint.of(sandbox))
        text = terminal.call("check", "s3://bucket/new/", "--write")
        values = terminal.call("check", "s3://bucket/new/", "--write", "--json")
        there = sandbox.control("dump", {"bucket": "bucket"})["objects"]
    return text, values, [f"s3://bucket/{key}" for key, *_ in there]


def test_what_may_not_be_deleted_is_named_and_is_no_action(terminal: Terminal) -> None:
    denied = (FaultRule("403", "DeleteObject", probability=1), FaultRule("403", "DeleteObjects", probability=1))
    text, values, there = checked(terminal, *denied)
    assert (text.code, values.code) == (1, 1)
    left = next(line for line in text.out.splitlines() if line.startswith("left: "))
    assert set(values.summary["left"]) | set(left.partition("names: ")[2].split(", ")) == set(there)
    assert text.out.splitlines()[-1] == "next: have s3:DeleteObject allowed, then the same again"


def test_a_lost_answer_is_asked_for_again(terminal: Terminal) -> None:
    text, values, there = checked(terminal, FaultRule("500", "PutObject", served=True, first=1))
    assert text.code == 1 and text.out.splitlines()[-1] == "next: the same again, since an answer was lost"
    assert "left: " not in text.out and there == []
    assert values.code == 0 and values.summary["left"] == []
