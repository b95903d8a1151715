"""What stands at some keys right now: by listing their range where that costs less, else one HEAD each.

Each look has its date (`engine.freshness`), so that nothing is done upon an old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import anyio

from engine import freshness
from engine.at_once import each
from engine.errors import AttemptError, ObjectError, RunError, StoreError, TooLate
from engine.freshness import LOOK_LASTS_S, dated
from engine.listing.lister import KeyRange
from engine.listing.pages import Prefix
from engine.model import ListedObject, Location, ObjectHead, ObjectRef
from engine.plan.ranges import shared
from engine.store import HeadObject, ListPage, ObjectStore, head_or_none

HEADS_AT_ONCE = 32
PAGES_TO_TRY = 3
"""Pages that a range may take before HEADs are cheaper: much else may stand between two of our keys."""
FEW = 8
"""So few keys are asked for one by one from the start."""
PATIENCE_S = LOOK_LASTS_S / 2
"""How long may be looked before an act: then there is as long again to send it in. What is not answered by then waits
for the next look, and holds up nothing else."""


class There(NamedTuple):
    """What a key holds."""

    etag: str
    size: int
    modified: str = ""


def _there(item: ListedObject | ObjectHead) -> There:
    return There(item.etag, item.size, item.modified)


class Look(NamedTuple):
    """What stood at a key (None: nothing) when the request went out that was answered."""

    there: There | None
    sent_at: float


class Seen(NamedTuple):
    """What a look at some keys came to: each is in one of the two. `unseen` is why a key could not be looked at, which
    is never taken for absence."""

    looks: dict[str, Look]
    unseen: dict[str, StoreError]

    def there(self, key: str) -> There | None:
        """What a key that was seen holds."""
        return self.looks[key].there


class Span(NamedTuple):
    """Where keys stand in the listing of `location`: after the key `after`, which is none of theirs; empty is at its
    begin."""

    location: Location
    after: str = ""


class Looker:
    """Asks `store` what is there. Raises errors of scope `run` alone, unless it says otherwise."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._heads = anyio.CapacityLimiter(HEADS_AT_ONCE)
        self._slow = False

    async def look(self, bucket: str, keys: Sequence[str], *, within_s: float = inf, by_key: bool = False) -> Seen:
        """What stands at each of `keys`, which are in key order. What is not known `within_s` is unseen. `by_key`: no
        listing is believed, as where one may still show what is gone."""
        seen = Seen({}, {})
        until = freshness.now_s() + within_s
        listing = False
        with anyio.move_on_after(within_s) as scope:
            if len(keys) > FEW and not self._slow and not by_key:
                listing = True
                async with anyio.create_task_group() as group:
                    # A listing begins after a key, never at it, so that the first is asked for by itself.
                    group.start_soon(self._head_each, bucket, keys[:1], seen, until)
                    await self._list(bucket, keys, seen, until)
                    listing = False
            # What a listing does not show is asked for by its key before it counts as gone: LocalStack 4.9 compares
            # StartAfter with encoded keys, and so leaves out those with characters beyond ASCII.
            left = [key for key in keys if key not in seen.looks and key not in seen.unseen]
            await self._head_each(bucket, left, seen, until)
        # Where a listing was too slow each is asked for by itself the next time; then a listing is tried again.
        self._slow = listing
        for error in seen.unseen.values():
            if isinstance(error, RunError):
                raise error
        if scope.cancelled_caught:
            said = f"there was no answer within {within_s:g} s"
            for key in keys:
                if key not in seen.looks:
                    late = TooLate(said, operation="HeadObject", ref=f"s3://{bucket}/{key}", code="NoAnswer")
                    seen.unseen.setdefault(key, late)
        return seen

    async def listed(self, keys: Sequence[str], span: Span) -> dict[str, There]:
        """Those of `keys`, which are in key order, that a listing shows: the one that they were taken from, read anew
        between the span's begin and the last of them. Raises what the listing raises."""
        wanted = frozenset(keys)
        found: dict[str, There] = {}
        cut = len(span.location.key)
        between = KeyRange(span.after[cut:] or None, keys[-1][cut:])
        async for objects, _ in Prefix(self._store, span.location).pages(between):
            found.update((item.key, _there(item)) for item in objects if item.key in wanted)
        return found

    async def _list(self, bucket: str, keys: Sequence[str], seen: Seen, until: float) -> None:
        """List what lies between the first key and the last, as far as some pages reach."""
        wanted = frozenset(keys)
        prefix = keys[0][: shared(keys[0], keys[-1])]  # of all between them too, in key order
        token: str | None = None
        for _ in range(PAGES_TO_TRY):
            try:
                asking = self._store.list_page(ListPage(bucket, prefix, keys[0], token))
                page, sent_at = await dated(asking, not_after=until)
            except (ObjectError, AttemptError):
                return  # who may not list may still look at each
            seen.looks.update((item.key, Look(_there(item), sent_at)) for item in page.objects if item.key in wanted)
            token = page.next_token
            if token is None or (page.objects and page.objects[-1].key >= keys[-1]):
                return

    async def _head_each(self, bucket: str, keys: Sequence[str], seen: Seen, until: float) -> None:
        async def head(key: str) -> None:
            asking = head_or_none(self._store, HeadObject(ObjectRef(bucket, key)))
            try:
                answer, sent_at = await dated(asking, not_after=until)
            except StoreError as error:
                seen.unseen[key] = error
                return
            there = None if answer is None else _there(answer)
            seen.looks[key] = Look(there, sent_at)

        if keys:
            await each(keys, head, self._heads)
