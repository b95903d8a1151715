"""Sessions: what a Python user hands in counts instead of the environment, and what botocore does holds nothing up."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

from engine.api.carrying import WORTH_MORE, processes_for
from engine.api.options import Options
from engine.errors import BadCredentials, NameNotFound, Unavailable, Unreachable, UsageError
from engine.plan.document import Plan
from engine.plan.settings import Connection
from engine.s3 import credential_sources
from engine.s3.credential_sources import AskedCredentials
from engine.s3.session import Session
from engine.sandbox import SandboxSettings, start_sandbox
from engine.sites.opening import open_site
from tests.unit.s3.fakes import Exchange, http, serving, until

KEYS = {"aws_access_key_id": "AKIDHANDEDIN", "aws_secret_access_key": "handed", "aws_session_token": "in"}
HANDED_IN = ("AKIDHANDEDIN", "handed", "in")
PROFILE = """
[profile other]
region = eu-central-1
endpoint_url = https://minio.example:9000
aws_access_key_id = AKIDOTHER
aws_secret_access_key = of the profile
"""


def made(kind: str, *, keys: bool = False, region: str = "", profile: str = "") -> Any:
    """A session of this kind, as its users make one; skipped where it is not installed (the base needs botocore)."""
    if kind in ("boto3", "aioboto3"):
        module = pytest.importorskip(kind)
        return module.Session(**(KEYS if keys else {}), region_name=region or None, profile_name=profile or None)
    if kind == "aiobotocore":
        session = pytest.importorskip("aiobotocore.session").get_session()
    else:
        session = botocore.session.get_session()
    if keys:
        session.set_credentials(*KEYS.values())
    for name, value in {"region": region, "profile": profile}.items():
        if value:
            session.set_config_variable(name, value)
    return session


every_kind = pytest.mark.parametrize("kind", ["botocore", "boto3", "aioboto3", "aiobotocore"])


@every_kind
async def test_a_sessions_keys_and_region_count_and_not_the_environments(kind: str) -> None:
    async with Session(Connection(), made(kind, keys=True, region="eu-west-3")) as session:
        assert await session.credentials() == HANDED_IN
        assert (session.region, session.endpoint) == ("eu-west-3", "https://s3.eu-west-3.amazonaws.com")


@every_kind
async def test_a_sessions_profile_counts_with_all_that_it_says(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(PROFILE)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    async with Session(Connection(), made(kind, profile="other")) as session:
        assert await session.credentials() == ("AKIDOTHER", "of the profile", "")
        assert (session.region, session.endpoint) == ("eu-central-1", "https://minio.example:9000")
        assert (await session.address("bucket")).origin == "https://minio.example:9000"


@every_kind
async def test_what_the_plan_or_a_flag_says_of_the_connection_is_over_the_session(kind: str) -> None:
    asked = Connection(region="us-west-2", endpoint_url="http://127.0.0.1:9")
    async with Session(asked, made(kind, keys=True, region="eu-west-3")) as session:
        assert (session.region, session.endpoint) == ("us-west-2", "http://127.0.0.1:9")
        assert await session.credentials() == HANDED_IN


@every_kind
async def test_a_sessions_buckets_are_addressed_as_aws_has_them(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An access point's host, and FIPS, which only botocore's own clients know."""
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"
    async with Session(Connection(), made(kind, keys=True, region="us-west-2")) as session:
        address = await session.address(arn)
    assert address.origin == "https://mine-123456789012.s3-accesspoint-fips.us-west-2.amazonaws.com"


@every_kind
async def test_a_session_that_is_handed_in_stays_as_it_was(kind: str) -> None:
    given = made(kind, keys=True, region="eu-west-3")
    inner = getattr(given, "_session", given)
    resolver = inner.get_component("credential_provider")
    before = (inner.instance_variables(), [vars(provider) for provider in resolver.providers])
    async with Session(Connection(region="us-west-2"), given) as session:
        await session.credentials()
        await session.address("arn:aws:s3:us-west-2:123456789012:accesspoint/mine")
    assert (inner.instance_variables(), [vars(provider) for provider in resolver.providers]) == before


@pytest.mark.parametrize("kind", ["botocore", "boto3"])
async def test_a_session_whose_keys_were_replaced_gives_the_new_ones_after_a_refusal(kind: str) -> None:
    given = made(kind, keys=True)
    async with Session(Connection(), given) as session:
        assert await session.credentials() == HANDED_IN
        getattr(given, "_session", given).set_credentials("AKIDNEW", "new")
        await session.refresh()  # as after S3 said that they have expired
        assert await session.credentials() == ("AKIDNEW", "new", "")


@pytest.mark.parametrize("given", [object(), "profile", {"region": "x"}])
async def test_what_is_no_session_is_said(given: Any) -> None:
    with pytest.raises(UsageError, match=f"session is a builtins.{type(given).__name__}"):
        async with Session(Connection(), given):
            pass


async def test_a_client_is_no_session() -> None:
    client = made("botocore", keys=True, region="us-east-1").create_client("s3")
    with pytest.raises(UsageError, match="which gives no credentials"):
        async with Session(Connection(), client):
            pass
    client.close()


async def test_the_options_session_reaches_the_site_without_a_name_alone() -> None:
    options = Options(session=made("botocore", keys=True))
    async with (
        open_site(Connection(profile="of the plan"), options) as own,
        open_site(Connection(), options, "other") as other,
    ):
        assert own.session is not None and other.session is not None
        assert await own.session.credentials() == HANDED_IN
        assert (await other.session.credentials()).access_key == os.environ["AWS_ACCESS_KEY_ID"]


async def test_a_profile_beside_a_session_is_refused() -> None:
    with pytest.raises(UsageError, match="a session and a profile are given"):
        async with open_site(Connection(), Options(session=made("botocore"), profile="x")):
            pass


def test_a_session_stays_in_its_process(tmp_path: Path) -> None:
    """However many objects a plan expects; and a ledger that processes have written is refused."""
    plan = Plan.parse(
        'name = "p"\nbucket = "bucket"\n[[routes]]\nname = "r"\nfrom = "/old/"\nto = "/new/"\n'
        f"expect = {{ objects = {WORTH_MORE} }}\n"
    )
    options = Options(session=made("botocore"))
    assert processes_for(plan, options, tmp_path / "new.ledger") == 1
    assert processes_for(plan, Options(processes=2), tmp_path / "new.ledger") == 2
    for refused, path in ((replace(options, processes=2), tmp_path / "new.ledger"), (options, tmp_path)):
        with pytest.raises(UsageError, match="a session cannot be handed to other processes"):
            processes_for(plan, refused, path)


# --- what waits ---------------------------------------------------------------------------------------------


class Source:
    """A place that gives fresh keys when it is let go; which of them, and on which thread it was asked."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked_on: list[threading.Thread] = []

    def __call__(self) -> dict[str, str]:
        self.asked_on.append(threading.current_thread())
        assert self.go.wait(10)
        expires = datetime.now(UTC) + timedelta(hours=1)
        number = len(self.asked_on)
        return {
            "access_key": f"AKIDFRESH{number}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": expires.isoformat(),
        }


def expiring(source: Source, in_s: float) -> Any:
    session = made("botocore")
    session._credentials = RefreshableCredentials(
        "AKIDOLD", "s", "t", datetime.now(UTC) + timedelta(seconds=in_s), source, "test"
    )
    return session


async def test_credentials_that_are_due_are_refreshed_off_the_event_loop() -> None:
    source = Source()
    async with Session(Connection(), expiring(source, in_s=5)) as session:
        asking = asyncio.create_task(session.credentials())
        await until(lambda: bool(source.asked_on))
        assert not asking.done()  # the loop goes on meanwhile
        source.go.set()
        assert (await asking).access_key == "AKIDFRESH1"
    assert source.asked_on != [threading.main_thread()]


async def test_many_who_ask_at_once_are_given_one_refresh() -> None:
    source = Source()
    source.go.set()
    async with Session(Connection(), expiring(source, in_s=5)) as session:
        found = await asyncio.gather(*(session.credentials() for _ in range(20)))
    assert {credentials.access_key for credentials in found} == {"AKIDFRESH1"}
    assert len(source.asked_on) == 1


async def test_credentials_that_are_good_for_long_cost_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Session(Connection(), expiring(Source(), in_s=7200)) as session:
        assert (await session.credentials()).access_key == "AKIDOLD"
        monkeypatch.setattr(threading, "Thread", None)
        assert (await session.credentials()).access_key == "AKIDOLD"


@pytest.mark.parametrize("how", ["given up", "cancelled"])
async def test_a_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    config = tmp_path / "config"
    config.write_text("[profile p]\ncredential_process = sleep 600\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    begun: list[Any] = []
    start = AskedCredentials._start

    def starting(self: AskedCredentials, *arguments: Any, **more: Any) -> Any:
        begun.append(start(self, *arguments, **more))
        return begun[0]

    monkeypatch.setattr(AskedCredentials, "_start", starting)
    async with Session(Connection(profile="p")) as session:
        if how == "given up":
            monkeypatch.setattr(credential_sources, "WAIT_S", 0.0)  # before the program began
            with pytest.raises(BadCredentials, match=r"credential_process \(sleep\).*nothing came within"):
                await session.credentials()
            await until(lambda: bool(begun))
        else:
            asking = asyncio.create_task(session.credentials())
            await until(lambda: bool(begun))
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
    assert await asyncio.to_thread(begun[0].wait, 10) == -signal.SIGKILL


async def test_a_source_that_blocks_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_sources, "WAIT_S", 0.0)
    source = Source()
    async with Session(Connection(), expiring(source, in_s=5)) as session:
        with pytest.raises(BadCredentials, match="nothing came within"):
            await session.credentials()
    source.go.set()


ASKING = """
import asyncio, fcntl, signal, sys, termios
from engine.s3.credential_sources import ask_mfa_code, bounded

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell begins in the background ignores it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    asyncio.run(bounded(lambda: ask_mfa_code("code: ")))
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_a_prompt_that_is_interrupted_gives_the_terminal_back() -> None:
    """The code is typed unseen, on a thread that Ctrl-C leaves behind."""
    ours, theirs = pty.openpty()
    asking = subprocess.Popen([sys.executable, "-c", ASKING], stdin=theirs, stderr=theirs, start_new_session=True)
    try:
        shown = b""
        while b"code: " not in shown:
            shown += os.read(ours, 100)
        assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        os.write(ours, b"\x03")
        assert asking.wait(60) == 130
        assert termios.tcgetattr(theirs)[3] & termios.ECHO
    finally:
        asking.kill()
        asking.wait()
        os.close(ours)
        os.close(theirs)


# --- what botocore's own client asks --------------------------------------------------------------------------


async def answer_moved(exchange: Exchange) -> None:
    await exchange.answer(
        http(b"", "Location: http://127.0.0.1:9/", "x-amz-bucket-region: eu-west-1", status="301 Moved")
    )
    await exchange.close()


async def test_the_question_for_a_buckets_region_follows_no_redirect() -> None:
    async with serving(answer_moved) as server, Session(Connection(endpoint_url=server.url())) as session:
        assert await session._ask_region("bucket") == "eu-west-1"
        assert [exchange.line for exchange in server.seen] == ["HEAD /bucket HTTP/1.1"]


@pytest.mark.parametrize(("names", "code"), [(("127.0.0.1",), ""), (("s3.example.com",), "TLSRefused")])
async def test_the_question_for_a_buckets_region_checks_the_hosts_name(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], code: str
) -> None:
    with start_sandbox(SandboxSettings(tls=True, tls_names=names, region="eu-west-1")) as sandbox:
        sandbox.control("reference", {"scale": 0.001})
        monkeypatch.setenv("AWS_CA_BUNDLE", str(sandbox.ca_bundle))
        async with Session(Connection(endpoint_url=sandbox.url)) as session:
            if code:
                with pytest.raises(Unreachable) as raised:
                    await session._ask_region("bucket")
                assert raised.value.code == code
            else:
                assert await session._ask_region("pokemon-card-training-us-east-2") == "eu-west-1"
        asked = sandbox.control("stats")["operations"]
    assert bool(asked) is not bool(code)  # not a byte of a request, and so no signature either


@pytest.mark.parametrize(
    ("endpoint", "error"),
    [("http://127.0.0.1:1", Unavailable), ("http://no-such-host.invalid", NameNotFound)],
)
async def test_what_keeps_the_question_from_being_asked_is_known(endpoint: str, error: type[Exception]) -> None:
    async with Session(Connection(endpoint_url=endpoint)) as session:
        with pytest.raises(error):
            await session._ask_region("bucket")
