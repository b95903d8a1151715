"""Plans in shards whose processes are killed, stopped and woken at random moments: every object is there once, the
ledger adds up, and the receipt says what that of an undisturbed run says."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.api.export import export
from engine.api.load import load_plan
from engine.api.options import Options
from engine.api.receipt import receipt
from engine.api.status import status
from engine.api.verify import verify
from engine.process import CARTAGE
from engine.shards.board import FolderBoard
from tests.faults.amount import amount, seeds
from tests.servers import Endpoint

OBJECTS = 240
MOST_SHARDS = 200
FIGURES = """
from functools import partial

import engine.listing.pages as pages
import engine.plan.coverage as coverage
import engine.shards.coordinating as coordinating
import engine.shards.working as working
from engine.store import ListPage

pages.ListPage = partial(ListPage, max_keys=10)
coverage.OBJECTS_A_STRETCH = 10
working.COVERED_EVERY_S = 0.05
coordinating.OBJECTS_A_SHARD = 40
"""
"""Run by every interpreter that begins with it in its path: by those too that the command begins."""

CLUSTER = """
import sys
import dask
from distributed import LocalCluster

if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.worker-ttl": "3s"})
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        pids = [str(worker.process.process.pid) for worker in cluster.workers.values()]
        print(cluster.scheduler_address, *pids, flush=True)
        sys.stdin.read()
"""
PATIENCE_S = 3.0


class Trial:
    """One plan, its bucket, and the moments of one seed. `left` closes what it has open in the end."""

    def __init__(self, sandbox: Endpoint, folder: Path, left: ExitStack, seed: int, kind: str) -> None:
        self.random = random.Random(f"{kind} {seed}")
        self._sandbox = sandbox
        self.bucket = f"shards-{kind}-{seed}"
        self._left = left
        self.client = sandbox.client()
        left.callback(self.client.close)
        region = {"LocationConstraint": sandbox.region}
        for name in (self.bucket, f"{self.bucket}-state"):
            self.client.create_bucket(Bucket=name, CreateBucketConfiguration=region)
        self.keys = [f"{letter}/{number:04}" for letter in "ab" for number in range(OBJECTS // 2)]
        for key in self.keys:
            self.client.put_object(Bucket=self.bucket, Key=f"old/{key}", Body=key.encode())
        self.plan = folder / "plan.toml"
        routes = "".join(
            f'[[routes]]\nname = "{letter}"\nfrom = "/old/{letter}/"\nto = "/new/{letter}/"\n' for letter in "ab"
        )
        self.plan.write_text(f'name = "plan"\nbucket = "{self.bucket}"\n{routes}')
        self.ledger = folder / "plan.ledger"
        self.figures = folder / "figures"
        self.figures.mkdir()
        self.figures.joinpath("sitecustomize.py").write_text(FIGURES)

    def begin(self, *flags: str) -> subprocess.Popen[str]:
        """The run, in processes of its own, so slow that there is something to disturb."""
        words = [*CARTAGE, "run", str(self.plan), "--yes", "--json", "--max-rps", "150", *flags]
        env = self._sandbox.clean_env()
        env["PYTHONPATH"] = os.pathsep.join([str(self.figures), *filter(None, [env.get("PYTHONPATH")])])
        run = self._left.enter_context(
            subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        self._left.callback(run.kill)
        return run

    def workers(self) -> list[int]:
        """The processes that told of themselves and are alive."""
        board = FolderBoard(self.ledger / "at-work")
        told = [board.told_now(number) for number in range(1, MOST_SHARDS)]
        return sorted({item.pid for item in told if item is not None and Path(f"/proc/{item.pid}").exists()})

    def until_at_work(self, run: subprocess.Popen[str]) -> None:
        """Read what the run says for a random while after its first objects were done."""
        assert run.stdout is not None
        left = self.random.randint(1, 12)
        for line in run.stdout:
            event = json.loads(line)
            left -= event.get("event") == "progress" and bool(event["done"])
            if left <= 0:
                return

    def ends(self, run: subprocess.Popen[str]) -> int:
        said = run.communicate(timeout=240)
        assert "Traceback" not in said[1], said[1]
        return run.returncode

    def holds(self, **options: Any) -> None:
        """Everything is as an undisturbed run leaves it."""
        there = [
            item["Key"].removeprefix("new/")
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="new/")
            for item in page["Contents"]
        ]
        assert there == self.keys
        anyio.run(self._compare, options)

    async def _compare(self, options: dict[str, Any]) -> None:
        plan = load_plan(self.plan)
        mine = Options(ledger=self.ledger, **options)
        alone = Options(ledger=self.ledger.with_name("alone.ledger"))
        from engine.api.run import migrate

        await migrate(plan, alone)
        for choice in (mine, alone):
            assert (await verify(plan, choice)).agrees
        known = [row.record.key for batch in [batch async for batch in export(self.ledger)] for row in batch]
        assert len(known) == OBJECTS
        assert sum(item.objects for item in (await status(self.ledger)).tallies) == OBJECTS
        given, other = await receipt(plan, mine), await receipt(plan, alone)
        for name in ("fingerprints", "objects", "bytes"):
            assert [route[name] for route in given["routes"]] == [route[name] for route in other["routes"]]


@pytest.fixture(autouse=True)
def environment(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def trial_of(sandbox: Endpoint, tmp_path: Path) -> Iterator[Callable[[int, str], Trial]]:
    with ExitStack() as left:
        yield partial(Trial, sandbox, tmp_path, left)


@pytest.mark.parametrize("seed", seeds(amount(1, 6, 75)))
def test_whoever_is_killed_on_one_machine_the_plan_is_carried_once(
    trial_of: Callable[[int, str], Trial], seed: int
) -> None:
    trial = trial_of(seed, "local")
    run = trial.begin("--processes", "2")
    for _ in range(trial.random.randint(1, 3)):
        trial.until_at_work(run)
        victim = trial.random.choice(["worker", "worker", "coordinator"])
        if victim == "coordinator":
            run.kill()
            run.communicate()
            run = trial.begin("--processes", "2")
        elif workers := trial.workers():
            with suppress(ProcessLookupError):
                os.kill(trial.random.choice(workers), signal.SIGKILL)
    assert trial.ends(run) == 0
    trial.holds()


@contextmanager
def cluster_of_two(sandbox: Endpoint, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """A Dask scheduler and two workers: its address, and theirs pids."""
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, str(script)], env=sandbox.clean_env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        address, *pids = cluster.stdout.readline().split()
        yield address, [int(pid) for pid in pids]
        cluster.stdin.close()


@pytest.mark.parametrize("seed", seeds(amount(1, 2, 25)))
def test_a_worker_that_was_stopped_past_the_patience_and_woken_commits_nothing_twice(
    sandbox: Endpoint, tmp_path: Path, trial_of: Callable[[int, str], Trial], seed: int
) -> None:
    trial = trial_of(seed, "dask")
    state = f"s3://{trial.bucket}-state/"
    with cluster_of_two(sandbox, tmp_path) as (address, pids):
        run = trial.begin("--dask", address, "--state", state)
        trial.until_at_work(run)
        victim = trial.random.choice(pids)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGSTOP)
            time.sleep(PATIENCE_S + 2)  # the scheduler's own clock decides: there is nothing to wait for instead
            os.kill(victim, signal.SIGCONT)
        assert trial.ends(run) == 0
    trial.holds(state=state)


@pytest.mark.parametrize("seed", seeds(amount(1, 1, 10)))
def test_a_scheduler_that_is_killed_ends_the_run_and_another_one_goes_on(
    sandbox: Endpoint, tmp_path: Path, trial_of: Callable[[int, str], Trial], seed: int
) -> None:
    trial = trial_of(seed, "scheduler")
    state = f"s3://{trial.bucket}-state/"
    with cluster_of_two(sandbox, tmp_path) as (address, pids):
        run = trial.begin("--dask", address, "--state", state)
        trial.until_at_work(run)
        os.kill(parent_of(pids[0]), signal.SIGKILL)  # the scheduler, and whoever watches the workers
        assert trial.ends(run) in (0, 1)  # 0: all was carried just then
    with cluster_of_two(sandbox, tmp_path) as (address, _):
        assert trial.ends(trial.begin("--dask", address, "--state", state)) == 0
    trial.holds(state=state)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
