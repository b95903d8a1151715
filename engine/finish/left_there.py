"""What lies where something is deleted and is left there: batches go on without it, and it is said once, in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from engine.events import Listener, Notice
from engine.model import ListedObject, Location

if TYPE_CHECKING:
    from engine.folder.store import FolderStore

Batches = AsyncIterator[list[ListedObject]]


async def without(
    batches: Batches,
    left_of: Callable[[list[ListedObject]], Awaitable[Collection[str]]],
    told: Callable[[int, str], Notice],
    tell: Listener,
) -> Batches:
    """The batches without the objects whose keys `left_of` picks out of each. In the end `tell` hears how many these
    were, and the first of them, as `told` puts it."""
    count, first = 0, ""
    async for objects in batches:
        if left := await left_of(objects):
            first = first if count else min(left)
            count += len(left)
            objects = [item for item in objects if item.key not in left]
        if objects:
            yield objects
    if count:
        tell(told(count, first))


def without_ledgers(batches: Batches, folders: FolderStore | None, where: Location, tell: Listener) -> Batches:
    """The batches without files of ledgers, of which `tell` hears. One that is named by itself is meant."""
    if folders is None or not where.is_local or not where.is_prefix:
        return batches
    return without(batches, partial(_ledgers, folders, where), partial(_of_ledgers, where), tell)


async def _ledgers(folders: FolderStore, where: Location, objects: list[ListedObject]) -> set[str]:
    keys = [item.key for item in objects]
    return await anyio.to_thread.run_sync(folders.root(where.bucket).ledgers_among, keys)


def _of_ledgers(where: Location, count: int, first: str) -> Notice:
    files = "file of a ledger" if count == 1 else "files of ledgers"
    said = f"{count:,} {files} of Cartage left in {where}, the first {first!r}"
    return Notice("LedgersLeft", f"{said}: what they know is nowhere else; remove them by hand if nobody needs it")
