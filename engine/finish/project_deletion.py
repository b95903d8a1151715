"""Deleting a whole project: exactly the keys of a snapshot, each only while it bears the ETag that was listed; from the
question whether it may be to its end. What `delete` and `sync` share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.bucket_facts import BucketFacts
from engine.errors import GateClosed, ObjectError
from engine.events import Doing, Listener, Looking, Notice, ObjectAside, Progress, ignore
from engine.finish.batches import Batch, DeletionReport, Removal
from engine.finish.claim_taking import claim_for
from engine.finish.deleting import KEYS_A_BATCH, Check, Deleter
from engine.finish.deletion_list import DeletionList, Row
from engine.finish.gate import versions_text
from engine.finish.left_there import without_ledgers
from engine.finish.looking import Span
from engine.finish.project import Summary
from engine.finish.sending import NO_CONDITION, End, Fate, Item, condition_for
from engine.listing.ranges import listed_under
from engine.model import ListedObject, Location
from engine.plan.sizes import duration_text, server_ms
from engine.shown import Result
from engine.sites.clock import dating_clock, now_ms
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.store import ListUploads

ARRIVED_SHOWN = 10

_ROWS = {Fate.GONE: Row.DELETED, Fate.CHANGED: Row.CHANGED, Fate.OPEN: Row.DELETING}
"""What is left for any other reason is kept."""
OPEN = (Row.LISTED, Row.DELETING, Row.KEPT)
"""What a deletion takes up: also what an earlier one was denied, or left without an answer."""
TOLD = (*OPEN, Row.CHANGED)
"""What a deletion has an answer for."""
CHANGED_BEFORE = "it was found to be another one than was listed"
AT_SOURCE = "the source has one of its name by now, or the patterns leave it out"
"""Why a `check` bars what stood in a target alone."""


Listing = Callable[[], AbstractAsyncContextManager[AsyncIterator[list[ListedObject]]]]
"""Gives the objects of which a snapshot is, in batches; reading ends with the context."""


async def take_snapshot(
    listing: Listing, location: Location, into: DeletionList, taken_ms: int, listener: Listener, *, kept: bool = True
) -> Summary:
    """Keep what `listing` gives of what is under the location; unless it is `kept`, no later call takes it up. Raises
    what `listing` raises: then there is no snapshot."""
    await into.begin()
    summary = Summary(len(location.key))
    async with listing() as batches:
        async for objects in batches:
            summary.add(objects)
            await into.add(objects)
            listener(Progress.of_listing(summary.total.objects, summary.total.bytes))
    listener(Progress.of_listing(summary.total.objects, summary.total.bytes, ended=True))
    if kept:
        await into.close_snapshot(taken_ms)
    return summary


async def summary_of(
    listed: DeletionList, location: Location, objects: int = 0, listener: Listener = ignore
) -> Summary:
    """The snapshot's figures, without what is deleted already: so many `objects`, of which `listener` is told how many
    were read."""
    summary = Summary(len(location.key))
    async for rows in listed.pages(OPEN):
        summary.add(rows)
        listener(Looking(objects, listing_done=True, done=summary.total.objects))
    return summary


@dataclass(slots=True)
class Deletion(DeletionReport):
    """What a deletion came to. `arrived` is what lies under the location (of `synchronize`: in the target alone) and is
    not in the snapshot, or took the place of what was deleted of it."""

    deleted: int = 0
    deleted_bytes: int = 0
    arrived: int = 0
    first_arrived: list[str] = field(default_factory=list)
    uploads: int = 0


async def note_changed(listed: DeletionList, done: Deletion, listener: Listener) -> None:
    """What was found to be another object than the listed one is not taken up again, and stays as well."""
    async for rows in listed.pages((Row.CHANGED,)):
        for row in rows:
            event = ObjectAside("", row.key, Fate.CHANGED.value, "SourceChanged", CHANGED_BEFORE)
            done.keep(event)
            listener(event)


class ProjectDeletion(Removal[Deletion, ListedObject]):
    """Deletes what the list still holds; of that, what `check` lets go. Each is looked at first: an ETag does not tell
    what was put there with the same bytes since, or while the rest was listed."""

    def __init__(
        self,
        listed: DeletionList,
        deleter: Deleter,
        listener: Listener,
        *,
        markers_accepted: Collection[str],
        check: Check | None = None,
    ) -> None:
        super().__init__(Deletion(), listener, markers_accepted)
        self._check = check
        self._listed = listed
        self._deleter = deleter

    async def go(self, location: Location) -> Deletion:
        """Delete. Raises errors of scope `run`; what was confirmed before is committed."""
        await note_changed(self._listed, self.report, self._listener)
        for count in await self._listed.counts():
            if count.state in TOLD:
                self._total += count.objects
                self._total_bytes += count.bytes
        rows = self._listed.pages(OPEN)
        await self._work_off(rows, lambda row: row.key, partial(self._delete, location), KEYS_A_BATCH)
        return self.report

    async def _delete(self, location: Location, batch: Batch[ListedObject], _first: bool) -> bool:
        rows = batch.records
        await self._listed.set_states((row.key, Row.DELETING) for row in rows)
        # A file's version tells all that a look would; which finds a link gone where its file went before it.
        items = [Item(row.key, row.etag, "" if location.is_local else row.modified) for row in rows]
        ends = await self._ask(self._deleter, items, Span(location, batch.after), self._check)
        await self._listed.set_states((row.key, _ROWS.get(ends[row.key].fate, Row.KEPT)) for row in rows)
        for row in rows:
            self._count(row, ends[row.key])
        return True

    @property
    def _gone(self) -> tuple[int, int]:
        return self.report.deleted, self.report.deleted_bytes

    def _count(self, row: ListedObject, end: End) -> None:
        if end.fate is Fate.GONE:
            self.report.deleted += 1
            self.report.deleted_bytes += row.size
        else:
            barred = AT_SOURCE if end.fate is Fate.BARRED else ""
            self._keep("", row.key, end.fate.value, end.code, end.message or barred)


@asynccontextmanager
async def listed_to_go(
    site: Site, location: Location, tell: Listener
) -> AsyncIterator[AsyncIterator[list[ListedObject]]]:
    """Batches of what is listed under the location and may be deleted; `tell` hears of what lies there beside it."""
    async with listed_under(site.store, location, tell) as batches:
        yield without_ledgers(batches, site.folder, location, tell)


async def look_at_the_rest(
    site: Site, location: Location, listed: DeletionList, done: Deletion, listener: Listener, *, tells: bool
) -> None:
    """What arrived after the snapshot, and unfinished uploads: left, and said in `done`. `tells`: the listener also
    hears of what cannot be an object there."""
    async with listed_to_go(site, location, listener if tells else ignore) as batches:
        await note_arrived(batches, listed, done)
    if location.is_local:
        return  # what a folder has of unfinished files is no part of it
    try:
        uploads = await site.store.list_uploads(ListUploads(location.bucket, location.key))
    except ObjectError as error:
        listener(Notice("UploadsNotListed", f"whether unfinished uploads are left is not known: {error}"))
        return
    done.uploads = sum(location.holds(item.key) for item in uploads)


async def note_arrived(batches: AsyncIterator[list[ListedObject]], listed: DeletionList, done: Deletion) -> None:
    """What is listed and is not in the snapshot, or not any more."""
    async for objects in batches:
        arrived = await listed.unknown([item.key for item in objects])
        done.arrived += len(arrived)
        done.first_arrived += arrived[: ARRIVED_SHOWN - len(done.first_arrived)]


FIRST_SHOWN = 10
ACCEPT_MARKERS = "--accept-delete-markers deletes all the same"


@dataclass(frozen=True, slots=True)
class DeleteResult(Result):
    """A snapshot, which `path` holds, and what a deletion of it came to (None: nothing was deleted). `summary` is of
    what the snapshot still holds, `taken_ms` when it was taken, by the server's clock; `fresh`: just now, `replaces`:
    in place of one of another source, or of other patterns. `deleted_before` counts what earlier calls deleted of it,
    `first` are the first keys that it still holds. `closed` says why nothing may be deleted now, a sentence each."""

    path: Path
    summary: Summary
    taken_ms: int
    fresh: bool
    deleted_before: int
    replaces: bool = False
    first: tuple[str, ...] = ()
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
    kept: bool = True,
) -> DeleteResult:
    """The snapshot that there is, or a new one. One that was deleted to its end is not followed by another unseen:
    what was confirmed is that one, and what arrived since is not in it. Unless it `repeats`, deletion after deletion:
    then what one of them had to leave is for the next snapshot to tell. A new one that is not `kept` is shown, and
    that is all."""
    taken_ms = None if again else await listed.taken_ms()
    if taken_ms is not None:
        listener(Doing("reading the list"))
        counts = await listed.counts()
        objects = sum(count.objects for count in counts if count.state in OPEN)
        unfinished = any(count.state in ((Row.LISTED, Row.DELETING) if repeats else OPEN) for count in counts)
        if unfinished or (confirmed and counts and not repeats):
            before = sum(count.objects for count in counts if count.state is Row.DELETED)
            summary = await summary_of(listed, location, objects, listener)
            return DeleteResult(listed.path, summary, taken_ms, False, before, first=await _first(listed))
    listener(Doing("listing"))
    clock = dating_clock(facts.date, facts.came_s) or now_ms
    taken_ms = clock()
    replaces = await listed.is_of_another()
    summary = await take_snapshot(listing, location, listed, taken_ms, listener, kept=kept)
    return DeleteResult(listed.path, summary, taken_ms, True, 0, replaces, await _first(listed))


async def _first(listed: DeletionList) -> tuple[str, ...]:
    return tuple(row.key for row in (await listed.rows("", OPEN))[:FIRST_SHOWN])


def closed_for(taken_ms: int, facts: BucketFacts, hold_s: int, *, delete_markers: bool) -> list[str]:
    """Why a snapshot may not be deleted now, a sentence each."""
    reasons = []
    if hold_s:
        now = server_ms(facts.date)
        if now is None:
            reasons.append("the server sends no date, so that nobody can say whether the hold has passed")
        elif (left_s := -(-(taken_ms + hold_s * 1000 - now) // 1000)) > 0:
            left = duration_text(min(left_s, hold_s))
            reasons.append(f"the hold of {duration_text(hold_s)} ends in {left}, by the server's clock")
    if facts.versioning != "" and not delete_markers:
        reasons.append(f"{facts.name} {versions_text(facts.versioning)}; {ACCEPT_MARKERS}")
    return reasons


async def delete_listed(
    opened: Sites,
    location: Location,
    listed: DeletionList,
    listener: Listener,
    listen: Callable[[Callable[[], None]], None],
    *,
    command: str,
    unconditional: bool,
    delete_markers: bool,
    check: Check | None = None,
    apart: Location | None = None,
) -> Deletion:
    """Delete what the list holds, under a claim, each only while it is what was listed and `check` lets it go. `listen`
    is given what ends it gently; `apart` is where nothing may go with it.

    Raises `GateClosed` where the server cannot do that, or `apart` is the same bucket by another name; `ClaimLost`, and
    `StoreError` of scope `run`."""
    bucket = location.whole_bucket
    async with claim_for(
        command, str(location), listed.path, opened, listener, [bucket], unconditional=unconditional, apart=apart
    ) as store_of:
        condition = condition_for(await opened.site(bucket).known.tried_now(bucket), unconditional=unconditional)
        if condition is None:
            raise GateClosed([NO_CONDITION])
        work = ProjectDeletion(
            listed,
            Deleter(store_of(bucket), {bucket.bucket: condition}),
            listener,
            markers_accepted=[bucket.bucket_name] if delete_markers else [],
            check=check,
        )
        listen(work.stop)
        return await work.go(location)
