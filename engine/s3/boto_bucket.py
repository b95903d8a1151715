"""What aioboto3 can tell of a bucket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from engine.errors import Ambiguous, NotFound, ObjectError
from engine.s3.answers import default_encryption_of, headers_of, lifecycle_of, region_of
from engine.s3.classify import lacks_reason
from engine.store import BucketFacts, LifecycleRule


async def bucket_facts(call: Callable[..., Awaitable[dict[str, Any]]], bucket: str, region: str) -> BucketFacts:
    """Ask by `call(operation, method, ref, **arguments)`. `region` where the bucket's is not told. Raises what
    the first question raises; what may not be read is said so."""
    ref = f"s3://{bucket}/"
    try:
        head = await call("HeadBucket", "head_bucket", ref, Bucket=bucket)
    except ObjectError as error:
        if not lacks_reason(error):
            raise
        # HEAD needs s3:ListBucket on the whole bucket. This needs less, is refused in words, and has the clock.
        head = await call("GetBucketLocation", "get_bucket_location", ref, Bucket=bucket)
        head["BucketRegion"] = region_of(str(head.get("LocationConstraint") or ""))
    headers = headers_of(head)
    versioning: str | None = None
    lifecycle: tuple[LifecycleRule, ...] | None = None
    encryption: str | None = None
    owner = ""
    with suppress(ObjectError):
        answer = await call("GetBucketVersioning", "get_bucket_versioning", ref, Bucket=bucket)
        versioning = str(answer.get("Status", ""))
    try:
        answer = await call("GetBucketLifecycleConfiguration", "get_bucket_lifecycle_configuration", ref, Bucket=bucket)
        lifecycle = lifecycle_of(answer.get("Rules", ()))
    except NotFound:
        lifecycle = ()  # NoSuchLifecycleConfiguration
    except ObjectError:
        lifecycle = None
    # Ceph RGW 16 lists the bucket instead, which no one can read where a key does not fit into XML.
    with suppress(ObjectError, Ambiguous):
        answer = await call("GetBucketEncryption", "get_bucket_encryption", ref, Bucket=bucket)
        encryption = default_encryption_of(answer)
    with suppress(ObjectError):
        answer = await call("GetBucketAcl", "get_bucket_acl", ref, Bucket=bucket)
        owner = str(answer.get("Owner", {}).get("ID", ""))
    return BucketFacts(
        bucket,
        str(head.get("BucketRegion") or headers.get("x-amz-bucket-region") or region),
        owner,
        versioning,
        lifecycle,
        headers.get("date", ""),
        headers.get("server", ""),
        encryption,
    )
