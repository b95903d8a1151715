"""What S3 writes in its own way, as the engine says it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_plus

from engine.model import RESTORING

REPLICATES_DELETES = ("DeleteMarkerReplication", "DeleteReplication")
"""The parts of a replication rule that pass on deletes; the second one is MinIO's, for versions."""


def bare(etag: str) -> str:
    """An ETag without its quotes, and without the mark of a weak one (RFC 9110, 8.8.3): who compresses or caches
    answers on the way marks the ETags of HEAD and GET, and the listing's stays as it was."""
    return etag.strip().removeprefix("W/").strip('"')


def moment(value: Any) -> str:
    """A time as S3 writes it in listings: "2026-01-31T10:00:00.000Z"; empty for none."""
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
    return str(value or "")


_EXPIRES = re.compile(r'expiry-date="([^"]*)"').search


def restore_of(text: str) -> str:
    """x-amz-restore as `ListedObject.restore` has it."""
    if 'ongoing-request="true"' in text:
        return RESTORING
    until = _EXPIRES(text)
    if until is None:
        return ""
    try:
        return moment(parsedate_to_datetime(until[1]))
    except (ValueError, TypeError):
        return until[1]  # it can be read, whatever that means


def replicates_deletes(said: Mapping[str, str], *, filtered: bool) -> bool:
    """Whether a replication rule passes on what is deleted: where it says so, and always in the older form, which has
    no filter and says nothing of it (S3 User Guide, "Backward compatibility considerations")."""
    return "Enabled" in said.values() or (not filtered and not any(said.values()))


def bucket_of_arn(arn: str) -> str:
    """The bucket that a replication rule writes to."""
    return arn.rpartition(":::")[2]


def region_of(location: str) -> str:
    """The region that GetBucketLocation means: it has two names for older ones (API reference)."""
    return {"": "us-east-1", "EU": "eu-west-1"}.get(location, location)


def upload_key(text: str, prefix: str, *, encoded: bool) -> str:
    """A key of ListMultipartUploads: in form encoding, where a space is "+", if the answer says so. Ceph RGW encodes
    and does not say it, LocalStack says it and does not: of both readings, the one under the prefix that was asked for.
    """
    decoded = unquote_plus(text)
    likely, other = (decoded, text) if encoded else (text, decoded)
    return other if other.startswith(prefix) and not likely.startswith(prefix) else likely
