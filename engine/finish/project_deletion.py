"""Deleting a whole project: exactly the keys of a snapshot, each only while it bears the ETag that was listed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial

from engine.errors import ObjectError
from engine.events import Listener, Notice, Progress, ignore
from engine.finish.batches import Batch, Batches, Removal
from engine.finish.deleting import KEYS_A_BATCH, Check, Deleter
from engine.finish.deletion_list import DeletionList, Row
from engine.finish.deletion_report import DeletionReport
from engine.finish.looking import Span
from engine.finish.project import Summary
from engine.finish.sending import End, Fate, Item
from engine.listing.whole import listed_under
from engine.model import ListedObject, Location
from engine.store import ListUploads, ObjectStore

ARRIVED_SHOWN = 10

_ROWS = {Fate.GONE: Row.DELETED, Fate.CHANGED: Row.CHANGED, Fate.OPEN: Row.DELETING}
"""What is left for any other reason is kept."""
OPEN = (Row.LISTED, Row.DELETING, Row.KEPT)
"""What a deletion takes up: also what an earlier one was denied, or left without an answer."""


Listing = Callable[[], AbstractAsyncContextManager[AsyncIterator[list[ListedObject]]]]
"""Gives the objects of which a snapshot is, in batches; reading ends with the context."""


async def take_snapshot(
    listing: Listing, location: Location, into: DeletionList, taken_ms: int, listener: Listener
) -> Summary:
    """Keep what `listing` gives of what is under the location. Raises what it raises: then there is no snapshot."""
    await into.begin()
    summary = Summary(len(location.key))
    async with listing() as batches:
        async for objects in batches:
            summary.add(objects)
            await into.add(objects)
            listener(Progress.of_listing(summary.total.objects, summary.total.bytes))
    await into.close_snapshot(taken_ms)
    return summary


async def summary_of(listed: DeletionList, location: Location) -> Summary:
    """The snapshot's figures, without what is deleted already."""
    summary = Summary(len(location.key))
    async for rows in _open_rows(listed):
        summary.add(rows)
    return summary


async def _open_rows(listed: DeletionList) -> AsyncIterator[list[ListedObject]]:
    after: str | None = None
    while rows := await listed.rows(after, OPEN):
        yield rows
        after = rows[-1].key


@dataclass(slots=True)
class Deletion(DeletionReport):
    """What a deletion came to. `arrived` is what lies under the location and is not in the snapshot."""

    deleted: int = 0
    deleted_bytes: int = 0
    arrived: int = 0
    first_arrived: list[str] = field(default_factory=list)
    uploads: int = 0


class ProjectDeletion(Removal[Deletion, ListedObject]):
    """Deletes what the list still holds; of that, what `check` lets go. `is_all`: the list was to hold everything under
    the location, so that what is left there has arrived since; `tells`: also of what cannot be an object there."""

    def __init__(
        self,
        store: ObjectStore,
        listed: DeletionList,
        deleter: Deleter,
        listener: Listener,
        *,
        markers_accepted: Collection[str],
        check: Check | None = None,
        is_all: bool = True,
        tells: bool = False,
    ) -> None:
        super().__init__(Deletion(), listener, markers_accepted)
        self._check = check
        self._is_all = is_all
        self._tells = tells
        self._store = store
        self._listed = listed
        self._deleter = deleter

    async def go(self, location: Location) -> Deletion:
        """Delete, then look at what is left. Raises errors of scope `run`; what was confirmed before is committed."""
        for count in await self._listed.counts():
            if count.state in OPEN:
                self._total += count.objects
                self._total_bytes += count.bytes
        batches = Batches(_open_rows(self._listed), lambda row: row.key, KEYS_A_BATCH)
        await self._work_off(batches, partial(self._delete, location))
        if self._is_all and not self.report.stopped:
            await self._look_at_the_rest(location)
        return self.report

    async def _delete(self, location: Location, batch: Batch[ListedObject], _first: bool) -> bool:
        rows = batch.records
        await self._listed.set_states((row.key, Row.DELETING) for row in rows)
        items = [Item(row.key, row.etag) for row in rows]
        ends = await self._deleter.delete(location.bucket, items, self._check, Span(location, batch.after))
        self.report.note_markers(self._deleter.markers_in, location.site, self._markers_accepted)
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
            self._keep("", row.key, end.fate.value, end.code, end.message)

    async def _look_at_the_rest(self, location: Location) -> None:
        """What arrived after the snapshot, and unfinished uploads: left, and said."""
        async with listed_under(self._store, location, self._listener if self._tells else ignore) as batches:
            async for objects in batches:
                arrived = await self._listed.unknown([item.key for item in objects])
                self.report.arrived += len(arrived)
                self.report.first_arrived += arrived[: ARRIVED_SHOWN - len(self.report.first_arrived)]
        if location.is_local:
            return  # what a folder has of unfinished files is no part of it
        try:
            uploads = await self._store.list_uploads(ListUploads(location.bucket, location.key))
        except ObjectError as error:
            self._listener(Notice("UploadsNotListed", f"whether unfinished uploads are left is not known: {error}"))
            return
        self.report.uploads = sum(location.is_prefix or item.key == location.key for item in uploads)
