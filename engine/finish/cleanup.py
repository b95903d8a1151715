"""Deleting the proven sources of a plan, batch by batch: looked at, committed, deleted, confirmed, committed.

Killed at any moment and run again, it is safe: a row that says `deleting` is settled by a look at its source before
anything else is believed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from engine.errors import StoreError
from engine.events import Listener, Progress
from engine.finish.batches import Batch, Batches, Removal, refuse_gone
from engine.finish.deleting import Checked, DeleterOf
from engine.finish.deletion_report import DeletionReport
from engine.finish.looking import PATIENCE_S, Looker, Span, There
from engine.finish.sending import End, Fate, Item
from engine.ledger import Ledger
from engine.model import Proof
from engine.plan.in_place import refuse_in_place
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord, Outcome
from engine.plan.route import Route
from engine.store import StoreOf, by_store


@dataclass(slots=True)
class Cleaned(DeletionReport):
    """What a cleanup came to."""

    deleted: int = 0
    deleted_bytes: int = 0


async def settle(store_of: StoreOf, ledger: Ledger, routes: Sequence[Route]) -> dict[Fate, int]:
    """Find out what became of deletes whose answer was never committed, by a look at each source. Deletes nothing.

    What cannot be looked at stays as it is. Raises errors of scope `run`."""
    looker_of = by_store(store_of, Looker)
    found: dict[Fate, int] = {}
    for route in routes:
        looker, after = looker_of(route.source), ""
        async for records in ledger.records(route.name, {State.DELETING}):
            keys = [route.source_key(record.key) for record in records]
            seen = await looker.look(route.source.bucket, keys)
            gone = [key for key in keys if key in seen.looks and seen.there(key) is None]
            listed = await looker.listed(gone, Span(route.source, after)) if gone else {}
            after = keys[-1]
            outcomes = []
            for record, key in zip(records, keys, strict=True):
                if key in seen.unseen:
                    found[Fate.DENIED] = found.get(Fate.DENIED, 0) + 1
                    continue
                outcome, fate = _settled(record, seen.there(key) or listed.get(key))
                outcomes.append(outcome)
                found[fate] = found.get(fate, 0) + 1
            await ledger.conclude_durably(route.name, outcomes)
    return found


def _settled(record: ObjectRecord, there: There | None) -> tuple[Outcome, Fate]:
    if there is None:
        return after_look(record, State.DELETED), Fate.GONE
    if there.etag == record.source_etag:
        return after_look(record, State.VERIFIED), Fate.LEFT
    message = f"the source bears ETag {there.etag} now, and was copied when it bore {record.source_etag}"
    return after_look(record, State.DRIFTED, "SourceChanged", message), Fate.CHANGED


def after_look(record: ObjectRecord, state: State, code: str = "", message: str = "") -> Outcome:
    """The outcome that leaves everything known of the copy as it is. Proof is kept where the source was proven."""
    proof = record.proof if state in (State.VERIFIED, State.DELETING, State.DELETED) else Proof.NONE
    return Outcome.seen(record.key, state, record.target_etag, code, message, proof)._replace(checksum=record.checksum)


class Cleanup(Removal[Cleaned, ObjectRecord]):
    """Deletes what the ledger holds as verified at `minimum` or better, once the gate is open."""

    def __init__(
        self,
        store_of: StoreOf,
        ledger: Ledger,
        deleter_of: DeleterOf,
        listener: Listener,
        *,
        minimum: Proof,
        markers_accepted: Collection[str] = (),
    ) -> None:
        super().__init__(Cleaned(), listener, markers_accepted)
        self._ledger = ledger
        self._deleter_of = deleter_of
        self._looker_of = by_store(store_of, Looker)
        self._minimum = minimum
        self._total = 0
        self._total_bytes = 0

    async def go(self, routes: Sequence[Route]) -> Cleaned:
        """Delete, route by route. Raises errors of scope `run`; what was confirmed before is committed."""
        refuse_in_place(routes, "cleanup")
        for tally in await self._ledger.tallies():
            if tally.state is State.VERIFIED and tally.proof >= self._minimum:
                self._total += tally.objects
                self._total_bytes += tally.bytes
        for route in routes:
            if self.report.stopped:
                break
            await self._delete_route(route)
        self._listener(self._progress())
        return self.report

    async def _delete_route(self, route: Route) -> None:
        batches = Batches(self._proven(route), lambda record: route.source_key(record.key))
        await self._work_off(batches, partial(self._delete_batch, route))

    async def _proven(self, route: Route) -> AsyncIterator[list[ObjectRecord]]:
        async for records in self._ledger.records(route.name, {State.VERIFIED}):
            yield [record for record in records if record.proof >= self._minimum]

    async def _delete_batch(self, route: Route, batch: Batch[ObjectRecord], first: bool) -> bool:
        """Whether anything of it went. With the `first`, what went is held against its targets once more."""
        records = batch.records
        await self._ledger.conclude_durably(route.name, [after_look(record, State.DELETING) for record in records])
        items = [Item(route.source_key(record.key), record.source_etag) for record in records]
        record_of = {item.key: record for item, record in zip(items, records, strict=True)}
        barred: dict[str, Outcome] = {}

        async def check(some: Sequence[Item]) -> Checked:
            checked, lost = await self._targets_stand(route, {item.key: record_of[item.key] for item in some})
            barred.update(lost)
            return checked

        async def then(gone: Collection[str]) -> None:
            keys = sorted(route.target_key(record_of[key].key) for key in gone)
            looker = self._looker_of(route.target)
            refuse_gone(await looker.look(route.target.bucket, keys), keys, route.target.bucket, "target")

        span = Span(route.source, batch.after)
        deleter = self._deleter_of(route.source)
        ends = await deleter.delete(route.source.bucket, items, check, span, then if first else None)
        outcomes = []
        for record, item in zip(records, items, strict=True):
            if (outcome := barred.get(record.key) or self._outcome(route, record, ends[item.key])) is not None:
                outcomes.append(outcome)
        await self._ledger.conclude_durably(route.name, outcomes)
        self.report.note_markers(deleter.markers_in, route.source.site, self._markers_accepted)
        return any(end.fate is Fate.GONE for end in ends.values())

    async def _targets_stand(
        self, route: Route, record_of: dict[str, ObjectRecord]
    ) -> tuple[Checked, dict[str, Outcome]]:
        """Which targets are there as they were proven, looked at now, by the keys of their sources; and what is to be
        recorded of the objects whose target is not."""
        targets = {key: route.target_key(record.key) for key, record in record_of.items()}
        seen = await self._looker_of(route.target).look(
            route.target.bucket, list(targets.values()), within_s=PATIENCE_S
        )
        may_go: dict[str, float] = {}
        unseen: dict[str, StoreError] = {}
        lost: dict[str, Outcome] = {}
        for key, record in record_of.items():
            if (error := seen.unseen.get(targets[key])) is not None:
                unseen[key] = error
                continue
            target, sent_at = seen.looks[targets[key]]
            if target is not None and (target.etag, target.size) == (record.target_etag, record.size):
                may_go[key] = sent_at
                continue
            code = "TargetMissing" if target is None else "TargetChanged"
            what = "is not there any more" if target is None else f"bears ETag {target.etag} now"
            message = f"the target {what}; the source stays"
            lost[record.key] = after_look(record, State.DAMAGED, code, message)
            self._keep(route.name, record.key, State.DAMAGED.value, code, message)
        return Checked(may_go, unseen), lost

    def _outcome(self, route: Route, record: ObjectRecord, end: End) -> Outcome | None:
        """What is to be recorded; None where nothing is known, so that the row stays to be settled."""
        if end.fate is Fate.GONE:
            self.report.deleted += 1
            self.report.deleted_bytes += record.size
            return after_look(record, State.DELETED)
        if end.fate is Fate.CHANGED:
            self._keep(route.name, record.key, State.DRIFTED.value, end.code, end.message)
            return after_look(record, State.DRIFTED, end.code, end.message)
        message = end.message
        if end.fate is Fate.UNSEEN:
            message = f"its target cannot be looked at: {message}"
        self._keep(route.name, record.key, end.fate.value, end.code, message)
        return None if end.fate is Fate.OPEN else after_look(record, State.VERIFIED, end.code, message)

    def _progress(self) -> Progress:
        report = self.report
        return Progress(
            listed=self._total,
            listed_bytes=self._total_bytes,
            listing_done=True,
            done=report.deleted + report.stayed,
            done_bytes=report.deleted_bytes,
            aside=report.stayed,
        )
