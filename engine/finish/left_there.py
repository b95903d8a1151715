"""Ledgers that lie in a folder of which something is deleted: left, and said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio.to_thread

from engine.events import Listener, Notice
from engine.model import ListedObject, Location

if TYPE_CHECKING:
    from engine.folder.store import FolderStore


async def without_ledgers(
    batches: AsyncIterator[list[ListedObject]], folders: FolderStore | None, where: Location, tell: Listener
) -> AsyncIterator[list[ListedObject]]:
    """The batches without files of ledgers, of which `tell` hears. One that is named by itself is meant."""
    left: list[str] = []
    async for objects in batches:
        if folders is not None and where.is_local and where.is_prefix:
            root, keys = folders.root(where.bucket), [item.key for item in objects]
            found = await anyio.to_thread.run_sync(root.ledgers_among, keys)
            left += sorted(found)
            objects = [item for item in objects if item.key not in found]
        if objects:
            yield objects
    if left:
        files = "file of a ledger" if len(left) == 1 else "files of ledgers"
        said = f"{len(left):,} {files} of Cartage left in {where}, the first {left[0]!r}"
        tell(Notice("LedgersLeft", f"{said}: what they know is nowhere else; remove them by hand if nobody needs it"))
