"""obstore's bytes, unverified: `down` or `up`, BUCKET KEY FILE BYTES. Run in obstore's own environment."""

import asyncio
import os
import sys

import obstore
from obstore.store import S3Store

PART_BYTES = 8 << 20
AT_ONCE = 8


def open_store(bucket: str) -> S3Store:
    url = os.environ["AWS_ENDPOINT_URL_S3"]
    return S3Store(
        bucket,
        endpoint=url,
        region=os.environ["AWS_REGION"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "allow_invalid_certificates": True},
    )


async def download(store: S3Store, key: str, path: str, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    starts = iter(range(0, size, PART_BYTES))

    async def work() -> None:
        for first in starts:
            os.pwrite(descriptor, await obstore.get_range_async(store, key, start=first, end=first + PART_BYTES), first)

    await asyncio.gather(*[work() for _ in range(AT_ONCE)])


async def main() -> None:
    job, bucket, key, path, size = sys.argv[1:6]
    store = open_store(bucket)
    if job == "down":
        await download(store, key, path, int(size))
    else:
        with open(path, "rb") as file:  # noqa: ASYNC230, PTH123
            await obstore.put_async(store, key, file, chunk_size=PART_BYTES, max_concurrency=AT_ONCE)


asyncio.run(main())
os._exit(0)
