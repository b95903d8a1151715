"""An object read in ranges, every one of them of the same object: what changes meanwhile is an error, never a mix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from engine.model import MIB, Location, ObjectRef
from engine.store import GetRange, HeadObject, ObjectStore

PIECE_BYTES = 8 * MIB
"""How much of a long object is held at a time."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """An object as it was when it was looked at: `size` bytes under `etag`."""

    store: ObjectStore
    ref: ObjectRef
    etag: str
    size: int

    async def read(self, first: int, length: int) -> bytes:
        """`length` bytes from `first` on, or those that there are. Raises what the store raises; PreconditionFailed
        where it changed."""
        last = min(first + length, self.size) - 1
        if last < first:
            return b""  # an empty range is answered with 416
        return (await self.store.get_range(GetRange(self.ref, first, last, self.etag, self.size))).data

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it, in order."""
        for first in range(0, self.size, PIECE_BYTES):
            yield await self.read(first, PIECE_BYTES)

    async def save(self, path: Path) -> None:
        """All of it, into a new file. Raises OSError besides."""
        async with await anyio.open_file(path, "xb") as file:
            async for piece in self.pieces():
                await file.write(piece)


async def pinned(store: ObjectStore, at: Location) -> Pinned:
    """The object at a location as it is now. Raises what HEAD raises."""
    ref = ObjectRef(at.bucket, at.key)
    head = await store.head_object(HeadObject(ref))
    return Pinned(store, ref, head.etag, head.size)
