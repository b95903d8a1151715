"""The network that is gone, credentials that expire, a clock that jumps: the run waits and goes on, or says why not."""

from __future__ import annotations

import asyncio
import sys
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
    """Wait until so many targets are there."""
    while True:
        found = await asyncio.to_thread(scene.sandbox.control, "count", {"bucket": scene.bucket, "prefix": PREFIX})
        if found["objects"] >= count:
            return
        await asyncio.sleep(0.01)


@pytest.fixture
def slow(signed_in: Sandbox) -> Sandbox:
    """Slow enough for something to happen in the middle."""
    signed_in.control("settings", {"latency_ms": 15.0})
    return signed_in


@pytest.fixture(autouse=True)
def as_before(signed_in: Sandbox) -> object:
    yield
    signed_in.control("settings", {"latency_ms": 0.0})


async def test_a_network_that_is_gone_for_a_while_is_waited_for(slow: Sandbox, tmp_path: Path, record: Record) -> None:
    scene = Scene(slow, tmp_path)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(migrate(scene.plan, scene.options(concurrency=8)))
        await written(scene, 60)
        await asyncio.to_thread(slow.control, "refuse_connections", {"seconds": 1.0})
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
    await asyncio.to_thread(slow.control, "refuse_connections", {"seconds": 1.2})
    with pytest.raises(Unreachable, match="out of reach") as gave_up:
        await running
    assert "--give-up-after" in gave_up.value.advice
    invariants.claims(scene)
    assert (await migrate(scene.plan, scene.options())).complete
    assert (await verify(scene.plan, scene.options())).agrees
    invariants.ended(scene)
    record("network", "connections refused for longer than --give-up-after", 1, "stopped in words; the next run ends")


async def test_credentials_that_last_half_a_second_are_renewed_as_often_as_it_takes(
    slow: Sandbox, tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(slow, tmp_path)
    counter, script, config = (tmp_path / name for name in ("renewals", "renew.py", "config"))
    script.write_text(RENEW.format(port=slow.control_port, secret=slow.control_secret, lasts=0.5, count=str(counter)))
    config.write_text(f"[profile brief]\ncredential_process = {sys.executable} {script}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    result = await migrate(scene.plan, scene.options(profile="brief", concurrency=2))
    assert result.complete
    assert (await verify(scene.plan, scene.options(profile="brief"))).agrees
    renewals = counter.stat().st_size
    assert renewals >= 3
    invariants.ended(scene)
    record("network", "credentials that last half a second", 1, "renewed, complete and proven")


async def test_credentials_that_cannot_be_renewed_end_the_run_in_words(
    slow: Sandbox, tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(slow, tmp_path)
    brief = slow.control("credentials", {"token": "t", "lifetime_s": 0.5})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", brief["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", brief["secret_key"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    with pytest.raises(BadCredentials, match="expired"):
        await migrate(scene.plan, scene.options(concurrency=2))
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
    jump_s: float, slow: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = Scene(slow, tmp_path)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(migrate(scene.plan, scene.options(concurrency=8)))
        await written(scene, 60)
        await asyncio.to_thread(slow.control, "advance_clock", {"seconds": jump_s})
    assert running.result().complete
    assert (await verify(scene.plan, scene.options())).agrees
    slow.control("advance_clock", {"seconds": -jump_s})
    invariants.ended(scene)
    record("network", f"the server's clock jumps by {jump_s / 60:+.0f} minutes", 1, "complete and proven")


async def test_a_clock_that_is_an_hour_off_stops_the_run_in_words(
    slow: Sandbox, tmp_path: Path, record: Record
) -> None:
    scene = Scene(slow, tmp_path)
    running = asyncio.create_task(migrate(scene.plan, scene.options(concurrency=8)))
    await written(scene, 60)
    await asyncio.to_thread(slow.control, "advance_clock", {"seconds": 3600.0})
    with pytest.raises(ClockSkew, match="clock"):
        await running
    slow.control("advance_clock", {"seconds": -3600.0})
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
