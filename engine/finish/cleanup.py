"""Deleting the proven sources of a plan, batch by batch: looked at, committed, deleted, confirmed, committed.

Killed at any moment and run again, it is safe: a row that says `deleting` is settled by a look at its source before
anything else is believed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from engine.events import Listener, ObjectAside, Progress
from engine.finish.deleting import BATCHES_AT_ONCE, KEYS_A_BATCH, Deleter, End, Fate, Item, Stays
from engine.finish.looking import Looker, There
from engine.ledger import Ledger
from engine.model import Proof
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord, Outcome
from engine.plan.route import Route
from engine.store import ObjectStore


@dataclass(slots=True)
class Cleaned(Stays):
    """What a cleanup came to."""

    deleted: int = 0
    deleted_bytes: int = 0


async def settle(store: ObjectStore, ledger: Ledger, routes: Sequence[Route]) -> dict[Fate, int]:
    """Find out what became of deletes whose answer was never committed, by a look at each source. Deletes nothing.

    What cannot be looked at stays as it is. Raises errors of scope `run`."""
    looker = Looker(store)
    found: dict[Fate, int] = {}
    for route in routes:
        async for records in ledger.records(route.name, {State.DELETING}):
            seen = await looker.look(route.source.bucket, [route.source_key(record.key) for record in records])
            outcomes = []
            for record in records:
                key = route.source_key(record.key)
                if key in seen.unseen:
                    found[Fate.DENIED] = found.get(Fate.DENIED, 0) + 1
                    continue
                outcome, fate = _settled(record, seen.there.get(key))
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
    return Outcome(
        record.key, state, record.target_etag, record.checksum, proof, requests=0, code=code, message=message
    )


class Cleanup:
    """Deletes what the ledger holds as verified at `minimum` or better, once the gate is open. `markers_accepted` are
    the buckets in which it was accepted that a delete only adds a marker."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        deleter: Deleter,
        listener: Listener,
        *,
        minimum: Proof,
        markers_accepted: Collection[str] = (),
    ) -> None:
        self._ledger = ledger
        self._deleter = deleter
        self._listener = listener
        self._looker = Looker(store)
        self._minimum = minimum
        self._markers_accepted = markers_accepted
        self._total = 0
        self._total_bytes = 0
        self.report = Cleaned()

    def stop(self) -> None:
        """Begin no further batch; those under way are finished and committed."""
        self.report.stopped = True

    async def go(self, routes: Sequence[Route]) -> Cleaned:
        """Delete, route by route. Raises errors of scope `run`; what was confirmed before is committed."""
        for tally in await self._ledger.tallies():
            if tally.state is State.VERIFIED and tally.proof >= self._minimum:
                self._total += tally.objects
                self._total_bytes += tally.bytes
        for route in routes:
            if self.report.stopped:
                break
            await self._delete_route(route)
        self._tell()
        return self.report

    async def _delete_route(self, route: Route) -> None:
        send, receive = anyio.create_memory_object_stream[list[ObjectRecord]](1)
        async with anyio.create_task_group() as group:
            for _ in range(BATCHES_AT_ONCE):
                group.start_soon(self._delete_batches, route, receive.clone())
            receive.close()
            await self._read_batches(route, send)

    async def _read_batches(self, route: Route, send: MemoryObjectSendStream[list[ObjectRecord]]) -> None:
        async with send:
            async for records in self._ledger.records(route.name, {State.VERIFIED}):
                proven = [record for record in records if record.proof >= self._minimum]
                for at in range(0, len(proven), KEYS_A_BATCH):
                    if self.report.stopped:
                        return
                    await send.send(proven[at : at + KEYS_A_BATCH])

    async def _delete_batches(self, route: Route, batches: MemoryObjectReceiveStream[list[ObjectRecord]]) -> None:
        async with batches:
            async for records in batches:
                if not self.report.stopped:
                    await self._delete_batch(route, records)
                self._tell()

    async def _delete_batch(self, route: Route, records: list[ObjectRecord]) -> None:
        await self._ledger.conclude_durably(route.name, [after_look(record, State.DELETING) for record in records])
        items = [Item(route.source_key(record.key), record.source_etag) for record in records]
        record_of = {item.key: record for item, record in zip(items, records, strict=True)}
        barred: dict[str, Outcome] = {}

        async def check(some: Sequence[Item]) -> frozenset[str]:
            found = await self._without_target(route, [record_of[item.key] for item in some])
            barred.update(found)
            return frozenset(item.key for item in some if record_of[item.key].key not in found)

        ends = await self._deleter.delete(route.source.bucket, items, check)
        outcomes = [
            barred[record.key] if record.key in barred else self._outcome(route, record, ends[item.key])
            for record, item in zip(records, items, strict=True)
        ]
        await self._ledger.conclude_durably(route.name, outcomes)
        self.report.note_markers(self._deleter.markers_in, self._markers_accepted)

    async def _without_target(self, route: Route, records: list[ObjectRecord]) -> dict[str, Outcome]:
        """The objects whose target is not there as it was proven, looked at now, and what is to be recorded of them."""
        seen = await self._looker.look(route.target.bucket, [route.target_key(record.key) for record in records])
        lost: dict[str, Outcome] = {}
        for record in records:
            key = route.target_key(record.key)
            if (error := seen.unseen.get(key)) is not None:
                message = f"its target cannot be looked at: {error.message}"
                self._keep(route, record, "unseen", error.code, message)
                lost[record.key] = after_look(record, State.VERIFIED, error.code, message)
                continue
            target = seen.there.get(key)
            if target is not None and (target.etag, target.size) == (record.target_etag, record.size):
                continue
            code = "TargetMissing" if target is None else "TargetChanged"
            what = "is not there any more" if target is None else f"bears ETag {target.etag} now"
            message = f"the target {what}; the source stays"
            lost[record.key] = after_look(record, State.DAMAGED, code, message)
            self._keep(route, record, State.DAMAGED.value, code, message)
        return lost

    def _outcome(self, route: Route, record: ObjectRecord, end: End) -> Outcome:
        if end.fate is Fate.GONE:
            self.report.deleted += 1
            self.report.deleted_bytes += record.size
            return after_look(record, State.DELETED)
        if end.fate is Fate.CHANGED:
            self._keep(route, record, State.DRIFTED.value, end.code, end.message)
            return after_look(record, State.DRIFTED, end.code, end.message)
        self._keep(route, record, end.fate.value, end.code, end.message)
        return after_look(record, State.VERIFIED, end.code, end.message)

    def _keep(self, route: Route, record: ObjectRecord, state: str, code: str, message: str) -> None:
        event = ObjectAside(route.name, record.key, state, code, message)
        self.report.keep(event)
        self._listener(event)

    def _tell(self) -> None:
        report = self.report
        self._listener(
            Progress(
                listed=self._total,
                listed_bytes=self._total_bytes,
                listing_done=True,
                done=report.deleted + report.stayed,
                done_bytes=report.deleted_bytes,
                copied=0,
                found=0,
                aside=report.stayed,
                requests=0,
                throttled=0,
                rate_rps=0.0,
                in_flight=0,
            )
        )
