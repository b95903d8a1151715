"""Who carries a plan out: this process, or several, each with shards of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio.to_thread

from engine.api.opening import with_own
from engine.api.options import Options, ledger_path
from engine.api.stopping import StopSignal
from engine.errors import UsageError
from engine.ledger import Ledger, ShardedLedger, is_one_file
from engine.plan.document import Plan
from engine.plan.locations import state_of
from engine.plan.shards import Piece
from engine.shards.processes import LocalProcesses
from engine.sites.sites import Sites
from engine.store import StoreOf
from engine.transfer.counting import Carried
from engine.transfer.migration import carry_out
from engine.transfer.pipeline import Extent

WORTH_MORE = 1_000_000
"""So many objects, by what the plan expects, are worth more than one process: below, one is done before others have
begun to pay."""


def processes_for(plan: Plan, options: Options, path: Path, *, executor: Executor | None = None) -> int:
    """How many processes are to carry the plan out. Unless told otherwise, a plan that expects many objects is carried
    by as many as there are processors. A ledger of one file that holds objects is carried by one.

    Raises `UsageError` below one, for several on a ledger of one file, and for a session that other processes would
    need."""
    asked = options.processes
    if asked is not None and asked < 1:
        raise UsageError("--processes must be at least 1")
    several = executor is not None or (asked or 1) > 1
    if options.session is not None:
        if several or path.is_dir():
            raise UsageError(
                "a session cannot be handed to other processes.",
                advice="Leave it out: each process finds the credentials of its environment.",
            )
        return 1
    if is_one_file(path):
        if several:
            raise UsageError(
                f"the ledger {path} is one file, which one process writes.",
                advice="Leave out --processes; or begin a new ledger with --ledger: what is copied is found.",
            )
        return 1
    if asked is not None:
        return asked
    if executor is not None:
        return int(getattr(executor, "_max_workers", 0) or os.cpu_count() or 1)
    expected = max((item.objects or 0 for item in plan.expectations), default=0)
    return os.cpu_count() or 1 if path.is_dir() or expected >= WORTH_MORE else 1


@asynccontextmanager
async def begun(executor: Executor | None, processes: int) -> AsyncIterator[Executor]:
    """Who carries shards: the executor that was given, or processes of this machine's own. Several are begun at once:
    they load what they need while the ledger and the buckets are looked at."""
    if executor is not None:
        yield executor
        return
    own = LocalProcesses(processes)
    try:
        if processes > 1:
            own.start()
        yield own
    except BaseException:
        own.kill()
        raise
    finally:
        with anyio.CancelScope(shield=True):  # one that meets the interpreter's end may say so in a traceback
            await anyio.to_thread.run_sync(partial(own.shutdown, cancel_futures=True))


async def carry(
    options: Options,
    pieces: Sequence[Piece] | None,
    *,
    plan: Plan,
    opened: Sites,
    ledger: Ledger,
    store_of: StoreOf,
    processes: int,
    executor: Executor,
    stop: StopSignal,
) -> Carried:
    """Carry the plan out on its ledger, by what form that has; where `pieces` are given, only what is in them, or of a
    ledger in shards the shards that hold any of it. Raises as `engine.migrate`."""
    if not isinstance(ledger, ShardedLedger):
        run = await carry_out(
            plan,
            opened,
            ledger,
            options,
            store_of=store_of,
            guarded=options.conditional_writes,
            begun=lambda run: stop.listen(run.stop),
            extent=Extent(pieces, part=pieces is not None),
        )
        if not run.stopped:
            await opened.sources.refuse_missing(ledger.knows)
        gauges = opened.gauges()
        return Carried(run.counters, run.stopped, run.unlisted(), gauges.requests, gauges.throttled)
    from engine.shards.coordinating import Coordinator

    coordinator = Coordinator(
        plan,
        opened,
        ledger,
        with_own(options, ledger_path(plan, options)),
        executor,
        processes,
        guarded=options.conditional_writes,
        state=state_of(options.state, plan.name) if options.state is not None else None,
        pieces=pieces,
    )
    stop.listen(coordinator.stop)
    carried, gauges = await coordinator.go(), opened.gauges()
    return carried._replace(requests=carried.requests + gauges.requests, throttled=carried.throttled + gauges.throttled)
