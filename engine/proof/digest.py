"""Byte proof: both sides of an object read by ranges, in parallel and in bounded memory, and hashed in order.

Ranges of one object are asked for ahead and fed to one streaming xxh3-128 in the order of its bytes. What is in memory
is bounded over all objects by one budget of bytes. Every range is pinned to the ETag that the listing gave, so that a
figure is never of two contents.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import anyio
import xxhash

from engine.checksums import hasher
from engine.errors import EngineError, IntegrityError
from engine.model import MIB, ListedObject, ObjectRef
from engine.store import GetRange, HeadObject, ObjectStore

RANGE_BYTES = 8 * MIB
"""Large enough that a request's latency is small beside its transfer, small enough for many at once."""

MEMORY_BYTES = 64 * MIB
"""What all ranges together, asked for or not hashed yet, may hold."""

READS_AT_ONCE = 128

HASHES: dict[str, Any] = {"XXHASH128": xxhash.xxh3_128, "XXHASH3": xxhash.xxh3_64}
"""S3's own checksums that reading can confirm: their names, and the same functions here."""


class ByteBudget:
    """So many bytes may be held; who wants more waits, in the order of asking."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._free = total_bytes
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @property
    def held_bytes(self) -> int:
        return self.total_bytes - self._free

    async def take(self, size: int) -> None:
        """Hold `size` bytes, at most all of the budget."""
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        place = (size, anyio.Event())
        self._waiting.append(place)
        try:
            await place[1].wait()
        except BaseException:
            if place[1].is_set():
                self.give(size)
            else:
                self._waiting.remove(place)
                self._hand_out()
            raise

    def give(self, size: int) -> None:
        self._free += size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, event = self._waiting.popleft()
            self._free -= size
            event.set()


class Read(NamedTuple):
    """One side, read to its end. `of_s3` is the digest by one more algorithm, as S3 spells it; empty if not asked."""

    xxh3: str
    of_s3: str = ""


@dataclass(slots=True)
class _Side:
    """One side under way: ranges that came early wait in `early` until it is their turn."""

    hashers: list[Any]
    window: anyio.Semaphore
    early: dict[int, bytes] = field(default_factory=dict)
    turn: int = 0
    held: int = 0
    error: EngineError | None = None

    def take(self, number: int, data: bytes) -> Iterator[int]:
        """Hash a range and those that waited for it; gives the length of each that is done."""
        self.early[number] = data
        while (ready := self.early.pop(self.turn, None)) is not None:
            for it in self.hashers:
                it.update(ready)
            self.turn += 1
            self.held -= len(ready)
            self.window.release()
            yield len(ready)


class ByteReader:
    """Reads and hashes objects. One instance for all stores, since it holds the memory's bound."""

    def __init__(self, *, range_bytes: int = RANGE_BYTES, memory_bytes: int = MEMORY_BYTES) -> None:
        self._range_bytes = min(range_bytes, memory_bytes)
        # Half of the memory for one side: one large object alone can use all of it.
        self._ahead = max(1, memory_bytes // self._range_bytes // 2)
        self._reads = anyio.CapacityLimiter(READS_AT_ONCE)
        self.budget = ByteBudget(memory_bytes)
        self.bytes_read = 0

    async def read(self, store: ObjectStore, ref: ObjectRef, etag: str, size: int, s3_algorithm: str = "") -> Read:
        """Read all of an object that must bear `etag` and have `size` bytes; `s3_algorithm` is one more to hash it by.

        Raises `PreconditionFailed`, `NotFound`, … as the store, and `IntegrityError` where the server gives other
        bytes than it was asked for."""
        hashers = [xxhash.xxh3_128(), *([_hasher(s3_algorithm)] if s3_algorithm else [])]
        side = _Side(hashers, anyio.Semaphore(self._ahead))

        async def fetch(number: int, first: int, last: int) -> None:
            whole = first == 0 and last == size - 1  # S3 has no range of an empty object
            request = GetRange(ref, None if whole else first, None if whole else last, etag or None, size)
            try:
                async with self._reads:
                    body = await store.get_range(request)
                if len(body.data) != last - first + 1 or (etag and body.etag != etag):
                    raise IntegrityError(
                        f"{ref}: the server gave {len(body.data)} bytes of ETag {body.etag} where bytes {first} to "
                        f"{last} of ETag {etag} were asked for"
                    )
            except EngineError as error:
                side.error = side.error or error
                group.cancel_scope.cancel()
                return
            self.bytes_read += len(body.data)
            for length in side.take(number, body.data):
                self.budget.give(length)

        try:
            async with anyio.create_task_group() as group:
                for number, (first, last) in enumerate(self._ranges(size)):
                    await side.window.acquire()
                    length = last - first + 1
                    await self.budget.take(length)
                    side.held += length
                    group.start_soon(fetch, number, first, last)
        finally:
            self.budget.give(side.held)
        if side.error is not None:
            raise side.error
        of_s3 = ""
        if s3_algorithm in HASHES:
            of_s3 = base64.b64encode(hashers[1].digest()).decode()
        elif s3_algorithm:
            of_s3 = hashers[1].value()
        return Read(hashers[0].hexdigest(), of_s3)

    def _ranges(self, size: int) -> Iterator[tuple[int, int]]:
        if size == 0:
            yield 0, -1
        for first in range(0, size, self._range_bytes):
            yield first, min(first + self._range_bytes, size) - 1


def _hasher(algorithm: str) -> Any:
    return HASHES[algorithm]() if algorithm in HASHES else hasher(algorithm)


async def checksum_of_s3(store: ObjectStore, ref: ObjectRef, listed: ListedObject) -> tuple[str, str]:
    """(algorithm, value) of a checksum of S3's own that reading can confirm; empty where it keeps none.

    Costs a HEAD only where the listing says that there is one."""
    algorithm, _, kind = listed.checksum.partition(":")
    if algorithm not in HASHES or kind not in ("FULL_OBJECT", ""):
        return "", ""
    head = await store.head_object(HeadObject(ref, checksums=True))
    found = next((item.value for item in head.checksums if item.algorithm == algorithm), "")
    return (algorithm, found) if found and "-" not in found else ("", "")
