"""What S3 refuses: a sentence, what to do, the documented exit code, a summary line, nothing written."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.cli.canned import Asked, Copied, Listing, Refusal, answering
from tests.cli.commands import Terminal, assert_said_well, write_plan

REFUSALS = {
    "a missing bucket": (
        Refusal(404, "NoSuchBucket", "The specified bucket does not exist"),
        "there is no such bucket",
        "Check its name",
    ),
    "an unknown access key": (
        Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
        "does not accept these credentials",
        "Check the access key",
    ),
    "a wrong secret": (
        Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match."),
        "does not accept the signature",
        "Check the secret key",
    ),
    "an expired session": (
        Refusal(400, "ExpiredToken", "The provided token has expired."),
        "the credentials have expired",
        "Sign in again",
    ),
    "a skewed clock": (
        Refusal(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is large."),
        "this machine's clock is too far from S3's",
        "Set the clock",
    ),
    "an unreadable bucket": (
        Refusal(403, "AccessDenied", "Access Denied"),
        "access denied",
        "cartage check LOCATION tells what is allowed there",
    ),
    "another region, by redirect": (
        Refusal(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-1"}),
        "the bucket is in another region: eu-west-1",
        "Use --region eu-west-1.",
    ),
    "another region, by signature": (
        Refusal(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"),
        "the bucket is in another region: eu-west-1",
        "Use --region eu-west-1.",
    ),
}


SAID_BY_CHECK = {"an unreadable bucket"}
"""What is no refusal of `check` itself, but what it tells (test_check.py)."""


@pytest.mark.parametrize(
    ("refusal", "verb"),
    [
        (name, verb)
        for name in REFUSALS
        for verb in ("check", "plan", "run")
        if verb != "check" or name not in SAID_BY_CHECK
    ],
)
def test_what_s3_refuses_is_said_with_what_to_do(terminal: Terminal, refusal: str, verb: str) -> None:
    answer, says, advises = REFUSALS[refusal]
    plan = write_plan(terminal.folder)
    arguments: list[str | Path] = [verb, "s3://bucket/old/" if verb == "check" else plan]
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call(*arguments, "--store", "wire")
        told = terminal.call(*arguments, "--store", "boto", "--json")
    assert_said_well(ended, verb)
    assert_said_well(told, verb)
    assert (ended.code, told.code) == (1, 1)
    for err in (ended.err, told.err):
        assert says in err and advises in err
    assert told.summary["command"] == verb
    assert told.summary["error"] and told.summary["message"] and told.summary["advice"]
    assert server.writes == []


def test_a_bucket_that_was_mistyped_is_no_burden_once_it_is_mended(terminal: Terminal) -> None:
    """The ledger was made for the plan as it was; it holds nothing, so that it is bound anew."""
    plan = write_plan(terminal.folder, bucket="buckte")
    with answering(REFUSALS["a missing bucket"][0]) as server:
        terminal.at(server.url)
        assert terminal.call("plan", plan).code == 1
        assert terminal.call("run", plan).code == 1
    write_plan(terminal.folder, bucket="bucket")
    with answering(lambda asked: Copied() if asked.method == "PUT" else Listing(keys_of(asked))) as server:
        terminal.at(server.url)
        ended = terminal.call("run", plan, "--json")
    assert (ended.code, ended.summary["copied"]) == (0, 2)


def test_a_plan_that_still_names_the_examples_bucket_is_told_so(terminal: Terminal) -> None:
    assert terminal.call("init", "plan.toml").code == 0
    with answering(REFUSALS["a missing bucket"][0]) as server:
        terminal.at(server.url)
        ended = terminal.call("plan", "plan.toml")
    lines = (terminal.folder / "plan.toml").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if line.startswith("bucket "))
    assert ended.code == 1
    assert f"plan.toml still names my-bucket, the example's: put your own bucket into line {number}.\n" in ended.err


def keys_of(asked: Asked) -> tuple[str, ...]:
    return ("old/a", "old/b") if asked.prefix == "old/" else ()


def test_no_credentials_at_all(terminal: Terminal) -> None:
    with answering(Listing()) as server:
        terminal.set(AWS_ENDPOINT_URL_S3=server.url)
        for verb in ("check", "plan", "run"):
            ended = terminal.call(verb, "s3://bucket/" if verb == "check" else write_plan(terminal.folder))
            assert_said_well(ended, verb)
            assert ended.code == 1
            assert "no credentials were found" in ended.err
            assert "AWS_ACCESS_KEY_ID" in ended.err and "--profile" in ended.err
    assert server.asked == []


def test_a_profile_that_is_not_there(terminal: Terminal) -> None:
    ended = terminal.call("check", "--profile", "nobody")
    assert_said_well(ended, "check")
    assert ended.code == 2
    assert "nobody" in ended.err


def test_a_store_whose_package_is_not_installed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore", None)  # as if it were not installed
    terminal.at("http://127.0.0.1:1")
    ended = terminal.call("ls", "s3://bucket/old/", "--store", "boto")
    assert_said_well(ended, "ls")
    assert ended.code == 2
    assert "this needs aiobotocore, which is not installed: pip install 'cartage-s3[boto]'\n" in ended.err


def test_an_endpoint_where_nobody_listens(terminal: Terminal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and never listening
        terminal.at(f"http://127.0.0.1:{taken.getsockname()[1]}")
        ended = terminal.call("plan", write_plan(terminal.folder), "--give-up-after", "0.2")
        told = terminal.call("run", write_plan(terminal.folder), "--give-up-after", "0.2", "--json")
    assert_said_well(ended, "plan")
    assert (ended.code, told.code) == (1, 1)
    assert "S3 has been out of reach" in ended.err
    assert "--give-up-after" in ended.err
    assert told.summary["advice"]


def test_a_host_that_was_mistyped(terminal: Terminal) -> None:
    terminal.at("http://s3.us-esat-1.amazonaws.invalid")
    ended = terminal.call("plan", write_plan(terminal.folder), "--give-up-after", "0.2")
    assert_said_well(ended, "plan")
    assert ended.code == 1
    assert "s3.us-esat-1.amazonaws.invalid" in ended.err
    assert "Check the endpoint" in ended.err


@pytest.mark.parametrize("url", ["ftp://host", "127.0.0.1:9000", "localhost", "http:", "http://a b", "http://h:x"])
def test_an_endpoint_that_is_no_url(terminal: Terminal, url: str) -> None:
    terminal.at(url)
    ended = terminal.call("plan", write_plan(terminal.folder))
    assert_said_well(ended, "plan")
    assert ended.code == 2
    assert f"the endpoint {url!r} is not a URL" in ended.err
    assert list(terminal.folder.glob("*.ledger*")) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9?x=1", "http://127.0.0.1:9/#top"])
def test_an_endpoint_with_more_than_a_server_and_a_path(terminal: Terminal, url: str) -> None:
    terminal.at(url)
    ended = terminal.call("ls", "s3://bucket/")
    assert_said_well(ended, "ls")
    assert ended.code == 2 and f"the endpoint {url!r} has a query or a fragment" in ended.err


# --- parts of a bucket --------------------------------------------------------------------------------------

TWO_ROUTES = """name = "moving"
bucket = "bucket"
[[routes]]
name = "open"
from = "/open/"
to = "/new/open/"
[[routes]]
name = "shut"
from = "/shut/"
to = "/new/shut/"
"""


def test_a_prefix_that_may_not_be_listed_stops_the_run_and_is_named(terminal: Terminal) -> None:
    def answer(asked: Asked) -> Refusal | Listing | Copied:
        if asked.prefix == "shut/":
            return Refusal(403, "AccessDenied", "Access Denied")
        if asked.method == "PUT":
            return Copied()
        return Listing(("open/a", "open/b")) if asked.prefix == "open/" else Listing()

    plan = terminal.folder / "moving.toml"
    plan.write_text(TWO_ROUTES)
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("run", plan)
        status = terminal.call("status", plan, "--json")
    assert_said_well(ended, "run")
    assert ended.code == 1
    assert "s3://bucket/shut/" in ended.err
    assert status.summary["snapshots"]["shut"]["closed"] is False
    with answering(lambda asked: Copied() if asked.method == "PUT" else all_of(asked)) as server:
        terminal.set(AWS_ENDPOINT_URL_S3=server.url)
        again = terminal.call("run", plan, "--json", "--ledger", "other.ledger")
    assert again.code == 0


def all_of(asked: Asked) -> Listing:
    return Listing((f"{asked.prefix}a", f"{asked.prefix}b")) if asked.prefix in ("open/", "shut/") else Listing()


def test_objects_that_may_not_be_read_are_set_aside_and_the_others_are_copied(terminal: Terminal) -> None:
    def answer(asked: Asked) -> Refusal | Listing | Copied:
        if asked.method == "PUT":
            return Refusal(403, "AccessDenied", "Access Denied") if asked.path.endswith("b") else Copied()
        if asked.method == "HEAD" and asked.key:
            return Refusal(404, "NoSuchKey")
        return Listing(("old/a", "old/b", "old/c")) if asked.prefix == "old/" else Listing()

    plan = write_plan(terminal.folder)
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("run", plan)
        told = terminal.call("run", plan, "--json")
        listed = terminal.call("status", plan, "--failed")
    assert (ended.code, told.code, listed.code) == (3, 3, 0)
    assert "failed: raw: b: " in ended.err
    assert "not done: 1 failed" in ended.out
    assert told.summary["aside"] == {"failed": 1}
    assert next(line for line in told.lines if line["event"] == "object")["key"] == "b"
    assert listed.out.startswith("failed  raw  b  AccessDenied: ")


NASTY = "red\x1b[31m\n\rü\u202e\x00end"
NASTY_LISTED = "red%1B%5B31m%0A%0D%C3%BC%E2%80%AE%00end"


def test_a_key_that_would_write_on_the_terminal_is_shown_as_text(terminal: Terminal) -> None:
    def answer(asked: Asked) -> Refusal | Listing:
        if asked.key:
            return Refusal(403, "AccessDenied", "Access Denied")
        return Listing((f"old/{NASTY_LISTED}",)) if asked.prefix == "old/" else Listing()

    plan = write_plan(terminal.folder)
    with answering(answer) as server:
        terminal.at(server.url)
        ended = terminal.call("run", plan)
        listed = terminal.call("status", plan, "--failed")
        told = terminal.call("run", plan, "--json")
    assert ended.code == 3
    shown = r"red\x1b[31m\n\rü\u202e\x00end"
    assert shown in ended.err and shown in listed.out
    for ended_ in (ended, listed, told):
        assert not set("\x1b\r\x00\u202e") & set(ended_.out + ended_.err)
    assert [line["key"] for line in told.lines if line["event"] == "object"] == [NASTY]


def test_who_cannot_be_asked_who_one_is_is_said_in_the_systems_words(terminal: Terminal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        terminal.at(url)
        ended = terminal.call("check", "--endpoint-url", url)
    assert "not known: no connection could be made (Connection refused)" in ended.out
