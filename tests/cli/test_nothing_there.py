"""A source that holds nothing is an end of its own: it is never called complete, in place or in agreement."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.canned import Asked, Copied, Listing, Refusal, answering
from tests.cli.commands import Terminal, write_plan

KEYS = ("data/processed/x", "data/raw/a", "data/raw/b", "data/raw2/c")


def answer(asked: Asked) -> Listing | Refusal | Copied:
    """A bucket in which `KEYS` are."""
    if asked.method == "PUT":
        return Copied()
    if asked.key:
        return Refusal(404, "NoSuchKey")
    if asked.query.keys() & {"versioning", "lifecycle", "encryption", "acl", "location", "replication"}:
        return Refusal(501, "NotImplemented")
    under = [key for key in KEYS if key.startswith(asked.prefix)]
    if asked.query.get("delimiter") != "/":
        return Listing(tuple(under[: int(asked.query.get("max-keys", 1000))]))
    levels = {key[: key.find("/", len(asked.prefix)) + 1] for key in under if "/" in key[len(asked.prefix) :]}
    return Listing(prefixes=tuple(sorted(levels)))


def rewrite(plan: Path, old: str, new: str) -> None:
    plan.write_text(plan.read_text().replace(old, new))


COMMANDS = {
    "plan": (2, ("plan", "moving.toml")),
    "run": (2, ("run", "moving.toml", "--yes")),
    "verify": (4, ("verify", "moving.toml")),
    "cp": (2, ("cp", "s3://bucket/data/rwa/", "s3://bucket/new/", "--yes")),
    "ls": (2, ("ls", "s3://bucket/data/rwa/")),
    "ls -r": (2, ("ls", "-r", "s3://bucket/data/rwa/")),
    "ls --summarize": (2, ("ls", "--summarize", "s3://bucket/data/rwa/")),
    "fingerprint": (2, ("fingerprint", "s3://bucket/data/rwa/")),
}


def test_an_escape_of_a_url_is_said_to_be_taken_as_it_stands(terminal: Terminal) -> None:
    """Keys are taken literally: a%FFb is one of five bytes, and what S3 would be asked for anywhere else."""
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("ls", "s3://bucket/data/a%FFb/")
        one = terminal.call("ls", "s3://bucket/data/a%20b")
    assert "s3://bucket/data/a%FFb/ holds nothing (%FF is taken as it stands: nothing in a location is decoded)" in (
        ended.err
    )
    assert {asked.prefix for asked in server.asked} >= {"data/a%FFb/", "data/a%20b"}
    assert "the key s3://bucket/data/a%20b (%20 is taken as it stands: " in one.err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_mistyped_source_is_said_with_what_is_near(terminal: Terminal, name: str) -> None:
    plan = write_plan(terminal.folder, source="/data/rwa/")
    code, words = COMMANDS[name]
    with answering(answer) as server:
        terminal.at(server.url)
        if name == "verify":
            terminal.call("run", plan, "--yes")
        ended = terminal.call(*words)
        allowed = terminal.call(*words, "--allow-empty")
    assert ended.code == code, ended.out + ended.err
    assert "s3://bucket/data/rwa/ holds nothing; near it hold something: s3://bucket/data/raw/" in ended.err
    assert "--allow-empty" in ended.err
    assert ("route " in ended.err) is (name in ("plan", "run", "verify")), "who wrote no plan knows of no route"
    if words[0] in ("run", "cp", "sync"):
        assert ended.out == "", "nothing was done, and nothing is said of how long that took"
    for claim in ("every object is in place", "everything agrees", "0 differences"):
        assert claim not in ended.out
    assert allowed.code == 0, allowed.err
    assert "holds nothing" not in allowed.err


def test_a_route_may_be_allowed_to_be_empty(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder, source="/data/rwa/")
    plan.write_text(plan.read_text() + "allow_empty = true\n")
    with answering(answer) as server:
        terminal.at(server.url)
        assert terminal.call("run", plan, "--json").summary["complete"] is True
        assert terminal.call("verify", plan).code == 0
        # What may be empty is no rule of what is copied: the ledger stays bound.
        plan.write_text(plan.read_text().replace("allow_empty = true\n", ""))
        assert terminal.call("run", plan, "--json").summary["empty"] != []


def test_filters_that_leave_everything_out_are_no_empty_source(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder, source="/data/raw/")
    plan.write_text(plan.read_text() + "since = 2030-01-01\n")
    with answering(answer) as server:
        terminal.at(server.url)
        assert terminal.call("plan", plan).code == 0
        assert terminal.call("run", plan, "--yes").code == 0


def test_an_exact_key_that_is_not_there_is_said_with_what_begins_alike(terminal: Terminal) -> None:
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("cp", "s3://bucket/data/raw", "s3://bucket/new/raw", "--yes")
        listed = terminal.call("ls", "s3://bucket/data/raw")
    for one in (ended, listed):
        assert one.code == 2
        assert "no object with exactly the key s3://bucket/data/raw; 2 lie under s3://bucket/data/raw/" in one.err
        assert "only begin alike, such as 'data/raw2/c'" in one.err


def test_an_empty_bucket_can_be_listed_and_is_nothing_to_copy(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder, source="s3://bucket/")
    rewrite(plan, 'to = "raw/"', 'to = "s3://other-bucket/raw/"')
    with answering(Listing()) as server:
        terminal.at(server.url)
        assert terminal.call("ls", "s3://bucket/").code == 0
        ended = terminal.call("plan", plan)
    assert ended.code == 2 and "the bucket bucket is empty" in ended.err


def test_patterns_that_take_nothing_are_said_and_nothing_is_in_place(terminal: Terminal) -> None:
    (terminal.folder / "src").mkdir()
    (terminal.folder / "src" / "a.png").write_bytes(b"a")
    copy = ("cp", "./src/", "./dst/", "--include", "*.jpg", "--yes", "--ledger", "none.ledger")
    for words in (copy, ("status", "--ledger", "none.ledger")):
        ended = terminal.call(*words)
        assert ended.code == 0, ended.err
        assert ended.out.endswith("\nthe patterns take none of what lies there\n")
        assert "in place\n" not in ended.out and "route " not in ended.out


def test_an_empty_source_that_is_allowed_is_said_to_be_one(terminal: Terminal) -> None:
    (terminal.folder / "src").mkdir()
    ended = terminal.call("cp", "./src/", "./dst/", "--allow-empty", "--ledger", "none.ledger")
    assert ended.code == 0, ended.err
    assert ended.out.endswith("\nnothing lies there: the source is empty\n")
    refused = terminal.call("cp", "./src/", "./dst/", "--ledger", "none.ledger")
    assert refused.code == 2 and "route " not in refused.out


def test_what_a_command_has_not_is_not_advised(terminal: Terminal) -> None:
    plan = write_plan(terminal.folder, source="/data/rwa/")
    advised = {}
    with answering(answer) as server:
        terminal.at(server.url)
        for words in (("run", plan), ("ls", "s3://bucket/data/rwa/"), ("delete", "s3://bucket/data")):
            ended = terminal.call(*words)
            assert ended.code == 2, ended.out + ended.err
            (advised[words[0]],) = [line for line in ended.err.splitlines() if line.startswith("  Mend the location")]
    assert advised == {
        "run": "  Mend the location; where it may hold nothing, --allow-empty (or allow_empty = true on the route) "
        "goes on.",
        "ls": "  Mend the location; where it may hold nothing, --allow-empty goes on.",
        "delete": "  Mend the location.",
    }


def test_of_sources_that_hold_nothing_no_estimate_is_shown(terminal: Terminal) -> None:
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("cp", "s3://bucket/data/raw/*", "./x/", "--dry-run")
        told = terminal.call("cp", "s3://bucket/data/raw/*", "./x/", "--dry-run", "--json")
    assert (ended.code, ended.out) == (2, ""), ended.out
    assert "s3://bucket/data/raw/*; no wildcard is needed: write s3://bucket/data/raw/\n" in ended.err
    assert told.summary["requests"]["copies"] == 0


@pytest.mark.parametrize("pattern", ["cards*", "card?.png"])
def test_a_pattern_in_a_location_is_told_how_to_choose_by_it(pattern: str, terminal: Terminal) -> None:
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("cp", f"s3://bucket/data/raw/{pattern}", "./x/", "--dry-run")
    assert ended.code == 2, ended.out
    assert f"choose by s3://bucket/data/raw/ --include '{pattern}'" in ended.err
