"""What anybody may read is read without credentials, where that is asked for, and only there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.sandbox import Sandbox, SandboxSettings, start_sandbox
from tests.cli.commands import Terminal, assert_said_well

OPEN = "s3://open-data/maps/"
UNSIGNED = "--no-sign-request"


@pytest.fixture(scope="module")
def public() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("bucket", {"name": "open-data", "is_public": True})
        sandbox.control("bucket", {"name": "closed-data"})
        for bucket in ("open-data", "closed-data"):
            for number in range(3):
                sandbox.control("put", {"bucket": bucket, "key": f"maps/{number}", "text": f"map {number}"})
        yield sandbox


@pytest.fixture
def stranger(terminal: Terminal, public: Sandbox) -> Terminal:
    """Somebody who has no credentials at all."""
    terminal.set(AWS_ENDPOINT_URL_S3=public.url, AWS_REGION=public.region)
    return terminal


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_a_public_bucket_is_read_and_cloned_without_credentials(stranger: Terminal, store: str) -> None:
    how = (UNSIGNED, "--store", store)
    assert "maps/2" in stranger.call("ls", OPEN, *how).out
    assert stranger.call("fingerprint", OPEN, *how).code == 0
    copied = stranger.call("cp", OPEN, "./maps/", "--yes", *how)
    assert copied.code == 0, copied.err
    assert (stranger.folder / "maps/2").read_text() == "map 2"
    (ledger,) = stranger.folder.glob("*.ledger")
    verified = stranger.call("verify", "--ledger", ledger, *how)
    assert (verified.code, "3 digest" in verified.out) == (0, True), verified.err


def test_who_has_no_credentials_is_told_of_it(stranger: Terminal) -> None:
    refused = stranger.call("ls", OPEN)
    assert_said_well(refused, "ls")
    assert "no credentials were found" in refused.err and UNSIGNED in refused.err


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_what_is_not_public_is_refused(stranger: Terminal, store: str) -> None:
    refused = stranger.call("ls", "s3://closed-data/maps/", UNSIGNED, "--store", store)
    assert refused.code == 1
    assert_said_well(refused, "ls")
    assert "AccessDenied" in refused.err


def test_nothing_can_be_written_or_shared_without_a_signature(stranger: Terminal) -> None:
    refused = stranger.call("share", OPEN, "--expires", "1h", UNSIGNED)
    assert refused.code == 2
    assert "a link is signed with credentials" in refused.err
    (stranger.folder / "mine").mkdir()
    (stranger.folder / "mine/a").write_text("mine")
    assert stranger.call("cp", "./mine/", "s3://open-data/mine/", "--yes", UNSIGNED).code != 0
    assert "mine" not in stranger.call("ls", "s3://open-data/", UNSIGNED).out


def test_one_side_is_read_without_a_signature_and_the_other_written_with_ones_own(
    terminal: Terminal, public: Sandbox, server: Sandbox
) -> None:
    server.control("bucket", {"name": "mine"})
    terminal.set(
        AWS_ENDPOINT_URL_S3=server.url,
        AWS_REGION=server.region,
        AWS_ACCESS_KEY_ID=server.access_key,
        AWS_SECRET_ACCESS_KEY=server.secret_key,
    )
    ends = (OPEN, "s3://mine/maps/", "--from-endpoint-url", public.url)
    assert terminal.call("cp", *ends, "--yes").code == 1, "a key that the other server does not know"
    copied = terminal.call("cp", *ends, "--from-no-sign-request", "--no-tags", "--yes")
    assert copied.code == 0, copied.err
    assert [key for key, *_ in server.control("dump", {"bucket": "mine"})["objects"]] == ["maps/0", "maps/1", "maps/2"]
    local = terminal.call("cp", "./x/", "s3://mine/x/", "--from-no-sign-request", "--yes")
    assert local.code == 2
    assert "--from-no-sign-request says where a place in S3 is" in local.err


def test_what_is_said_of_both_sides_holds_beside_what_is_said_of_one(
    terminal: Terminal, public: Sandbox, server: Sandbox
) -> None:
    """Else the environment's server was written to, and deleted on, which no word of the command names."""
    terminal.set(AWS_ENDPOINT_URL_S3=server.url, AWS_REGION=server.region)
    (terminal.folder / "config").write_text(
        f"[profile mine]\naws_access_key_id = {public.access_key}\naws_secret_access_key = {public.secret_key}\n"
    )
    terminal.set(AWS_CONFIG_FILE=str(terminal.folder / "config"))
    (terminal.folder / "x").mkdir()
    (terminal.folder / "x/a").write_text("mine")
    ends = ("./x/", "s3://closed-data/x/", "--endpoint-url", public.url, "--to-profile", "mine")
    copied = terminal.call("cp", *ends, "--yes")
    assert copied.code == 0, copied.err
    assert "x/a" in [key for key, *_ in public.control("dump", {"bucket": "closed-data"})["objects"]]
