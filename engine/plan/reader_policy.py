"""The smallest bucket policy with which somebody else reads what is under one location. Pure.

What a principal may be: IAM User Guide, "AWS JSON policy elements: Principal".
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from engine.errors import UsageError
from engine.model import Location
from engine.plan.locations import is_access_point, location_of
from engine.plan.permissions import VERSION, literal

_READER = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(iam|sts)::[A-Za-z0-9_$-]*:(root|(user|role|assumed-role|federated-user)/[^*\s]+)"
)

VERSIONS = (
    "It reads what is there now: older versions of objects need s3:GetObjectVersion and s3:ListBucketVersions as well."
)
KEYS = (
    "Objects under a KMS key need kms:Decrypt in the key's own policy too; those under the key aws/s3 cannot be read "
    "from another account."
)
ACCOUNT = "Somebody of another account needs these actions in a policy of their own as well."
ONE = "A bucket has one policy: where there is one, add these statements to it, since writing it replaces all of it."


class BucketPolicy(NamedTuple):
    """`document` is the policy as JSON values, `notes` are sentences about what it does not give."""

    document: dict[str, Any]
    notes: tuple[str, ...]


def bucket_policy(where: str | Location, read: str) -> BucketPolicy:
    """The smallest policy for the bucket of `where` ("s3://bucket/prefix/", or one exact key) that lets `read`, the ARN
    of a user, a role or an account's root, get what is there and list it. Nothing is asked, nothing changed.

    Raises `UsageError` for what is no location of S3, an access point, and for whatever is no one's ARN: a policy for
    everyone would make the objects public."""
    where = location_of(where)
    if where.is_local or is_access_point(where.bucket):
        raise UsageError(f"{where} is no bucket's.", advice="Name the bucket itself, as s3://bucket/prefix/.")
    found = _READER.fullmatch(read)
    if found is None:
        everyone = " With a star it would be everyone." if "*" in read else ""
        raise UsageError(
            f"{read!r} is not the ARN of one who reads.{everyone}",
            advice="It looks like arn:aws:iam::123456789012:user/ana, with role/… or root in place of user/….",
        )
    bucket = f"arn:{found['partition']}:s3:::{where.bucket}"
    pattern = literal(where.key) + ("*" if where.is_prefix else "")
    statements = [_statement(read, "s3:GetObject", f"{bucket}/{pattern}")]
    if where.is_prefix:
        listing = _statement(read, "s3:ListBucket", bucket)
        if where.key:
            listing["Condition"] = {"StringLike": {"s3:prefix": [pattern]}}
        statements.append(listing)
    return BucketPolicy({"Version": VERSION, "Statement": statements}, (ONE, VERSIONS, KEYS, ACCOUNT))


def _statement(reader: str, action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": reader}, "Action": action, "Resource": resource}
