"""Sinks and sources for what passes through this machine: a range of a file, or a buffer in memory.

What is written is hashed on its way, while it lies in the processor's cache. A disk that is busy would hold up every
connection of the event loop, so that files are read and written by a few threads (`Disk`) while it is; each sink has
one window with them at a time, and no more waits there than there are connections. A disk that is quick is written to
at once: what a window costs goes up by half where a thread is woken for it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import anyio

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from engine.checksums import Hasher, hasher
from engine.errors import Rejected
from engine.store import PutObject, UploadPart
from engine.windows import WINDOW_BYTES, Source, memory

Done = TypeVar("Done")
Arguments = TypeVarTuple("Arguments")
Sent = TypeVar("Sent", PutObject, UploadPart)

THREADS = 4
"""How many windows are read or written at the same time. A local disk is as fast with four as with more, and a network
disk takes its time whoever waits."""

SYNCS = 8
"""How many files are synced at the same time: ext4 on one disk took about 1.6 times as many small ones a second with
eight as with four, and no more with sixteen."""

SLOW_S = 0.05
"""A write that waits longer found the disk busy: the system's cache takes a window in a tenth of a millisecond."""
COLD_S = 0.001
"""A read that waits longer found what it reads on the disk, and not in memory."""
BUSY_FOR_S = 1.0
"""How long a disk counts as busy, or cold, after that."""

_OF_THREAD: int | None = getattr(resource, "RUSAGE_THREAD", None)


class Disk:
    """The threads that read and write files. One for all sinks and sources of a run; `close` it at the end."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="cartage-disk")
        self._syncing = ThreadPoolExecutor(SYNCS, thread_name_prefix="cartage-sync")
        self._busy_until = self._cold_until = 0.0
        self._slow_reads = 0  # one after the other

    async def put(self, work: Callable[[*Arguments], Done], *arguments: *Arguments) -> Done:
        """What `work` gives, which writes what the system's cache takes (a window, a small file that is not synced):
        had here and now, unless the disk is busy. Raises what it raises."""
        if self.is_busy:
            return await self.run(self.watched, work, *arguments)
        return self.watched(work, *arguments)

    async def get(self, work: Callable[[*Arguments], Done], *arguments: *Arguments) -> Done:
        """What `work` gives, which reads little: had here and now while what is read lies in the system's memory. Two
        reads after each other that wait for the disk itself send those of the next moment to the threads, where they
        wait side by side. One alone says nothing: it may have waited for another thread. Raises what it raises."""
        if time.monotonic() < self._cold_until:
            return await self.run(work, *arguments)
        began, waits = time.monotonic(), _waits()
        try:
            return work(*arguments)
        finally:
            ended = time.monotonic()
            if ended - began > COLD_S and _waits() > waits:
                self._slow_reads += 1
                if self._slow_reads > 1:
                    self._cold_until = ended + BUSY_FOR_S
            else:
                self._slow_reads = 0

    @property
    def is_busy(self) -> bool:
        """Whether what is written has to wait, so that it belongs in a thread."""
        return time.monotonic() < self._busy_until

    def watched(self, work: Callable[[*Arguments], Done], *arguments: *Arguments) -> Done:
        """What `work` gives, here and now, with an eye on how long it waits."""
        began, waits = time.monotonic(), _waits()
        done = work(*arguments)
        ended = time.monotonic()
        if ended - began > SLOW_S and _waits() > waits:
            self._busy_until = ended + BUSY_FOR_S
        return done

    async def run(self, work: Callable[[*Arguments], Done], *arguments: *Arguments) -> Done:
        """What `work` gives, or raises. Cancelled, it ends all the same before this does, or does not begin: what it
        reads from and writes to is not to be touched before."""
        return await self._done_by(self._threads, work, *arguments)

    async def sync(self, work: Callable[[*Arguments], Done], *arguments: *Arguments) -> Done:
        """As `run`, for what waits until the disk has it: the more wait at the same time, the more each of the disk's
        own rounds takes along."""
        return await self._done_by(self._syncing, work, *arguments)

    async def _done_by(
        self, threads: ThreadPoolExecutor, work: Callable[[*Arguments], Done], *arguments: *Arguments
    ) -> Done:
        job = threads.submit(work, *arguments)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancelled():
                ending = asyncio.wrap_future(job)
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([ending])
                if not ending.cancelled():
                    ending.exception()  # seen: nobody else asks for it
            raise

    def close(self) -> None:
        self._threads.shutdown()
        self._syncing.shutdown()


def _waits() -> int:
    """How often this thread has waited for anything, so far (always for once more, where the system does not say). On a
    machine whose processors are busy a write takes long too, without waiting; threads would make that worse."""
    if _OF_THREAD is None:
        return time.monotonic_ns()
    return resource.getrusage(_OF_THREAD).ru_nvcsw


class _Hashing:
    """What has come so far, with its checksums: `hashers` in the order of `algorithms`."""

    def __init__(self, algorithms: Sequence[str]) -> None:
        self._algorithms = algorithms
        self.hashers: list[Hasher] = []
        self.written = 0

    def restart(self) -> None:
        self.hashers = [hasher(name) for name in self._algorithms]
        self.written = 0

    def _count(self, window: memoryview) -> None:
        for item in self.hashers:
            item.update(window)


class FileSink(_Hashing):
    """Has all that comes written at `offset` of a file and on (`put_at`, which blocks, is given bytes and their place),
    and hashes it by `algorithms`. It neither makes the file longer in advance nor syncs it; `written` bytes are in the
    file once the request has ended well."""

    def __init__(
        self, disk: Disk, put_at: Callable[[memoryview, int], None], offset: int, algorithms: Sequence[str] = ()
    ) -> None:
        self._disk = disk
        self._put_at = put_at
        self._offset = offset
        super().__init__(algorithms)

    def room(self) -> None:
        return None

    def write_now(self, window: memoryview) -> bool:
        if self._disk.is_busy:
            return False
        self._disk.watched(self._put, window, self._offset + self.written)
        self.written += len(window)
        return True

    async def write(self, window: memoryview) -> None:
        await self._disk.put(self._put, window, self._offset + self.written)
        self.written += len(window)

    def _put(self, window: memoryview, position: int) -> None:
        self._count(window)
        self._put_at(window, position)


class MemorySink(_Hashing):
    """Keeps what comes in a buffer, from its beginning; it is asked for (`room`) when the first byte comes. Raises
    ValueError for more than it holds."""

    def __init__(self, room: Callable[[], memoryview], algorithms: Sequence[str] = ()) -> None:
        self.room = room
        super().__init__(algorithms)

    def write_now(self, window: memoryview) -> bool:
        self._count(window)
        end = self.written + len(window)
        buffer = self.room()
        if window.obj is not buffer.obj:  # else it came to its place at once
            buffer[self.written : end] = window
        self.written = end
        return True

    async def write(self, window: memoryview) -> None:
        self.write_now(window)


class MemorySource:
    """The bytes of a buffer."""

    def __init__(self, buffer: bytes | bytearray | memoryview) -> None:
        self._buffer = memoryview(buffer)
        self.length = len(self._buffer)
        self.restart()

    def restart(self) -> None:
        self._given = 0

    async def read(self) -> memoryview:
        window = self._buffer[self._given : self._given + WINDOW_BYTES]
        self._given += len(window)
        return window


def read_into(descriptor: int, window: memoryview, position: int) -> int:
    """Fill a window from a file; gives less than its length only at the file's end."""
    filled = 0
    while filled < len(window):
        size = os.preadv(descriptor, [window[filled:]], position + filled)
        if not size:
            break
        filled += size
    return filled


def hash_range(descriptor: int, offset: int, length: int, algorithms: Sequence[str]) -> list[Hasher]:
    """The checksums of a part of a file, in the order of `algorithms`; each has the `length` that there was. Waits for
    the disk: for `Disk.run`."""
    hashers = [hasher(name) for name in algorithms]
    window = memory(min(length, WINDOW_BYTES))
    position, end = offset, offset + length
    while position < end:
        size = read_into(descriptor, window[: end - position], position)
        if not size:
            break
        for item in hashers:
            item.update(window[:size])
        position += size
    return hashers


def short_source(operation: str, ref: object, length: int) -> Rejected:
    """The error for a source that gives other than the `length` bytes that it says."""
    said = f"not sent: its source has other than {length:,} bytes"
    return Rejected(said, operation=operation, ref=str(ref), code="ShortSource")


async def with_body(request: Sent, source: Source) -> Sent:
    """The request with all that a source gives in memory: a part at most, in what the engine sends. Raises `Rejected`
    for a source that gives other than it says, and what it raises."""
    body = bytearray()
    source.restart()
    while len(body) < source.length and (window := await source.read()):
        body += window
    if len(body) != source.length:
        ref = request.ref if isinstance(request, PutObject) else request.upload.target
        raise short_source(request.operation, ref, source.length)
    return request._replace(body=bytes(body))
