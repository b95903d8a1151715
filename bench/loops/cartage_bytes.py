"""The engine's byte plane by itself, without listing and ledger: `JOB BUCKET KEY FILE BYTES`, JOB one of JOBS.

Large objects go in ranges or parts of 8 MiB, eight at once, small ones 32 at once; all are hashed on the way."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

import uvloop

from engine.bodies import Disk, FileSink, MemorySource, read_into
from engine.checksums import checksum_of, hasher
from engine.folder import system
from engine.model import Checksum, ObjectRef, UploadRef
from engine.plan.settings import Connection
from engine.s3.session import Session
from engine.s3.wire_store import WireStore
from engine.store import GetRange, PutObject, UploadPart
from engine.windows import WINDOW_BYTES, memory

ALGORITHM = "CRC64NVME"
PART_BYTES = 8 << 20
LARGE_AT_ONCE, SMALL_AT_ONCE = 8, 32


async def download(store: WireStore, disk: Disk, ref: ObjectRef, path: str, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.ftruncate(descriptor, size)
    starts = iter(range(0, size, PART_BYTES))

    async def work() -> None:
        for first in starts:
            last = min(size, first + PART_BYTES) - 1
            sink = FileSink(disk, partial(system.write, descriptor), first, (ALGORITHM,))
            await store.fetch_into(GetRange(ref, first, last, size=size), sink)

    await asyncio.gather(*[work() for _ in range(LARGE_AT_ONCE)])
    os.close(descriptor)


def fill(descriptor: int, body: memoryview, first: int) -> str:
    """Read a part, and hash it window by window, as the carrier does."""
    counted = hasher(ALGORITHM)
    for start in range(0, len(body), WINDOW_BYTES):
        window = body[start : start + WINDOW_BYTES]
        read_into(descriptor, window, first + start)
        counted.update(window)
    return counted.value()


async def upload(store: WireStore, disk: Disk, ref: ObjectRef, path: str, size: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    starts = iter(range(0, size, PART_BYTES))
    idle: list[memoryview] = []

    async def work() -> None:
        for first in starts:
            length = min(PART_BYTES, size - first)
            body = idle.pop() if idle else memory(PART_BYTES)
            value = await disk.run(fill, descriptor, body[:length], first)
            upload_ref, number = UploadRef(ref, "id"), first // PART_BYTES + 1
            part = UploadPart(upload_ref, number, checksum=Checksum(ALGORITHM, "", value))
            await store.send_from(part, MemorySource(body[:length]))
            idle.append(body)

    await asyncio.gather(*[work() for _ in range(LARGE_AT_ONCE)])
    os.close(descriptor)


async def download_small(store: WireStore, disk: Disk, ref: ObjectRef, path: str, count: int) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            descriptor = os.open(f"{path}.{number}", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            await store.fetch_into(GetRange(ref), FileSink(disk, partial(system.write, descriptor), 0, (ALGORITHM,)))
            os.close(descriptor)
            os.unlink(f"{path}.{number}")  # noqa: PTH108

    await asyncio.gather(*[work() for _ in range(SMALL_AT_ONCE)])


async def upload_small(store: WireStore, disk: Disk, ref: ObjectRef, path: str, count: int) -> None:
    data = os.urandom(100_000)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            checksum = Checksum(ALGORITHM, "", checksum_of(ALGORITHM, data))
            put = PutObject(ObjectRef(ref.bucket, f"{ref.key}-{number % 64}"), checksum=checksum)
            await store.send_from(put, MemorySource(data))

    await asyncio.gather(*[work() for _ in range(SMALL_AT_ONCE)])


JOBS = {"down": download, "up": upload, "small-down": download_small, "small-up": upload_small}


async def main() -> None:
    job, bucket, key, path, amount = sys.argv[1:6]
    disk = Disk()
    async with Session(Connection()) as session, WireStore(session) as store:
        await JOBS[job](store, disk, ObjectRef(bucket, key), path, int(amount))
    disk.close()


uvloop.run(main())
