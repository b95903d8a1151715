"""What is known of a bucket: five questions, asked at once, because a run waits for the answers before it lists."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol, TypeVar

from engine.errors import Ambiguous, NotFound, ObjectError
from engine.s3.classify import lacks_reason
from engine.store import BucketFacts, LifecycleRule

Told = TypeVar("Told")


class BucketHead(NamedTuple):
    """`region` is empty where the server does not tell it, `date` is the server's clock."""

    region: str
    date: str
    server: str


class BucketQuestions(Protocol):
    """One request each; they raise what is in `engine.errors`."""

    async def head(self, bucket: str) -> BucketHead: ...
    async def location(self, bucket: str) -> BucketHead: ...
    async def versioning(self, bucket: str) -> str: ...
    async def lifecycle(self, bucket: str) -> tuple[LifecycleRule, ...]: ...
    async def encryption(self, bucket: str) -> str: ...
    async def owner(self, bucket: str) -> str: ...


async def bucket_facts(ask: BucketQuestions, bucket: str, region: str) -> BucketFacts:
    """`region` where the bucket's own is not told. What may not be read is said so; raises what else went wrong, what
    HEAD says of the bucket before anything."""
    head, versioning, lifecycle, encryption, owner = await asyncio.gather(
        _head(ask, bucket),
        ask.versioning(bucket),
        ask.lifecycle(bucket),
        ask.encryption(bucket),
        ask.owner(bucket),
        return_exceptions=True,
    )
    if isinstance(head, BaseException):
        raise head
    return BucketFacts(
        bucket,
        head.region or region,
        _told(owner, ObjectError) or "",
        _told(versioning, ObjectError),
        () if isinstance(lifecycle, NotFound) else _told(lifecycle, ObjectError),  # NoSuchLifecycleConfiguration
        head.date,
        head.server,
        # Ceph RGW 16 lists the bucket instead, which no one can read where a key does not fit into XML.
        _told(encryption, ObjectError, Ambiguous),
    )


async def _head(ask: BucketQuestions, bucket: str) -> BucketHead:
    try:
        return await ask.head(bucket)
    except ObjectError as error:
        if not lacks_reason(error):
            raise
        # HEAD needs s3:ListBucket on the whole bucket. This needs less, is refused in words, and has the clock.
        return await ask.location(bucket)


def _told(answer: Told | BaseException, *unknown: type[Exception]) -> Told | None:
    if isinstance(answer, unknown):
        return None
    if isinstance(answer, BaseException):
        raise answer
    return answer
