"""The network that is gone, credentials that expire, a clock that jumps: the run waits and goes on, or says why not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import BadCredentials, ClockSkew, Unreachable
from engine.sandbox import SandboxSettings, start_sandbox
from engine.sandbox.launch import Sandbox
from tests.faults import invariants
from tests.faults.conftest import Record
from tests.faults.scene import PREFIX, Scene

LAST_S = 60
"""How long credentials last, by the server's clock, which the tests move."""

RENEW = """import http.client, json, time
connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=10)
token = "token-%f" % time.time()
connection.request("POST", "/_cartage/credentials", json.dumps({{"token": token, "lifetime_s": {lasts}}}),
                   {{"x-cartage-secret": {secret!r}}})
said = json.loads(connection.getresponse().read())
open({count!r}, "a").write(".")
print(json.dumps({{"Version": 1, "AccessKeyId": said["access_key"], "SecretAccessKey": said["secret_key"],
                  "SessionToken": token}}))
"""


async def written(scene: Scene, count: int) -> None:
    """Wait until so many targets are there. The run is on this event loop, and so does nothing between the look and
    what the test does next, if that does not wait: however busy the machine is, it happens in the middle."""
    while True:
        if scene.sandbox.control("count", {"bucket": scene.bucket, "prefix": PREFIX})["objects"] >= count:
            return
        await asyncio.sleep(0.01)


@pytest.fixture
def slow(signed_in: Sandbox) -> Sandbox:
    """Slow enough for something to happen in the middle."""
    signed_in.control("settings", {"latency_ms": 15.0})
    return signed_in


@pytest.fixture(autouse=True)
def as_before(signed_in: Sandbox) -> Iterator[None]:
    yield
    signed_in.control("settings", {"latency_ms": 0.0})


@pytest.fixture
def jump(signed_in: Sandbox) -> Iterator[Callable[[float], None]]:
    """Moves the server's clock, until the end of the test."""
    jumped = []

    def by(seconds: float) -> None:
        jumped.append(seconds)
        signed_in.control("advance_clock", {"seconds": seconds})

    yield by
    signed_in.control("advance_clock", {"seconds": -sum(jumped)})


async def test_a_network_that_is_gone_for_a_while_is_waited_for(slow: Sandbox, tmp_path: Path, record: Record) -> None:
    scene = Scene(slow, tmp_path)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(migrate(scene.plan, scene.options(concurrency=8)))
        await written(scene, 60)
        slow.control("refuse_connections", {"seconds": 1.0})
    assert running.result().complete
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)
    record("network", "connections refused for a second, in the middle", 1, "waited, complete and proven")


async def test_a_network_that_stays_gone_is_given_up_and_gone_on_from(
    slow: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = Scene(slow, tmp_path)
    running = asyncio.create_task(migrate(scene.plan, scene.options(concurrency=8, give_up_after_s=0.5)))
    await written(scene, 60)
    slow.control("refuse_connections", {"seconds": 3600.0})
    try:
        with pytest.raises(Unreachable, match="out of reach") as gave_up:
            await running
    finally:
        slow.control("refuse_connections", {"seconds": 0.0})
    assert "--give-up-after" in gave_up.value.advice
    invariants.claims(scene)
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)
    record("network", "connections refused for longer than --give-up-after", 1, "stopped in words; the next run ends")


async def test_credentials_that_expire_again_and_again_are_renewed_as_often_as_it_takes(
    slow: Sandbox, tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch, jump: Callable[[float], None]
) -> None:
    scene = Scene(slow, tmp_path)
    counter, script, config = (tmp_path / name for name in ("renewals", "renew.py", "config"))
    script.write_text(
        RENEW.format(port=slow.control_port, secret=slow.control_secret, lasts=LAST_S, count=str(counter))
    )
    config.write_text(f"[profile brief]\ncredential_process = {sys.executable} {script}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(migrate(scene.plan, scene.options(profile="brief", concurrency=2)))
        for count in (40, 80, 120):
            await written(scene, count)
            jump(LAST_S + 1)
    assert running.result().complete
    assert (await verify(scene.plan, scene.options(profile="brief"))).agrees
    assert counter.stat().st_size >= 4
    invariants.ended(scene)
    record("network", "credentials that expire three times", 1, "renewed, complete and proven")


async def test_credentials_that_cannot_be_renewed_end_the_run_in_words(
    slow: Sandbox, tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch, jump: Callable[[float], None]
) -> None:
    scene = Scene(slow, tmp_path)
    brief = slow.control("credentials", {"token": "t", "lifetime_s": LAST_S})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", brief["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", brief["secret_key"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    running = asyncio.create_task(migrate(scene.plan, scene.options(concurrency=2)))
    await written(scene, 60)
    jump(LAST_S + 1)
    with pytest.raises(BadCredentials, match="expired"):
        await running
    invariants.claims(scene)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", slow.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", slow.secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)
    record("network", "a session that ends in the middle", 1, "stopped in words; the next run ends")


@pytest.mark.parametrize("jump_s", [600.0, -600.0])
async def test_a_clock_that_jumps_by_minutes_is_no_matter(
    jump_s: float, slow: Sandbox, tmp_path: Path, record: Record, jump: Callable[[float], None]
) -> None:
    scene = Scene(slow, tmp_path)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(migrate(scene.plan, scene.options(concurrency=8)))
        await written(scene, 60)
        jump(jump_s)
    assert running.result().complete
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)
    record("network", f"the server's clock jumps by {jump_s / 60:+.0f} minutes", 1, "complete and proven")


async def test_a_clock_that_is_an_hour_off_stops_the_run_in_words(
    slow: Sandbox, tmp_path: Path, record: Record, jump: Callable[[float], None]
) -> None:
    scene = Scene(slow, tmp_path)
    running = asyncio.create_task(migrate(scene.plan, scene.options(concurrency=8)))
    await written(scene, 60)
    jump(3600.0)
    with pytest.raises(ClockSkew, match="clock"):
        await running
    jump(-3600.0)
    invariants.claims(scene)
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)
    record("network", "the server's clock jumps by an hour", 1, "stopped in words; the next run ends")


async def test_the_sandbox_listens_on_loopback_alone() -> None:
    with start_sandbox(SandboxSettings()) as sandbox:
        for port in (sandbox.port, sandbox.control_port):
            hexadecimal = f"{port:04X}"
            listening = [
                line.split()[1]
                for name in ("tcp", "tcp6")
                for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
                if line.split()[3] == "0A" and line.split()[1].endswith(f":{hexadecimal}")
            ]
            assert listening == [f"0100007F:{hexadecimal}"]
