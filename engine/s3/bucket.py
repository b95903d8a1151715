"""What is known of a bucket: six questions, asked at once, because a run waits for the answers before it lists.

Only HEAD's answer can stop a command. The settings are advice: whatever comes back to the question for one of them, it
is known, not there, or not known, and then the cause is told. Some servers answer a question that they do not know
with something else (OpenStack Swift and Ceph RGW 16 with a listing of the bucket): that says nothing of the setting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from engine.errors import AttemptError, NotFound, ObjectError, StoreError, Unsupported
from engine.freshness import running_s
from engine.model import LifecycleConfiguration, LifecycleRule, ReplicationRule
from engine.s3.classify import lacks_reason
from engine.store import BucketFacts

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

ROOTS = {
    "GetBucketLocation": ("LocationConstraint", "CreateBucketConfiguration"),
    "GetBucketVersioning": ("VersioningConfiguration", "GetBucketVersioningResponse"),
    "GetBucketLifecycleConfiguration": ("LifecycleConfiguration",),
    "GetBucketReplication": ("ReplicationConfiguration",),
    "GetBucketEncryption": ("ServerSideEncryptionConfiguration",),
    "GetBucketAcl": ("AccessControlPolicy",),
    "GetObjectAcl": ("AccessControlPolicy",),
    "GetObjectTagging": ("Tagging",),
    "ListObjectVersions": ("ListVersionsResult", "ListObjectVersionsResult"),
}
"""The root that the answer to a question has to have. The second ones are LocalStack's location and moto's
versioning."""


class BucketHead(NamedTuple):
    """`region` is empty where the server does not tell it, `date` is the server's clock."""

    region: str
    date: str
    server: str


class BucketQuestions(Protocol):
    """One request each; they raise what is in `engine.errors`, `Ambiguous` for an answer with another root."""

    async def head(self, bucket: str) -> BucketHead: ...
    async def location(self, bucket: str) -> BucketHead: ...
    async def versioning(self, bucket: str) -> str: ...
    async def lifecycle(self, bucket: str) -> tuple[LifecycleRule, ...]: ...
    async def configuration(self, bucket: str) -> LifecycleConfiguration: ...
    async def replication(self, bucket: str) -> tuple[ReplicationRule, ...]: ...
    async def encryption(self, bucket: str) -> str: ...
    async def owner(self, bucket: str) -> str: ...


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
