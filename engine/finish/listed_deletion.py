"""A deletion by a snapshot, from the question whether it may be to its end: what `delete` and `sync` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import GateClosed
from engine.events import Doing, Listener
from engine.finish.claiming import claim_for
from engine.finish.deleting import Check, Deleter
from engine.finish.deletion_list import DeletionList, Row
from engine.finish.gate import versions_text
from engine.finish.project import Summary
from engine.finish.project_deletion import OPEN, Deletion, Listing, ProjectDeletion, summary_of, take_snapshot
from engine.finish.sending import NO_CONDITION, condition_for
from engine.model import Location
from engine.plan.sizes import duration_text
from engine.shown import Result
from engine.sites.clock import dating_clock, now_ms, server_ms
from engine.sites.sites import Sites
from engine.store import BucketFacts

ACCEPT_MARKERS = "--accept-delete-markers deletes all the same"


@dataclass(frozen=True, slots=True)
class DeleteResult(Result):
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


async def snapshot_of(
    listing: Listing,
    location: Location,
    listed: DeletionList,
    facts: BucketFacts,
    listener: Listener,
    *,
    again: bool,
    confirmed: bool,
    repeats: bool = False,
) -> DeleteResult:
    """The snapshot that there is, or a new one. One that was deleted to its end is not followed by another unseen:
    what was confirmed is that one, and what arrived since is not in it. Unless it `repeats`, deletion after deletion:
    then what one of them had to leave is for the next snapshot to tell."""
    taken_ms = await listed.taken_ms()
    counts = await listed.counts()
    unfinished = any(count.state in ((Row.LISTED, Row.DELETING) if repeats else OPEN) for count in counts)
    if taken_ms is not None and not again and (unfinished or (confirmed and counts and not repeats)):
        before = sum(count.objects for count in counts if count.state is Row.DELETED)
        summary = await summary_of(listed, location)
        return DeleteResult(listed.path, summary, taken_ms, fresh=False, deleted_before=before)
    listener(Doing("listing"))
    clock = dating_clock(facts.date, facts.came_s) or now_ms
    taken_ms = clock()
    summary = await take_snapshot(listing, location, listed, taken_ms, listener)
    return DeleteResult(listed.path, summary, taken_ms, fresh=True, deleted_before=0)


def closed_for(taken_ms: int, facts: BucketFacts, hold_s: int, *, delete_markers: bool) -> list[str]:
    """Why a snapshot may not be deleted now, a sentence each."""
    reasons = []
    if hold_s:
        now = server_ms(facts.date)
        if now is None:
            reasons.append("the server sends no date, so that nobody can say whether the hold has passed")
        elif (left_s := -(-(taken_ms + hold_s * 1000 - now) // 1000)) > 0:
            reasons.append(
                f"the hold of {duration_text(hold_s)} ends in {duration_text(left_s)}, by the server's clock"
            )
    if facts.versioning != "" and not delete_markers:
        reasons.append(f"{facts.name} {versions_text(facts.versioning)}; {ACCEPT_MARKERS}")
    return reasons


async def delete_listed(
    opened: Sites,
    location: Location,
    listed: DeletionList,
    listener: Listener,
    listen: Callable[[Callable[[], None]], None] | None,
    *,
    command: str,
    unconditional: bool,
    delete_markers: bool,
    check: Check | None = None,
    is_all: bool = True,
    tells: bool = False,
) -> Deletion:
    """Delete what the list holds, under a claim, each only while it is what was listed; `listen` is given what ends it
    gently, `check`, `is_all` and `tells` are as for `ProjectDeletion`.

    Raises `GateClosed` where the server cannot do that, `ClaimLost`, and `StoreError` of scope `run`."""
    bucket = location.whole_bucket
    async with claim_for(
        command, str(location), listed.path, opened, listener, [bucket], unconditional=unconditional
    ) as store_of:
        condition = condition_for(await opened.site(bucket).known.tried_now(bucket), unconditional=unconditional)
        if condition is None:
            raise GateClosed([NO_CONDITION])
        work = ProjectDeletion(
            opened.store(location),
            listed,
            Deleter(store_of(bucket), {bucket.bucket: condition}),
            listener,
            markers_accepted=[bucket.bucket_name] if delete_markers else [],
            check=check,
            is_all=is_all,
            tells=tells,
        )
        if listen is not None:
            listen(work.stop)
        return await work.go(location)
