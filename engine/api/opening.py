"""What every call begins with: the ledger that belongs to a plan, one error out of many, and the way to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio

from engine.api.assembly import OpenStore, Options, now_ms, open_store
from engine.api.lists import bind_lists
from engine.errors import EngineError, ObjectError, UsageError
from engine.events import Listener, ignore
from engine.finish.holding import dating_clock
from engine.ledger import Binding, Ledger, LedgerReader
from engine.listing.sources import open_sources
from engine.model import Location
from engine.plan.document import Plan
from engine.sites.traits import Answer
from engine.store import AskBucket, BucketFacts


class StopSignal:
    """Ends a run gently: what is in flight is finished and committed, nothing new is begun. May be asked for at any
    time, also before the run listens."""

    def __init__(self) -> None:
        self.requested = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def heard(self) -> bool:
        """Whether anyone listens: a request would end something gently."""
        return bool(self._listeners)

    def request(self) -> None:
        self.requested = True
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
        if self.requested:
            listener()


def ledger_path(plan: Plan, options: Options) -> Path:
    """`<plan name>.ledger` beside the plan, unless the options name another."""
    return options.ledger or Path(plan.folder) / f"{plan.name}.ledger"


async def open_ledger(
    plan: Plan,
    path: Path,
    opened: OpenStore,
    *,
    create: bool = True,
    clock: Callable[[], int] = now_ms,
    known: Mapping[str, BucketFacts] | None = None,
    listener: Listener = ignore,
) -> Ledger:
    """Open the plan's ledger for writing; `clock` is what its rows are dated by, `known` what is known of the plan's
    buckets already. What the routes' lists say is bound as well, where the plan was opened with them."""
    known = known if known is not None else await known_buckets(plan, opened)
    buckets = [(bucket, known[bucket].owner_id if bucket in known else "") for bucket in plan.buckets]
    lists = tuple([(name, await listed.digest()) for name, listed in opened.sources.lists.items()])
    binding = Binding(plan.name, opened.endpoint, plan.binding_routes, tuple(buckets), lists)
    ledger = await Ledger.open(path, binding, now_ms=clock, create=create)
    try:
        await opened.sites.remember(ledger, plan.routes[0].target.bucket)
        await bind_lists(ledger, opened.sources, lists, listener)
    except BaseException:
        await ledger.close()
        raise
    return ledger


async def known_buckets(plan: Plan, opened: OpenStore) -> dict[str, BucketFacts]:
    """What is known of the plan's buckets, without those of which nothing may be known. A bucket that is not there is
    found out here, before anything is made for it."""
    known: dict[str, BucketFacts] = {}

    async def ask(bucket: str) -> None:
        with suppress(ObjectError):
            known[bucket] = await opened.store.bucket_facts(AskBucket(bucket))

    async with anyio.create_task_group() as asking:
        for bucket in plan.buckets:
            asking.start_soon(ask, bucket)
    return known


async def server_clock(plan: Plan, opened: OpenStore) -> Callable[[], int]:
    """The clock that proof is dated by: the server's, so that a machine's clock set wrong neither shortens nor
    lengthens a hold. This machine's where the server sends no date (the gate then stays closed)."""
    facts = await opened.store.bucket_facts(AskBucket(plan.routes[0].target.bucket))
    return dating_clock(facts.date, facts.came_s) or now_ms


async def stored_binding(plan: Plan, options: Options) -> Binding:
    """The binding that the plan's ledger has, with the plan's routes: for commands that do not go to S3."""
    async with await LedgerReader.open_to_read(ledger_path(plan, options)) as reader:
        bound = await reader.binding()
    return Binding(plan.name, bound.endpoint, plan.binding_routes, bound.buckets, bound.lists)


@asynccontextmanager
async def open_plan(plan: Plan, options: Options, *, now: bool = False) -> AsyncIterator[OpenStore]:
    """A store for the plan's own connection, and the sources of its routes: for whoever lists a source. `now`: as in
    `Sources`."""
    async with open_store(plan.connection, options) as opened, open_sources(opened.store, plan, now=now) as sources:
        yield replace(opened, sources=sources)


async def refuse_unguarded(opened: OpenStore, options: Options, places: Iterable[Location]) -> None:
    """Raise `UsageError` where a server is not known to honour If-Match on a write, and the user did not say that this
    is all right: what someone else writes between the look and the write would be lost."""
    for where in places if options.conditional_writes else ():
        answer = (await opened.sites.traits_of(where, ("put_if_match",))).put_if_match
        if not answer.holds:
            unknown = answer is Answer.UNKNOWN
            does = "could not be tried for" if unknown else "refuses" if answer is Answer.REFUSED else "ignores"
            raise UsageError(
                f"this server {does} If-Match on a write: what someone else writes in the last moment would be lost.",
                advice="Make sure that nobody else writes there, and add --no-conditional-writes.",
            )


def own_place(plan: Plan, bucket: str) -> Location:
    """Where objects of our own may be in a bucket for a moment: beside a target, else where no route's listing meets
    them, as far as there is such a place."""
    return next((route.target for route in plan.routes if route.target.bucket == bucket), Location(bucket, ""))


@asynccontextmanager
async def one_error() -> AsyncIterator[None]:
    """Task groups raise groups of errors; the caller gets the one that stopped the run."""
    try:
        yield
    except BaseExceptionGroup as group:
        first = _first_error(group)
        if first is None:
            raise
        raise first from None


def _first_error(group: BaseExceptionGroup[BaseException]) -> EngineError | None:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found = _first_error(error)
            if found is not None:
                return found
        elif isinstance(error, EngineError):
            return error
    return None
