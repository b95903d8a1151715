"""`run` and `cp`: carry a plan out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio.to_thread

from engine.api.asked import ASKED
from engine.api.carrying import begun, carry, processes_for
from engine.api.history import Copied, remembered
from engine.api.opening import open_ledger, open_plan, tell_own
from engine.api.options import Options, ledger_path
from engine.api.plan import SURVEYED, versioning_of
from engine.api.returning import carry_and_wait
from engine.api.status import EXPECTED
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.events import COPYING, SETTING, Doing, Notice, ObjectAside, RunStarted
from engine.finish.acceptances import note_expectations
from engine.ledger import Ledger, Snapshot, form_shards, open_routes, taken_by_route
from engine.listing.first_pages import first_pages
from engine.listing.kept import KeptListings
from engine.listing.nearest import empty_routes
from engine.plan.barred import BARRED
from engine.plan.document import Plan
from engine.plan.estimate import expected_in_all
from engine.plan.lifecycle import ASIDE, UNDONE, State
from engine.plan.misnamed import MISNAMED
from engine.plan.noted import Noted, accepted_states
from engine.plan.record import Tally, by_state, objects_by_route
from engine.shown import LedgerResult
from engine.sites.clock import now_ms
from engine.sites.listings import refuse_losing
from engine.sites.sites import Sites
from engine.store import StoreOf
from engine.to_the_end import to_the_end
from engine.transfer.configuration import NOTE as SETTINGS_NOTE
from engine.transfer.configuration import brought_up_to_date
from engine.transfer.counting import Counters

VERSIONS_LEFT = (
    "keeps versions: each object that is set becomes a new one, and what it was stays behind as an older one, and is "
    "billed, until somebody removes it"
)


@dataclass(frozen=True, slots=True)
class MigrationResult(LedgerResult):
    """What a run came to. `counters`, `requests` and `throttled` (answers that asked for fewer requests) are of this
    run, `tallies` and `snapshots` of the ledger after it; `stopped`: it was asked to stop before its end; `resumed`:
    there was a ledger already; `empty` has a sentence for each source that holds nothing. `noted` is what may be
    accepted of the objects themselves; `accepted` are states in which there are only objects that someone accepted.
    `unlisted` names what lies in a source's folder and cannot be an object (a link, a pipe, a name that is no UTF-8),
    and what a list of keys names and S3 refuses to show, the first 10,000 of each route; `unlisted_count` is all of it.
    `restoring` counts those archived objects that are on their way back, `misnamed` those failed ones whose keys can be
    no file's name at the target, `barred` those refused for what they are or carry, which no run mends."""

    ledger: Path
    counters: Counters
    tallies: list[Tally]
    snapshots: list[Snapshot]
    stopped: bool
    resumed: bool
    requests: int
    throttled: int
    empty: list[str] = field(default_factory=list)
    noted: Mapping[str, Noted] = field(default_factory=dict)
    accepted: frozenset[State] = frozenset()
    unlisted: list[ObjectAside] = field(default_factory=list)
    unlisted_count: int = 0
    restoring: int = 0
    misnamed: int = 0
    barred: int = 0

    @property
    def copied(self) -> int:
        """Objects that this run copied."""
        return self.counters.copied

    @property
    def aside(self) -> dict[State, int]:
        """Objects not done, by state, without what was accepted."""
        return by_state(self.tallies, ASIDE - self.accepted)

    @property
    def complete(self) -> bool:
        """Every listing reached its end, found something, and everything there is copied."""
        done = not (self.stopped or self.aside or self.empty or self.unlisted_count)
        return done and not open_routes(self.snapshots)


@watched
async def migrate(
    plan: Plan,
    options: Options | None = None,
    *,
    stop: StopSignal | None = None,
    executor: Executor | None = None,
    listed: KeptListings | None = None,
) -> MigrationResult:
    """Carry the plan out, or take it up where an earlier run ended: list both sides, copy what is missing, and keep in
    the ledger what became of each object. `stop` ends it gently. Safe to repeat, and to kill at any moment.

    `executor` runs shards of it, `Options.processes` of them at once, in processes that see this machine's files; else
    processes of this machine's own do where there are to be several. `listed` is what a survey has just kept: what is
    there is not listed again.

    Raises `PlanError` for a key whose target S3 could not hold, `LedgerError` (locked; of another endpoint, other
    routes or a list that names a key less; damaged), and `StoreError` of scope `run`; whatever was done before is
    committed. An object that fails is no error: it is in `MigrationResult.aside`, and the next run tries it again."""
    options, stop = options or Options(), stop or StopSignal()
    async with open_plan(plan, options) as opened, _first_pages(plan, opened, listed) as store_of:
        path = ledger_path(plan, options)
        processes = processes_for(plan, options, path, executor=executor)
        if in_shards := processes > 1 or executor is not None:
            await to_the_end(partial(form_shards, path))
        async with (
            begun(executor, processes) as at_work,
            await open_ledger(plan, opened, options, "run", writes=True, in_shards=in_shards) as ledger,
        ):
            if listed is not None:
                opened.sources.listed = listed.of_lists((await ledger.binding()).lists)
            known = await opened.facts(plan.places, lacking=True)
            options.listener(RunStarted("run", plan.name, str(path), opened.home.endpoint, resumed=not ledger.fresh))
            await anyio.to_thread.run_sync(tell_own, options, path, plan.sides)
            if plan.asked is not None and await ledger.note(ASKED) != plan.asked:
                await ledger.set_note(ASKED, plan.asked)
            for bucket, versioning in versioning_of(plan, known).items():
                if versioning:
                    options.listener(Notice("Versions", f"{bucket} {VERSIONS_LEFT}"))
            options.listener(Doing("trying what the server honours"))
            await opened.remove_leftovers()
            await opened.try_routes(plan.routes)
            for sentence in opened.sentences(plan.routes):
                options.listener(Notice("NotHonoured", sentence))
            for bucket, traits in opened.traits(plan.routes).items():
                refuse_losing(traits, f"s3://{bucket}/")
            settings = brought_up_to_date(await ledger.note(SETTINGS_NOTE), known.values(), now_ms())
            await ledger.set_note(SETTINGS_NOTE, settings)
            expected = await _expected(plan, ledger)
            await ledger.set_note(EXPECTED, expected)
            options.listener(Doing(SETTING if plan.in_place else COPYING, 0.0, *expected))
            copied = Copied()
            async with remembered(opened, ledger, "run", options, stop, copied) as heard:
                carried = partial(
                    carry,
                    plan=plan,
                    opened=opened,
                    ledger=ledger,
                    store_of=store_of,
                    processes=processes,
                    executor=at_work,
                    stop=stop,
                )
                run = await carry_and_wait(plan, heard, opened, ledger, carried, stop)
                copied.counters = run.counters
            for item in run.unlisted.named:
                options.listener(item)
            tallies, snapshots = await ledger.tallies(), await ledger.snapshots()
            is_done = not run.stopped and not by_state(tallies, UNDONE)
            await opened.tell_leftovers(plan.routes, options.listener, remove=is_done)
            await note_expectations(ledger, plan, taken_by_route(snapshots, tallies))
            noted, empty = await ledger.noted(), list[str]()
            if not run.stopped and not options.allow_empty:
                known_of = Counter(objects_by_route(tallies))
                known_of.update(item.route for item in run.unlisted.named)
                empty = await empty_routes(opened.store, plan.routes, known_of)
            return MigrationResult(
                ledger=path,
                counters=run.counters,
                tallies=tallies,
                snapshots=snapshots,
                stopped=run.stopped,
                resumed=not ledger.fresh,
                requests=run.requests,
                throttled=run.throttled,
                empty=empty,
                noted=noted,
                accepted=accepted_states(noted, await ledger.accepted()),
                unlisted=run.unlisted.named,
                unlisted_count=run.unlisted.count,
                restoring=await ledger.restoring(),
                misnamed=await ledger.failed_by(MISNAMED),
                barred=await ledger.failed_by(BARRED),
            )


async def _expected(plan: Plan, ledger: Ledger) -> tuple[int, int]:
    """About how many objects and bytes the routes take, as they were listed, or looked at, or as their owner says."""
    noted: dict[str, list[int]] = await ledger.note(SURVEYED) or {}
    seen = {name: (objects, size_bytes) for name, (objects, size_bytes) in noted.items()}
    seen |= {item.route: (item.objects, item.bytes) for item in await ledger.snapshots() if item.objects}
    return expected_in_all(plan, seen)


def _first_pages(plan: Plan, opened: Sites, listed: KeptListings | None) -> AbstractAsyncContextManager[StoreOf]:
    """A store that has the listings' first pages on their way, unless the server has to be tried out first: how it is
    listed depends on that, and the trial leaves objects for a moment; or it was listed just now."""
    return first_pages(opened.store, [route for route in plan.routes if opened.trusts(route) and listed is None])
