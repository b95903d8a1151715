"""No credential, token or signature in anything that a command prints or writes; nothing it writes is for others."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator

import click
import pytest

from engine.cli.main import VERBS, cli
from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.canned import Refusal, answering
from tests.cli.commands import SECRET, TOKEN, Ended, Terminal, assert_no_traceback, assert_said_well, write_plan
from tests.servers import REPOSITORY, Endpoint

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
BUCKET = "pokemon-card-training-us-east-2"
SIGNED = re.compile(r"X-Amz-Signature|X-Amz-Credential|Signature=|AWS4-HMAC-SHA256|Authorization", re.IGNORECASE)


@pytest.fixture
def secrets(terminal: Terminal) -> Iterator[tuple[str, ...]]:
    """The temporary credentials of a session, at a sandbox that holds the reference migration at a small scale."""
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("reference", {"scale": 0.001})
        made = sandbox.control("credentials", {"lifetime_s": 3600, "token": TOKEN})
        terminal.on(Endpoint("sandbox", sandbox.url, made["access_key"], made["secret_key"], sandbox.region))
        terminal.set(AWS_SESSION_TOKEN=TOKEN)
        shutil.copy(REPOSITORY / "examples" / "pokemon.toml", terminal.folder)
        yield made["access_key"], made["secret_key"], TOKEN


COMMANDS = [
    ["check", f"s3://{BUCKET}/data/", "--write"],
    ["plan", "pokemon.toml", "--probe"],
    ["run", "pokemon.toml"],
    ["verify", "pokemon.toml"],
    ["status", "--failed"],
    ["export"],
    ["manifest", "pokemon.toml", "--apply"],
    ["rewrite", "pokemon.toml", "--apply"],
    ["cleanup", "pokemon.toml"],
    ["revert", "pokemon.toml"],
    ["fingerprint", f"s3://{BUCKET}/data/"],
    ["ls", f"s3://{BUCKET}/", "--summarize"],
    ["delete", f"s3://{BUCKET}/nothing/"],
    ["receipt", "pokemon.toml"],
]


def test_a_whole_migration_leaves_no_secret_anywhere(terminal: Terminal, secrets: tuple[str, ...]) -> None:
    before = os.umask(0)
    try:
        ended: list[Ended] = []
        for arguments in COMMANDS:
            ended.append(terminal.call(*arguments))
            if arguments[0] != "export":
                ended.append(terminal.call(*arguments, "--json"))
    finally:
        os.umask(before)
    assert {item.code for item in ended} <= {0, 3, 5}, [item.err for item in ended if item.code not in (0, 3, 5)]
    for item in ended:
        assert [secret for secret in secrets if secret in item.out + item.err] == []
        assert not SIGNED.search(item.out + item.err)
    made = [path for path in terminal.folder.rglob("*") if path.is_file() and path.name != "pokemon.toml"]
    assert {path.suffix for path in made} >= {".ledger", ".json", ".md", ".deletion"}
    for path in made:
        content = path.read_bytes()
        assert [secret for secret in secrets if secret.encode() in content] == [], path
        assert b"AWS4-HMAC-SHA256" not in content, path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "ExpiredToken", "AccessDenied", "NoSuchThing"])
def test_what_a_server_says_back_about_a_request_is_not_shown(terminal: Terminal, code: str, store: str) -> None:
    """S3 answers a wrong signature with the string to sign, and a hostile endpoint with whatever it likes."""
    more = (
        f"<AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256 {TOKEN}</StringToSign>"
        f"<CanonicalRequest>GET x-amz-security-token:{TOKEN}</CanonicalRequest>"
        f"<SignatureProvided>{SECRET}</SignatureProvided>"
    )
    plan = write_plan(terminal.folder)
    with answering(Refusal(403, code, more=more)) as server:
        terminal.at(server.url)
        for arguments in (["plan", plan], ["run", plan], ["check", "s3://bucket/old/"]):
            arguments += ["--store", store] if arguments[0] != "check" else []
            for ended in (terminal.call(*arguments), terminal.call(*arguments, "--json")):
                assert ended.code == 1
                for hidden in (SECRET, TOKEN, ACCESS_KEY, "AWS4-HMAC-SHA256"):
                    assert hidden not in ended.out + ended.err


def test_a_mistake_of_ours_is_told_without_what_it_was_about(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.cli import plan

    async def broken(*_: object, **__: object) -> None:
        raise TypeError("unsupported operand")

    monkeypatch.setattr(plan, "survey", broken)
    terminal.at("http://127.0.0.1:1")
    ended = terminal.call("plan", write_plan(terminal.folder))
    told = terminal.call("plan", write_plan(terminal.folder), "--json")
    assert (ended.code, told.code) == (1, 1)
    assert ended.err.startswith("cartage plan: a mistake in Cartage: TypeError at test_secrets.py:")
    assert "Please report it" in ended.err and "Traceback" not in ended.err
    assert told.summary["error"] == "UnexpectedError"
    terminal.set(CARTAGE_TRACEBACK="1")
    traced = terminal.call("plan", write_plan(terminal.folder)).err
    assert "Traceback" in traced and "TypeError: unsupported operand" in traced
    for hidden in (SECRET, TOKEN, ACCESS_KEY):
        assert hidden not in traced


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("store", ["wire", "boto"])
def test_a_credential_that_cannot_be_sent_is_refused_without_being_shown(
    terminal: Terminal, name: str, store: str
) -> None:
    """A line break within it, as a copied key or a file read as a whole may have."""
    with answering(Refusal(403, "SignatureDoesNotMatch")) as server:
        terminal.at(server.url)
        terminal.set(**{name: f"{SECRET}\nX-Header: {TOKEN}", "CARTAGE_TRACEBACK": "1"})
        ended = terminal.call("plan", write_plan(terminal.folder), "--store", store, "--give-up-after", "0.2")
    assert ended.code == 1
    assert_no_traceback(ended)
    assert SECRET not in ended.out + ended.err and TOKEN not in ended.out + ended.err


@pytest.mark.parametrize("where", ["environment", "flag", "plan"])
def test_a_password_in_the_endpoint_is_refused_before_it_is_kept_or_shown(terminal: Terminal, where: str) -> None:
    plan = write_plan(terminal.folder)
    url = f"http://me:{SECRET}@127.0.0.1:9"
    terminal.at(url if where == "environment" else "http://127.0.0.1:9")
    flags = ["--endpoint-url", url] if where == "flag" else []
    if where == "plan":
        plan.write_text(plan.read_text() + f'[connection]\nendpoint_url = "{url}"\n')
    for verb, named in (("plan", plan), ("run", plan), ("check", "s3://bucket/old/")):
        if (where, verb) == ("plan", "check"):
            continue  # it reads no plan
        ended = terminal.call(verb, named, *flags)
        assert_said_well(ended, verb)
        assert ended.code == 2
        assert "has a name or a password in it" in ended.err
    assert [path for path in terminal.folder.iterdir() if path != plan] == []


def test_no_flag_takes_a_secret() -> None:
    """A command line is seen by everyone on the machine, and kept in the shell's history."""
    for verb in VERBS:
        found = cli.get_command(click.Context(cli), verb)
        assert found is not None
        for option in found.params:
            if isinstance(option, click.Option) and option.is_flag:
                continue  # it takes nothing at all
            assert not re.search("secret|token|password|access|credential", str(option.name)), (verb, option.name)
