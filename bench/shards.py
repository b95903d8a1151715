"""`python -m bench.shards`: what a run costs the engine itself, by one process and by several, without a server.

Every round carries the same objects anew: on a ledger of one file, on one in shards by one process, and by
`--processes`. Ratios are of wall time, medians of the rounds, so the machine has to be quiet; processor time is that of
all processes. Memory is the most that one of them ever held. `--killed` measures something else: what it takes to go on
after a kill.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import click
import psutil

import engine.api.opening
import engine.shards.working
from bench.virtual import COPIED, OBJECTS, SOURCE, TARGET, open_virtual
from engine.api.options import Options
from engine.api.run import migrate
from engine.api.status import status
from engine.api.stopping import StopSignal
from engine.errors import LedgerMissing
from engine.events import Event, Progress
from engine.ledger import LedgerReader
from engine.ledger.shard_places import AT_WORK, SHARDS, index_path, shard_path
from engine.ledger.sharded_reader import ShardedReader
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.process import calm_collector
from engine.shards.board import FolderBoard
from engine.shards.order import Order, ShardEnded
from engine.shards.processes import LocalProcesses
from engine.shards.working import carry_shard

PLAN = f"""
name = "virtual"
[[routes]]
name = "r"
from = "s3://nowhere/{SOURCE}"
to = "s3://nowhere/{TARGET}"
"""


class Virtual(LocalProcesses):
    """Processes whose store is the virtual one."""

    def __init__(self, count: int, sizes_kb: list[int]) -> None:
        super().__init__(count)
        self._sizes_kb = sizes_kb

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is not carry_shard:
            return super().submit(fn, *args, **kwargs)
        future = super().submit(carry_virtual, *args, **kwargs)
        inner: Future[Any] = Future()

        def passed(done: Future[tuple[ShardEnded, int]]) -> None:
            if (error := done.exception()) is not None:
                inner.set_exception(error)
                return
            ended, size_kb = done.result()
            self._sizes_kb.append(size_kb)
            inner.set_result(ended)

        future.add_done_callback(passed)
        return inner


def carry_virtual(order: Order) -> tuple[ShardEnded, int]:
    """In a process: the shard on the virtual store, and the most memory that the process ever held."""
    setattr(engine.shards.working, "open_sites", open_virtual)  # noqa: B010
    ended = carry_shard(order)
    return ended, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def virtual_here(objects: int) -> Iterator[None]:
    """Have this process, and those that it begins, meet the virtual store."""
    os.environ[OBJECTS] = str(objects)
    before = getattr(engine.api.opening, "open_sites")  # noqa: B009
    setattr(engine.api.opening, "open_sites", open_virtual)  # noqa: B010
    try:
        yield
    finally:
        setattr(engine.api.opening, "open_sites", before)  # noqa: B010


def _processor_s() -> float:
    """Of this process and those that it began and that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in both)


def carried(folder: Path, name: str, processes: int, objects: int) -> tuple[float, float, int]:
    """Carry every object on a new ledger, or go on with the one there: seconds, processor seconds, and the most memory
    in kilobytes.
    `processes` 0 is one file."""
    plan = Plan.parse(PLAN, str(folder / "virtual.toml"))
    sizes_kb: list[int] = []
    seen = Progress()

    def listen(event: Event) -> None:
        nonlocal seen
        seen = event if isinstance(event, Progress) else seen

    options = Options(ledger=folder / f"{name}.ledger", processes=processes or None, assume="aws", listener=listen)
    executor = Virtual(processes, sizes_kb) if processes else None
    begun, spent = time.perf_counter(), _processor_s()
    if executor is not None:
        executor.start()  # as a run does with its own
    result = anyio.run(lambda: migrate(plan, options, executor=executor), backend_options={"use_uvloop": True})
    took_s = time.perf_counter() - begun
    if executor is not None:
        executor.shutdown()
    if not result.complete or sum(item.objects for item in result.tallies) != objects:
        raise SystemExit(f"{name}: {result.tallies}")
    processor_s = _processor_s() - spent
    return took_s, processor_s, max([*sizes_kb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])


def reopen_two(ledger: Path) -> None:
    """As if the run had been stopped while its last two shards were carried."""
    with closing(sqlite3.connect(index_path(ledger))) as connection, connection:
        last_two = "SELECT number FROM shards ORDER BY number DESC LIMIT 2"
        connection.execute(f"DELETE FROM shard_listings WHERE shard IN ({last_two})")
        connection.execute("UPDATE routes SET closed_ms = 0")


def carried_there(folder: Path, processes: int, objects: int) -> None:
    """In a process: carry every object."""
    calm_collector()
    with virtual_here(objects):
        carried(folder, "killed", processes, objects)


def show_killed(folder: Path, processes: int, objects: int) -> None:
    """Kill a run in the middle, with as many shards open as there are processes, and go on with it: what that takes
    until it is where it was, with everything that the open shards had done accounted for."""
    ledger = folder / "killed.ledger"
    run = multiprocessing.get_context("spawn").Process(target=carried_there, args=(folder, processes, objects))
    run.start()
    while run.is_alive() and _done(ledger) < objects // 2:
        time.sleep(0.2)
    run.kill()
    run.join()
    board = FolderBoard(ledger / AT_WORK)
    while any(psutil.pid_exists(told.pid) for number in range(1, 1_000) if (told := board.told_now(number))):
        time.sleep(0.1)  # they end by themselves
    closed, open_, rows, done = anyio.run(_left, ledger)
    click.echo(f"killed: {closed} shards closed, {open_} open with {rows:,} rows, {done:,} of them done")
    os.environ[COPIED] = "1"
    stop, this, caught = StopSignal(), psutil.Process(), list[float]()

    def spent() -> float:
        times = [item.cpu_times() for item in [this, *this.children(recursive=True)]]
        return sum(item.user + item.system for item in times)

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done >= done and not caught:
            caught.extend([time.perf_counter() - begun, spent() - before])
            stop.request()

    begun, before = time.perf_counter(), spent()
    options = Options(ledger=ledger, processes=processes, assume="aws", listener=listen)
    plan = Plan.parse(PLAN, str(folder / "virtual.toml"))
    with Virtual(processes, []) as executor:
        executor.start()
        anyio.run(lambda: migrate(plan, options, stop=stop, executor=executor), backend_options={"use_uvloop": True})
    del os.environ[COPIED]
    click.echo(f"where it was: after {caught[0]:.1f} s, {caught[1]:.1f} s of processor")


def _done(ledger: Path) -> int:
    try:
        tallies = anyio.run(lambda: status(ledger)).tallies
    except LedgerMissing:
        return 0
    return sum(item.objects for item in tallies if item.state is State.COPIED)


async def _left(ledger: Path) -> tuple[int, int, int, int]:
    """Shards that have ended and that are open, the rows of these, and how many of those are done."""
    async with await ShardedReader.open_to_read(ledger) as index:
        shards = await index.shards()
    open_ = [item.number for item in shards if item.is_open]
    rows = done = 0
    for number in open_:
        async with await LedgerReader.open_to_read(shard_path(ledger, number)) as shard:
            tallies = await shard.tallies()
        rows += sum(item.objects for item in tallies)
        done += sum(item.objects for item in tallies if item.state is State.COPIED)
    return sum(bool(item.listed) for item in shards), len(open_), rows, done


@click.command()
@click.option("--objects", default=1_000_000, show_default=True, help="From so many on a run takes several by itself.")
@click.option("--processes", default=2, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--only-shards", is_flag=True, help="Leave out one file, and one process.")
@click.option("--killed", is_flag=True, help="Measure instead what it takes to go on after a kill in the middle.")
def main(objects: int, processes: int, rounds: int, only_shards: bool, killed: bool) -> None:
    """Carry OBJECTS by one process and by several, each on ledgers of their own, and compare."""
    calm_collector()  # as a command does
    if killed:
        with virtual_here(objects), tempfile.TemporaryDirectory(prefix="cartage-bench-") as text:
            show_killed(Path(text), processes, objects)
        return
    ways = {"one file": 0, "shards, 1 process": 1, f"shards, {processes} processes": processes}
    if only_shards:
        ways = {name: count for name, count in ways.items() if count > 1}
    took: dict[str, list[float]] = {name: [] for name in ways}
    with virtual_here(objects), tempfile.TemporaryDirectory(prefix="cartage-bench-") as text:
        folder = Path(text)
        for _ in range(rounds):
            for name, count in ways.items():
                took_s, processor_s, most_kb = carried(folder, f"l{count}", count, objects)
                took[name].append(took_s)
                click.echo(
                    f"{name}: {took_s:.2f} s, {processor_s / objects * 1e6:.1f} µs of processor an object, "
                    f"{most_kb // 1024} MB"
                )
                if count == processes and len(took[name]) == rounds:
                    show_again(folder, f"l{count}", count, objects)
                _remove(folder / f"l{count}.ledger")
    middle = {name: statistics.median(times) for name, times in took.items()}
    base = next(iter(middle.values()))
    for name, took_s in middle.items():
        click.echo(f"{name}: {base / took_s:.2f} × the first")


def show_again(folder: Path, name: str, processes: int, objects: int) -> None:
    """What the ledger takes, and what it takes to open it and to go on with it."""
    ledger = folder / f"{name}.ledger"
    size = sum(item.stat().st_size for item in ledger.rglob("*") if item.is_file())
    shards = len(list((ledger / SHARDS).glob("*.ledger")))
    click.echo(f"ledger: {size / objects:.0f} bytes an object, in {shards} shards")
    begun, spent = time.perf_counter(), _processor_s()
    anyio.run(lambda: status(ledger))
    opened_s, processor_s = time.perf_counter() - begun, _processor_s() - spent
    click.echo(f"status: {opened_s:.2f} s, {processor_s:.2f} s of processor")
    reopen_two(ledger)
    os.environ[COPIED] = "1"
    took_s, processor_s, _ = carried(folder, name, processes, objects)
    del os.environ[COPIED]
    click.echo(f"all but two shards closed: {took_s:.1f} s to the end, {processor_s:.1f} s of processor")


def _remove(ledger: Path) -> None:
    if ledger.is_dir():
        shutil.rmtree(ledger)
        return
    for item in ledger.parent.glob(f"{ledger.name}*"):
        item.unlink()


if __name__ == "__main__":
    sys.exit(main())
