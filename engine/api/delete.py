"""`delete`: a whole project deleted cleanly: exactly what a snapshot of its listing holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.api.consent import Consent
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.errors import GateClosed, one_error
from engine.events import RunStarted
from engine.finish.claiming import claim_for
from engine.finish.deleting import Deleter
from engine.finish.deletion_list import DeletionList, Row
from engine.finish.gate import versions_text
from engine.finish.project import Summary
from engine.finish.project_deletion import OPEN, Deletion, ProjectDeletion, summary_of, take_snapshot
from engine.finish.sending import NO_CONDITION, condition_for
from engine.listing.nearest import refuse_nothing
from engine.model import Location
from engine.plan.locations import location_of
from engine.plan.settings import Connection
from engine.plan.sizes import duration_text
from engine.sites.clock import dating_clock, now_ms, server_ms
from engine.sites.opening import open_site
from engine.sites.sites import Sites
from engine.store import BucketFacts, ObjectStore


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """A snapshot, which `path` holds, and what a deletion of it came to (None: nothing was deleted). `summary` is of
    what the snapshot still holds, `taken_ms` when it was taken, by the server's clock; `fresh`: just now.
    `deleted_before` counts what earlier calls deleted of it. `closed` says why nothing may be deleted now, a sentence
    each."""

    path: Path
    summary: Summary
    taken_ms: int
    fresh: bool
    deleted_before: int
    closed: list[str] = field(default_factory=list)
    deletion: Deletion | None = None


ACCEPT_MARKERS = "--accept-delete-markers deletes all the same"


def list_path(location: Location, options: Options) -> Path:
    """Where the snapshot of a deletion is kept: in the working folder, named after the location."""
    if options.ledger is not None:
        return options.ledger
    digest = hashlib.sha256(str(location).encode()).hexdigest()[:8]
    words = "".join(char if char.isalnum() and char.isascii() else "-" for char in f"{location.bucket}-{location.key}")
    return Path(f"delete-{words.strip('-')[:60]}-{digest}.deletion")


async def delete(
    location: str | Location,
    options: Options | None = None,
    *,
    consent: Consent | None = None,
    hold_s: int = 0,
    again: bool = False,
    confirmed: bool = False,
    stop: StopSignal | None = None,
) -> DeleteResult:
    """Take a snapshot of everything under the location ("s3://bucket/prefix/", or one exact key), or take up the one
    there is (`again` takes a new one). With `confirmed`, and once `hold_s` seconds have passed since the snapshot, by
    the server's clock, delete exactly its keys, each only while it is what was listed. The snapshot is kept in a file
    of its own: `Options.ledger`, else one named after the location, in the working folder. `stop` ends a deletion
    gently. Safe to repeat, and to kill at any moment.

    Raises `GateClosed` where a deletion was asked for and may not be done, `ClaimLost` where another deletion took
    over, `NothingThere` for one key that is not there, `UsageError` for what is no location, `LedgerError` for the
    file, and `StoreError` of scope `run`."""
    options, consent = options or Options(), consent or Consent()
    location = location_of(location)
    async with one_error(), open_site(Connection(), options) as opened:
        facts = await opened.facts(location.bucket)
        path = list_path(location, options)
        async with await DeletionList.open(path, str(location), opened.endpoint) as listed:
            options.listener(RunStarted("delete", str(location), str(path), opened.endpoint, resumed=not again))
            store = opened.store
            result = await _snapshot(store, location, listed, facts, options, again=again, confirmed=confirmed)
            result.closed.extend(_closed(result, facts, hold_s, consent))
            if not confirmed or not result.summary.total.objects:
                return result
            if result.closed:
                raise GateClosed(result.closed)
            name, force, bucket = str(location), consent.unconditional, location.whole_bucket
            sites = Sites({"": opened})
            async with claim_for(
                "delete", name, path, sites, options.listener, [bucket], unconditional=force
            ) as store_of:
                traits = await opened.known.tried_now(bucket)
                condition = condition_for(traits, unconditional=force)
                if condition is None:
                    raise GateClosed([NO_CONDITION])
                work = ProjectDeletion(
                    store,
                    listed,
                    Deleter(store_of(bucket), {bucket.bucket: condition}),
                    options.listener,
                    markers_accepted=[bucket.bucket] if consent.delete_markers else [],
                )
                if stop is not None:
                    stop.listen(work.stop)
                done = await work.go(location)
            return replace(result, closed=[], deletion=done)


async def _snapshot(
    store: ObjectStore,
    location: Location,
    listed: DeletionList,
    facts: BucketFacts,
    options: Options,
    *,
    again: bool,
    confirmed: bool,
) -> DeleteResult:
    """The snapshot that there is, or a new one. One that was deleted to its end is not followed by another unseen:
    what was confirmed is that one, and what arrived since is not in it."""
    taken_ms = await listed.taken_ms()
    counts = await listed.counts()
    finished = not any(count.state in OPEN for count in counts)
    if taken_ms is not None and not again and (not finished or (confirmed and counts)):
        before = sum(count.objects for count in counts if count.state is Row.DELETED)
        summary = await summary_of(listed, location)
        return DeleteResult(listed.path, summary, taken_ms, fresh=False, deleted_before=before)
    clock = dating_clock(facts.date, facts.came_s) or now_ms
    taken_ms = clock()
    summary = await take_snapshot(store, location, listed, taken_ms, options.listener)
    if not summary.total.objects and not location.is_prefix:
        await refuse_nothing(store, location)
    return DeleteResult(listed.path, summary, taken_ms, fresh=True, deleted_before=0)


def _closed(result: DeleteResult, facts: BucketFacts, hold_s: int, consent: Consent) -> list[str]:
    """Why the snapshot may not be deleted now, a sentence each."""
    reasons = []
    if hold_s:
        now = server_ms(facts.date)
        if now is None:
            reasons.append("the server sends no date, so that nobody can say whether the hold has passed")
        elif (left_s := -(-(result.taken_ms + hold_s * 1000 - now) // 1000)) > 0:
            reasons.append(
                f"the hold of {duration_text(hold_s)} ends in {duration_text(left_s)}, by the server's clock"
            )
    if facts.versioning != "" and not consent.delete_markers:
        reasons.append(f"{facts.bucket} {versions_text(facts.versioning)}; {ACCEPT_MARKERS}")
    return reasons
