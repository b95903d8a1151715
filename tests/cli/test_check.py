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
    assert text.out.splitlines()[-1] == (
        "next: have s3:DeleteObject allowed by whoever manages your permissions or the bucket's policy, "
        "then the same again"
    )


def test_a_bucket_that_says_nothing_of_itself_is_asked_what_is_allowed_all_the_same(terminal: Terminal) -> None:
    """A policy may allow what is under one prefix, and nothing of the bucket. What is denied names who can allow it,
    and not this very command."""
    denied = [
        FaultRule("403", name, probability=1, code="AccessDenied") for name in ("HeadBucket", "GetBucketLocation")
    ]
    with start_sandbox(SandboxSettings(faults=tuple(denied))) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        sandbox.control("put", {"bucket": "bucket", "key": "data/a", "text": "a"})
        terminal.on(Endpoint.of(sandbox))
        some = terminal.call("check", "s3://bucket/data/", "--json")
        written = terminal.call("check", "s3://bucket/data/", "--write", "--json")
        sandbox.control("settings", {"faults": [{"kind": "403", "probability": 1, "code": "AccessDenied"}]})
        none = terminal.call("check", "s3://bucket/data/")
    assert some.code == 1
    assert some.summary["actions"]["s3:ListBucket"] == some.summary["actions"]["s3:GetObject"] == "allowed"
    assert some.summary["actions"]["s3:GetBucketLocation"] == "denied"
    assert written.code == 1 and written.summary["actions"]["s3:PutObject"] == "allowed"
    assert written.summary["left"] == []
    assert none.code == 1 and none.err == ""
    assert none.out.splitlines()[-1].startswith("next: have s3:GetBucketLocation, s3:ListBucket, ")
    assert "whoever manages your permissions" in none.out and "cartage check" not in none.out


def test_a_lost_answer_is_asked_for_again(terminal: Terminal) -> None:
    text, values, there = checked(terminal, FaultRule("500", "PutObject", served=True, first=1))
    assert text.code == 1 and text.out.splitlines()[-1] == "next: the same again, since an answer was lost"
    assert "left: " not in text.out and there == []
    assert values.code == 0 and values.summary["left"] == []


def test_what_is_not_there_is_said_and_leads_to_no_command_that_fails(terminal: Terminal) -> None:
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        sandbox.control("put", {"bucket": "bucket", "key": "data/a", "text": "a"})
        terminal.on(Endpoint.of(sandbox))
        one = terminal.call("check", "s3://bucket/data")
        new = terminal.call("check", "s3://bucket/new/")
        there = terminal.call("check", "s3://bucket/data/")
        gone = terminal.call("check", "s3://buckets/data/")
    assert one.code == 0 and "1 lies under s3://bucket/data/" in one.out
    assert one.out.endswith("next: mend the location, then the same again\n")
    assert new.code == 0 and "s3://bucket/new/ holds nothing" in new.out and "next:" not in new.out
    assert "next: cartage ls --summarize s3://bucket/data/" in there.out and "nothing" not in there.out
    assert gone.code == 1 and "was asked, with" in gone.err and "cartage check says" not in gone.err
