"""Deleting the proven sources of a plan, batch by batch: looked at, committed, deleted, confirmed, committed.

Killed at any moment and run again, it is safe: a row that says `deleting` is settled by a look at its source before
anything else is believed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.errors import AttemptError, ObjectError
from engine.events import Listener
from engine.finish.batches import Batch, DeletionReport, MayLag, RestingRemoval, resting_on
from engine.finish.deleting import REPLACED, Checked, DeleterOf, replaced_text
from engine.finish.failed_sync import FAILED_SYNC, conclude_failed_sync, not_on_disk, why_it_stays
from engine.finish.looking import Looker, Span, There
from engine.finish.other_copies import OtherCopies
from engine.finish.sending import End, Fate, Item
from engine.folder.refusals import IS_ONE_FILE, ONE_FILE
from engine.folder.versions import same
from engine.ledger import Ledger
from engine.model import ObjectRef, Proof
from engine.plan.in_place import refuse_in_place
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord, Outcome, after_look
from engine.plan.route import Route
from engine.store import StoreOf, by_store

if TYPE_CHECKING:
    from engine.folder.durable import Synced, Undurable
    from engine.folder.store import FolderStore


@dataclass(slots=True)
class Cleaned(DeletionReport):
    """What a cleanup came to; `gone` had gone before it asked for them."""

    deleted: int = 0
    deleted_bytes: int = 0
    gone: int = 0
    gone_bytes: int = 0


async def settle(store_of: StoreOf, ledger: Ledger, routes: Sequence[Route]) -> dict[Fate, int]:
    """Find out what became of deletes whose answer was never committed, by a look at each source. Deletes nothing.

    What cannot be looked at stays as it is, and so does what is gone by its key and listed all the same: a listing may
    lag behind, and what comes to that key is no source of ours. Raises errors of scope `run`."""
    looker_of = by_store(store_of, Looker)
    found: dict[Fate, int] = {}
    for route in routes:
        looker, after = looker_of(route.source), ""
        async for records in ledger.records(route.name, {State.DELETING}):
            keys = [route.source_key(record.key) for record in records]
            seen = await looker.look(route.source.bucket, keys, by_key=True)
            gone = [key for key in keys if key in seen.looks and seen.there(key) is None]
            try:
                listed = await looker.listed(gone, Span(route.source, after)) if gone else {}
            except (ObjectError, AttemptError) as error:  # a look alone is not believed
                listed = {}
                seen.unseen.update(dict.fromkeys(gone, error))
            after = keys[-1]
            outcomes = []
            for record, key in zip(records, keys, strict=True):
                if key in seen.unseen:
                    found[Fate.DENIED] = found.get(Fate.DENIED, 0) + 1
                    continue
                outcome, fate = _settled(record, seen.there(key), listed.get(key))
                if outcome is not None:
                    outcomes.append(outcome)
                found[fate] = found.get(fate, 0) + 1
            await ledger.conclude_durably(route.name, outcomes)
    return found


def _settled(record: ObjectRecord, there: There | None, listed: There | None) -> tuple[Outcome | None, Fate]:
    """By what is at its key, and what a listing shows there that the look did not find; None: it stays open."""
    if there is None and listed is not None and listed.etag == record.source_etag:
        return None, Fate.OPEN
    there = there or listed
    if there is None:
        return after_look(record, State.DELETED), Fate.GONE
    if there.etag == record.source_etag:
        return after_look(record, State.VERIFIED), Fate.LEFT
    # Whether our delete or its owner took the old one nobody knows. The copy may be the last of it: as `drifted` it
    # would be written over.
    return after_look(record, State.DELETED, REPLACED, replaced_text(there)), Fate.CHANGED


class Cleanup(RestingRemoval[Cleaned]):
    """Deletes what the ledger holds as verified at `minimum` or better, once the gate is open. `gone_in` are the routes
    of which an audit found some sources gone: there each batch is looked at first, so that those are told apart.
    `folders` is the store of local folders, where a route has one."""

    def __init__(
        self,
        store_of: StoreOf,
        ledger: Ledger,
        deleter_of: DeleterOf,
        listener: Listener,
        *,
        minimum: Proof,
        markers_accepted: Collection[str] = (),
        gone_in: Collection[str] = (),
        folders: FolderStore | None = None,
        may_lag: MayLag | None = None,
    ) -> None:
        super().__init__(Cleaned(), store_of, ledger, deleter_of, listener, markers_accepted, may_lag)
        self._minimum = minimum
        self._others: OtherCopies
        self._gone_in = set(gone_in)
        self._folders = folders
        self._synced: Synced = {}

    async def go(self, routes: Sequence[Route]) -> Cleaned:
        """Delete, route by route. Raises errors of scope `run`; what was confirmed before is committed."""
        refuse_in_place(routes, "cleanup")
        self._others = OtherCopies(routes, self._ledger, self._looker_of)
        for tally in await self._ledger.tallies():
            if tally.state is State.VERIFIED and tally.proof >= self._minimum:
                self._total += tally.objects
                self._total_bytes += tally.bytes
        self._gone_in |= self._others.beside.keys()  # what one route deleted is gone for the next
        for route in routes:
            if self.report.stopped:
                break
            await self._delete_route(route)
        if self._failed_sync:  # now that no batch is under way; what is stopped or killed before leaves the note
            await conclude_failed_sync(self._ledger, routes, self._failed)
        self._listener(self._progress())
        return self.report

    async def _delete_route(self, route: Route) -> None:
        delete = partial(self._delete_batch, route)
        await self._work_off(self._proven(route), lambda record: route.source_key(record.key), delete)

    async def _proven(self, route: Route) -> AsyncIterator[list[ObjectRecord]]:
        async for records in self._ledger.records(route.name, {State.VERIFIED}):
            yield [record for record in records if record.proof >= self._minimum]

    async def _delete_batch(self, route: Route, batch: Batch[ObjectRecord], first: bool) -> bool:
        """Whether anything of it went. With the `first`, and with all of folders, what went is held against its targets
        once more."""
        if not (records := await self._on_disk(route, batch.records)):
            return False
        await self._ledger.conclude_durably(route.name, [after_look(record, State.DELETING) for record in records])
        items = [Item(route.source_key(record.key), record.source_etag) for record in records]
        record_of = {item.key: record for item, record in zip(items, records, strict=True)}
        barred: dict[str, Outcome] = {}

        looker, bucket = self._looker_of(route.target), route.target.bucket

        def stands(key: str, target: There | None) -> bool:
            record = record_of[key]
            if (lost := self._target_lost(route, record, target)) is not None:
                barred[record.key] = lost
            return lost is None

        async def check(some: Sequence[Item]) -> Checked:
            targets = {item.key: route.target_key(record_of[item.key].key) for item in some}
            found = await self._others.check(route, await resting_on(looker, bucket, targets, stands), bar)
            themselves = {key for key in found.may_go if await self._is_its_target(route, record_of[key])}
            for key in themselves:
                bar(key, IS_ONE_FILE, ONE_FILE)
            return found._replace(may_go={key: at for key, at in found.may_go.items() if key not in themselves})

        def bar(key: str, why: str, code: str = "OtherCopyLost") -> None:
            record = record_of[key]
            self._keep(route.name, record.key, Fate.BARRED.value, code, why)
            barred[record.key] = after_look(record, State.VERIFIED, code, why)

        async def then(gone: Collection[str]) -> None:
            targets = sorted(route.target_key(record_of[key].key) for key in gone)
            await self._refuse_gone(route.source, route.target, targets, "target")

        span = Span(route.source, batch.after)
        gone = await self._gone_before(route, list(record_of), span)
        # Of folders a part may be the other's, by means that neither device nor inode tells: it costs little to look.
        looks = then if first or route.stays_here else None
        ends = await self._ask(self._deleter_of(route.source), items, span, check, looks)
        outcomes = []
        for record, item in zip(records, items, strict=True):
            outcome = barred.get(record.key) or self._outcome(route, record, ends[item.key], gone=item.key in gone)
            if outcome is not None:
                outcomes.append(outcome)
        await self._ledger.conclude_durably(route.name, outcomes)
        return any(end.fate is Fate.GONE and key not in gone for key, end in ends.items())

    def _target_lost(self, route: Route, record: ObjectRecord, target: There | None) -> Outcome | None:
        """What is to be recorded of an object whose target is not there as it was proven; None where it is."""
        if target is not None and (target.etag, target.size) == (record.target_etag, record.size):
            return None
        code = "TargetMissing" if target is None else "TargetChanged"
        what = "is not there any more" if target is None else f"bears ETag {target.etag} now"
        message = f"the target {what}; the source stays"
        self._keep(route.name, record.key, State.DAMAGED.value, code, message)
        return after_look(record, State.DAMAGED, code, message)

    async def _on_disk(self, route: Route, records: Sequence[ObjectRecord]) -> Sequence[ObjectRecord]:
        """Those whose targets a power cut does not reach: a file that was found there, or written without a sync, may
        be in the system's memory alone. Looked at it is afterwards, as what it was when it was proven.

        The system says once that a sync failed, and the next one succeeds: the row has to remember it, since neither a
        listing nor the bytes, which are read from memory, show that they are not on the disk. What could not be reached
        to be synced says nothing of the disk: it stays for now."""
        if self._folders is None or not route.target.is_local:
            return records
        lost, unreached = await self._failed(route, records)
        if lost and self._failed_sync:  # before any row, and for those that no batch will come to
            await self._ledger.set_note(FAILED_SYNC, self._failed_sync)
        outcomes = [not_on_disk(item, lost[item.key].message) for item in records if item.key in lost]
        for outcome in outcomes:
            self._keep(route.name, outcome.key, State.DAMAGED.value, outcome.code, outcome.message)
        for key, error in unreached.items():
            if key not in lost:
                self._keep(route.name, key, Fate.BARRED.value, error.code, why_it_stays(error.message))
        await self._ledger.conclude_durably(route.name, outcomes)
        return [record for record in records if record.key not in lost and record.key not in unreached]

    async def _failed(self, route: Route, records: Sequence[ObjectRecord]) -> Undurable:
        """Those whose targets could not be brought to the disk, by their own keys."""
        assert self._folders is not None
        keys = {route.target_key(record.key): record.key for record in records}
        failed = await self._folders.make_durable(route.target.bucket, list(keys), self._synced)
        lost, unreached = ({keys[target]: error for target, error in some.items()} for some in failed)
        return failed._replace(lost=lost, unreached=unreached)

    @property
    def _failed_sync(self) -> str:
        """What the system said of a disk that could not be synced; empty where there is none."""
        return next((str(error) for error in list(self._synced.values()) if error is not None), "")

    async def _is_its_target(self, route: Route, record: ObjectRecord) -> bool:
        """Whether a source in a folder is its own target, by a mount or a link: then it bears the target's version."""
        if self._folders is None or not route.stays_here or not same(record.source_etag, record.target_etag):
            return False
        source = ObjectRef(route.source.bucket, route.source_key(record.key))
        return await self._folders.is_one(source, ObjectRef(route.target.bucket, route.target_key(record.key)))

    async def _gone_before(self, route: Route, keys: Sequence[str], span: Span) -> Collection[str]:
        """Those that are not there, before any delete of ours is sent: none that goes later is among them."""
        if route.name not in self._gone_in:
            return ()
        try:
            return set(keys) - (await self._looker_of(route.source).listed(keys, span)).keys()
        except (ObjectError, AttemptError):
            return ()  # it is for a figure alone

    def _outcome(self, route: Route, record: ObjectRecord, end: End, *, gone: bool) -> Outcome | None:
        """What is to be recorded; None where nothing is known, so that the row stays to be settled."""
        if end.fate is Fate.GONE:
            self.report.gone += gone
            self.report.gone_bytes += record.size * gone
            self.report.deleted += not gone
            self.report.deleted_bytes += record.size * (not gone)
            self.report.note_newcomer(end, route.source, route.source_key(record.key))
            return after_look(record, State.DELETED, end.code, end.message)
        if end.fate is Fate.CHANGED:
            self._keep(route.name, record.key, State.DRIFTED.value, end.code, end.message)
            return after_look(record, State.DRIFTED, end.code, end.message)
        message = f"its target cannot be looked at: {end.message}" if end.fate is Fate.UNSEEN else end.message
        self._keep(route.name, record.key, end.fate.value, end.code, message)
        return None if end.fate is Fate.OPEN else after_look(record, State.VERIFIED, end.code, message)

    @property
    def _gone(self) -> tuple[int, int]:
        report = self.report
        return report.deleted + report.gone, report.deleted_bytes + report.gone_bytes
