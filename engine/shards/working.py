"""What a process does with an order: today's run, on the keys of one shard."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio

from engine.bucket_facts import BucketFacts
from engine.errors import EngineError, LedgerLocked, UsageError, one_error
from engine.events import Listener
from engine.extras import loop_factory
from engine.journal.views import Journals
from engine.ledger import Binding, Ledger
from engine.ledger.identity import this_machine
from engine.ledger.shard_places import AT_WORK, shard_name, shard_path
from engine.ledger.sharded import closing_of
from engine.ledger.sharded_reader import is_marked
from engine.listing.sources import Sources, open_sources
from engine.model import FILE_SITE, Location
from engine.plan.binding import is_same_owner
from engine.plan.coverage import Coverage, Stretch
from engine.plan.document import Plan
from engine.plan.shards import Piece, joined, lies_in, without
from engine.shards.board import Board, FolderBoard, Heard, StateBoard, Told
from engine.shards.order import Order, ShardEnded
from engine.shards.rates import SHARED_EVERY_S, Holding
from engine.sites.clock import now_ms
from engine.sites.opening import open_sites
from engine.sites.options import SiteOptions
from engine.sites.sites import Sites
from engine.transfer.migration import carry_out
from engine.transfer.pipeline import Extent, Run
from engine.version import __version__

LOCKED_FOR_S = 10.0
"""How long a shard's ledger may be held by a process whose end was not noticed yet."""

LOOKED_EVERY_S = 0.25

COVERED_EVERY_S = 5.0
COVERED = "covered"
"""The note of a shard's ledger of what was decided of its listing, while that goes on."""

KEPT = "kept-pieces"
"""The note of a shard's ledger of the pieces that it has left, once it has handed some over."""

_making = threading.Lock()


def carry_shard(order: Order) -> ShardEnded:
    """Carry a shard out, in this process. Raises what a run raises; what was done before is committed."""
    return anyio.run(_carry, order, backend_options={"loop_factory": loop_factory()})


def board_of(opened: Sites, folder: Path, state: Location | None, run: str) -> Board:
    """Where the processes of a run tell each other how far they are; in a folder there is one run at a time."""
    return FolderBoard(folder / AT_WORK) if state is None else StateBoard(opened.store(state), state, run)


async def _carry(order: Order) -> ShardEnded:
    names = {piece.route for piece in order.pieces}
    plan = replace(order.plan, routes=tuple(route for route in order.plan.routes if route.name in names))
    heard = Heard()
    options = replace(order.options, listener=heard, links=order.binding.links or None)
    lists = Path(_own_folder().name) if order.state is not None else None
    async with (
        one_error(),
        open_sites(order.plan, options) as opened,
        open_sources(opened.store, plan, kept_in=lists, sorted_at=order.sorted_at) as opened.sources,
        _open_ledger(order, opened, heard) as ledger,
    ):
        opened.sources.listed, opened.sources.was_read = order.listed, set(order.was_read)
        opened.begin_beside(order.neighbours)
        for item in order.met:
            opened.expect(item.where, item.rps, reads=item.reads)
        for name, value in order.notes.items():
            await ledger.set_note(name, value)
        await opened.remember(ledger, plan.routes[0].target.bucket)
        facts = await opened.facts(plan.places, lacking=True)
        refuse_other_folders(order.binding, plan, facts)
        refuse_other(order, plan, opened, facts.values())
        await refuse_other_lists(order, opened.sources)
        board = board_of(opened, order.folder, order.state, order.run)
        pieces = await _kept(ledger, order.pieces)
        gone = without(order.pieces, pieces)
        coverage = Coverage(await _covered(ledger, order, plan, pieces))
        runs: list[Run] = []
        async with anyio.create_task_group() as beside:
            beside.start_soon(_watch, order.number, board, heard, Holding(order.number, opened), options, runs)
            beside.start_soon(_keep_covered, ledger, order, runs)
            run = await carry_out(
                plan,
                opened,
                ledger,
                options,
                store_of=opened.store,
                guarded=order.guarded,
                begun=runs.append,
                extent=Extent(pieces, order.most, coverage=coverage, uncover=partial(_note_covered, ledger, order)),
            )
            beside.cancel_scope.cancel()
        await _note_covered(ledger, order, run)
        lost: dict[str, list[str]] = {}
        if not run.stopped:
            lost = await opened.sources.lost(ledger.knows)
            if run.rest:
                await ledger.set_note(KEPT, [list(piece) for piece in without(pieces, run.rest)])
        return ShardEnded(
            number=order.number,
            stopped=run.stopped,
            rest=() if run.stopped else (*gone, *run.rest),
            closing=await closing_of(ledger),
            listings={route: found for route, found in run.listings.items() if not (run.stopped or route in lost)},
            progress=run.progress(),
            pid=os.getpid(),
            measured=_measured(options),
            copied_bytes=run.counters.copied_bytes,
            events=heard.passed_on,
            unlisted=run.unlisted(),
            lost=lost,
            first_replaced=run.counters.first_replaced,
        )


async def _kept(ledger: Ledger, pieces: Sequence[Piece]) -> Sequence[Piece]:
    """What this shard has of the pieces: it may have handed over some that are ordered still. Then who coordinates
    ended before it could commit that, and is told again; or the order is an old one, which a worker that was stopped
    carries out late: others have those keys, and nobody waits for its answer."""
    noted = await ledger.note(KEPT)
    if noted is None:
        return pieces
    return [piece for item in noted if any(lies_in(piece := Piece(*item), outer) for outer in joined(pieces))]


async def _covered(ledger: Ledger, order: Order, plan: Plan, pieces: Sequence[Piece]) -> list[Stretch]:
    """What of the pieces was decided by whoever had this shard before, for the same snapshots, and is done. Of a folder
    nothing is left out: what lies there and cannot be an object is told anew."""
    noted = await ledger.note(COVERED) or {"stretches": [], "opened_ms": {}}
    same = {
        route.name
        for route in plan.routes
        if noted["opened_ms"].get(route.name) == order.opened_ms.get(route.name, 0)
        and not (route.source.is_local or route.target.is_local)
    }
    known = [Stretch(Piece(*piece), *figures) for piece, *figures in noted["stretches"]]
    return [
        item
        for item in known
        if item.piece.route in same
        and any(lies_in(item.piece, outer) for outer in joined(pieces))
        and not await ledger.has_undone(item.piece)
    ]


async def _keep_covered(ledger: Ledger, order: Order, runs: list[Run]) -> None:
    """Note now and then what another process need not list again, should this one end before its shard is done."""
    while True:
        await anyio.sleep(COVERED_EVERY_S)
        for run in runs:
            await _note_covered(ledger, order, run)


async def _note_covered(ledger: Ledger, order: Order, run: Run) -> None:
    covered = {"opened_ms": dict(order.opened_ms), "stretches": run.covered()}
    await ledger.set_note(COVERED, covered, durable=False)  # lost with the rows that it is about, and those after them


def refuse_other_folders(bound: Binding, plan: Plan, known: Mapping[Location, BucketFacts]) -> None:
    """Raise `UsageError` where a folder of the plan is not, for this process, the one that the run began with: what
    lies under its name here may be another machine's. There it is refused whatever is there: no number of a folder is
    sure to be another one there."""
    site = bound.all_sites.get(FILE_SITE)
    began_with = dict(site.buckets) if site is not None else {}
    here = this_machine()
    for where in plan.places:
        if not where.is_local:
            continue
        if bound.machine not in ("", here):
            why = f"is one of {bound.machine}, and this worker is on {here}"
        elif not is_same_owner(began_with.get(where.bucket, ""), known[where].owner_id if where in known else ""):
            why = f"is not the folder that the run began with, as the worker on {here} sees it"
        else:
            continue
        raise UsageError(
            f"{where.bucket} {why}: nothing was done there.",
            advice="Carry the plan on the machine that has the folder, with --processes and without --dask; or copy to "
            "or from S3 alone.",
        )


def refuse_other(order: Order, plan: Plan, opened: Sites, facts: Iterable[BucketFacts]) -> None:
    """Raise `UsageError` where this process is of another version than the one that coordinates, or its environment
    leads it to another endpoint or another owner's bucket."""
    if order.version != __version__:
        raise UsageError(
            f"a worker has Cartage {__version__}, and this is {order.version}.", advice="Install the same on all."
        )
    bound: Binding = order.binding
    for name in plan.sites_in_use:
        there = next(where for where in plan.places if where.site == name)
        known = bound.all_sites.get(name)
        endpoint = opened.site(there).endpoint
        if known is not None and known.endpoint and known.endpoint != endpoint:
            raise UsageError(f"a worker's environment leads it to {endpoint}, and the plan is at {known.endpoint}.")
    owners = {(site, name): owner for site, it in bound.all_sites.items() for name, owner in it.buckets}
    for item in facts:
        owner = owners.get((item.site, item.bucket))
        if item.owner_id and owner and not is_same_owner(owner, item.owner_id):
            raise UsageError(f"a worker finds the bucket {item.name} to belong to {item.owner_id}, another owner.")


async def refuse_other_lists(order: Order, sources: Sources) -> None:
    """Raise `UsageError` where this process reads a route's list itself, and it does not say what the run began with:
    what lies under the list's name here is another file, or the list was changed since."""
    bound = dict(order.binding.lists)
    advice = "A list that is not in S3 has to lie with every worker, the same; and none may change during a run."
    for route, listed in sources.lists.items():
        where = f'the list {listed.name} of route "{route}", as the worker {socket.gethostname()} reads it,'
        try:
            if await listed.sorted_at() == order.sorted_at.get(route):
                continue
            same = await listed.digest() == bound.get(route)
        except UsageError as error:
            raise UsageError(f"{where} will not do: {error}", advice=advice) from error
        if not same:
            raise UsageError(f"{where} is not the one that the run began with.", advice=advice)


def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Where this process keeps lists of keys in order from one shard to the next, if it finds nobody else's."""
    with _making:  # threads may carry shards too: a second folder would take the place of the first, which then goes
        return _made_folder()


@cache
def _made_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cartage-lists-")


@asynccontextmanager
async def _open_ledger(order: Order, opened: Sites, listener: Listener) -> AsyncIterator[Ledger]:
    """The shard's ledger: in the folder once nobody else holds it, or a view of its journal, which is this process's
    from now on. Raises `LedgerLocked` where somebody holds it for long, and `EngineError` where the run that gave the
    order was left, and its shard has been recorded as closed since or is another run's."""
    if order.state is not None:
        with tempfile.TemporaryDirectory(prefix="cartage-shard-") as folder:
            path = Path(folder) / f"{order.number:06}.ledger"
            async with await Ledger.open(path, order.binding, now_ms=now_ms) as ledger:
                journals = Journals(opened.store(order.state), order.state, listener=listener)
                await journals.join(ledger, shard_name(order.number), is_recorded=order.is_recorded)
                ledger.fresh = not await ledger.tallies()
                yield ledger
        return
    async with await _once_free(order) as ledger:
        if not await is_marked(order.folder, order.number, order.run):  # while it is held: then nobody closes it
            raise EngineError(f"shard {order.number} is not carried: the run that asked for it has ended.")
        yield ledger


async def _once_free(order: Order) -> Ledger:
    until = anyio.current_time() + LOCKED_FOR_S
    while True:
        try:
            return await Ledger.open(shard_path(order.folder, order.number), order.binding, now_ms=now_ms)
        except LedgerLocked:
            if anyio.current_time() > until:
                raise
        await anyio.sleep(LOOKED_EVERY_S)


def _measured(options: SiteOptions) -> dict[str, Any] | None:
    return options.meter.figures() if options.meter is not None else None


async def _watch(
    number: int, board: Board, heard: Heard, holding: Holding, options: SiteOptions, runs: list[Run]
) -> None:
    """Tell how far the run is and what came of its requests, hear how fast it may go, and when it is to stop or to hand
    over what it has not begun."""
    told, has_enough, copied_bytes = None, False, 0
    share_s = anyio.current_time() + SHARED_EVERY_S
    while True:
        now = anyio.current_time()
        if heard.progress is not told:
            told = heard.progress
            copied_bytes = runs[0].counters.copied_bytes if runs else copied_bytes
            said = Told(os.getpid(), told, _measured(options), now, holding.paces(), heard.outage, copied_bytes)
            await board.tell(number, said)
        if now >= share_s:
            share_s = now + SHARED_EVERY_S / 2
            holding.hear(now, await board.shares())
        if runs and await board.is_stop_asked():
            runs.pop().stop()
        elif runs and not has_enough and await board.is_rest_asked(number):
            has_enough = True
            runs[0].hand_over()
        await anyio.sleep(board.every_s)
