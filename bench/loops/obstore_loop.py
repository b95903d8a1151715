"""obstore under a loop: list a prefix and copy every object, 1,024 at once. Run in obstore's own environment."""

import asyncio
import os
import sys

import obstore
from obstore.store import S3Store

AT_ONCE = 1024


def open_store(bucket: str) -> S3Store:
    url = os.environ["AWS_ENDPOINT_URL_S3"]
    return S3Store(
        bucket,
        endpoint=url,
        region=os.environ["AWS_REGION"],
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": url.startswith("http://"),
            # It has no setting for a certificate authority; the others verify the certificate.
            "allow_invalid_certificates": url.startswith("https://127.0.0.1"),
            "pool_max_idle_per_host": str(AT_ONCE),
            "timeout": "300s",
        },
        retry_config={"max_retries": 100},
    )


async def copy_all(store: S3Store, source: str, target: str) -> int:
    free = asyncio.Semaphore(AT_ONCE)
    copied = 0

    async def copy_one(key: str) -> None:
        nonlocal copied
        try:
            await obstore.copy_async(store, key, target + key[len(source) :])
            copied += 1
        finally:
            free.release()

    async with asyncio.TaskGroup() as group:
        async for page in store.list(source, chunk_size=1000):
            for item in page:
                await free.acquire()
                group.create_task(copy_one(item["path"]))
    return copied


async def count(store: S3Store, source: str) -> int:
    total = 0
    async for page in store.list(source, chunk_size=1000):
        total += len(page)
    return total


async def main() -> None:
    job, bucket, source, target = sys.argv[1:5]
    store = open_store(bucket)
    print(await (count(store, source) if job == "list" else copy_all(store, source, target)), flush=True)
    os._exit(0)  # after a listing its own threads abort the interpreter's end


asyncio.run(main())
