"""Taking a migration back before its sources are gone: the copies it made are removed, and nothing else.

A copy goes only if its source is there with the pinned ETag, looked at just before, and while the target bears the
ETag that we wrote. The intent is committed as `planned`: a run that follows copies again what is gone, and finds what
is still there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from engine.errors import AttemptError, NotFound, ObjectError
from engine.events import Doing, Listener, Looking, ObjectAside, ignore
from engine.finish.batches import Batch, DeletionReport, MayLag, RestingRemoval, resting_on
from engine.finish.deleting import Checked, DeleterOf
from engine.finish.looking import Seen, Span, There
from engine.finish.sending import Fate, Item
from engine.ledger import Ledger, LedgerReader
from engine.model import Location, ObjectRef, UploadRef
from engine.plan.in_place import refuse_in_place
from engine.plan.integrity import Agreement, compare_etags
from engine.plan.lifecycle import IN_FLIGHT, IN_PLACE, LEAVING, State
from engine.plan.record import NEVER_THERE, NOT_ON_DISK, TAKEN_BACK, Decision, ObjectRecord, UploadRecord
from engine.plan.route import Route
from engine.store import AbortUpload, StoreOf
from engine.transfer.orphans import Orphans

LEFT_SHOWN = 10
UNSEEN = "its source cannot be looked at: {}"


class Part(StrEnum):
    """What a revert does about one object."""

    REMOVE = "remove"  # a copy that we made
    LOOK = "look"  # a copy whose outcome was never committed: the target tells whether it landed
    REMOVED = "removed"  # a copy that a revert took back: what is there now is not ours
    FOUND = "found"  # it was in place before us
    OVERWRITTEN = "overwritten"  # the target held something else before, which no one can bring back
    CHANGED = "changed"  # source or target is no longer what was copied
    MISSING = "missing"  # the copy was not there any more when it was looked at last
    NOTHING = "nothing"  # nothing of it was written
    GONE = "gone"  # its source was deleted by cleanup, whatever is there now: the way back is a plan of its own


def part_of(record: ObjectRecord) -> Part:
    """What the ledger alone says of one object."""
    if record.state in LEAVING:
        return Part.GONE
    unsynced = record.state is State.DAMAGED and record.code == NOT_ON_DISK  # it was never seen to be another
    if record.state in IN_PLACE or unsynced:
        if record.found:
            return Part.FOUND
        return Part.OVERWRITTEN if record.overwritten else Part.REMOVE
    if record.state in IN_FLIGHT:
        if record.code == TAKEN_BACK:
            return Part.REMOVED
        if record.held and record.held == record.target_etag:
            return Part.FOUND if record.found else Part.CHANGED  # being compared; a copy over our own under way
        if record.held:
            return Part.OVERWRITTEN
        return Part.REMOVE if record.target_etag else Part.LOOK
    if not record.target_etag:
        return Part.NOTHING
    if record.found:
        return Part.FOUND
    return Part.MISSING if record.code == "TargetMissing" else Part.CHANGED


_TAKEN = {
    TAKEN_BACK: "a revert removed the copy",
    NEVER_THERE: "a revert found no copy of it",
}

LISTED = (Part.FOUND, Part.OVERWRITTEN, Part.CHANGED)
"""What is left and said."""


@dataclass(slots=True)
class Outlook:
    """What a revert would do, by the ledger alone. `left` holds the first of those that stay."""

    objects: dict[Part, int] = field(default_factory=dict)
    bytes: dict[Part, int] = field(default_factory=dict)
    left: list[ObjectAside] = field(default_factory=list)
    uploads: list[UploadRecord] = field(default_factory=list)

    @property
    def cleaned_up(self) -> bool:
        """Whether sources are gone already, so that only a plan leads back."""
        return self.objects.get(Part.GONE, 0) > 0

    @property
    def removable(self) -> int:
        return self.objects.get(Part.REMOVE, 0)

    @property
    def changed(self) -> int:
        """Copies of ours that stay, since they or their sources are no longer what was copied."""
        return self.objects.get(Part.CHANGED, 0)

    @property
    def unsettled(self) -> int:
        """Objects that were decided, and of which no outcome is known: perhaps nothing of them was written."""
        return self.objects.get(Part.LOOK, 0)


_SAID = {
    Part.FOUND: "it was in place before the run, and stays",
    Part.OVERWRITTEN: "the target held something else before, and stays as it is now",
    Part.CHANGED: "source or target is no longer what was copied; the target stays",
}


async def outlook(ledger: LedgerReader, listener: Listener = ignore) -> Outlook:
    """Read the whole ledger once. `listener` is told of everything that stays, `Outlook.left` holds the first."""
    listener(Doing("reading the ledger"))
    total, read = sum(tally.objects for tally in await ledger.tallies()), 0
    found = Outlook(uploads=await ledger.open_uploads())
    async for records in ledger.records():
        read += len(records)
        listener(Looking(total, listing_done=True, done=read))
        for record in records:
            part = part_of(record)
            found.objects[part] = found.objects.get(part, 0) + 1
            found.bytes[part] = found.bytes.get(part, 0) + record.size
            if part in LISTED:
                stays = ObjectAside(record.route, record.key, part.value, record.code, _SAID[part])
                listener(stays)
                if len(found.left) < LEFT_SHOWN:
                    found.left.append(stays)
    objects, size_bytes = await ledger.former()
    if objects:
        found.objects[Part.GONE] = found.objects.get(Part.GONE, 0) + objects
        found.bytes[Part.GONE] = found.bytes.get(Part.GONE, 0) + size_bytes
    return found


@dataclass(slots=True)
class Reverted(DeletionReport):
    """What a revert came to."""

    removed: int = 0
    removed_bytes: int = 0
    aborted: int = 0


class Revert(RestingRemoval[Reverted]):
    """Removes the copies that the ledger says are ours."""

    def __init__(
        self,
        store_of: StoreOf,
        ledger: Ledger,
        deleter_of: DeleterOf,
        listener: Listener,
        total: int,
        *,
        markers_accepted: Collection[str] = (),
        may_lag: MayLag | None = None,
    ) -> None:
        super().__init__(Reverted(), store_of, ledger, deleter_of, listener, markers_accepted, may_lag)
        self._store_of = store_of
        self._total = total

    async def go(self, routes: Sequence[Route]) -> Reverted:
        """Abort unfinished uploads, then remove copies batch by batch. Raises errors of scope `run`."""
        refuse_in_place(routes, "revert")
        await self._abort_uploads({route.name: route.target for route in routes})
        for route in routes:
            if self.report.stopped:
                break
            await self._ledger.open_snapshot(route.name)  # what the targets hold is no longer what was listed
            await self._remove_route(route)
        return self.report

    async def _remove_route(self, route: Route) -> None:
        remove = partial(self._remove, route)
        await self._work_off(self._ours_of(route), lambda record: route.target_key(record.key), remove)

    async def _ours_of(self, route: Route) -> AsyncIterator[list[ObjectRecord]]:
        async for records in self._ledger.records(route.name, IN_PLACE | IN_FLIGHT | {State.DAMAGED}):
            yield [record for record in records if part_of(record) in (Part.REMOVE, Part.LOOK)]

    async def _abort_uploads(self, targets: Mapping[str, Location]) -> None:
        for record in await self._ledger.open_uploads():
            store = self._store_of(targets[record.route])
            orphans = Orphans(store, self._listener)
            target = ObjectRef(record.bucket, record.target_key)
            if record.upload_id:
                try:
                    await store.abort_upload(AbortUpload(UploadRef(target, record.upload_id)))
                except NotFound:
                    pass  # completed or aborted already: the target tells, like any other
                except (AttemptError, ObjectError) as error:
                    orphans.report(target, record.upload_id, str(error))
                    continue
            else:
                try:
                    await orphans.look_for(target, record)
                except (AttemptError, ObjectError):
                    continue  # that is told, and it stays in the ledger: the next revert looks again
            await self._ledger.finish_upload(record.route, record.key, "aborted")
            self.report.aborted += 1

    async def _remove(self, route: Route, batch: Batch[ObjectRecord], first: bool) -> bool:
        """Whether anything of it went. With the `first`, what went is held against its sources once more."""
        looker, bucket = self._looker_of(route.source), route.source.bucket
        seen = await looker.look(bucket, [route.source_key(record.key) for record in batch.records])
        safe = [record for record in batch.records if self._source_stands(route, record, seen)]
        unsure = [route.target_key(record.key) for record in safe if not record.target_etag]
        targets = await self._looker_of(route.target).look(route.target.bucket, unsure)
        known = [ours for record in safe if (ours := self._ours(route, record, targets)) is not None]
        going = [record for record in known if record.target_etag]
        nothing = [_taken(record, NEVER_THERE) for record in known if not record.target_etag]
        if not going:
            await self._ledger.decide(route.name, nothing)
            return False
        await self._ledger.decide(route.name, [_decision(record) for record in going])
        items = [Item(route.target_key(record.key), record.target_etag) for record in going]
        record_of = {item.key: record for item, record in zip(items, going, strict=True)}

        def stands(key: str, source: There | None) -> bool:
            return self._is_unchanged(route, record_of[key], source)

        async def check(some: Sequence[Item]) -> Checked:
            sources = {item.key: route.source_key(record_of[item.key].key) for item in some}
            return await resting_on(looker, bucket, sources, stands)

        async def then(gone: Collection[str]) -> None:
            sources = sorted(route.source_key(record_of[key].key) for key in gone)
            await self._refuse_gone(route.target, route.source, sources, "source")

        span = Span(route.target, batch.after)
        ends = await self._ask(self._deleter_of(route.target), items, span, check, then if first else None)
        gone = []
        for record, item in zip(going, items, strict=True):
            end = ends[item.key]
            if end.fate is Fate.GONE:
                self.report.removed += 1
                self.report.removed_bytes += record.size
                self.report.note_newcomer(end, route.target, item.key)
                gone.append(_taken(record, TAKEN_BACK))
            elif end.fate is not Fate.BARRED:
                why = UNSEEN.format(end.message) if end.fate is Fate.UNSEEN else end.message
                self._keep(route.name, record.key, end.fate.value, end.code, why)
        await self._ledger.decide(route.name, nothing + gone)
        return bool(gone)

    def _source_stands(self, route: Route, record: ObjectRecord, seen: Seen) -> bool:
        key = route.source_key(record.key)
        if (error := seen.unseen.get(key)) is not None:
            self._keep(route.name, record.key, "unseen", error.code, UNSEEN.format(error.message))
            return False
        return self._is_unchanged(route, record, seen.there(key))

    def _is_unchanged(self, route: Route, record: ObjectRecord, source: There | None) -> bool:
        if source is not None and source.etag == record.source_etag:
            return True
        what = "is not there any more" if source is None else f"bears ETag {source.etag} now"
        code = "SourceGone" if source is None else "SourceChanged"
        self._keep(route.name, record.key, "source", code, f"the source {what}")
        return False

    def _ours(self, route: Route, record: ObjectRecord, seen: Seen) -> ObjectRecord | None:
        """The record with the ETag that its copy bears, none where there is no copy; None where what is there may be
        another's."""
        if record.target_etag:
            return record
        key = route.target_key(record.key)
        there = None if key in seen.unseen else seen.there(key)
        alike = there is not None and there.size == record.size
        if there is not None and alike and compare_etags(record.source_etag, there.etag) is Agreement.EQUAL:
            return record._replace(target_etag=there.etag)
        if there is None and key not in seen.unseen:
            return record
        why = "a copy of it was under way, and what is there may be another's"
        self._keep(route.name, record.key, "unsure", "", why)
        return None

    @property
    def _gone(self) -> tuple[int, int]:
        return self.report.removed, self.report.removed_bytes


def _decision(record: ObjectRecord) -> Decision:
    """`planned`, with the copy that is about to go."""
    return Decision(
        record.key,
        record.size,
        record.source_etag,
        record.source_modified,
        record.storage_class,
        record.source_checksum,
        State.PLANNED,
        target_etag=record.target_etag,
    )


def _taken(record: ObjectRecord, code: str) -> Decision:
    """`planned`, as if nothing had been written. What a killed run sent may arrive yet where nothing was: that is
    looked at again."""
    return _decision(record)._replace(target_etag="", code=code, message=_TAKEN[code])
