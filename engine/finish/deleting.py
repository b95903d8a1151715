"""Deleting exactly the objects that were named, each only while it bears the ETag it was named with.

S3 confirms each key inside a 200; what it does not confirm is looked at again and never assumed. Nothing here reads
or writes a ledger: intent is committed by the caller before, what came of it after.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import NamedTuple

import anyio

from engine import freshness
from engine.errors import AttemptError, ObjectError, StoreError
from engine.finish.looking import PATIENCE_S, Looker, Span, There
from engine.finish.sending import REFUSED, Condition, End, Fate, Item, Sender
from engine.freshness import LOOK_LASTS_S, only_until
from engine.model import Location
from engine.plan.record import same_moment
from engine.store import ObjectStore, StoreOf, by_store

KEYS_A_BATCH = 1_000
PASSES = 8
"""How often in a row nothing comes of the keys that are left before they are left for the next run."""
LEAST_LEFT_S = LOOK_LASTS_S / 4
"""What can be sent upon a look for less than this is looked at again instead: it would only come too late."""
BASE_S, CAP_S = 0.2, 20.0

NO_ETAG = "the server's listing gave it no ETag, so that it cannot be told from an object that took its place"
NOT_CONFIRMED = End(Fate.LEFT, "NotConfirmed", "S3 did not confirm the delete, and the object is there")
REPLACED = "SourceReplaced"
"""The code of what is gone, and another object is at its key."""
STILL_LISTED = End(Fate.OPEN, "StillListed", "S3 confirmed its deletion, and lists it all the same")
TOO_OLD = End(
    Fate.UNSEEN,
    "LooksTooOld",
    f"S3 answers too slowly: each look was older than {LOOK_LASTS_S:g} s before anything could be sent upon it",
)
NOT_ANSWERED = "its delete may have been carried out, and whether it is there still could not be seen: "
NOT_LISTED = "S3 confirmed the delete, and whether it is listed still could not be seen: "


class Checked(NamedTuple):
    """What a check came to: the keys that may go, with the moment at which what they rest on was looked at, and why it
    could not be looked at for some. All others may not go."""

    may_go: Mapping[str, float]
    unseen: Mapping[str, StoreError] = MappingProxyType({})


Check = Callable[[Sequence[Item]], Awaitable[Checked]]
"""Asked just before items are sent, each time."""

Then = Callable[[Collection[str]], Awaitable[None]]
"""Told the keys that are gone, each once and at once."""

Going = dict[Item, float]
"""What may go yet, with the moment of the oldest look that this rests on."""

DeleterOf = Callable[[Location], "Deleter"]
"""What deletes on the site that a location is on."""


def deleters(store_of: StoreOf, conditions: Mapping[Location, Condition]) -> DeleterOf:
    """What deletes on each site, in its buckets as the conditions say of these."""

    def make(store: ObjectStore) -> Deleter:
        return Deleter(store, {at.bucket: condition for at, condition in conditions.items() if store_of(at) is store})

    return by_store(store_of, make)


class Deleter:
    """Deletes items of one bucket at a time through `store`, in each as `conditions` say. `sleep` can be given."""

    def __init__(
        self,
        store: ObjectStore,
        conditions: Mapping[str, Condition],
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._sender = Sender(store, conditions)
        self._looker = Looker(store)
        self._sleep = sleep

    @property
    def markers_in(self) -> set[str]:
        """The buckets where a delete only added a marker, as S3 says it: they keep versions."""
        return self._sender.markers_in

    async def delete(
        self,
        bucket: str,
        items: Sequence[Item],
        check: Check | None = None,
        span: Span | None = None,
        then: Then | None = None,
    ) -> dict[str, End]:
        """Delete up to 1,000 items, in key order; gives every one's end. What is sent rests on looks (and on `check`,
        where there is one) of the last two seconds: items whose look is older are looked at again, and hold up no
        other. `span` is where the items stand in the listing that they were taken from (anywhere in the bucket, unless
        given); `then` is told at once what is gone, and may raise.

        Raises errors of scope `run`, and what `then` raises; then nothing is known of the items."""
        batch = _Batch(bucket, span or Span(Location(bucket, "")), check, then, [item for item in items if item.etag])
        # Without an ETag nothing tells an object from what took its place, neither a condition nor a look.
        batch.ends |= {item.key: End(Fate.LEFT, "NoETag", NO_ETAG) for item in items if not item.etag}
        looks = not self._sender.is_conditional(bucket) or any(item.modified for item in items)
        idle = 0
        while batch.left and idle < PASSES:
            settled = await self._pass(batch, looks=looks)
            looks = True
            idle = 0 if settled else idle + 1
            if batch.left and (batch.unconfirmed or not settled):
                await self._sleep(random.uniform(0, min(CAP_S, BASE_S * 2 ** (idle + 1))))
        if batch.left:
            await self._look(batch, inf, by_key=bool(batch.unanswered))
            await self._settle(batch)
        return batch.ends | {item.key: batch.why.get(item.key, NOT_CONFIRMED) for item in batch.left}

    # --- the steps of a pass ----------------------------------------------------------------------------------

    async def _pass(self, batch: _Batch, *, looks: bool) -> dict[str, End]:
        """Look (unless the server's condition does), ask, and send what rests on fresh looks. Gives the new ends."""
        batch.unconfirmed = False
        async with self._sender.batches:
            going = await self._look(batch, PATIENCE_S) if looks else dict.fromkeys(batch.left, inf)
            going = await self._ask(batch, going)
            await self._send(batch, going)
        return await self._settle(batch)

    async def _look(self, batch: _Batch, within_s: float, *, by_key: bool = False) -> Going:
        """Those of what is left that are there as they were named. What is not seen in time goes nowhere yet."""
        keys = [item.key for item in batch.left]
        seen = await self._looker.look(batch.bucket, keys, within_s=within_s, by_key=by_key)
        there: Going = {}
        for item in batch.left:
            if (error := seen.unseen.get(item.key)) is not None:
                if item.key in batch.unanswered:  # it may be gone, and its copy the last of it
                    batch.keep(item, Fate.OPEN, error, NOT_ANSWERED)
                else:
                    batch.keep(item, Fate.LEFT, error)
            elif (end := judge_there(item, seen.there(item.key), unanswered=item.key in batch.unanswered)) is not None:
                batch.told[item.key] = end
            else:
                there[item] = seen.looks[item.key].sent_at
        return there

    async def _ask(self, batch: _Batch, going: Going) -> Going:
        """Those that the check lets go, with the moment of the older of their looks."""
        if batch.check is None or not going:
            return going
        checked = await batch.check(list(going))
        allowed: Going = {}
        for item, looked_at in going.items():
            if item.key in checked.may_go:
                allowed[item] = min(looked_at, checked.may_go[item.key])
            elif (error := checked.unseen.get(item.key)) is not None:
                batch.keep(item, Fate.UNSEEN, error)
            else:
                batch.told[item.key] = End(Fate.BARRED)
        return allowed

    async def _send(self, batch: _Batch, going: Going) -> None:
        """Send those whose looks leave time for it."""
        least = freshness.now_s() - LOOK_LASTS_S + LEAST_LEFT_S
        fresh: Going = {}
        for item, looked_at in going.items():
            if looked_at < least:
                batch.why[item.key] = TOO_OLD
            else:
                fresh[item] = looked_at
                batch.why.pop(item.key, None)
        if fresh:
            sending = self._sender.send(batch.bucket, list(fresh))
            told = await only_until(min(fresh.values()) + LOOK_LASTS_S, sending)
            batch.unanswered.update(item.key for item in fresh if item.key not in told)
            ends = {key: end for key, end in told.items() if end is not REFUSED}
            batch.unconfirmed = len(ends) < len(fresh)
            batch.told |= ends

    async def _settle(self, batch: _Batch) -> dict[str, End]:
        """End what was told, say what is gone, and give these ends. What is gone by S3's word, or by a look, and is
        listed still as it was is not gone."""
        gone = [item for item in batch.left if (end := batch.told.get(item.key)) is not None and end.fate is Fate.GONE]
        if gone:
            try:
                listed = await self._looker.listed([item.key for item in gone], batch.span)
            except (ObjectError, AttemptError) as error:
                end = End(Fate.OPEN, error.code, NOT_LISTED + error.message)
                batch.told |= {item.key: end for item in gone}
                listed = {}
            for item in gone:
                if (there := listed.get(item.key)) is not None and judge_there(item, there) is None:
                    del batch.told[item.key]
                    batch.why[item.key] = STILL_LISTED
                    batch.unanswered.add(item.key)  # a listing may lag behind: what comes there now may be a newcomer
                    batch.unconfirmed = True
        settled, batch.told = batch.told, {}
        batch.ends |= settled
        batch.left = [item for item in batch.left if item.key not in settled]
        if batch.then is not None and (ended := [key for key, end in settled.items() if end.fate is Fate.GONE]):
            await batch.then(ended)
        return settled


@dataclass(slots=True)
class _Batch:
    """What belongs to one `Deleter.delete`: items that are `left`, and the `ends` of others. `told` is what a pass has
    said so far, `why` what keeps an item from its end, `unconfirmed` whether S3 left something open in that pass,
    `unanswered` what was sent and may have been carried out unsaid."""

    bucket: str
    span: Span
    check: Check | None
    then: Then | None
    left: list[Item]
    ends: dict[str, End] = field(default_factory=dict)
    told: dict[str, End] = field(default_factory=dict)
    why: dict[str, End] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    unconfirmed: bool = False

    def keep(self, item: Item, fate: Fate, error: StoreError, before: str = "") -> None:
        """It stays, for now where the next attempt may fare better. `before` is said before the error."""
        where = self.why if isinstance(error, AttemptError) else self.told
        where[item.key] = End(fate, error.code, before + error.message)


def judge_there(item: Item, there: There | None, *, unanswered: bool = False) -> End | None:
    """What a look at the key settles; None where the object is there as it was named. `unanswered`: its delete may have
    been carried out, so that what is there has taken its place."""
    if there is None:
        return End(Fate.GONE)
    same = there.etag == item.etag
    if same and same_moment(there.modified, item.modified):
        return None
    if unanswered:
        return End(Fate.GONE, REPLACED, replaced_text(there))
    if same:
        said = f"it was written anew, at {there.modified}, with the same bytes; what was named is of {item.modified}"
        return End(Fate.CHANGED, "SourceTouched", said)
    return End(Fate.CHANGED, "SourceChanged", f"it bears ETag {there.etag} now, and was named with {item.etag}")


def replaced_text(there: There) -> str:
    """What is said of an object whose delete may have been carried out, where another is there now."""
    return f"its delete may have been carried out, and another object is in its place now, with ETag {there.etag}"
