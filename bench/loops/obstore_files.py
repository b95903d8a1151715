"""obstore under a loop, between S3 and files: JOB BUCKET SOURCE TARGET FOLDER OTHER-URL, where JOB is `download`,
`upload` or `relay`. Run in obstore's own environment.

Small objects are one request each, 64 at once; large ones go in parts of 8 MiB, 8 at once. Nothing is verified, no file
is named before it is whole, and none is synced.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import obstore
from obstore.store import S3Store

SMALL_AT_ONCE, PARTS_AT_ONCE = 64, 8
PART_BYTES = 8 << 20


def open_store(bucket: str, url: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=url,
        region=os.environ["AWS_REGION"],
        virtual_hosted_style_request=False,
        # It has no setting for a certificate authority; the others verify the certificate.
        client_options={"allow_http": True, "allow_invalid_certificates": True, "timeout": "300s"},
    )


async def each(items: AsyncIterator[tuple[str, int]], work: Callable[[str, int], Awaitable[None]]) -> None:
    free = asyncio.Semaphore(SMALL_AT_ONCE)

    async def do(key: str, size: int) -> None:
        try:
            await work(key, size)
        finally:
            free.release()

    async with asyncio.TaskGroup() as group:
        async for key, size in items:
            await free.acquire()
            group.create_task(do(key, size))


async def listed(store: S3Store, prefix: str) -> AsyncIterator[tuple[str, int]]:
    async for page in store.list(prefix, chunk_size=1000):
        for item in page:
            yield item["path"][len(prefix) :], item["size"]


async def found(folder: Path) -> AsyncIterator[tuple[str, int]]:
    for entry in os.scandir(folder):
        yield entry.name, entry.stat().st_size


async def main() -> None:
    job, bucket, source, target, folder, other_url = sys.argv[1:7]
    url = os.environ.pop("AWS_ENDPOINT_URL_S3")  # it goes before what a store is told
    os.environ.pop("AWS_ENDPOINT_URL")
    store = open_store(bucket, url)
    files = Path(folder)
    parts = asyncio.Semaphore(PARTS_AT_ONCE)

    async def download(key: str, size: int) -> None:
        path = files / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if size <= PART_BYTES:
            path.write_bytes(await (await store.get_async(source + key)).bytes_async())
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

        async def fetch(first: int) -> None:
            async with parts:
                end = min(first + PART_BYTES, size)
                os.pwrite(descriptor, await store.get_range_async(source + key, start=first, end=end), first)

        await asyncio.gather(*[fetch(first) for first in range(0, size, PART_BYTES)])
        os.close(descriptor)

    async def upload(key: str, size: int) -> None:
        path = files / key
        if size <= PART_BYTES:
            await store.put_async(target + key, path.read_bytes(), use_multipart=False)
            return
        with path.open("rb") as file:
            await store.put_async(target + key, file, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    async def relay(key: str, size: int) -> None:
        answer = await store.get_async(source + key)
        if size <= PART_BYTES:
            await obstore.put_async(other, target + key, await answer.bytes_async(), use_multipart=False)
        else:
            body = answer.stream(min_chunk_size=PART_BYTES)
            await obstore.put_async(other, target + key, body, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    if job == "upload":
        await each(found(files), upload)
        return
    other = open_store(bucket, other_url) if other_url else store
    await each(listed(store, source), download if job == "download" else relay)


asyncio.run(main())
os._exit(0)  # its own threads abort the interpreter's end
