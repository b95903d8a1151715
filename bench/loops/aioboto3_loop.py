"""aioboto3 under a loop: list a prefix and copy every object, 128 at once. Run in aioboto3's own environment."""

import asyncio
import sys
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

AT_ONCE = 128


async def copy_all(client: Any, bucket: str, source: str, target: str) -> int:
    free = asyncio.Semaphore(AT_ONCE)
    copied = 0

    async def copy_one(key: str) -> None:
        nonlocal copied
        try:
            await client.copy_object(
                Bucket=bucket, Key=target + key[len(source) :], CopySource={"Bucket": bucket, "Key": key}
            )
            copied += 1
        finally:
            free.release()

    async with asyncio.TaskGroup() as group:
        async for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=source):
            for item in page.get("Contents", []):
                await free.acquire()
                group.create_task(copy_one(item["Key"]))
    return copied


async def count(client: Any, bucket: str, source: str) -> int:
    total = 0
    async for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=source):
        total += len(page.get("Contents", []))
    return total


async def main() -> None:
    job, bucket, source, target = sys.argv[1:5]
    config = AioConfig(
        max_pool_connections=AT_ONCE,
        parameter_validation=False,
        retries={"mode": "standard", "max_attempts": 10},
        s3={"addressing_style": "path"},
    )
    async with aioboto3.Session().client("s3", config=config) as client:
        print(await (count(client, bucket, source) if job == "list" else copy_all(client, bucket, source, target)))


asyncio.run(main())
