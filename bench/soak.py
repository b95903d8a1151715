"""`python -m bench.soak`: a long run under faults, in one process whose memory, files and tasks are watched.

python -m bench.soak --minutes 20 --save     what docs/reliability.md shows
python -m bench.soak --minutes 2             what CI does
python -m bench.soak --kills 300 --save      commands killed at so many moments (tests/faults/test_crashes.py)
python -m bench.soak --matrix full --save    every fault, with five seeds (tests/faults/test_matrix.py)
python -m bench.soak --chaos --minutes 20 --save     users, two machines, stops and kills (tests/faults/test_chaos.py)
python -m bench.soak --render                docs/reliability.md again from the committed results

The sandbox allows so many writes a second and answers the rest with SlowDown; about one request in a hundred meets a
fault. On top come storms (ten seconds in which 90 % of all requests are refused), a network that is gone, a clock that
jumps by ten minutes, and credentials that expire every 30 seconds, which a `credential_process` renews.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import click
import psutil

from bench import reliability
from bench.rest import Rest, at_rest
from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.events import Event, Progress
from engine.plan.document import Plan
from engine.sandbox import FaultRule, SandboxSettings, start_sandbox
from engine.sandbox.launch import Sandbox

RATE_RPS = 400.0
STORM_S, STORM_SHARE = 10.0, 0.9
CREDENTIALS_S = 30
JUMP_S = 600.0
LARGE_BYTES = 6 << 30
"""One object over 5 GiB a run, so that uploads are met too."""

RECOVERED_SHARE, WINDOW_S = 0.9, 3.0
MOST_RECOVERY_S = 60.0
BLOCKS_GROWTH, NATIVE_GROWTH_MB, FILES_GROWTH, TASKS_GROWTH = 10_000, 2.0, 2, 2
"""What the last run may add to what the first came to. A run of a minute copies 13,000 objects, so that a leak of one
block of memory an object is seen, and one of 160 bytes in C. Of files and tasks only what is left at rest tells of a
leak: how many workers a queue has follows what it may send, and is anything from 32 to 1,024 under a rate limit."""

MEMORY_GROWTH_MB = 64.0
"""The process as a whole has a looser bound: it keeps the holes that its largest moment left behind. That is a listing
of which one page is slow (a fault) while the others are read ahead: the pages of 32 ranges may take this much."""

STEADY = (
    FaultRule("reset-served", probability=0.002),
    FaultRule("reset-unserved", probability=0.002),
    FaultRule("500", probability=0.002),
    FaultRule("200-error", "CopyObject", probability=0.002),
    FaultRule("200-empty", "CopyObject", probability=0.001),
    FaultRule("cut-body", probability=0.001),
    FaultRule("cut-headers", probability=0.001),
    FaultRule("close-idle", probability=0.002),
    FaultRule("slow-bytes", probability=0.001, delay_ms=20),
)

RENEW = """import http.client, json, sys, time
connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=10)
token = "soak-%f" % time.time()
connection.request("POST", "/_cartage/credentials", json.dumps({{"token": token, "lifetime_s": {lasts}}}),
                   {{"x-cartage-secret": {secret!r}}})
said = json.loads(connection.getresponse().read())
open({count!r}, "a").write(".")
end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + {lasts}))
print(json.dumps({{"Version": 1, "AccessKeyId": said["access_key"], "SecretAccessKey": said["secret_key"],
                  "SessionToken": token, "Expiration": end}}))
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens so many seconds into a run. `lasts_s` is how long, where that matters."""

    at_s: float
    what: str
    lasts_s: float = 0.0


class Sample(NamedTuple):
    """The process at one moment of a run, `at_s` after it began."""

    run: float
    at_s: float
    memory_mb: float
    files: float
    tasks: float


@dataclass(slots=True)
class Soak:
    """Everything that was seen. `recoveries_s`: from a trouble's end to nine tenths of the speed before it; `samples`
    holds the values of each `Sample` in turn, as numbers and not as objects, which would be counted as a leak."""

    minutes: float
    runs: int = 0
    objects: int = 0
    requests: int = 0
    throttled: int = 0
    verified: int = 0
    storms: int = 0
    due: dict[str, int] = field(default_factory=dict)
    outages: int = 0
    outage_s: float = 0.0
    clock_jumps: int = 0
    renewals: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    recoveries_s: list[float] = field(default_factory=list)
    samples: array[float] = field(default_factory=lambda: array("d"))
    rests: list[Rest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def seen(self) -> list[Sample]:
        width = len(Sample._fields)
        return [Sample(*self.samples[at : at + width]) for at in range(0, len(self.samples), width)]


def timeline(run_s: float) -> list[Trouble]:
    """The troubles of a run. They are the same in every run: what the first one does not grow by, a leak does."""
    long = run_s >= 200
    troubles = [Trouble(run_s * share, "storm", STORM_S) for share in ((0.12, 0.78) if long else (0.12,))]
    troubles += [Trouble(run_s * share, "jump") for share in (0.4, 0.43)]
    troubles.append(Trouble(run_s * 0.5, "outage", 60.0 if long else 8.0))
    return sorted(troubles, key=lambda item: item.at_s)


async def soak(minutes: float, say: Callable[[str], None]) -> Soak:
    """Run, verify and watch for so long."""
    found = Soak(minutes)
    runs = max(2, round(minutes / 5))
    run_s = minutes * 60 / runs
    settings = SandboxSettings(latency_ms=20, rate_rps=RATE_RPS, read_rate_rps=10 * RATE_RPS, faults=STEADY)
    with tempfile.TemporaryDirectory(prefix="cartage-soak-") as folder, start_sandbox(settings) as sandbox:
        counter = Path(folder) / "renewals"
        with _credentials(sandbox, Path(folder), counter):
            for number in range(runs):
                await _one_run(found, sandbox, Path(folder), number, timeline(run_s), run_s, say)
        found.renewals = counter.stat().st_size
        _keep_faults(found, sandbox)
        if left := sandbox.control("uploads")["uploads"]:
            found.problems.append(f"{len(left)} uploads are left")
    judge(found)
    return found


async def _one_run(
    found: Soak,
    sandbox: Sandbox,
    folder: Path,
    number: int,
    troubles: list[Trouble],
    run_s: float,
    say: Callable[[str], None],
) -> None:
    # Storms and outages take their time off; what is left is done at the rate that the server allows.
    lost_s = sum(item.lasts_s for item in troubles) * 1.2
    count = max(500, int((run_s - lost_s) * RATE_RPS * 0.85))
    bucket = f"soak-{number}"
    sandbox.control("fill", {"bucket": bucket, "prefix": "old/data/", "count": count, "size": 100_000})
    sandbox.control("fill", {"bucket": bucket, "prefix": "old/large/", "count": 1, "size": LARGE_BYTES})
    plan = Plan.of(f"s3://{bucket}/old/", f"s3://{bucket}/new/", name=bucket)
    progress: list[Progress] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            progress[:] = [event]

    options = Options(
        ledger=folder / f"{bucket}.ledger", endpoint_url=sandbox.url, region=sandbox.region, profile="soak",
        listener=listen,
    )  # fmt: skip
    for trouble in troubles:
        found.due[trouble.what] = found.due.get(trouble.what, 0) + 1
    watching = asyncio.create_task(_watch(found, number))
    troubling = asyncio.create_task(_trouble(found, sandbox, troubles, progress, say))
    started = time.monotonic()
    result = await migrate(plan, options)
    took_s = time.monotonic() - started
    troubling.cancel()
    report = await verify(plan, options)
    watching.cancel()
    await asyncio.gather(watching, troubling, return_exceptions=True)
    say(f"run {number + 1}: {result.copied:,} copied in {took_s:.0f} s, {result.throttled:,} SlowDown")
    found.runs += 1
    found.objects += result.copied + result.counters.found
    found.requests += result.requests
    found.throttled += result.throttled
    found.verified += sum(route.verified for route in report.routes)
    if not result.complete and not (await migrate(plan, options)).complete:
        found.problems.append(f"run {number + 1} is not complete, nor is it after another")
    if not report.agrees and not (await verify(plan, options)).agrees:
        found.problems.append(f"the verification of run {number + 1} found differences")
    found.rests.append(at_rest())


async def _watch(found: Soak, run: int) -> None:
    """A sample a second."""
    process = psutil.Process()
    began = time.monotonic()
    while True:
        memory_mb, at_s = round(process.memory_info().rss / 1e6, 1), round(time.monotonic() - began)
        found.samples.extend((run, at_s, memory_mb, process.num_fds(), len(asyncio.all_tasks())))
        await asyncio.sleep(1.0)


async def _trouble(
    found: Soak,
    sandbox: Sandbox,
    troubles: list[Trouble],
    progress: list[Progress],
    say: Callable[[str], None],
) -> None:
    began = time.monotonic()
    for trouble in troubles:
        await asyncio.sleep(max(0.0, began + trouble.at_s - time.monotonic()))
        say(f"  {time.monotonic() - began:.0f} s: {trouble.what}")
        before = await _speed(progress) if trouble.lasts_s else 0.0
        if trouble.what == "storm":
            _keep_faults(found, sandbox)
            await _ask(sandbox, "settings", {"faults": [asdict(rule) for rule in (storm(), *STEADY)]})
            found.storms += 1
        elif trouble.what == "outage":
            await _ask(sandbox, "refuse_connections", {"seconds": trouble.lasts_s})
            found.outages += 1
            found.outage_s += trouble.lasts_s
        else:
            sign = 1 if found.clock_jumps % 2 == 0 else -1
            await _ask(sandbox, "advance_clock", {"seconds": sign * JUMP_S})
            found.clock_jumps += 1
        if trouble.lasts_s:
            await asyncio.sleep(trouble.lasts_s)
            recovery_s = await _recovery(progress, before)
            found.recoveries_s.append(round(recovery_s, 1))
            say(f"  {before:.0f} a second before, back after {recovery_s:.0f} s")


async def _ask(sandbox: Sandbox, command: str, arguments: dict[str, Any]) -> None:
    await asyncio.to_thread(sandbox.control, command, arguments)


def storm() -> FaultRule:
    return FaultRule("503", probability=STORM_SHARE, to_s=STORM_S)


def _keep_faults(found: Soak, sandbox: Sandbox) -> None:
    """New rules begin their counts anew: keep the old ones."""
    for kind, count in sandbox.control("stats")["faults"].items():
        found.faults[kind] = found.faults.get(kind, 0) + count


async def _speed(progress: list[Progress]) -> float:
    """Objects done a second, over a window from now on."""
    began, done = time.monotonic(), progress[0].done if progress else 0
    await asyncio.sleep(WINDOW_S)
    return ((progress[0].done if progress else 0) - done) / (time.monotonic() - began)


async def _recovery(progress: list[Progress], before: float) -> float:
    """How long it takes until a window has nine tenths of the speed before."""
    began = time.monotonic()
    while time.monotonic() - began < MOST_RECOVERY_S:
        if await _speed(progress) >= RECOVERED_SHARE * before:
            return time.monotonic() - began - WINDOW_S
    return MOST_RECOVERY_S


@contextmanager
def _credentials(sandbox: Sandbox, folder: Path, counter: Path) -> Iterator[None]:
    """A profile whose credentials last 30 seconds and come from a process."""
    script = folder / "renew.py"
    counter.touch()
    script.write_text(
        RENEW.format(port=sandbox.control_port, secret=sandbox.control_secret, lasts=CREDENTIALS_S, count=str(counter))
    )
    config = folder / "config"
    config.write_text(f"[profile soak]\nregion = {sandbox.region}\ncredential_process = {sys.executable} {script}\n")
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def judge(found: Soak) -> None:
    """Add what is not as it has to be to `problems`."""
    first, last = found.rests[0], found.rests[-1]
    for what, (was, now), limit in (
        ("memory at rest, in MB,", (first.memory_mb, last.memory_mb), MEMORY_GROWTH_MB),
        ("blocks of live objects at rest", (first.blocks, last.blocks), BLOCKS_GROWTH),
        ("memory in use by C at rest, in MB,", (first.native_mb, last.native_mb), NATIVE_GROWTH_MB),
        ("open files at rest", (first.files, last.files), FILES_GROWTH),
        ("tasks at rest", (first.tasks, last.tasks), TASKS_GROWTH),
    ):
        if now - was > limit:
            found.problems.append(f"{what} grew from {was:,.0f} in the first run to {now:,.0f} in the last")
    slow = [item for item in found.recoveries_s if item >= MOST_RECOVERY_S]
    if slow:
        found.problems.append(f"{len(slow)} times full speed had not returned after {MOST_RECOVERY_S:.0f} s")
    if found.due != {"storm": found.storms, "outage": found.outages, "jump": found.clock_jumps}:
        found.problems.append("a run was over before all its troubles had come")
    if found.renewals < found.minutes * 60 / CREDENTIALS_S / 4:
        found.problems.append(f"credentials were renewed only {found.renewals} times")


def _first_and_last(found: Soak, what: str) -> tuple[float, float]:
    """Of the first run and of the last: the median in its last third, when it has met every trouble once."""
    columns = ([getattr(sample, what) for sample in found.seen() if sample.run == run] for run in (0, found.runs - 1))
    was, now = (float(statistics.median(column[2 * len(column) // 3 :])) for column in columns)
    return was, now


def as_values(found: Soak) -> dict[str, Any]:
    """For the results file: of the samples, what the first and the last run came to, and the most."""
    values = asdict(found)
    samples = found.seen()
    for what in ("memory_mb", "files", "tasks"):
        was, now = _first_and_last(found, what)
        peak = max(getattr(sample, what) for sample in samples)
        values[what] = {"first_run": round(was, 1), "last_run": round(now, 1), "peak": peak}
    largest = max(samples, key=lambda sample: sample.memory_mb)
    values["memory_mb"]["peak_in"] = f"run {largest.run + 1:.0f}, {largest.at_s:.0f} s"
    values["samples"] = len(samples)
    return values


@click.command(help=__doc__, context_settings={"max_content_width": 100})
@click.option("--minutes", type=click.FloatRange(0.5), default=20.0, show_default=True)
@click.option("--kills", type=click.IntRange(1), help="Kill commands at so many moments instead.")
@click.option("--matrix", type=click.Choice(["ci", "full"]), help="Try every fault instead.")
@click.option("--chaos", is_flag=True, help="Chaos for so many minutes instead.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The first seed of chaos.")
@click.option("--save", is_flag=True, help="Keep the result in bench/results, and write docs/reliability.md anew.")
@click.option("--render", is_flag=True, help="Try nothing: docs/reliability.md from the committed results.")
def main(
    minutes: float, kills: int | None, matrix: str | None, chaos: bool, seed: int, save: bool, render: bool
) -> None:
    if render:
        reliability.render()
        return
    if kills or matrix or chaos:
        values = reliability.tried(kills=kills, matrix=matrix, chaos_minutes=minutes if chaos else None, seed=seed)
        if save and not values["failed"]:
            reliability.keep(values)
        raise SystemExit(values["failed"] != 0)
    found = asyncio.run(soak(minutes, lambda line: click.echo(line, err=True)))
    values = as_values(found)
    click.echo(reliability.soak_text(values))
    for problem in found.problems:
        click.echo(f"problem: {problem}", err=True)
    if save:
        reliability.keep({"soak": values})
    raise SystemExit(1 if found.problems else 0)


if __name__ == "__main__":
    main()
