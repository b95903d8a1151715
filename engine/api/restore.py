"""`restore`: have S3 bring back what is archived and needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from engine.api.load import place_of
from engine.api.opening import open_ledger, open_plan
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.archive.finding import Batch, Take, find_needed, find_under
from engine.archive.restoring import Asked, Asking, Remember
from engine.errors import UsageError
from engine.events import Doing, ObjectAside, Progress, RunStarted
from engine.listing.nearest import refuse_nothing
from engine.model import Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.overlap import sharing
from engine.plan.prices import Tier
from engine.plan.retrieval import ArchiveOutlook
from engine.shown import Result
from engine.sites.clock import dating_clock, now_ms
from engine.sites.opening import open_place
from engine.sites.sites import Sites
from engine.store import ObjectStore

Finding = Callable[[Callable[[ObjectStore], Take]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RestoreResult(Result):
    """What is archived (`outlook`), and what asking for it came to (None: nothing was asked for). `ledger` is the
    plan's, None for a location."""

    outlook: ArchiveOutlook
    asked: Asked | None = None
    ledger: Path | None = None


@watched
async def restore(
    what: Plan | str | Location,
    options: Options | None = None,
    *,
    days: int = 7,
    tier: Tier | str = Tier.BULK,
    agreed: ArchiveOutlook | None = None,
    stop: StopSignal | None = None,
) -> RestoreResult:
    """Look for what is archived of what a plan would copy, or of everything under a location, and what having it
    restored costs and takes: GLACIER and DEEP_ARCHIVE by their listing, INTELLIGENT_TIERING by a HEAD each. Asks for
    nothing, unless `agreed` is the outlook that an earlier call gave: then no more of each class is asked for than that
    has, by its tier and for its days; what is under way is not asked for again, and copies that would be gone before
    the last is there are made to last. `stop` ends it gently. Safe to repeat, and to kill at any moment.

    Raises `UsageError` for what is no location or tier, or a local one; `NothingThere` for one key that is not there,
    `LedgerError`, and `StoreError` of scope `run`."""
    options, stop = options or Options(), stop or StopSignal()
    if days < 1:
        raise UsageError("a restored copy lasts at least one day.")
    try:
        tier = Tier(tier)
    except ValueError:
        raise UsageError(f'there is no tier "{tier}": {", ".join(Tier)}') from None
    if isinstance(what, Plan):
        return await _of_plan(what, options, days, tier, agreed, stop)
    location = place_of(what)
    if location.is_local:
        raise UsageError(f"{location} is a local folder: nothing is archived there.")
    async with open_place(location, options) as opened:
        store = opened.store(location)
        options.listener(RunStarted("restore", str(location), "", opened.home.endpoint, resumed=False))

        async def find(take_by: Callable[[ObjectStore], Take]) -> None:
            await find_under(store, location, options.listener, take_by(store))

        began_ms = await _now(opened, [location])
        result = await _found(find, ArchiveOutlook(tier, days, began_ms), options, agreed, stop)
        if not result.outlook.objects and not options.allow_empty:
            await refuse_nothing(store, location)
        return result


async def _of_plan(
    plan: Plan, options: Options, days: int, tier: Tier, agreed: ArchiveOutlook | None, stop: StopSignal
) -> RestoreResult:
    async with (
        open_plan(plan, options) as opened,
        await open_ledger(plan, opened, options, "restore") as ledger,
    ):
        options.listener(
            RunStarted("restore", plan.name, str(ledger.path), opened.home.endpoint, resumed=not ledger.fresh)
        )
        routes = [route for route in plan.routes if not route.source.is_local]
        entries = None if ledger.fresh else ledger.entries

        misnames = await opened.misnames(routes)

        async def find(take_by: Callable[[ObjectStore], Take]) -> None:
            for route in routes:
                take = take_by(opened.store(route.source))
                await find_needed(
                    opened.store,
                    opened.sources,
                    route,
                    entries,
                    take,
                    digests=opened.keeps_digests(route),
                    misnames=misnames.get(route.name),
                )

        began_ms = await _now(opened, [route.source for route in routes])
        outlook = ArchiveOutlook(tier, days, began_ms, copies=True)
        # A ledger without an object has no form yet: by its first rows it would be one file for good.
        remember = None if ledger.fresh else ledger.decide
        # At two sites a bucket of one name may be two.
        shared = bool(sharing(routes)) and len({route.source.site for route in routes}) == 1
        result = await _found(find, outlook, options, agreed, stop, remember, shared=shared)
        return RestoreResult(result.outlook, result.asked, ledger.path)


async def _found(
    find: Finding,
    outlook: ArchiveOutlook,
    options: Options,
    agreed: ArchiveOutlook | None,
    stop: StopSignal,
    remember: Remember | None = None,
    *,
    shared: bool = False,
) -> RestoreResult:
    """Look at everything, and ask for it where that was agreed to. `shared`: several routes take one object, which is
    counted and asked for once."""
    asking = Asking(agreed, options.listener, remember, shared=shared) if agreed is not None else None
    counted: set[ObjectRef] = set()
    if asking is not None:
        stop.listen(asking.stop)
    options.listener(Doing("listing" if asking is None else "asking"))

    def take_by(store: ObjectStore) -> Take:
        async def take(batch: Batch) -> None:
            if asking is not None and asking.asked.stopped:
                return
            outlook.objects += batch.needed
            outlook.looked += batch.looked
            for _, error in batch.unseen:
                outlook.unseen[error.code] = outlook.unseen.get(error.code, 0) + 1
            if batch.unnamed:
                code = ObjectAside.UNSEEN
                outlook.unseen[code] = outlook.unseen.get(code, 0) + batch.unnamed
            for found in batch.found:
                if found.ref not in counted:
                    outlook.add(found.kind, found.size, found.restore)
            if shared:
                counted.update(found.ref for found in batch.found)
            if asking is not None:
                await asking.take(store, batch)
            else:
                options.listener(Progress.of_listing(outlook.objects))

        return take

    await find(take_by)
    if asking is None:
        options.listener(Progress.of_listing(outlook.objects, ended=True))
    return RestoreResult(outlook, asking.asked if asking is not None else None)


async def _now(opened: Sites, places: list[Location]) -> int:
    """The server's clock; this machine's where it sends no date."""
    for facts in (await opened.facts(places, lacking=True)).values():
        clock = dating_clock(facts.date, facts.came_s)
        if clock is not None:
            return clock()
    return now_ms()
