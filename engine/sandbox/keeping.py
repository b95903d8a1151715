"""Where an object is found and where it goes: buckets, current versions, older ones, delete markers.

A `StoredObject` may be shared by many keys and by a copy, so nothing here or in the rules changes one in place: it is
replaced.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from engine.sandbox.records import Account, Bucket, StoredObject
from engine.sandbox.refusals import S3Error

NULL = "null"
_VERSION_ID = re.compile(r"[0-9a-f]{32}").fullmatch


def bucket_of(account: Account, name: str) -> Bucket:
    """Raises NoSuchBucket, or PermanentRedirect for a bucket of another region."""
    found = account.buckets.get(name)
    if found is None:
        raise S3Error("NoSuchBucket", BucketName=name)
    if found.region != account.region:
        raise S3Error(
            "PermanentRedirect",
            Bucket=name,
            Endpoint=f"{name}.s3.{found.region}.amazonaws.com",
            headers=(("x-amz-bucket-region", found.region),),
        )
    return found


def object_of(bucket: Bucket, key: str, version_id: str | None = None) -> StoredObject:
    """The current version or the one named. Raises NoSuchKey, NoSuchVersion, and 405 for a delete marker by name."""
    if version_id is None:
        found = bucket.objects.get(key)
        if found is None:
            history = bucket.versions.get(key)
            marker = (("x-amz-delete-marker", "true"), ("x-amz-version-id", history[0].version_id)) if history else ()
            raise S3Error("NoSuchKey", Key=key, headers=marker)
        return found
    if version_id != NULL and not _VERSION_ID(version_id):
        raise S3Error("InvalidArgument", "Invalid version id specified", ArgumentName="versionId")
    found = version_of(bucket, key, version_id)
    if found is None:
        raise S3Error("NoSuchVersion", Key=key, VersionId=version_id)
    if found.is_marker:
        raise S3Error(
            "MethodNotAllowed",
            Method="GET",
            ResourceType="DeleteMarker",
            headers=(("x-amz-delete-marker", "true"), ("x-amz-version-id", found.version_id)),
        )
    return found


def version_of(bucket: Bucket, key: str, version_id: str) -> StoredObject | None:
    """A version or delete marker by its id; None where there is no such."""
    history = bucket.versions.get(key)
    if history is None:
        found = bucket.objects.get(key)
        return found if found is not None and version_id == NULL else None
    return next((item for item in history if item.version_id == version_id), None)


def keep(account: Account, bucket: Bucket, key: str, stored: StoredObject) -> None:
    """A new object becomes the current version, and is given its version id."""
    if bucket.versioning:
        _place(account, bucket, key, stored)
    bucket.objects.put(key, stored)


def remove(account: Account, bucket: Bucket, key: str) -> StoredObject | None:
    """Delete without naming a version: the delete marker that it leaves, or None on a bucket without versioning."""
    if not bucket.versioning:
        bucket.objects.pop(key)
        return None
    marker = StoredObject(None, 0, "", account.clock.now())
    _place(account, bucket, key, marker)
    bucket.objects.pop(key)
    return marker


def remove_version(bucket: Bucket, key: str, version_id: str) -> StoredObject | None:
    """Delete one version for good: what it was, or None. The next older becomes current."""
    found = version_of(bucket, key, version_id)
    if found is None:
        return None
    history = bucket.versions.get(key)
    if history is None:
        return bucket.objects.pop(key)
    history.remove(found)
    if not history:
        del bucket.versions[key]
    if history and not history[0].is_marker:
        bucket.objects.put(key, history[0])
    else:
        bucket.objects.pop(key)
    return found


def change(bucket: Bucket, key: str, old: StoredObject, **values: Any) -> None:
    """Put what is the same but for these values where `old` is: tags, a restore."""
    new = replace(old, **values)
    history = bucket.versions.get(key)
    if history is not None:
        history[history.index(old)] = new
    if bucket.objects.get(key) is old:
        bucket.objects.put(key, new)


def version_lines(bucket: Bucket, stored: StoredObject) -> tuple[tuple[str, str], ...]:
    """x-amz-version-id, on a bucket that has or had versioning."""
    return (("x-amz-version-id", stored.version_id),) if bucket.versioning else ()


def _place(account: Account, bucket: Bucket, key: str, stored: StoredObject) -> None:
    history = bucket.versions.get(key)
    if history is None:
        existing = bucket.objects.get(key)
        history = bucket.versions[key] = [] if existing is None else [existing]
    if bucket.versioning == "Enabled":
        stored.version_id = f"{account.next_number():032x}"
    else:
        history[:] = [item for item in history if item.version_id != NULL]
    history.insert(0, stored)
