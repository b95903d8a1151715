"""Credentials and clocks, refused by a server that checks them: the sandbox, with botocore's own signer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import SECRET, TOKEN, Terminal, assert_said_well, write_plan
from tests.servers import Endpoint

BUCKET = "pokemon-card-training-us-east-2"


@pytest.fixture
def sandbox_at(terminal: Terminal) -> Iterator[Any]:
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("reference", {"scale": 0.001})
        terminal.on(Endpoint.of(sandbox))
        write_plan(terminal.folder, BUCKET, source="/data/raw/")
        yield sandbox


def refused(terminal: Terminal, says: str, advises: str) -> None:
    for verb in ("plan", "run"):
        ended = terminal.call(verb, "moving.toml")
        assert_said_well(ended, verb)
        assert ended.code == 1
        assert says in ended.err and advises in ended.err, ended.err
        assert terminal.call(verb, "moving.toml", "--json").summary["error"]


def completes(terminal: Terminal) -> None:
    """Nothing that was refused is in the way once it is mended."""
    assert terminal.call("run", "moving.toml", "--json").summary["complete"] is True


def test_a_wrong_secret(terminal: Terminal, sandbox_at: Any) -> None:
    terminal.set(AWS_SECRET_ACCESS_KEY=SECRET)
    refused(terminal, "does not accept the signature", "Check the secret key")
    terminal.set(AWS_SECRET_ACCESS_KEY=sandbox_at.secret_key)
    completes(terminal)


def test_an_unknown_key(terminal: Terminal, sandbox_at: Any) -> None:
    terminal.set(AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY=SECRET)
    refused(terminal, "does not accept these credentials", "Check the access key")


def test_a_token_that_is_none(terminal: Terminal, sandbox_at: Any) -> None:
    terminal.set(AWS_SESSION_TOKEN=TOKEN)
    refused(terminal, "does not accept these credentials", "session token")


def test_a_session_that_has_ended(terminal: Terminal, sandbox_at: Any) -> None:
    made = sandbox_at.control("credentials", {"lifetime_s": 60, "token": TOKEN})
    terminal.set(
        AWS_ACCESS_KEY_ID=made["access_key"],
        AWS_SECRET_ACCESS_KEY=made["secret_key"],
        AWS_SESSION_TOKEN=made["session_token"],
    )
    completes(terminal)
    sandbox_at.control("advance_clock", {"seconds": 120})
    refused(terminal, "the credentials have expired", "Sign in again")


def test_a_clock_that_is_an_hour_off(terminal: Terminal, sandbox_at: Any) -> None:
    sandbox_at.control("advance_clock", {"seconds": 3600})
    refused(terminal, "this machine's clock is too far from S3's", "Set the clock")
    sandbox_at.control("advance_clock", {"seconds": -3600})
    completes(terminal)


def test_a_bucket_that_is_not_there(terminal: Terminal, sandbox_at: Any) -> None:
    write_plan(terminal.folder, "pokemon-card-training-us-east-1", source="/data/raw/")
    refused(terminal, "there is no such bucket", "Check its name")
    write_plan(terminal.folder, BUCKET, source="/data/raw/")
    completes(terminal)
