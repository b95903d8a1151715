"""What every call on a plan begins with: its sites, and the ledger that belongs to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api import commands
from engine.api.lists import bind_lists
from engine.api.options import Options, ledger_path
from engine.errors import BucketMissing, LedgerLocked, LedgerMismatch, LedgerMissing, UsageError
from engine.events import Doing, Notice, RunStarted
from engine.finish.failed_sync import conclude_failed_sync
from engine.journal.holding import AtWork
from engine.journal.place import given_of, place_of
from engine.journal.state import refuse_unfit
from engine.journal.views import Journals
from engine.ledger import (
    Binding,
    Ledger,
    ShardedLedger,
    SiteBinding,
    is_there,
    open_to_read,
    open_to_write,
    refuse_other_folder,
)
from engine.ledger.files import files_of, lists_path
from engine.ledger.identity import this_machine
from engine.ledger.rebinding import VIEW
from engine.ledger.sharded import follow as bring_up
from engine.ledger.sharded import is_begun
from engine.listing.sources import open_sources
from engine.logs import destination
from engine.model import FILE_SITE, Location
from engine.plan.document import Plan
from engine.plan.in_place import refuse_in_place
from engine.plan.lifecycle import State
from engine.plan.locations import state_of
from engine.plan.overlap import refuse_collisions
from engine.plan.record import objects_by_route
from engine.sites.clock import now_ms, time_text
from engine.sites.opening import open_sites
from engine.sites.sites import Sites
from engine.sites.traits import VERBS


def with_own(options: Options, ledger: Path) -> Options:
    """The options of a call, with what it writes itself among its own files: the ledger, or list, at a place, and the
    log."""
    log = destination()
    logged = [log.file] if log is not None and log.file is not None else []
    own = [*options.own_files, *files_of(ledger), *logged]
    return replace(options, own_files=tuple(dict.fromkeys(file.absolute() for file in own)))


def tell_own(options: Options, ledger: Path, places: Iterable[Location]) -> None:
    """Have the listener hear of files of the call's own that lie in the folders that it is about. Blocks."""
    for where in dict.fromkeys(place for place in places if place.is_local and place.is_prefix):
        from engine.folder.apart import lies_in  # only where there is one

        own, folder = with_own(options, ledger).own_files, Path(where.bucket, where.key)
        if inside := [file for file in own if file.exists() and lies_in(file, folder)]:
            said = f"{inside[0]} lies in {where}: this command's own files there are no part of it"
            options.listener(Notice("OwnFiles", said))


LISTS_EMPTIED = (
    "All that the ledger knows of there was proven, and deleted by cleanup: its owner may have removed it since. {} "
    "would list it; what does without it is: {}"
)


async def open_ledger(
    plan: Plan,
    opened: Sites,
    options: Options,
    command: str,
    *,
    create: bool = True,
    writes: bool = False,
    lists: bool = False,
    in_shards: bool = False,
    clock: Callable[[], int] = now_ms,
) -> Ledger:
    """Open the plan's ledger for writing, for a command of that name; `clock` is what its rows are dated by. What the
    routes' lists say is bound as well, where the plan was opened with them. A bucket that is not there is found out
    here, before anything is made for it; `writes`: targets' folders are made then, and what is kept in S3 is taken over
    from whoever is at work on it elsewhere; `lists`: sources are listed then, which cannot be done without their
    buckets, also where all of them was deleted; `in_shards` is the form of a new one."""
    path = ledger_path(plan, options)
    await refuse_one_file(path, options)
    await anyio.to_thread.run_sync(refuse_other_folder, path)
    await _settle_folders(plan, path, opened, make=writes)
    try:
        binding = await binding_of(plan, opened)
    except BucketMissing as error:
        opened.emptied = set() if writes else await emptied(plan, opened, options)
        if not opened.emptied:
            raise
        binding = await binding_of(plan, opened)  # which raises of what else is missing
        if lists:
            error.advice = LISTS_EMPTIED.format(command, commands.command(plan, options.ledger, "receipt"))
            raise
    if options.state is not None and FILE_SITE in plan.sites_in_use:
        binding = replace(binding, machine=this_machine())
    journals = await _journals(plan, opened, options, command, takes_over=writes)
    if journals is not None and not create and not await is_begun(path, journals):  # else an empty one would be made
        raise nothing_carried(options)
    if is_there(path):
        options.listener(Doing("checking the ledger"))
    ledger = await open_to_write(
        path, binding, now_ms=clock, create=create or journals is not None, journals=journals, in_shards=in_shards
    )
    try:
        await refuse_other_state(ledger, options, create=create)
        await opened.remember(ledger, plan.routes[0].target.bucket)
        await bind_lists(ledger, opened.sources, binding.lists, options.listener)
        await conclude_failed_sync(ledger, plan.routes)  # a cleanup that was killed may have left that to us
    except BaseException:
        await ledger.close()
        raise
    return ledger


async def refuse_one_file(path: Path, options: Options) -> None:
    """Raise `LedgerMismatch` for a ledger of one file where a state in S3 is asked for: it is no view of that."""
    if options.state is not None and await anyio.Path(path).is_file():
        raise LedgerMismatch(
            f"the ledger {path} is one file, and what is kept with --state is a folder.",
            advice="Leave --state out; or begin a new ledger with --ledger: what is copied is found.",
        )


async def binding_of(plan: Plan, opened: Sites, *, folders: bool = True) -> Binding:
    """What a ledger of the plan is bound to, here and now; without `folders` nothing is said of these, since who goes
    into none may be on any machine. Raises as `Sites.facts`, and `PlanError` where two sites
    turn out to be one server and routes meet there."""
    own, *others = await _bind_sites(plan, opened, folders=folders)
    lists = tuple([(name, await listed.digest()) for name, listed in opened.sources.lists.items()])
    links = opened.folders.manner.links if opened.folders is not None and folders else ""
    return Binding(plan.name, own.endpoint, plan.binding_routes, own.buckets, lists, tuple(others), links)


async def _journals(plan: Plan, opened: Sites, options: Options, command: str, *, takes_over: bool) -> Journals | None:
    """Where the ledger's changes are kept besides. Raises `UsageError` for a place that will not do."""
    if options.state is None:
        return None
    place = state_of(options.state, plan.name)
    store = opened.store(place)
    facts = await opened.facts([place])
    await refuse_unfit(store, place, plan.routes, facts[place.whole_bucket], opened.endpoints)
    look = commands.command(commands.kept_at(plan, options.state), options.ledger, "status")
    holder = AtWork(command, socket.gethostname(), time_text(now_ms()), look, takes_over)
    return Journals(store, place, holder, options.listener)


async def refuse_other_state(ledger: Ledger, options: Options, *, create: bool) -> None:
    """Raise `LedgerMismatch` for a ledger that is kept in S3 and opened without, `LedgerMissing` where nothing is kept
    where something has to be."""
    kept = await ledger.meta(VIEW)
    if options.state is None and kept is not None:
        given = given_of(kept, (await ledger.binding()).plan_name)
        raise LedgerMismatch(
            f"the ledger {ledger.path} is a view of {place_of(kept)}, where others may have changed it.",
            advice=f"Add what it was made with: --state {given}",
        )
    if options.state is not None and not create and isinstance(ledger, ShardedLedger) and not await ledger.shards():
        raise nothing_carried(options)


def nothing_carried(options: Options) -> LedgerMissing:
    """The error of a state in which there is nothing of the plan."""
    return LedgerMissing(f"nothing was carried yet with --state {options.state}.", advice="Run the plan first.")


@asynccontextmanager
async def at_work(
    command: str, plan: Plan, options: Options, *, lists: bool = False, dated: bool = False
) -> AsyncIterator[tuple[Sites, Ledger]]:
    """The sites of a plan, and its ledger, which must be there; the listener is told that the command began. `lists`:
    sources are listed, as `open_plan` has it with `now`; `dated`: rows are dated by the server's clock.

    Raises `LedgerError`, `PlanError`, and `StoreError` of scope `run`; `UsageError` for a plan that sets what
    objects carry where they are, which can only be verified."""
    if command != "verify":
        refuse_in_place(plan.routes, command)
    sites = open_plan(plan, options, now=True) if lists else open_bound(plan, options)
    async with sites as opened:
        clock = await server_clock(plan, opened) if dated else now_ms
        async with await open_ledger(plan, opened, options, command, create=False, lists=lists, clock=clock) as ledger:
            options.listener(RunStarted(command, plan.name, str(ledger.path), opened.home.endpoint, resumed=True))
            yield opened, ledger


async def _settle_folders(plan: Plan, path: Path, opened: Sites, *, make: bool) -> None:
    """A target's folder that the ledger is bound to must be there. One that it is not bound to yet is made, where
    `make` says so, before the ledger binds it. Sources are looked at first: nothing is made for one that is not there.
    """
    targets = {route.target.bucket: route.target for route in plan.routes if route.target.is_local}
    if not targets:
        return
    bound: dict[str, str] = {}
    if is_there(path):
        async with await open_to_read(path) as reader:
            site = (await reader.binding()).all_sites.get(FILE_SITE)
        bound = dict(site.buckets) if site is not None else {}
    if make:
        await opened.facts([route.source for route in plan.routes], lacking=True)
    for where in targets.values():
        folders = opened.site(where).folder
        if folders is None:
            continue
        if bound.get(where.bucket):
            folders.must_be_there(where.bucket)
        elif make:
            await anyio.to_thread.run_sync(folders.root(where.bucket).make)


async def emptied(plan: Plan, opened: Sites, options: Options) -> set[Location]:
    """The places of which cleanup took every object that the ledger knows, and that are no target: their owner may
    have removed them since, and what was moved is where it is all the same. Raises as `ShardedLedger.open`."""
    path = ledger_path(plan, options)
    if options.state is not None:
        await _bring_index_up(plan, opened, path, state_of(options.state, plan.name))
    if not is_there(path):
        return set()
    async with await open_to_read(path) as reader:
        tallies = await reader.tallies()
    left = {item.route for item in tallies if item.objects and item.state is not State.DELETED}
    known = objects_by_route(tallies)
    done = [route for route in plan.routes if known.get(route.name) and route.name not in left]
    needed = [route.source for route in plan.routes if route not in done] + [route.target for route in plan.routes]
    return {route.source.whole_bucket for route in done} - {where.whole_bucket for where in needed}


async def _bring_index_up(plan: Plan, opened: Sites, path: Path, place: Location) -> None:
    """Know here what is known there, with nothing asked of buckets that are sources alone."""
    targets = {route.target.whole_bucket for route in plan.routes}
    opened.emptied = {route.source.whole_bucket for route in plan.routes} - targets
    binding = await binding_of(plan, opened, folders=False)
    with suppress(LedgerLocked):  # by somebody here: then it is up to date
        await bring_up(path, binding, Journals(opened.store(place), place), now_ms=now_ms, rows=False)


async def _bind_sites(plan: Plan, opened: Sites, *, folders: bool) -> list[SiteBinding]:
    """What a ledger is to be bound to at each site, the plan's own connection first. Raises as `Sites.facts`, and
    `PlanError` where two sites turn out to be one server and routes meet there."""
    known = await opened.facts([where for where in plan.places if folders or not where.is_local], lacking=True)
    bound = []
    for name in dict.fromkeys(("", *plan.sites_in_use)):
        places = [where for where in plan.places if where.site == name]
        buckets = tuple((where.bucket, known[where].owner_id if where in known else "") for where in places)
        endpoint = opened.site(Location("", "", name)).endpoint if places else ""
        bound.append(SiteBinding(name, endpoint, buckets))
    if len(plan.sites_in_use) > 1:
        refuse_collisions(plan.routes, {site.name: site.endpoint for site in bound})
    return bound


async def server_clock(plan: Plan, opened: Sites) -> Callable[[], int]:
    """The clock that proof is dated by: the server's, so that a machine's clock set wrong neither shortens nor
    lengthens a hold. This machine's where the server sends no date (the gate then stays closed)."""
    where = plan.dated_by
    return await opened.site(where).clock(where.bucket) or now_ms


async def stored_binding(plan: Plan, options: Options) -> Binding:
    """The binding that the plan's ledger has, with the plan's routes: for commands that do not go to S3."""
    async with await open_to_read(ledger_path(plan, options)) as reader:
        bound = await reader.binding()
    return replace(bound, plan_name=plan.name, routes=plan.binding_routes)


@asynccontextmanager
async def open_bound(plan: Plan, options: Options) -> AsyncIterator[Sites]:
    """The sites of a plan; folders are read as its ledger is bound to, where the options do not say how. Raises as
    `open_sites`, what an unreadable ledger raises, and `PlanError` for routes whose folders lie in one another."""
    path = ledger_path(plan, options)
    if FILE_SITE in plan.sites_in_use:
        from engine.folder.apart import refuse_nested  # only where there is one

        await anyio.to_thread.run_sync(refuse_nested, plan.routes)
    if options.links is None and FILE_SITE in plan.sites_in_use and is_there(path):
        async with await open_to_read(path) as reader:
            options = replace(options, links=(await reader.binding()).links or None)
    async with open_sites(plan, with_own(options, path)) as opened:
        yield opened


@asynccontextmanager
async def open_plan(plan: Plan, options: Options, *, now: bool = False) -> AsyncIterator[Sites]:
    """The sites of a plan with the sources of its routes: for whoever lists a source. `now`: as in `Sources`."""
    path = ledger_path(plan, options)
    kept_in = lists_path(path) if await anyio.Path(path.parent).is_dir() else None
    async with (
        open_bound(plan, options) as opened,
        open_sources(opened.store, plan, now=now, kept_in=kept_in) as opened.sources,
    ):
        yield opened


async def refuse_unguarded(opened: Sites, options: Options, places: Iterable[Location]) -> None:
    """Raise `UsageError` where a server is not known to honour If-Match on a write, and the user did not say that this
    is all right: what someone else writes between the look and the write would be lost."""
    for where in places if options.conditional_writes else ():
        answer = (await opened.site(where).known.traits_of(where, ("put_if_match",))).put_if_match
        if not answer.holds:
            raise UsageError(
                f"this server {VERBS[answer]} If-Match on a write: what someone else writes in the last moment would "
                "be lost.",
                advice="Make sure that nobody else writes there, and add --no-conditional-writes.",
            )
