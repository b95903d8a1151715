"""What a request's headers say of an object: what it carries, on what condition, and how to know it arrived. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from engine.errors import Rejected
from engine.model import ABSENT, Checksum, Encryption, ObjectLock, ObjectRef, Properties
from engine.s3.acl import acl_headers
from engine.s3.signing import encode_value

_IS_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch  # RFC 9110, 5.6.2: token
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


def condition_headers(condition: str | None) -> dict[str, str]:
    if condition is None:
        return {}
    return {"if-none-match": "*"} if condition == ABSENT else {"if-match": f'"{condition}"'}


def checksum_headers(checksum: Checksum | None, content_md5: str = "") -> dict[str, str]:
    """What the server compares a body with."""
    headers = {"content-md5": content_md5} if content_md5 else {}
    if checksum is not None:
        headers["x-amz-sdk-checksum-algorithm"] = checksum.algorithm
        headers[f"x-amz-checksum-{checksum.algorithm.lower()}"] = checksum.value
    return headers


def tag_text(tags: tuple[tuple[str, str], ...]) -> str:
    # A space as %20, which every server reads: Ceph RGW takes a "+" for a plus.
    return "&".join(f"{encode_value(name)}={encode_value(value)}" for name, value in tags)


def property_headers(operation: str, ref: ObjectRef, properties: Properties) -> dict[str, str]:
    """Everything that an object carries besides its bytes. STANDARD and absent values need no header.

    Raises `Rejected` for a value with a control character: it would break out of its header."""
    headers = dict(_but_metadata(properties._replace(metadata=())))
    # An empty value of metadata is a value.
    for name, value in properties.metadata:
        headers[f"x-amz-meta-{name.lower()}"] = value
    for name, value in headers.items():
        if not _IS_NAME(name) or _CONTROL(value):
            said = f"{name!r} cannot be sent: no header can carry such a name, or a control character in its value"
            raise Rejected(said, operation=operation, ref=str(ref), code="BadHeader")
    return headers


@lru_cache(maxsize=256)
def _but_metadata(properties: Properties) -> dict[str, str]:
    """Most objects of a project carry the same. The headers are the cache's: they are not to be changed."""
    headers = {
        "content-type": properties.content_type,
        "content-encoding": properties.content_encoding,
        "content-disposition": properties.content_disposition,
        "content-language": properties.content_language,
        "cache-control": properties.cache_control,
        "expires": properties.expires,
        "x-amz-tagging": tag_text(properties.tags or ()),
        "x-amz-website-redirect-location": properties.website_redirect,
        "x-amz-storage-class": "" if properties.storage_class == "STANDARD" else properties.storage_class,
        **_encryption_headers(properties.encryption),
        **_lock_headers(properties.lock),
        **acl_headers(properties.acl),
    }
    return {name: value for name, value in headers.items() if value}


def _encryption_headers(encryption: Encryption | None) -> dict[str, str]:
    if encryption is None:
        return {}
    return {
        "x-amz-server-side-encryption": encryption.algorithm,
        "x-amz-server-side-encryption-aws-kms-key-id": encryption.kms_key_id,
        "x-amz-server-side-encryption-bucket-key-enabled": "true" if encryption.bucket_key else "",
    }


def _lock_headers(lock: ObjectLock | None) -> dict[str, str]:
    if lock is None:
        return {}
    return {
        "x-amz-object-lock-mode": lock.mode,
        "x-amz-object-lock-retain-until-date": lock.retain_until,
        "x-amz-object-lock-legal-hold": "ON" if lock.legal_hold else "",
    }
