"""What stands at some keys right now: by listing their range where that costs less, else one HEAD each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import anyio

from engine.errors import NotFound, RunError, StoreError
from engine.model import ObjectRef
from engine.store import HeadObject, ListPage, ObjectStore

HEADS_AT_ONCE = 32
PAGES_TO_TRY = 3
"""Pages that a range may take before HEADs are cheaper: much else may stand between two of our keys."""
FEW = 8
"""So few keys are asked for one by one from the start."""


class There(NamedTuple):
    """What a key holds."""

    etag: str
    size: int


class Seen(NamedTuple):
    """What stands at some keys: in neither of the two is a key that holds nothing. `unseen` is why a key could not be
    looked at, which is never taken for absence."""

    there: dict[str, There]
    unseen: dict[str, StoreError]


class Looker:
    """Asks `store` what is there. Raises errors of scope `run` alone."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._heads = anyio.CapacityLimiter(HEADS_AT_ONCE)

    async def look(self, bucket: str, keys: Sequence[str]) -> Seen:
        """What stands at each of `keys`, which are in key order."""
        seen = Seen({}, {})
        if len(keys) <= FEW:
            await self._head_each(bucket, keys, seen)
            return seen
        await self._list(bucket, keys, seen)
        # What a listing does not show is asked for by its key before it counts as gone: LocalStack 4.9 compares
        # StartAfter with encoded keys, and so leaves out those with characters beyond ASCII.
        await self._head_each(bucket, [key for key in keys if key not in seen.there], seen)
        return seen

    async def _list(self, bucket: str, keys: Sequence[str], seen: Seen) -> None:
        """List what lies between the first key and the last, as far as some pages reach."""
        wanted = frozenset(keys)
        prefix = _shared(keys[0], keys[-1])
        token: str | None = None
        for _ in range(PAGES_TO_TRY):
            try:
                # A listing begins after a key, never at it, so that the first is asked for by itself.
                page = await self._store.list_page(ListPage(bucket, prefix, keys[0], token))
            except RunError:
                raise
            except StoreError:
                return  # who may not list may still look at each
            seen.there.update((item.key, There(item.etag, item.size)) for item in page.objects if item.key in wanted)
            token = page.next_token
            if token is None or (page.objects and page.objects[-1].key >= keys[-1]):
                return

    async def _head_each(self, bucket: str, keys: Sequence[str], seen: Seen) -> None:
        async def head(key: str) -> None:
            async with self._heads:
                try:
                    answer = await self._store.head_object(HeadObject(ObjectRef(bucket, key)))
                except NotFound:
                    return
                except StoreError as error:
                    seen.unseen[key] = error
                    return
            seen.there[key] = There(answer.etag, answer.size)

        if keys:
            async with anyio.create_task_group() as group:
                for key in keys:
                    group.start_soon(head, key)
        for error in seen.unseen.values():
            if isinstance(error, RunError):
                raise error


def _shared(first: str, last: str) -> str:
    """What both begin with, and so everything between them in key order."""
    count = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        count += 1
    return first[:count]
