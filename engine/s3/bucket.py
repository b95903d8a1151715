"""What is known of a bucket: six questions, asked at once, because a run waits for the answers before it lists.

Only HEAD's answer can stop a command. The settings are advice: whatever comes back to the question for one of them, it
is known, not there, or not known, and then the cause is told. Some servers answer a question that they do not know
with something else (OpenStack Swift and Ceph RGW 16 with a listing of the bucket): that says nothing of the setting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from engine.bucket_facts import BucketFacts
from engine.errors import AttemptError, NotFound, ObjectError, StoreError, Unsupported
from engine.freshness import running_s
from engine.model import LifecycleConfiguration, LifecycleRule, ReplicationRule
from engine.plan.bucket_rules import expirations
from engine.s3 import messages, operations, xml
from engine.s3.bucket_settings import default_encryption, region_of, replication_rules
from engine.s3.classify import lacks_reason
from engine.s3.lifecycle_xml import LEAST_SIZE, lifecycle_configuration
from engine.s3.messages import Call
from engine.s3.operations import Operation
from engine.s3.parsing import Answer

Told = TypeVar("Told")

ATTEMPTS = 3
"""How often a setting is asked for while the server only fails; what it answers is believed at once."""
PAUSE_S = 0.2
"""Before the second attempt; twice that before the third."""

NOT_SET = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "ReplicationConfigurationNotFoundError",
    }
)
"""How S3 says that a bucket has no such setting (API reference)."""

NO_RULES: tuple[LifecycleRule, ...] = ()
NO_REPLICATION: tuple[ReplicationRule, ...] = ()


class BucketHead(NamedTuple):
    """`region` is empty where the server does not tell it, `date` is the server's clock."""

    region: str
    date: str
    server: str


class BucketQuestions:
    """The questions, one request each: by `ask`, which gives the answer to one that has succeeded, and `read`, which
    makes a document of it. They raise what is in `engine.errors`."""

    def __init__(self, ask: Callable[[Call], Awaitable[Answer]], read: Callable[[Call, Answer], xml.Document]) -> None:
        self._ask = ask
        self._read = read

    async def head(self, bucket: str) -> BucketHead:
        return _head_of(await self._ask(messages.of_bucket(operations.HEAD_BUCKET, bucket)))

    async def location(self, bucket: str) -> BucketHead:
        call = messages.of_bucket(operations.GET_LOCATION, bucket)
        answer = await self._ask(call)
        return _head_of(answer)._replace(region=region_of(self._read(call, answer).element.text or ""))

    async def versioning(self, bucket: str) -> str:
        return (await self._setting(operations.GET_VERSIONING, bucket)).text("Status")

    async def lifecycle(self, bucket: str) -> tuple[LifecycleRule, ...]:
        return expirations(await self.configuration(bucket))

    async def configuration(self, bucket: str) -> LifecycleConfiguration:
        call = messages.of_bucket(operations.GET_LIFECYCLE, bucket)
        answer = await self._ask(call)
        return lifecycle_configuration(self._read(call, answer), answer.header(LEAST_SIZE.encode()))

    async def replication(self, bucket: str) -> tuple[ReplicationRule, ...]:
        return replication_rules(await self._setting(operations.GET_REPLICATION, bucket))

    async def encryption(self, bucket: str) -> str:
        return default_encryption(await self._setting(operations.GET_ENCRYPTION, bucket))

    async def owner(self, bucket: str) -> str:
        return (await self._setting(operations.GET_ACL, bucket)).text_in("Owner", "ID")

    async def _setting(self, operation: Operation, bucket: str) -> xml.Document:
        call = messages.of_bucket(operation, bucket)
        return self._read(call, await self._ask(call))


def _head_of(answer: Answer) -> BucketHead:
    return BucketHead(answer.header(b"x-amz-bucket-region"), answer.header(b"date"), answer.header(b"server"))


async def bucket_facts(
    ask: BucketQuestions,
    bucket: str,
    region: str,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now_s: Callable[[], float] = time.time,
) -> BucketFacts:
    """`region` where the bucket's own is not told. Raises what HEAD says of the bucket, and nothing else."""
    causes: dict[str, str] = {}

    async def setting(name: str, question: Callable[[str], Awaitable[Told]], nothing: Told) -> Told | None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                told = await question(bucket)
                causes.pop(name, None)
                return told
            except Unsupported as error:
                causes[name] = f"this server has no such thing ({error.code})"
                return nothing
            except StoreError as error:
                if isinstance(error, NotFound) and error.code in NOT_SET:
                    return nothing
                causes[name] = error.message
                if not isinstance(error, AttemptError) or error.code == "UnreadableAnswer" or attempt == ATTEMPTS:
                    return None
            except ValueError as error:
                causes[name] = f"the answer cannot be read ({error})"
                return None
            await sleep(PAUSE_S * attempt)
        return None

    async def head() -> tuple[BucketHead, float, float] | StoreError:
        try:
            return await _head(ask, bucket), now_s(), running_s()
        except StoreError as error:
            return error  # raised once the others have ended, so that none is left behind

    there, versioning, lifecycle, replication, encryption, owner = await asyncio.gather(
        head(),
        setting("versioning", ask.versioning, ""),
        setting("lifecycle", ask.lifecycle, NO_RULES),
        setting("replication", ask.replication, NO_REPLICATION),
        setting("encryption", ask.encryption, ""),
        setting("owner", ask.owner, ""),
    )
    if isinstance(there, StoreError):
        raise there
    known, date_s, came_s = there
    return BucketFacts(
        bucket,
        known.region or region,
        owner or "",
        versioning,
        lifecycle,
        known.date,
        known.server,
        encryption,
        tuple(sorted(causes.items())),
        date_s,
        came_s,
        replication,
    )


async def lifecycle_of(ask: BucketQuestions, bucket: str) -> LifecycleConfiguration:
    """All of a bucket's lifecycle configuration, empty where S3 says that there is none. Raises what else it says."""
    try:
        return await ask.configuration(bucket)
    except NotFound as error:
        if error.code not in NOT_SET:
            raise
        return LifecycleConfiguration()


async def _head(ask: BucketQuestions, bucket: str) -> BucketHead:
    try:
        return await ask.head(bucket)
    except ObjectError as error:
        if not lacks_reason(error):
            raise
        # HEAD needs s3:ListBucket on the whole bucket. This needs less, is refused in words, and has the clock.
        return await ask.location(bucket)
