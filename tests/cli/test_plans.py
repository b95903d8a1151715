"""Plans and flags that are refused: every mistake at once, exit 2, and nothing is asked of S3."""

from __future__ import annotations

import os

import pytest

from engine.api.load import load_plan
from engine.errors import UsageError
from tests.cli.canned import Listing, answering, holding
from tests.cli.commands import Terminal, assert_no_traceback, assert_said_well, write_plan

TEN_MISTAKES = """
name = "Has Spaces/and a slash"
bucket = "bucket"
colour = "red"

[connection]
endpoint_url = "not a url"

[[routes]]
name = "inside"
from = "/data/"
to = "/data/new/"

[[routes]]
name = "self"
from = "/same/"
to = "/same/"

[[routes]]
name = "twice"
from = "/a/"
to = "/x/"

[[routes]]
name = "twice"
from = "/b/"
to = "/x/"

[[routes]]
name = "half"
from = "/c/"

[[routes]]
name = "mixed"
from = "/d/"
to = "/one-key"

[[routes]]
name = "policy"
from = "/e/"
to = "/f/"
overwrite = "sometimes"
expect = { objects = -1, size = "many" }

[[expect]]
routes = ["nobody"]
objects = 1

[cleanup]
hold = "soon"
proof = "faith"
"""

SAYS = [
    "colour", "endpoint", "inside", "self", "twice", "half", "mixed", "overwrite", "objects", "many", "nobody", "soon",
    "proof",
]  # fmt: skip


def test_a_plan_with_many_mistakes_has_all_of_them_listed_with_their_lines(terminal: Terminal) -> None:
    plan = terminal.folder / "plan.toml"
    plan.write_text(TEN_MISTAKES)
    with answering(Listing()) as server:
        terminal.at(server.url)
        for verb in ("plan", "run", "verify"):
            ended = terminal.call(verb, plan)
            told = terminal.call(verb, plan, "--json")
            assert (ended.code, told.code) == (2, 2)
            assert ended.err.startswith(f"cartage {verb}: The plan has ")
            assert_no_traceback(ended)
            problems = told.summary["problems"]
            assert len(problems) >= 10
            assert [text for text in SAYS if not any(text in problem for problem in problems)] == []
            assert [problem for problem in problems if f"  - {problem}" not in ended.err] == []
            assert sum("line " in problem for problem in problems) >= 10
    assert server.asked == []
    assert sorted(item.name for item in terminal.folder.iterdir()) == ["plan.toml"]


def test_a_plan_at_several_sites_has_a_policy_for_each(terminal: Terminal) -> None:
    plan = terminal.folder / "plan.toml"
    plan.write_text(
        '[sites.near]\nendpoint_url = "http://127.0.0.1:9000"\n[[routes]]\nname = "r"\nfrom = "s3://main/a/"\n'
        'to = "s3://copies/a/"\nto_site = "near"\n'
    )
    ended = terminal.call("plan", plan, "--policy", "run")
    assert (ended.code, ended.out) == (2, "")
    assert "the plan is at several sites, each with a policy of its own: say which one (connection, near)" in ended.err
    own, near = (terminal.call("plan", plan, "--policy", "run", "--site", site).out for site in ("connection", "near"))
    assert ":::main" in own and ":::copies" not in own and "PutObject" not in own
    assert ":::copies" in near and ":::main" not in near
    unknown = terminal.call("plan", plan, "--policy", "run", "--site", "naer")
    assert (unknown.code, 'the plan has no site "naer"' in unknown.err) == (2, True)


@pytest.mark.parametrize("text", ["", "name = ", "[[routes]]\nname = 'x'\n", "\x00", "name = 'x'\nname = 'y'\n", "[["])
def test_a_file_that_is_no_plan(terminal: Terminal, text: str) -> None:
    plan = terminal.folder / "plan.toml"
    plan.write_text(text)
    ended = terminal.call("plan", plan)
    assert_no_traceback(ended)
    assert ended.code == 2
    assert ended.err.startswith("cartage plan: ")


def test_a_plan_that_is_not_there_or_not_text(terminal: Terminal) -> None:
    missing = terminal.call("run", "nowhere.toml")
    assert missing.code == 2
    assert "nowhere.toml" in missing.err
    (terminal.folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    binary = terminal.call("run", "binary.toml")
    assert binary.code == 2
    folder = terminal.call("run", ".")
    assert folder.code == 2
    for ended in (missing, binary, folder):
        assert_no_traceback(ended)


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("run", "; cartage cp SOURCE TARGET copies without one."),
        ("verify", "; of a copy without one the ledger is named, with --ledger FILE."),
        ("receipt", "takes a plan's file."),
    ],
)
def test_a_location_is_no_plan_and_what_takes_one_is_named(terminal: Terminal, command: str, instead: str) -> None:
    ended = terminal.call(command, "s3://bucket/k/")
    assert ended.code == 2
    assert f"s3://bucket/k/ is a location, and {command} takes a plan's file" in ended.err and instead in ended.err
    assert "init" not in ended.err
    with pytest.raises(UsageError, match="is a location"):
        load_plan("s3://bucket/plan.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run"],
        ["run", "plan.toml", "--no-such-flag"],
        ["run", "plan.toml", "--concurrency", "0"],
        ["run", "plan.toml", "--max-rps", "fast"],
        ["plan", "plan.toml", "--store", "other"],
        ["cp", "s3://bucket/a/"],
    ],
)
def test_flags_that_make_no_sense_are_usage_errors(terminal: Terminal, arguments: list[str]) -> None:
    write_plan(terminal.folder, name="plan")
    ended = terminal.call(*arguments)
    told = terminal.call(*arguments, "--json")
    assert (ended.code, told.code) == (2, 2)
    assert_no_traceback(ended)
    assert "Usage: cartage" in ended.err
    assert told.summary["error"] == "Usage"
    assert told.summary["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["cp", "bucket/a", "s3://bucket/b"],
        ["cp", "s3://bucket/a/", "s3://bucket/one-key"],
        ["cp", "s3://bucket/a/", "s3://bucket/a/"],
        ["cp", "s3://bucket/a/", "s3://bucket/a/b/"],
        ["check", "bucket"],
        ["check", "s3://"],
    ],
)
def test_locations_that_make_no_sense_are_refused(terminal: Terminal, arguments: list[str]) -> None:
    with answering(Listing()) as server:
        terminal.at(server.url)
        ended = terminal.call(*arguments)
        told = terminal.call(*arguments, "--json")
    assert (ended.code, told.code) == (2, 2)
    assert ended.err.startswith(f"cartage {arguments[0]}: ")
    assert told.summary["message"]
    assert_no_traceback(ended)
    assert server.asked == []


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (
            ("cp", "./src", "s3://bucket/n", "--min-size", "5MB", "--max-size", "1MB", "--tag", "x", "--no-tags"),
            [
                "SOURCE: ./src is a folder: write ./src/ for everything in it",
                "--tag and --no-tags contradict each other",
                '--tag takes KEY=VALUE, and not "x"',
                'TARGET: "s3://bucket/n" is one exact key, and "./src/" is everything in that folder: '
                'write "s3://bucket/n/"',
                "--max-size: is below min_size, so that nothing would be copied",
            ],
        ),
        (
            ("sync", "./src/", "n/", "--hold", "soon", "--from-profile", "p", "--metadata", "a=\u00e9"),
            [
                '--hold: "soon" is not a duration: write "24h", "90m", "7d" or "1d 12h"',
                "--from-profile says where a place in S3 is, and SOURCE is the local path ./src/: leave it out",
                'TARGET: "n/" is not a complete location: write s3://bucket/n/, or ./n/ for a local path',
                "--metadata a: cannot be sent in a header: use printable ASCII",
            ],
        ),
        (
            ("set", "./src/", "--replace-tags", "--storage-class", "glacie"),
            [
                "--replace-tags needs the tags that take the place of all others: give --tags",
                "LOCATION: a file has no storage class, no tags and no metadata: name a place in S3",
                '--storage-class: "glacie" is not a storage class; did you mean "GLACIER"?',
            ],
        ),
    ],
    ids=["cp", "sync", "set"],
)
def test_a_command_line_with_many_mistakes_has_all_of_them_listed_by_its_own_words(
    terminal: Terminal, arguments: tuple[str, ...], problems: list[str]
) -> None:
    (terminal.folder / "src").mkdir()
    ended = terminal.call(*arguments, "--json")
    assert (ended.code, ended.summary["error"], ended.summary["problems"]) == (2, "PlanError", problems)
    assert ended.err.splitlines()[1:] == [f"  - {problem}" for problem in problems]


def test_init_writes_a_plan_that_is_accepted_and_never_over_another_file(terminal: Terminal) -> None:
    made = terminal.call("init")
    assert made.code == 0
    again = terminal.call("init")
    assert_said_well(again, "init")
    assert again.code == 2
    nowhere = terminal.call("init", "no/such/folder/plan.toml")
    assert nowhere.code == 2
    with answering(Listing()) as server:
        terminal.at(server.url)
        assert terminal.call("plan", "plan.toml", "--allow-empty").code == 0


def test_what_a_plan_says_of_costs_is_what_somebody_pays(terminal: Terminal) -> None:
    with answering(holding("old/a", "old/b")) as server:
        terminal.at(server.url)
        down = terminal.call("cp", "s3://cards-us/old/", "./down/", "--dry-run")
        over = terminal.call("cp", "s3://cards-us/old/", "s3://cards-us/new/", "--dry-run")
    assert "a day while both sides" not in down.out and "\ntime " not in down.out
    assert "a day while both sides are kept\ntime       at least" in over.out
    for ended in (down, over):
        assert "\nneeds      s3:" in ended.out and "(not tried; `cartage check` with --write tries them)" in ended.out
        assert "allowed" not in ended.out


def test_a_plan_is_shown_where_no_ledger_can_be_made(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a dry run is. A run would be refused there, so that it is said how that goes on."""
    plan = write_plan(terminal.folder)
    there = set(terminal.folder.rglob("*"))
    monkeypatch.setattr(os, "access", lambda path, *_, **__: path != terminal.folder)
    with answering(holding("old/a", "old/b")) as server:
        terminal.at(server.url)
        ended = terminal.call("plan", plan)
        told = terminal.call("plan", plan, "--json")
    assert (ended.code, told.code) == (0, 0), ended.err
    assert f"note: no ledger can be made in {terminal.folder}, so that nothing of this is remembered" in ended.err
    assert "--state-dir FOLDER" in ended.err
    assert f"next: cartage run {plan}" in ended.out and "cartage-dry" not in ended.out
    assert told.summary["ledger"] == str(terminal.folder / "moving.ledger")
    assert set(terminal.folder.rglob("*")) == there
