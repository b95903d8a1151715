"""One attempt at deleting objects, each only while it bears the ETag it was named with, as far as the server can."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import anyio

from engine.at_once import each
from engine.errors import (
    AccessDenied,
    Ambiguous,
    AttemptError,
    Conflict,
    NotFound,
    ObjectError,
    PreconditionFailed,
    Rejected,
    Unsupported,
)
from engine.model import BELOW_LINK, ObjectRef
from engine.s3.request_xml import comes_back
from engine.sites.traits import Traits
from engine.store import DeleteObject, DeleteObjects, ObjectStore

BATCHES_AT_ONCE = 4
"""Every key of a batch counts as one delete (3,500 a second and prefix), which pacing by requests does not see: where
S3 asks for fewer inside its answer, fewer batches are sent at once."""
SINGLES_AT_ONCE = 32

THROTTLED = frozenset({"SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"})
"""Codes of one key inside a 200, which no retry layer sees."""

DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "MethodNotAllowed"})
"""The same of refusals that sending again does not change."""


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


class Item(NamedTuple):
    """One object to be deleted, and the ETag that it must still bear; with a `modified`, it must be of that moment too.
    No server has a condition for that, so that such items are looked at before they are sent."""

    key: str
    etag: str
    modified: str = ""


class Fate(StrEnum):
    """What became of one item."""

    GONE = "gone"  # S3 confirmed it, or it is not there; and no listing shows it
    CHANGED = "changed"  # it bears another ETag now, and stays
    DENIED = "denied"  # S3 will not let us
    LEFT = "left"  # S3 did not do it, for another reason; it is there, unchanged
    BARRED = "barred"  # whoever asked for it said just before that it may not go
    UNSEEN = "unseen"  # what it rests on could not be looked at, or not soon enough
    ELSEWHERE = "elsewhere"  # it lies below a symbolic link: it is there, unchanged, and never goes from here
    OPEN = "open"  # S3 confirmed it, or never answered, and whether it is there still could not be seen


class End(NamedTuple):
    """An item's fate with S3's code and words."""

    fate: Fate
    code: str = ""
    message: str = ""


REFUSED = End(Fate.LEFT)
"""S3 did not do it, and the key itself tells why: it bears another ETag, say. What has no end may have been done."""

_DONE_NOT = THROTTLED | {"PreconditionFailed"}
"""Codes of one key inside a 200 which say as much."""


class Sender:
    """Sends deletes to the buckets of `store`, in each as `conditions` say. `batches` is held by whoever sends one.

    `markers_in` are the buckets where a delete only added a marker, as S3 says it: they keep versions."""

    def __init__(self, store: ObjectStore, conditions: Mapping[str, Condition]) -> None:
        self._store = store
        self._conditions = conditions
        self._singles = anyio.CapacityLimiter(SINGLES_AT_ONCE)
        self.batches = anyio.CapacityLimiter(BATCHES_AT_ONCE)
        self.markers_in: set[str] = set()

    def is_conditional(self, bucket: str) -> bool:
        """Whether S3 itself keeps what bears another ETag."""
        return self._conditions[bucket] is not Condition.NONE

    async def send(self, bucket: str, items: Sequence[Item]) -> dict[str, End]:
        """One attempt at each item. What is not in the answer, or `REFUSED`, has to be looked at."""
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
        except Ambiguous:
            return {}  # carried out or not: the keys themselves tell
        except AttemptError:
            return {item.key: REFUSED for item in items}
        except AccessDenied as error:
            return {item.key: End(Fate.DENIED, error.code, error.message) for item in items}
        except (Rejected, Unsupported):
            return await self._send_each(bucket, items)  # MalformedXML over one key must not keep 999 others
        if report.delete_markers:
            self.markers_in.add(bucket)
        if any(failure.code in THROTTLED for failure in report.failed):
            self.batches.total_tokens = max(1, self.batches.total_tokens - 1)
        asked = {item.key for item in items}
        told = {key: End(Fate.GONE) for key in report.deleted if key in asked}
        for failure in report.failed:
            if failure.key in asked and failure.code in DENIED:
                told[failure.key] = End(Fate.DENIED, failure.code, failure.message)
            elif failure.key in asked and failure.code == BELOW_LINK:
                told[failure.key] = End(Fate.ELSEWHERE, failure.code, failure.message)
            elif failure.key in asked and failure.code in _DONE_NOT and failure.key not in told:
                told[failure.key] = REFUSED
            else:
                told.pop(failure.key, None)  # said twice, or in other words: the key itself tells
        return told

    async def _send_each(self, bucket: str, items: Sequence[Item]) -> dict[str, End]:
        if self._conditions[bucket] is Condition.BATCH_ALONE:
            return {item.key: End(Fate.LEFT, "NotConditional", NOT_ALONE) for item in items}
        ends = await each(items, partial(self._send_single, bucket), self._singles)
        return {item.key: end for item, end in zip(items, ends, strict=True) if end is not None}

    async def _send_single(self, bucket: str, item: Item) -> End | None:
        try:
            marker = await self._store.delete_object(
                DeleteObject(ObjectRef(bucket, item.key), self._etag(bucket, item))
            )
        except Ambiguous:
            return None
        except (PreconditionFailed, NotFound, Conflict, AttemptError):
            return REFUSED
        except AccessDenied as error:
            return End(Fate.DENIED, error.code, error.message)
        except ObjectError as error:
            return End(Fate.ELSEWHERE if error.code == BELOW_LINK else Fate.LEFT, error.code, error.message)
        if marker:
            self.markers_in.add(bucket)
        return End(Fate.GONE)

    def _etag(self, bucket: str, item: Item) -> str | None:
        return item.etag if self.is_conditional(bucket) else None
