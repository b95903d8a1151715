"""What a process does with an order: today's run, on the keys of one shard."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
from anyio.to_thread import run_sync

from engine.errors import LedgerLocked, one_error
from engine.events import Event, Progress
from engine.ledger import Ledger
from engine.listing.sources import open_sources
from engine.shards.board import Board, Told
from engine.shards.order import Order, ShardEnded
from engine.sites.clock import now_ms
from engine.sites.opening import open_sites
from engine.sites.options import SiteOptions
from engine.transfer.migration import carry_out

LOCKED_FOR_S = 10.0
"""How long a shard's ledger may be held by a process whose end was not noticed yet."""

LOOKED_EVERY_S = 0.25


def carry_shard(order: Order) -> ShardEnded:
    """Carry a shard out, in this process. Raises what a run raises; what was done before is committed."""
    uvloop = importlib.util.find_spec("uvloop") is not None
    return anyio.run(_carry, order, backend_options={"use_uvloop": uvloop})


async def _carry(order: Order) -> ShardEnded:
    board = Board(order.board)
    heard = _Heard(board.passing_on(order.number))
    names = {piece.route for piece in order.pieces}
    plan = replace(order.plan, routes=tuple(route for route in order.plan.routes if route.name in names))
    options = replace(order.options, listener=heard, links=order.binding.links or None)
    async with (
        one_error(),
        open_sites(plan, options) as opened,
        open_sources(opened.store, plan) as opened.sources,
        await _open(order) as ledger,
        anyio.create_task_group() as beside,
    ):
        for name, value in order.notes.items():
            await ledger.set_note(name, value)
        await opened.remember(ledger, plan.routes[0].target.bucket)
        facts = await opened.facts(plan.places, lacking=True)
        stops: list[Callable[[], None]] = []
        beside.start_soon(_watch, order.number, board, heard, options, stops)
        run = await carry_out(
            plan,
            opened,
            ledger,
            options,
            store_of=opened.store,
            facts=facts.values(),
            guarded=order.guarded,
            listen_for_stop=stops.append,
            pieces=order.pieces,
            most=order.most,
        )
        beside.cancel_scope.cancel()
        if not run.stopped:
            await opened.sources.refuse_missing(ledger.knows)
        return ShardEnded(
            number=order.number,
            stopped=run.stopped,
            rest=tuple(run.rest),
            listings={} if run.stopped else run.listings,
            progress=run.progress(),
            pid=os.getpid(),
            measured=_measured(options),
            copied_bytes=run.counters.copied_bytes,
            unlisted=run.unlisted(),
        )
    raise AssertionError("the block above returns or raises")


class _Heard:
    """The run's listener: keeps its last figures, and passes the rest on."""

    def __init__(self, pass_on: Callable[[Event], None]) -> None:
        self._pass_on = pass_on
        self.progress = Progress()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
        else:
            self._pass_on(event)


async def _open(order: Order) -> Ledger:
    """The shard's ledger, once nobody else holds it. Raises `LedgerLocked` where somebody does for long."""
    until = anyio.current_time() + LOCKED_FOR_S
    while True:
        try:
            return await Ledger.open(order.path, order.binding, now_ms=now_ms)
        except LedgerLocked:
            if anyio.current_time() > until:
                raise
        await anyio.sleep(LOOKED_EVERY_S)


def _measured(options: SiteOptions) -> dict[str, Any] | None:
    return options.meter.figures() if options.meter is not None else None


async def _watch(
    number: int, board: Board, heard: _Heard, options: SiteOptions, stops: list[Callable[[], None]]
) -> None:
    """Tell how far the run is, and hear when it is to stop."""
    told: Progress | None = None
    while True:
        if heard.progress is not told:
            told = heard.progress
            await run_sync(board.tell, number, Told(os.getpid(), told, _measured(options)))
        if await run_sync(board.is_stop_asked):
            while stops:
                stops.pop()()
        await anyio.sleep(LOOKED_EVERY_S)
