"""A plan that is carried by machines which share nothing but a state in S3, begun by the commands of docs/scale.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.machines import APART, Machine, cartage, dask, pull_the_plug
from tests.servers import REPOSITORY, Endpoint

ROUTES = "abcdef"
OBJECTS = 25
RATE_RPS = "40"
STATE = "machines-state"


def commands() -> list[list[str]]:
    """What docs/scale.md has a user type: for the scheduler, each worker and the run."""
    text = (REPOSITORY / "docs" / "scale.md").read_text()
    block = next(item for item in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "dask scheduler" in item)
    return [line.partition("#")[0].split() for line in block.splitlines()]


def given(words: list[str], scheduler: str) -> list[str]:
    """The words of such a command, with the address that the scheduler has here, and one worker a machine."""
    line = " ".join(words).replace("tcp://10.0.0.1:8786", scheduler).replace("--nworkers 4", "--nworkers 1")
    return line.replace("s3://bucket/state/", f"s3://{STATE}/runs/").split()


@pytest.fixture
def bucket(sandbox: Endpoint) -> str:
    client = sandbox.client()
    for name in ("machines", STATE):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    for route in ROUTES:
        for number in range(OBJECTS):
            client.put_object(Bucket="machines", Key=f"old/{route}/{number:02}", Body=f"{route}{number}".encode())
    return "machines"


@pytest.fixture
def plan(bucket: str) -> str:
    routes = "".join(f'[[routes]]\nname = "{name}"\nfrom = "/old/{name}/"\nto = "/new/{name}/"\n' for name in ROUTES)
    return f'name = "plan"\nbucket = "{bucket}"\n{routes}[cleanup]\nhold = "0s"\n'


def keys(sandbox: Endpoint, bucket: str, prefix: str) -> list[str]:
    listed = sandbox.client().list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [item["Key"].removeprefix(prefix) for item in listed.get("Contents", ())]


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


@pytest.mark.skipif(sys.platform != "linux", reason="every address of 127/8 is loopback on Linux alone")
@pytest.mark.parametrize("apart", [APART])
def test_machines_that_share_only_a_state_carry_a_plan_and_one_that_is_lost_is_made_up_for(
    sandbox: Endpoint, bucket: str, plan: str, tmp_path: Path, apart: str
) -> None:
    def machine(name: str, has: str = "") -> Machine:
        return Machine(tmp_path, name, sandbox.env(), has)

    def elsewhere(verb: str, *words: str) -> list[dict[str, Any]]:
        """A command where there is nothing but the plan, and not what the one before left: the values that it said."""
        done = machine("elsewhere", plan).does(verb, "plan.toml", "--state", f"s3://{STATE}/runs/", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    scheduling, working, running = commands()
    every = keys(sandbox, bucket, "old/")
    lost = False
    with ExitStack() as begun:
        scheduler = dask(*scheduling[1:], "--host", "127.0.0.2", "--port", "0")
        address = until(begun.enter_context(machine("scheduler").running(*scheduler)), "Scheduler at:")
        workers = [
            begun.enter_context(
                machine(f"worker-{number}").running(*dask(*given(working, address)[1:], "--host", f"127.0.0.{number}"))
            )
            for number in (3, 4)
        ]
        for worker in workers:
            until(worker, "Registered to:")
        run_it = cartage(*given(running, address)[1:], "--yes", "--json", "--max-rps", RATE_RPS)
        run = begun.enter_context(machine("client", plan).running(*run_it))
        for event in events(run):
            if not lost and event.get("event") == "progress" and 0 < event["done"] < len(every):
                lost = True
                pull_the_plug(workers[0])
                (meanwhile,) = elsewhere("status", "--json")
        assert run.wait() == 0, event
    assert lost, "it was over before a machine was lost"
    assert event["complete"]
    assert keys(sandbox, bucket, "new/") == every
    assert 0 < meanwhile["settled"] <= len(every)

    (status,) = elsewhere("status", "--json")
    assert (status["settled"], status["in_flight"], status["aside"]) == (len(every), 0, {})
    assert {name: route["objects"] for name, route in status["routes"].items()} == dict.fromkeys(ROUTES, OBJECTS)
    verified = elsewhere("verify", "--json")[-1]
    assert verified["agrees"]
    rows = elsewhere("export", "--format", "ndjson")
    assert [row["source"] for row in rows] == [f"s3://{bucket}/old/{key}" for key in every]
    receipt = elsewhere("receipt", "--json")[-1]["receipt"]
    assert [(route["name"], route["objects"]) for route in receipt["routes"]] == [(name, OBJECTS) for name in ROUTES]
    for route in receipt["routes"]:
        assert route["fingerprints"] == verified["routes"][route["name"]]["fingerprints"]
    cleaned = elsewhere("cleanup", "--delete", "--confirm", "plan", "--json")[-1]
    assert cleaned["deleted"] == len(every)
    assert keys(sandbox, bucket, "old/") == []


def until(process: subprocess.Popen[str], words: str) -> str:
    """Read what Dask says until these words; gives what follows them."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line.partition(words)[2].strip()
    raise AssertionError(f"it ended without {words!r}")
