"""The library's calls: each takes a plan and options, assembles the parts, and gives a value back.

Nothing here prints or exits. What goes on is told to `Options.listener` as events (`engine.events`); what went wrong
is raised (`engine.errors`); an object's failure is neither, but a value in the ledger and a count in the result.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from engine.assembly import OpenStore, Options, now_ms, open_store
from engine.errors import EngineError
from engine.events import ObjectAside, RunStarted
from engine.ledger import Acceptance, Binding, Ledger, LedgerReader, RouteBinding, Snapshot
from engine.model import Location
from engine.plan.document import Connection, Plan
from engine.plan.lifecycle import ASIDE, State
from engine.plan.record import ObjectRecord, Tally, UploadRecord
from engine.proof.verify import Verification, Verifier
from engine.s3.session import Identity
from engine.store import BucketFacts
from engine.transfer.checking import Trial, skew_s, try_reading, try_writing
from engine.transfer.copying import Copier, CopySettings
from engine.transfer.honours import Honours, try_out
from engine.transfer.orphans import Orphans
from engine.transfer.pipeline import QUEUE_BOUND, Counters, Run
from engine.transfer.survey import RouteSurvey, survey
from engine.transfer.task import CopyTask
from engine.transfer.uploading import Uploader
from engine.transfer.work import WorkQueue


class StopSignal:
    """Ends a run gently: what is in flight is finished and committed, nothing new is begun. May be asked for at any
    time, also before the run listens."""

    def __init__(self) -> None:
        self.requested = False
        self._listeners: list[Callable[[], None]] = []

    def request(self) -> None:
        self.requested = True
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
        if self.requested:
            listener()


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What a run came to. `counters` is of this run, `tallies` of the ledger after it; `stopped`: it was asked to stop
    before its end."""

    ledger: Path
    counters: Counters
    tallies: list[Tally]
    snapshots: list[Snapshot]
    stopped: bool
    resumed: bool
    requests: int
    throttled: int

    @property
    def copied(self) -> int:
        return self.counters.copied

    @property
    def aside(self) -> dict[State, int]:
        """Objects not done, by state."""
        return _by_state(self.tallies, ASIDE)

    @property
    def complete(self) -> bool:
        """Every listing reached its end and every object is copied."""
        return not self.stopped and not self.aside and all(item.closed_ms for item in self.snapshots)


@dataclass(frozen=True, slots=True)
class SurveyResult:
    """What a plan would do, per route, and what the ledger says already."""

    routes: list[RouteSurvey]
    ledger: Path
    has_ledger: bool
    acceptances: list[Acceptance] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Status:
    """A ledger at this moment, read alone and without a lock."""

    ledger: Path
    binding: Binding
    tallies: list[Tally]
    snapshots: list[Snapshot]
    uploads: list[UploadRecord]
    acceptances: list[Acceptance]


def ledger_path(plan: Plan, options: Options) -> Path:
    """`<plan name>.ledger` beside the plan, unless the options name another."""
    return options.ledger or plan.folder / f"{plan.name}.ledger"


async def migrate(plan: Plan, options: Options | None = None, *, stop: StopSignal | None = None) -> MigrationResult:
    """Carry the plan out, or take it up where an earlier run ended. Safe to repeat, and to kill at any moment.

    Raises `PlanError`, `LedgerError`, and `StoreError` of scope `run`; whatever was done before is committed."""
    options = options or Options()
    async with _one_error(), open_store(plan.connection, options) as opened:
        path = ledger_path(plan, options)
        async with await _open_ledger(plan, path, opened) as ledger:
            options.listener(RunStarted("run", plan.name, str(path), opened.endpoint, not ledger.fresh))
            run = _assemble_run(plan, options, opened, ledger)
            if stop is not None:
                stop.listen(run.stop)
            await run.go(fresh=ledger.fresh)
            gauges = opened.gauges()
            return MigrationResult(
                path,
                run.counters,
                await ledger.tallies(),
                await ledger.snapshots(),
                run.stopped,
                not ledger.fresh,
                gauges.requests,
                gauges.throttled,
            )


async def verify(plan: Plan, options: Options | None = None, *, stop: StopSignal | None = None) -> Verification:
    """List both sides again, compare them with the ledger, and raise or withdraw each copy's proof.

    Raises as `migrate`, and `LedgerMissing` where the plan was never run."""
    options = options or Options()
    async with _one_error(), open_store(plan.connection, options) as opened:
        path = ledger_path(plan, options)
        async with await _open_ledger(plan, path, opened, create=False) as ledger:
            options.listener(RunStarted("verify", plan.name, str(path), opened.endpoint, True))
            verifier = Verifier(opened.store, ledger, options.listener)
            if stop is not None:
                stop.listen(verifier.stop)
            return await verifier.verify(plan.routes)


async def look(plan: Plan, options: Options | None = None) -> SurveyResult:
    """What the plan would do. Writes nothing to S3, and remembers what was found in the ledger's notes if there is
    a ledger, or in a new one."""
    options = options or Options()
    async with _one_error(), open_store(plan.connection, options) as opened:
        path = ledger_path(plan, options)
        async with await _open_ledger(plan, path, opened) as ledger:
            entries = None if ledger.fresh else ledger.entries
            routes = await survey(opened.store, plan.routes, entries, options.listener)
            await ledger.set_note(
                "survey", {item.route: {"objects": item.objects, "bytes": item.bytes} for item in routes}
            )
            return SurveyResult(routes, path, not ledger.fresh, await ledger.acceptances())


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Who, where, and what is allowed. `access_key` shows its first four characters alone."""

    endpoint: str
    region: str
    identity: Identity
    access_key: str
    facts: BucketFacts | None = None
    skew_s: float | None = None
    actions: list[Trial] = field(default_factory=list)
    honours: Honours | None = None


async def check(where: Location | None, options: Options | None = None, *, write: bool = False) -> CheckReport:
    """Who the credentials belong to, where requests go, and which actions are allowed at `where`.

    Raises errors of scope `run`: no credentials, no bucket, no endpoint."""
    options = options or Options()
    async with _one_error(), open_store(Connection(), options) as opened:
        session = opened.session
        key = (await session.credentials()).access_key
        shown = key[:4] + "…" if len(key) > 4 else "…"
        report = CheckReport(opened.endpoint, session.region, await session.identity(), shown)
        if where is None:
            return report
        facts = await opened.store.bucket_facts(where.bucket)
        actions = await try_reading(opened.store, where)
        if write:
            actions += await try_writing(opened.store, where)
        honours = await try_out(opened.store, where) if write else None
        return replace(report, facts=facts, skew_s=skew_s(facts.date), actions=actions, honours=honours)


async def status(path: Path) -> Status:
    """What a ledger says now. Raises `LedgerMissing`, `LedgerCorrupt`."""
    async with await LedgerReader.open_to_read(path) as reader:
        return Status(
            path,
            await reader.binding(),
            await reader.tallies(),
            await reader.snapshots(),
            await reader.open_uploads(),
            await reader.acceptances(),
        )


async def objects_aside(path: Path) -> AsyncIterator[list[ObjectRecord]]:
    """Every object that is not done, with the reason, in batches."""
    async with await LedgerReader.open_to_read(path) as reader:
        async for records in reader.records(states=ASIDE):
            yield records


async def accept(plan: Plan, options: Options, name: str, found: str, because: str) -> None:
    """Keep that a named difference was accepted, for exactly this figure, with date and reason."""
    async with await Ledger.open(
        ledger_path(plan, options), await stored_binding(plan, options), now_ms=now_ms, create=False
    ) as ledger:
        await ledger.accept(name, found, because)


async def stored_binding(plan: Plan, options: Options) -> Binding:
    """The binding that the plan's ledger has, with the plan's routes: for commands that do not go to S3."""
    async with await LedgerReader.open_to_read(ledger_path(plan, options)) as reader:
        bound = await reader.binding()
    return Binding(plan.name, bound.endpoint, _route_bindings(plan), bound.buckets)


def _assemble_run(plan: Plan, options: Options, opened: OpenStore, ledger: Ledger) -> Run:
    queue: WorkQueue[CopyTask] = WorkQueue(QUEUE_BOUND)
    uploader = Uploader(
        opened.store,
        ledger,
        queue,
        Orphans(opened.store, options.listener),
        now_ms,
        conditional_writes=options.conditional_writes,
    )
    copier = Copier(
        opened.store,
        uploader,
        CopySettings(options.conditional_writes),
        anyio.sleep,
        random.Random(),
    )
    return Run(
        opened.store,
        ledger,
        plan.routes,
        copier,
        uploader,
        queue,
        concurrency=options.workers,
        listener=options.listener,
        gauges=opened.gauges,
    )


async def _open_ledger(plan: Plan, path: Path, opened: OpenStore, *, create: bool = True) -> Ledger:
    buckets = [(bucket, "") for bucket in plan.buckets]
    binding = Binding(plan.name, opened.endpoint, _route_bindings(plan), tuple(buckets))
    return await Ledger.open(path, binding, now_ms=now_ms, create=create)


def _route_bindings(plan: Plan) -> tuple[RouteBinding, ...]:
    return tuple(RouteBinding(*item) for item in plan.binding_routes)


def _by_state(tallies: list[Tally], states: frozenset[State]) -> dict[State, int]:
    counts: dict[State, int] = {}
    for tally in tallies:
        if tally.state in states:
            counts[tally.state] = counts.get(tally.state, 0) + tally.objects
    return counts


@asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
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


__all__ = ["ObjectAside", "Options", "StopSignal", "accept", "look", "migrate", "objects_aside", "status", "verify"]
