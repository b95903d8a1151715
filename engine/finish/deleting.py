"""Deleting exactly the objects that were named, each only while it bears the ETag it was named with.

S3 confirms each key inside a 200; what it does not confirm is looked at again and never assumed. Nothing here reads
or writes a ledger: intent is committed by the caller before, what came of it after.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import NamedTuple

import anyio

from engine import freshness
from engine.errors import (
    AccessDenied,
    AttemptError,
    Conflict,
    NotFound,
    ObjectError,
    PreconditionFailed,
    Rejected,
    RunError,
    StoreError,
    Unsupported,
)
from engine.finish.looking import PATIENCE_S, Looker, Seen, Span, There
from engine.freshness import LOOK_LASTS_S, only_until
from engine.model import Location, ObjectRef
from engine.s3.request_xml import comes_back
from engine.sites.traits import Traits
from engine.store import DeleteFailure, DeleteObject, DeleteObjects, ObjectStore, StoreOf

KEYS_A_BATCH = 1_000
BATCHES_AT_ONCE = 4
"""Every key of a batch counts as one delete (3,500 a second and prefix), which pacing by requests does not see: where
S3 asks for fewer inside its answer, fewer batches are sent at once."""
SINGLES_AT_ONCE = 32
PASSES = 8
"""How often in a row nothing comes of the keys that are left before they are left for the next run."""
LEAST_LEFT_S = LOOK_LASTS_S / 4
"""What can be sent upon a look for less than this is looked at again instead: it would only come too late."""
BASE_S, CAP_S = 0.2, 20.0


THROTTLED = frozenset({"SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"})
"""Codes of one key inside a 200, which no retry layer sees."""


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

    GONE = "gone"  # S3 confirmed it, or it is not there; and no listing shows it
    CHANGED = "changed"  # it bears another ETag now, and stays
    DENIED = "denied"  # S3 will not let us
    LEFT = "left"  # S3 did not do it, for another reason; it is there, unchanged
    BARRED = "barred"  # whoever asked for it said just before that it may not go
    UNSEEN = "unseen"  # what it rests on could not be looked at, or not soon enough
    OPEN = "open"  # S3 confirmed it, and whether it is listed still could not be seen


class End(NamedTuple):
    """An item's fate with S3's code and words."""

    fate: Fate
    code: str = ""
    message: str = ""


NOT_CONFIRMED = End(Fate.LEFT, "NotConfirmed", "S3 did not confirm the delete, and the object is there")
STILL_LISTED = End(Fate.LEFT, "StillListed", "S3 confirmed its deletion, and lists it all the same")
TOO_OLD = End(
    Fate.UNSEEN,
    "LooksTooOld",
    f"S3 answers too slowly: each look was older than {LOOK_LASTS_S:g} s before anything could be sent upon it",
)
NOT_LISTED = "S3 confirmed the delete, and whether it is listed still could not be seen: "


class Checked(NamedTuple):
    """What a check came to: the keys that may go, with the moment at which what they rest on was looked at, and why it
    could not be looked at for some. All others may not go."""

    may_go: Mapping[str, float]
    unseen: Mapping[str, StoreError] = MappingProxyType({})


Check = Callable[[Sequence[Item]], Awaitable[Checked]]
"""Asked just before items are sent, each time."""


DeleterOf = Callable[[Location], "Deleter"]
"""What deletes on the site that a location is on."""


def deleters(store_of: StoreOf, conditions: Mapping[Location, Condition]) -> DeleterOf:
    """What deletes on each site, in its buckets as the conditions say of these."""
    made: dict[int, Deleter] = {}

    def of(where: Location) -> Deleter:
        store = store_of(where)
        if id(store) not in made:
            here = {place.bucket: condition for place, condition in conditions.items() if store_of(place) is store}
            made[id(store)] = Deleter(store, here)
        return made[id(store)]

    return of


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

    async def delete(
        self,
        bucket: str,
        items: Sequence[Item],
        check: Check | None = None,
        span: Span | None = None,
        then: Callable[[Collection[str]], Awaitable[None]] | None = None,
    ) -> dict[str, End]:
        """Delete up to 1,000 items, in key order; gives every one's end. What is sent rests on looks (and on `check`,
        where there is one) of the last two seconds: items whose look is older are looked at again, and hold up no
        other. `span` is where the items stand in the listing that they were taken from (anywhere in the bucket, unless
        given); `then` is told at once what is gone, and may raise.

        Raises errors of scope `run`, and what `then` raises; then nothing is known of the items."""
        # Without an ETag nothing tells an object from what took its place, neither a condition nor a look.
        ends = {item.key: End(Fate.LEFT, "NoETag", NO_ETAG) for item in items if not item.etag}
        left = [item for item in items if item.etag]
        if not left:
            return ends
        batch = _Batch(bucket, check, span or Span(Location(bucket, "")))
        batch.look = self._conditions[bucket] is Condition.NONE
        idle = 0
        while left and idle < PASSES:
            settled = await self._pass(batch, left)
            ends |= settled
            if then is not None and (gone := [key for key, end in settled.items() if end.fate is Fate.GONE]):
                await then(gone)
            left = [item for item in left if item.key not in settled]
            idle = 0 if settled else idle + 1
            batch.look = True
            if left and (batch.unconfirmed or not settled):
                await self._sleep(self._jitter.uniform(0, min(CAP_S, BASE_S * 2 ** (idle + 1))))
        if left:
            seen = await self._looker.look(bucket, [item.key for item in left])
            settled, _ = self._judge(left, seen, batch)
            ends |= await self._without_listed(batch, left, settled)
        for item in left:
            if item.key not in ends:
                ends[item.key] = batch.why.get(item.key, NOT_CONFIRMED)
        return ends

    async def _pass(self, batch: _Batch, items: list[Item]) -> dict[str, End]:
        """Look, ask, and send what rests on fresh looks. Gives the ends of those that have one."""
        settled: dict[str, End] = {}
        going = dict.fromkeys(items, inf)
        batch.unconfirmed = False
        async with self._batches:
            if batch.look:
                seen = await self._looker.look(batch.bucket, [item.key for item in items], within_s=PATIENCE_S)
                settled, going = self._judge(items, seen, batch)
            if batch.check is not None and going:
                checked = await batch.check(list(going))
                barred, going = _allowed(going, checked, batch)
                settled |= barred
            least = freshness.now_s() - LOOK_LASTS_S + LEAST_LEFT_S
            fresh = [item for item, sent_at in going.items() if sent_at >= least]
            batch.why |= {item.key: TOO_OLD for item in going if going[item] < least}
            if fresh:
                for item in fresh:
                    batch.why.pop(item.key, None)
                until = min(going[item] for item in fresh) + LOOK_LASTS_S
                told = await only_until(until, self._send(batch.bucket, fresh))
                batch.unconfirmed = len(told) < len(fresh)
                settled |= told
        return await self._without_listed(batch, items, settled)

    async def _without_listed(self, batch: _Batch, items: list[Item], ends: dict[str, End]) -> dict[str, End]:
        """The ends that stand: what is gone by S3's word, or by a look, and is listed still as it was is not gone."""
        gone = [item for item in items if item.key in ends and ends[item.key].fate is Fate.GONE]
        if not gone:
            return ends
        try:
            listed = await self._looker.listed([item.key for item in gone], batch.span)
        except RunError:
            raise
        except StoreError as error:
            return ends | {item.key: End(Fate.OPEN, error.code, NOT_LISTED + error.message) for item in gone}
        for item in gone:
            if (there := listed.get(item.key)) is not None and there.etag == item.etag:
                del ends[item.key]
                batch.why[item.key] = STILL_LISTED
                batch.unconfirmed = True
        return ends

    async def _send(self, bucket: str, items: Sequence[Item]) -> dict[str, End]:
        """One attempt at each item. What is not in the answer has to be looked at."""
        if self._conditions[bucket] is Condition.SINGLE:
            batch, single = [], list(items)
        else:
            batch = [item for item in items if comes_back(item.key)]
            single = [item for item in items if not comes_back(item.key)]
        if not single:
            return await self._send_batch(bucket, batch)
        if not batch:
            return await self._send_each(bucket, single)
        told: dict[str, End] = {}

        async def send(how: Callable[[str, Sequence[Item]], Awaitable[dict[str, End]]], some: list[Item]) -> None:
            told.update(await how(bucket, some))

        async with anyio.create_task_group() as group:  # side by side: neither waits upon an ageing look
            group.start_soon(send, self._send_batch, batch)
            group.start_soon(send, self._send_each, single)
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

    def _judge(self, items: list[Item], seen: Seen, batch: _Batch) -> tuple[dict[str, End], dict[Item, float]]:
        """What a look settles, those that are gone or changed, and those that are there as they were, with the moment
        of the look. What may not be looked at is left, what was not seen in time is in neither."""
        settled: dict[str, End] = {}
        there: dict[Item, float] = {}
        for item in items:
            if (error := seen.unseen.get(item.key)) is not None:
                end: End | None = End(Fate.LEFT, error.code, error.message)
                if isinstance(error, AttemptError):
                    batch.why[item.key] = End(Fate.LEFT, error.code, error.message)
                    continue
            else:
                end = judge_there(item, seen.there(item.key))
            if end is None:
                there[item] = seen.looks[item.key].sent_at
            else:
                settled[item.key] = end
        return settled, there


@dataclass(slots=True)
class _Batch:
    """What belongs to one `Deleter.delete`. `look`: the items themselves are looked at before the next pass; `why` is
    what keeps an item from its end, `unconfirmed` whether S3 left something open in the last pass."""

    bucket: str
    check: Check | None
    span: Span
    look: bool = False
    unconfirmed: bool = False
    why: dict[str, End] = field(default_factory=dict)


def _allowed(going: Mapping[Item, float], checked: Checked, batch: _Batch) -> tuple[dict[str, End], dict[Item, float]]:
    """What a check settles, and those that may go with the moment of the older of their looks."""
    settled: dict[str, End] = {}
    allowed: dict[Item, float] = {}
    for item, looked_at in going.items():
        if item.key in checked.may_go:
            allowed[item] = min(looked_at, checked.may_go[item.key])
        elif (error := checked.unseen.get(item.key)) is None:
            settled[item.key] = End(Fate.BARRED)
        elif isinstance(error, AttemptError):
            batch.why[item.key] = End(Fate.UNSEEN, error.code, error.message)
        else:
            settled[item.key] = End(Fate.UNSEEN, error.code, error.message)
    return settled, allowed


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
