"""`sync`: a target brought up to date with its source, and what stands in the target alone deleted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.api.accept import accept_ended, ledger_alone
from engine.api.consent import Consent
from engine.api.opening import at_work
from engine.api.options import Options
from engine.api.run import MigrationResult, migrate
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.errors import LedgerLocked, UsageError
from engine.finish.deletion_list import DeletionList, Row
from engine.finish.extras import extras_under, not_at_source
from engine.finish.project_deletion import DeleteResult, closed_for, delete_listed, note_arrived, snapshot_of
from engine.ledger import Ledger
from engine.ledger.files import deletion_path
from engine.listing.kept import KeptListings
from engine.plan.document import Plan
from engine.plan.lifecycle import ENDED
from engine.plan.route import Route
from engine.shown import LedgerResult

TAKEN = "synchronized: the source's owner removed them"


@dataclass(frozen=True, slots=True)
class SyncResult(LedgerResult):
    """What a run came to; and the snapshot of what stands in the target alone, with what was deleted of it (None: that
    was not asked for, or the run did not get so far)."""

    run: MigrationResult
    extras: DeleteResult | None = None

    @property
    def ledger(self) -> Path:  # type: ignore[override]
        """The run's."""
        return self.run.ledger


@watched
async def synchronize(
    plan: Plan,
    options: Options | None = None,
    *,
    delete: bool = False,
    consent: Consent | None = None,
    hold_s: int = 0,
    again: bool = False,
    confirmed: bool = False,
    stop: StopSignal | None = None,
    listed: KeptListings | None = None,
) -> SyncResult:
    """Carry out a plan of one route, as `migrate`; what the source's owner removed there is no failure. With `delete`
    take a snapshot of what stands in the target alone, or, with `confirmed` or a hold, take up one that waits for that
    (`again` takes a new one); what the route's patterns leave out is no part of it. With `confirmed`, and once `hold_s`
    seconds have passed since the snapshot, delete exactly its keys, each only while it is what was listed and the
    source has none of its name. Nothing is deleted where the run left anything undone, or the source holds nothing
    (unless `Options.allow_empty`), and then no new snapshot is kept. It is kept beside the ledger else. What stands in
    the target alone since an earlier snapshot is left, and `Deletion.arrived` counts it. `listed` is as for
    `migrate`; `stop` ends it gently. Safe to repeat, and to kill at any moment.

    Raises as `migrate` and `delete`; `UsageError` for a deletion by a plan of several routes, or by one that does not
    compare whole places: of one key, of a list, by times or sizes."""
    options, consent, stop = options or Options(), consent or Consent(), stop or StopSignal()
    if delete:
        _refuse_parts(plan)
    run = await migrate(plan, options, stop=stop, listed=listed)
    if not ENDED.isdisjoint(run.aside):
        async with _once_copied(run), ledger_alone(plan, options) as ledger:  # for whoever looks at that later, too
            await accept_ended(ledger, TAKEN)
    run = replace(run, accepted=run.accepted | ENDED)
    if not delete or run.stopped or run.empty:
        return SyncResult(run)
    (route,) = plan.routes
    async with _once_copied(run), at_work("sync", plan, options, lists=True) as (opened, ledger):
        site, target = opened.target(route), route.target
        facts = await site.facts(target.bucket)
        undone = _undone(run, options)
        path, made_of = deletion_path(ledger.path), _made_of(route)
        async with await DeletionList.open(path, str(target), site.endpoint, made_of) as extra_keys:
            extras = await snapshot_of(
                partial(extras_under, opened, route, options.listener),
                target,
                extra_keys,
                facts,
                options.listener,
                again=again or not (confirmed or hold_s),
                confirmed=confirmed,
                repeats=True,
                kept=not undone,  # what such a run saw is not what the next one is to delete
            )
            if not extras.summary.total.objects:
                return SyncResult(run, extras)  # there is nothing that could be closed
            extras.closed.extend(undone)
            extras.closed.extend(closed_for(extras.taken_ms, facts, hold_s, delete_markers=consent.delete_markers))
            if not confirmed or extras.closed:
                return SyncResult(run, extras)
            done = await delete_listed(
                opened,
                target,
                extra_keys,
                options.listener,
                stop.listen,
                command="sync",
                unconditional=consent.unconditional,
                delete_markers=consent.delete_markers,
                check=not_at_source(opened, route),
                apart=route.source,
            )
            await _forget(ledger, route, extra_keys)
            await accept_ended(ledger, TAKEN)  # the figure is another one without them
            if not extras.fresh and not done.stopped:
                async with extras_under(opened, route) as batches:
                    await note_arrived(batches, extra_keys, done)
            return SyncResult(run, replace(extras, deletion=done))


@asynccontextmanager
async def _once_copied(run: MigrationResult) -> AsyncIterator[None]:
    """Whoever took the ledger between the copy and the deletion is told of with what was done by then."""
    try:
        yield
    except LedgerLocked as error:
        done = f"the copy is done ({run.counters.copied:,} copied), and nothing was deleted"
        raise LedgerLocked(f"{done}: {error.message}", advice=error.advice) from error


def _made_of(route: Route) -> str:
    """What chooses a snapshot of extras, beside the target."""
    chosen = route.selection
    return json.dumps(["sync", str(route.source), sorted(chosen.include), sorted(chosen.exclude)])


def _refuse_parts(plan: Plan) -> None:
    """Raise `UsageError` where what a route takes cannot tell what else stands in its target."""
    if len(plan.routes) != 1:
        raise UsageError("extras are deleted of one route alone, and the plan has several.")
    (route,) = plan.routes
    chosen = replace(route.selection, include=(), exclude=())
    if not route.target.is_prefix or route.key_list is not None or not chosen.is_everything:
        raise UsageError(
            "what stands in the target alone is known only where whole places are compared.",
            advice="Leave out --delete; or compare folders, without lists, times and sizes. "
            "--include and --exclude hold for both sides.",
        )


def _undone(run: MigrationResult, options: Options) -> list[str]:
    """Why nothing may be deleted after such a run."""
    reasons = []
    left = sum(run.aside.values()) + run.unlisted_count
    if left:
        reasons.append(f"{left:,} of the source are not done: nothing is deleted where a run left anything undone")
    if not run.counters.listed and not options.allow_empty:
        reasons.append("the source holds nothing now; --allow-empty says that this is no mistake")
    return reasons


async def _forget(ledger: Ledger, route: Route, listed: DeletionList) -> None:
    """The ledger has no more to say of what is gone on both sides."""
    cut = len(route.target.key)
    async for rows in listed.pages((Row.DELETED,)):
        await ledger.let_go(route.name, [row.key[cut:] for row in rows])
