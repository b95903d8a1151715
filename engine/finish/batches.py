"""What is deleted, batch by batch: a small one first, after which is looked whether what was to stay is still there.

Two names of one bucket agree in everything that can be compared: each target is found where its source is, byte for
byte. Deleting tells: the target of the first source goes with it, and nothing more is deleted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from engine.errors import EngineError, GoneTogether, one_error
from engine.events import Doing, Listener, Notice, ObjectAside, Progress
from engine.finish import lag
from engine.finish.deleting import KEYS_A_BATCH, REPLACED, Check, Checked, Deleter, DeleterOf, Then
from engine.finish.looking import FEW, PATIENCE_S, Looker, Span, There
from engine.finish.sending import BATCHES_AT_ONCE, End, Item
from engine.ledger import Ledger
from engine.model import Location, bucket_name
from engine.plan.record import ObjectRecord
from engine.plan.sizes import plural, size_text
from engine.store import StoreOf, by_store

STAYS_SHOWN = 10


@dataclass(slots=True)
class DeletionReport:
    """What a deletion of any kind left in place. `kept` counts it by why, `first_kept` holds the first of it.
    `markers`: delete markers were added; `unaccepted` are the buckets in which nobody had said yes to that; `stopped`:
    it ended before its end. `newcomers` counts other objects that are where one is gone whose delete was never
    answered, `first_newcomers` says where the first of them are."""

    kept: dict[str, int] = field(default_factory=dict)
    first_kept: list[ObjectAside] = field(default_factory=list)
    markers: bool = False
    unaccepted: tuple[str, ...] = ()
    stopped: bool = False
    newcomers: int = 0
    first_newcomers: list[str] = field(default_factory=list)

    @property
    def stayed(self) -> int:
        return sum(self.kept.values())

    @property
    def interrupted(self) -> bool:
        """It was asked to stop, and nothing else stopped it."""
        return self.stopped and not self.unaccepted

    @property
    def is_whole(self) -> bool:
        """Everything that was to go is gone."""
        return not self.kept and not self.stopped

    def note_markers(self, added_in: Collection[str], site: str, accepted_in: Collection[str]) -> None:
        """Delete markers were added in the one buckets of a site: a reason to stop unless that was accepted for each of
        them, by `Location.bucket_name`."""
        self.markers = self.markers or bool(added_in)
        added = {bucket_name(bucket, site) for bucket in added_in}
        self.unaccepted = tuple(sorted({*self.unaccepted, *(added - set(accepted_in))}))
        self.stopped = self.stopped or bool(self.unaccepted)

    def note_newcomer(self, end: End, where: Location, key: str) -> None:
        """Count what is at the key in the bucket of `where` now, where the end of what was there says so."""
        if end.code == REPLACED:
            self.newcomers += 1
            if len(self.first_newcomers) < STAYS_SHOWN:
                self.first_newcomers.append(str(where.at(key)))

    def keep(self, event: ObjectAside) -> None:
        """Count one more that stays; the event's `state` says why."""
        self.kept[event.state] = self.kept.get(event.state, 0) + 1
        if len(self.first_kept) < STAYS_SHOWN:
            self.first_kept.append(event)


Record = TypeVar("Record")
Report = TypeVar("Report", bound=DeletionReport)

GROWTH = 8
"""The first batch has so few keys that each is asked for by itself; where nothing of it went, the next has so many
times more, up to what S3 takes at once."""
WORKERS = BATCHES_AT_ONCE + 2
"""More than send at once: a batch is committed, and its end looked at, while others are sent."""


class Batch(NamedTuple, Generic[Record]):
    """Up to 1,000 records in key order; `after` is the last key of the batch before, empty for the first."""

    after: str
    records: list[Record]


class Removal(ABC, Generic[Report, Record]):
    """What deletes records batch by batch, whatever for: it counts in its `report` what stays, and tells of it and of
    how far it is. `markers_accepted` are the buckets in which it was accepted that a delete only adds a marker."""

    def __init__(self, report: Report, listener: Listener, markers_accepted: Collection[str]) -> None:
        self.report = report
        self._listener = listener
        self._markers_accepted = markers_accepted
        self._total = self._total_bytes = 0
        self._begun = False

    def stop(self) -> None:
        """Begin no further batch; those under way are finished and committed."""
        self.report.stopped = True

    @property
    @abstractmethod
    def _gone(self) -> tuple[int, int]:
        """How many objects are gone, and their bytes."""

    def _progress(self) -> Progress:
        """How far it is."""
        gone, gone_bytes = self._gone
        return Progress(
            listed=self._total,
            listed_bytes=self._total_bytes,
            listing_done=True,
            done=gone + self.report.stayed,
            done_bytes=gone_bytes,
            aside=self.report.stayed,
        )

    def _keep(self, route: str, key: str, why: str, code: str, message: str) -> None:
        """One more that stays."""
        event = ObjectAside(route, key, why, code, message)
        self.report.keep(event)
        self._listener(event)

    async def _ask(
        self, deleter: Deleter, items: Sequence[Item], span: Span, check: Check | None, then: Then | None = None
    ) -> dict[str, End]:
        """Delete items where the span is, as `Deleter.delete`, and note what that shows of delete markers."""
        ends = await deleter.delete(span.location.bucket, items, check, span, then)
        self.report.note_markers(deleter.markers_in, span.location.site, self._markers_accepted)
        return ends

    async def _work_off(
        self,
        pages: AsyncIterable[Sequence[Record]],
        key_of: Callable[[Record], str],
        delete: Callable[[Batch[Record], bool], Awaitable[bool]],
        first: int = FEW,
    ) -> None:
        """Delete the records of `pages` in batches, each within one page, until it is stopped: small ones (of `first`
        and then more), alone and told to be first, until one says that something of it went; then as many as S3 takes
        at once, and several at once. Those that are under way are finished. Raises what `delete` raises, after a notice
        of what was deleted before."""
        self._listener(Doing("deleting", goes_on=self._begun))  # what is counted is that of all routes together
        self._begun = True
        try:
            await self._batch_by_batch(pages, key_of, delete, first)
        except EngineError:
            gone, gone_bytes = self._gone
            if gone:
                said = f"{plural(gone, 'object')} ({size_text(gone_bytes)}) were deleted before it ended"
                self._listener(
                    Notice("DeletedBefore", f"{said}; what was not answered is looked at by the same command")
                )
            raise

    async def _batch_by_batch(
        self,
        pages: AsyncIterable[Sequence[Record]],
        key_of: Callable[[Record], str],
        delete: Callable[[Batch[Record], bool], Awaitable[bool]],
        first: int,
    ) -> None:
        self._listener(self._progress())
        size = first

        async def cut() -> AsyncIterator[Batch[Record]]:
            after = ""
            async for records in pages:
                at = 0
                while at < len(records):
                    batch = list(records[at : at + size])
                    at += len(batch)
                    yield Batch(after, batch)
                    after = key_of(batch[-1])

        batches = cut()
        async for batch in batches:
            if self.report.stopped:
                return
            went = await delete(batch, True)
            self._listener(self._progress())
            size = KEYS_A_BATCH if went else min(size * GROWTH, KEYS_A_BATCH)
            if went:
                break

        async def work(given: MemoryObjectReceiveStream[Batch[Record]]) -> None:
            async with given:
                async for batch in given:
                    if not self.report.stopped:
                        await delete(batch, False)
                        self._listener(self._progress())

        send, receive = anyio.create_memory_object_stream[Batch[Record]](1)
        async with one_error(), anyio.create_task_group() as group:
            for _ in range(WORKERS):
                group.start_soon(work, receive.clone())
            receive.close()
            async with send:
                async for batch in batches:
                    if self.report.stopped:
                        return
                    await send.send(batch)


MayLag = Callable[[Location, Location], bool]


class RestingRemoval(Removal[Report, ObjectRecord]):
    """What deletes on one side of its routes what the other side holds as well. `may_lag` says between which places
    what is deleted may show late."""

    def __init__(
        self,
        report: Report,
        store_of: StoreOf,
        ledger: Ledger,
        deleter_of: DeleterOf,
        listener: Listener,
        markers_accepted: Collection[str],
        may_lag: MayLag | None,
    ) -> None:
        super().__init__(report, listener, markers_accepted)
        self._ledger = ledger
        self._deleter_of = deleter_of
        self._looker_of = by_store(store_of, Looker)
        self._may_lag = may_lag
        self._waited: set[tuple[str, str]] = set()

    async def _refuse_gone(self, deleted: Location, where: Location, keys: Sequence[str], what: str) -> None:
        """Raise `GoneTogether` where one of `keys`, which are in key order in the bucket of `where`, is not there any
        more, right after what it belongs to was `deleted`, and the error where one could not be looked at. `what` is
        what they are: "target", "source". Where that may show late they are looked at once more a while later, once for
        each two buckets."""
        looker = self._looker_of(where)
        await _look_for_gone(looker, where, keys, what)
        both = deleted.bucket_name, where.bucket_name
        if self._may_lag is not None and both not in self._waited and self._may_lag(deleted, where):
            self._waited.add(both)
            await lag.wait_out()
            await _look_for_gone(looker, where, keys, what)


async def _look_for_gone(looker: Looker, where: Location, keys: Sequence[str], what: str) -> None:
    seen = await looker.look(where.bucket, keys)
    for error in seen.unseen.values():
        raise error
    gone = [key for key in keys if seen.there(key) is None]
    if gone:
        raise GoneTogether(
            f"of {len(keys):,} that were deleted just now, {len(gone):,} lost their {what} with them, first "
            f"{where.at(gone[0])}: source and target are the same objects by two names, something carries deletes "
            "over, or somebody deletes there. Nothing more was deleted.",
            advice="Nothing may be deleted between these two places. The ledger's export lists what was deleted.",
        )


async def resting_on(
    looker: Looker, bucket: str, others: Mapping[str, str], stands: Callable[[str, There | None], bool]
) -> Checked:
    """Which keys may go, by what is at the `others` now, which are in key order: `stands` is asked with a key and what
    its other holds."""
    seen = await looker.look(bucket, list(others.values()), within_s=PATIENCE_S)
    return Checked(
        {
            key: seen.looks[other].sent_at
            for key, other in others.items()
            if other not in seen.unseen and stands(key, seen.there(other))
        },
        {key: seen.unseen[other] for key, other in others.items() if other in seen.unseen},
    )
