"""Deleting exactly the objects that were named, each only while it bears the ETag it was named with.

S3 confirms each key inside a 200; what it does not confirm is looked at again and never assumed. Nothing here reads
or writes a ledger: intent is committed by the caller before, what came of it after.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import anyio

from engine.errors import (
    AccessDenied,
    AttemptError,
    Conflict,
    NotFound,
    ObjectError,
    PreconditionFailed,
    Rejected,
    Unsupported,
)
from engine.events import ObjectAside
from engine.finish.looking import Looker, There
from engine.model import ObjectRef
from engine.sites.traits import Traits
from engine.store import DeleteFailure, DeleteObject, DeleteObjects, ObjectStore

KEYS_A_BATCH = 1_000
BATCHES_AT_ONCE = 4
"""Every key of a batch counts as one delete (3,500 a second and prefix), which pacing by requests does not see: where
S3 asks for fewer inside its answer, fewer batches are sent at once."""
SINGLES_AT_ONCE = 32
PASSES = 8
"""How often the keys that S3 left open are sent again before they are left for the next run."""
BASE_S, CAP_S = 0.2, 20.0
STAYS_SHOWN = 10


THROTTLED = frozenset({"SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"})
"""Codes of one key inside a 200, which no retry layer sees."""


@dataclass(slots=True)
class Stays:
    """What a deletion of any kind left in place. `kept` counts it by why, `first_kept` holds the first of it.
    `markers`: delete markers were added; `unaccepted` are the buckets in which nobody had said yes to that; `stopped`:
    it ended before its end."""

    kept: dict[str, int] = field(default_factory=dict)
    first_kept: list[ObjectAside] = field(default_factory=list)
    markers: bool = False
    unaccepted: tuple[str, ...] = ()
    stopped: bool = False

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

    def note_markers(self, added_in: Collection[str], accepted_in: Collection[str]) -> None:
        """Delete markers were added in the one buckets: a reason to stop unless that was accepted for each of them."""
        self.markers = self.markers or bool(added_in)
        self.unaccepted = tuple(sorted(set(added_in) - set(accepted_in)))
        self.stopped = self.stopped or bool(self.unaccepted)

    def keep(self, event: ObjectAside) -> None:
        """Count one more that stays; the event's `state` says why."""
        self.kept[event.state] = self.kept.get(event.state, 0) + 1
        if len(self.first_kept) < STAYS_SHOWN:
            self.first_kept.append(event)


class Condition(StrEnum):
    """How this server can be asked to delete only what was proven."""

    BATCH = "batch"  # DeleteObjects with an ETag a key
    BATCH_ALONE = "batch alone"  # the same, while DeleteObject ignores If-Match: what a batch cannot carry stays
    SINGLE = "single"  # DeleteObject with If-Match; batches ignore their ETags here
    NONE = "none"  # not at all: only where the user said so, and looked at just before


def condition_for(traits: Traits, *, unconditional: bool) -> Condition | None:
    """How to delete in a bucket whose server does so much; None where it must not be done. What is not known counts as
    a no."""
    if traits.batch_if_match.holds:
        return Condition.BATCH if traits.delete_if_match.holds else Condition.BATCH_ALONE
    if traits.delete_if_match.holds:
        return Condition.SINGLE
    return Condition.NONE if unconditional else None


NO_CONDITION = (
    "this server cannot delete an object only if it is what was proven (If-Match), or would not let it be tried: a "
    "source replaced in the last moment would be lost. --unconditional deletes all the same, after a look at each"
)


NOT_ALONE = (
    "this server deletes by ETag in batches alone, and this key does not go in one: deleted by itself, what replaced "
    "it in the last moment would be lost"
)


NO_ETAG = "the server's listing gave it no ETag, so that it cannot be told from an object that took its place"


class Item(NamedTuple):
    """One object to be deleted, and the ETag that it must still bear."""

    key: str
    etag: str


class Fate(StrEnum):
    """What became of one item."""

    GONE = "gone"  # S3 confirmed it, or it is not there
    CHANGED = "changed"  # it bears another ETag now, and stays
    DENIED = "denied"  # S3 will not let us
    LEFT = "left"  # S3 did not do it, for another reason; it is there, unchanged
    BARRED = "barred"  # whoever asked for it said just before that it may not go


class End(NamedTuple):
    """An item's fate with S3's code and words."""

    fate: Fate
    code: str = ""
    message: str = ""


Check = Callable[[Sequence[Item]], Awaitable[frozenset[str]]]
"""Asked just before items are sent, each time: the keys of those that may go."""


class Deleter:
    """Deletes items of one bucket at a time through `store`, in each as `conditions` say. `sleep` and `jitter` can be
    given.

    `markers_in` are the buckets where a delete only added a marker, as S3 says it: they keep versions."""

    def __init__(
        self,
        store: ObjectStore,
        conditions: Mapping[str, Condition],
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self._store = store
        self._conditions = conditions
        self._looker = Looker(store)
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        self._singles = anyio.CapacityLimiter(SINGLES_AT_ONCE)
        self._batches = anyio.CapacityLimiter(BATCHES_AT_ONCE)
        self.markers_in: set[str] = set()

    async def delete(self, bucket: str, items: Sequence[Item], check: Check | None = None) -> dict[str, End]:
        """Delete up to 1,000 items, in key order; gives every one's end. Nothing is waited for between a look (and
        `check`, where there is one) and what is sent upon it.

        Raises errors of scope `run`; then nothing is known of the items."""
        # Without an ETag nothing tells an object from what took its place, neither a condition nor a look.
        ends = {item.key: End(Fate.LEFT, "NoETag", NO_ETAG) for item in items if not item.etag}
        left = [item for item in items if item.etag]
        if not left:
            return ends
        for attempt in range(1, PASSES + 1):
            async with self._batches:
                if attempt > 1 or self._conditions[bucket] is Condition.NONE:
                    left = await self._still_there(bucket, left, ends)
                if check is not None and left:
                    may_go = await check(left)
                    ends.update((item.key, End(Fate.BARRED)) for item in left if item.key not in may_go)
                    left = [item for item in left if item.key in may_go]
                told = await self._send(bucket, left) if left else {}
            ends.update(told)
            left = [item for item in left if item.key not in told]
            if not left:
                return ends
            await self._sleep(self._jitter.uniform(0, min(CAP_S, BASE_S * 2**attempt)))
        for item in await self._still_there(bucket, left, ends):
            ends[item.key] = End(Fate.LEFT, "NotConfirmed", "S3 did not confirm the delete, and the object is there")
        return ends

    async def _send(self, bucket: str, items: Sequence[Item]) -> dict[str, End]:
        """One attempt at each item. What is not in the answer has to be looked at."""
        if self._conditions[bucket] is Condition.SINGLE:
            batch, single = [], list(items)
        else:
            batch = [item for item in items if fits_xml(item.key)]
            single = [item for item in items if not fits_xml(item.key)]
        told = await self._send_batch(bucket, batch) if batch else {}
        if single:
            told |= await self._send_each(bucket, single)
        return told

    async def _send_batch(self, bucket: str, items: Sequence[Item]) -> dict[str, End]:
        keys = tuple((item.key, self._etag(bucket, item)) for item in items)
        try:
            report = await self._store.delete_objects(DeleteObjects(bucket, keys))
        except AttemptError:
            return {}  # carried out or not: the keys themselves tell
        except AccessDenied as error:
            return {item.key: End(Fate.DENIED, error.code, error.message) for item in items}
        except (Rejected, Unsupported):
            return await self._send_each(bucket, items)  # MalformedXML over one key must not keep 999 others
        if report.delete_markers:
            self.markers_in.add(bucket)
        if any(failure.code in THROTTLED for failure in report.failed):
            self._batches.total_tokens = max(1, self._batches.total_tokens - 1)
        asked = {item.key for item in items}
        told = {key: End(Fate.GONE) for key in report.deleted if key in asked}
        for failure in report.failed:
            if failure.key in asked and (end := _denied(failure)) is not None:
                told[failure.key] = end
            else:
                told.pop(failure.key, None)  # said twice, or in other words: the key itself tells
        return told

    async def _send_each(self, bucket: str, items: Sequence[Item]) -> dict[str, End]:
        if self._conditions[bucket] is Condition.BATCH_ALONE:
            return {item.key: End(Fate.LEFT, "NotConditional", NOT_ALONE) for item in items}
        told: dict[str, End] = {}

        async def send(item: Item) -> None:
            async with self._singles:
                end = await self._send_single(bucket, item)
            if end is not None:
                told[item.key] = end

        async with anyio.create_task_group() as group:
            for item in items:
                group.start_soon(send, item)
        return told

    async def _send_single(self, bucket: str, item: Item) -> End | None:
        try:
            marker = await self._store.delete_object(
                DeleteObject(ObjectRef(bucket, item.key), self._etag(bucket, item))
            )
        except (PreconditionFailed, NotFound, Conflict, AttemptError):
            return None
        except AccessDenied as error:
            return End(Fate.DENIED, error.code, error.message)
        except ObjectError as error:
            return End(Fate.LEFT, error.code, error.message)
        if marker:
            self.markers_in.add(bucket)
        return End(Fate.GONE)

    def _etag(self, bucket: str, item: Item) -> str | None:
        return None if self._conditions[bucket] is Condition.NONE else item.etag

    async def _still_there(self, bucket: str, items: list[Item], ends: dict[str, End]) -> list[Item]:
        """Look at items; settles those that are gone or changed, gives those that are there as they were. What may not
        be looked at is left."""
        seen = await self._looker.look(bucket, [item.key for item in items])
        left = []
        for item in items:
            if (error := seen.unseen.get(item.key)) is not None:
                ends[item.key] = End(Fate.LEFT, error.code, error.message)
                continue
            end = judge_there(item, seen.there.get(item.key))
            if end is None:
                left.append(item)
            else:
                ends[item.key] = end
        return left


def judge_there(item: Item, there: There | None) -> End | None:
    """What a look at the key settles; None where the object is there as it was named."""
    if there is None:
        return End(Fate.GONE)
    if there.etag != item.etag:
        return End(Fate.CHANGED, "SourceChanged", f"it bears ETag {there.etag} now, and was named with {item.etag}")
    return None


def _denied(failure: DeleteFailure) -> End | None:
    """A refusal that sending again does not change."""
    if failure.code in ("AccessDenied", "AllAccessDisabled", "MethodNotAllowed"):
        return End(Fate.DENIED, failure.code, failure.message)
    return None


def fits_xml(key: str) -> bool:
    """Whether DeleteObjects can carry this key: XML 1.0 has no control characters, and turns "\\r" into "\\n"."""
    return not any(char < " " or "\ud800" <= char <= "\udfff" or char in "\ufffe\uffff" for char in key)
