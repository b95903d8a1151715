"""No credential, token or signature in anything that a command prints or writes; nothing it writes is for others."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator

import pytest

from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.canned import Refusal, answering
from tests.cli.commands import SECRET, TOKEN, Ended, Terminal, write_plan
from tests.servers import REPOSITORY, Endpoint

BUCKET = "pokemon-card-training-us-east-2"
SIGNED = re.compile(r"X-Amz-Signature|X-Amz-Credential|Signature=|AWS4-HMAC-SHA256|Authorization", re.IGNORECASE)


@pytest.fixture
def secret(terminal: Terminal) -> Iterator[str]:
    """The secret key of a sandbox that holds the reference migration at a small scale."""
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("reference", {"scale": 0.001})
        terminal.on(Endpoint("sandbox", sandbox.url, sandbox.access_key, sandbox.secret_key, sandbox.region))
        shutil.copy(REPOSITORY / "examples" / "pokemon.toml", terminal.folder)
        yield sandbox.secret_key


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


def test_a_whole_migration_leaves_no_secret_anywhere(terminal: Terminal, secret: str) -> None:
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
        assert secret not in item.out + item.err
        assert not SIGNED.search(item.out + item.err)
    made = [path for path in terminal.folder.rglob("*") if path.is_file() and path.name != "pokemon.toml"]
    assert {path.suffix for path in made} >= {".ledger", ".json", ".md", ".deletion"}
    for path in made:
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert b"AWS4-HMAC-SHA256" not in content, path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "ExpiredToken", "AccessDenied", "NoSuchThing"])
def test_what_a_server_says_back_about_a_request_is_not_shown(terminal: Terminal, code: str) -> None:
    """S3 answers a wrong signature with the string to sign, and a hostile endpoint with whatever it likes."""
    more = (
        f"<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256 {TOKEN}</StringToSign>"
        f"<CanonicalRequest>GET x-amz-security-token:{TOKEN}</CanonicalRequest>"
        f"<SignatureProvided>{SECRET}</SignatureProvided>"
    )
    plan = write_plan(terminal.folder)
    with answering(Refusal(403, code, more=more)) as server:
        terminal.at(server.url)
        for arguments in (["plan", plan], ["run", plan], ["check", "s3://bucket/old/"]):
            for ended in (terminal.call(*arguments), terminal.call(*arguments, "--json")):
                assert ended.code == 1
                for hidden in (SECRET, TOKEN, "AWS4-HMAC-SHA256"):
                    assert hidden not in ended.out + ended.err


def test_a_mistake_of_ours_is_told_without_what_it_was_about(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.api import running

    async def broken(*_: object, **__: object) -> None:
        raise TypeError("unsupported operand")

    monkeypatch.setattr(running, "look", broken)
    terminal.at("http://127.0.0.1:1")
    ended = terminal.call("plan", write_plan(terminal.folder))
    told = terminal.call("plan", write_plan(terminal.folder), "--json")
    assert (ended.code, told.code) == (1, 1)
    assert ended.err.startswith("cartage plan: a mistake in Cartage: TypeError at test_secrets.py:")
    assert "Please report it" in ended.err and "Traceback" not in ended.err
    assert told.summary["error"] == "UnexpectedError"
    terminal.set(CARTAGE_TRACEBACK="1")
    assert "Traceback" in terminal.call("plan", write_plan(terminal.folder)).err
