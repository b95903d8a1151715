"""What an object carries besides its bytes: read from a request's headers, told in an answer's."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from urllib.parse import parse_qsl

from engine.model import Encryption, ObjectLock
from engine.sandbox.clock import http_text, iso_text
from engine.sandbox.records import AES256, Account, Attributes, Bucket, Pairs, StoredObject
from engine.sandbox.refusals import S3Error, invalid_argument

STORAGE_CLASSES = {
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
    "GLACIER_IR", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE",
}  # fmt: skip
ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}
DEFAULT_TYPE = "binary/octet-stream"
METADATA_LIMIT_BYTES = 2048

CONTENT_HEADERS = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-type": "Content-Type",
    "expires": "Expires",
}
_META = "x-amz-meta-"
_LOCK = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold")
_CUSTOMER = "server-side-encryption-customer-"


def attributes_of(account: Account, bucket: Bucket, headers: dict[str, str]) -> Attributes:
    """Everything that a request's headers say of the object that it makes."""
    return _shared(
        Attributes(
            headers=content_headers(headers),
            metadata=metadata_of(headers),
            storage_class=storage_class_of(headers),
            website_redirect=headers.get("x-amz-website-redirect-location", ""),
            encryption=encryption_of(account, bucket, headers),
            customer_key_md5=customer_key_md5(headers, "x-amz-"),
            lock=lock_of(account, bucket, headers),
            acl=acl_of(bucket, headers),
        )
    )


@lru_cache(maxsize=4096)
def _shared(attributes: Attributes) -> Attributes:
    return attributes


def content_headers(headers: dict[str, str]) -> Pairs:
    """The headers that are kept and given back, in S3's spelling. aws-chunked is framing, not the object's."""
    found = []
    for name, spelled in CONTENT_HEADERS.items():
        value = headers.get(name, "")
        if name == "content-encoding" and "aws-chunked" in value:
            value = ",".join(item for item in map(str.strip, value.split(",")) if item != "aws-chunked")
        if name == "content-type" and not value:
            value = DEFAULT_TYPE
        if value:
            found.append((spelled, value))
    return tuple(found)


def metadata_of(headers: dict[str, str]) -> Pairs:
    """The metadata of a request, its words of RFC 2047 decoded (User Guide, "Working with object metadata")."""
    found = tuple(
        sorted((name[len(_META) :], _decoded(value)) for name, value in headers.items() if name.startswith(_META))
    )
    if sum(len(name.encode()) + len(value.encode("utf-8", "replace")) for name, value in found) > METADATA_LIMIT_BYTES:
        raise S3Error("MetadataTooLarge", MaxSizeAllowed=str(METADATA_LIMIT_BYTES))
    return found


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _encoded(value: str) -> str:
    """What is not ASCII goes out as a word of RFC 2047."""
    if value.isascii():
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8', 'surrogateescape')).decode()}?="


def storage_class_of(headers: dict[str, str]) -> str:
    found = headers.get("x-amz-storage-class", "STANDARD")
    if found not in STORAGE_CLASSES:
        raise S3Error("InvalidStorageClass")
    return found


def encryption_of(account: Account, bucket: Bucket, headers: dict[str, str]) -> Encryption:
    """What the request asks for, else the bucket's default."""
    algorithm = headers.get("x-amz-server-side-encryption")
    key_id = headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")
    if algorithm in (None, "AES256"):
        if key_id:
            raise S3Error("InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header "
                          "x-amz-server-side-encryption : aws:kms")  # fmt: skip
        return AES256 if algorithm else bucket.encryption
    if algorithm not in ("aws:kms", "aws:kms:dsse"):
        raise S3Error("InvalidArgument", "The encryption method specified is not supported")
    bucket_key = headers.get("x-amz-server-side-encryption-bucket-key-enabled", "").lower() == "true"
    return Encryption(algorithm, kms_arn(account, key_id), bucket_key)


def kms_arn(account: Account, key_id: str) -> str:
    """A key's id as S3 gives it back: as an ARN; the account's own S3 key where none was named."""
    if key_id.startswith("arn:"):
        return key_id
    return f"arn:aws:kms:{account.region}:{account.account_id}:key/{key_id or 'aws-s3'}"


def customer_key_md5(headers: dict[str, str], start: str) -> str:
    """The MD5 of an SSE-C key, checked against the key; empty where there is none. `start` tells the source's
    headers of a copy from the target's."""
    algorithm = headers.get(f"{start}{_CUSTOMER}algorithm")
    key = headers.get(f"{start}{_CUSTOMER}key")
    md5 = headers.get(f"{start}{_CUSTOMER}key-md5", "")
    if algorithm is None and key is None:
        return ""
    if algorithm != "AES256" or key is None:
        raise S3Error("InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must "
                      "provide a valid encryption algorithm and an appropriate secret key.")  # fmt: skip
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError as error:
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.") from error
    if len(raw) != 32:
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.")
    if base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode() != md5:
        raise S3Error("InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.")
    return md5


def check_customer_key(headers: dict[str, str], stored: StoredObject, start: str = "x-amz-") -> None:
    """An SSE-C object is read with its own key only; one that is not, without any."""
    wanted = stored.attributes.customer_key_md5
    given = customer_key_md5(headers, start)
    if wanted == given:
        return
    if not given:
        raise S3Error("InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct "
                      "parameters must be provided to retrieve the object.")  # fmt: skip
    if not wanted:
        raise S3Error("InvalidRequest", "The encryption parameters are not applicable to this object.")
    raise S3Error("AccessDenied")


def lock_of(account: Account, bucket: Bucket, headers: dict[str, str]) -> ObjectLock | None:
    """What a request locks its object with: in a bucket that has Object Lock, until a moment that is still to come."""
    if not any(name in headers for name in _LOCK):
        return None
    if not bucket.object_lock:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    mode, until, hold = (headers.get(name, "") for name in _LOCK)
    if bool(mode) != bool(until):
        raise S3Error("InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be "
                      "supplied")  # fmt: skip
    if until and until[:19] <= iso_text(account.clock.now())[:19]:
        raise invalid_argument(_LOCK[1], until, "The retain until date must be in the future!")
    held = hold.upper() == "ON"
    return ObjectLock(mode, until, held) if mode or held else None


def acl_of(bucket: Bucket, headers: dict[str, str]) -> str:
    """The canned ACL. A bucket whose owner owns everything takes none but bucket-owner-full-control."""
    found = headers.get("x-amz-acl", "")
    grants = any(name.startswith("x-amz-grant-") for name in headers)
    if bucket.ownership == "BucketOwnerEnforced":
        if grants or found not in ("", "bucket-owner-full-control"):
            raise S3Error("AccessControlListNotSupported")
        return "private"
    return found or "private"


def tags_of(headers: dict[str, str]) -> Pairs:
    """The tags of x-amz-tagging."""
    text = headers.get("x-amz-tagging", "")
    return checked_tags(tuple(parse_qsl(text, keep_blank_values=True))) if text else ()


def checked_tags(tags: Pairs, most: int = 10) -> Pairs:
    """Raises InvalidTag or BadRequest as S3 does."""
    if len(tags) > most:
        raise S3Error("BadRequest", f"Object tags cannot be greater than {most}")
    if len({name for name, _ in tags}) != len(tags):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    for name, value in tags:
        if not 0 < len(name) <= 128:
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=name)
        if len(value) > 256:
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", TagValue=value)
        if name.startswith("aws:"):
            raise S3Error("InvalidTag", "System tags cannot be added/updated by requester")
    return tags


def carried(source: Attributes, storage_class: str, encryption: Encryption) -> Attributes:
    """What a copy keeps of its source without being told otherwise: content headers and metadata. Access, website
    redirect, lock and the state of an archive are not copied."""
    plain = (
        source.storage_class == storage_class
        and source.encryption == encryption
        and not source.website_redirect
        and not source.customer_key_md5
        and source.lock is None
        and source.acl == "private"
        and not source.archive_status
        and not source.restored_until
    )
    if plain:
        return source
    return _shared(
        Attributes(headers=source.headers, metadata=source.metadata, storage_class=storage_class, encryption=encryption)
    )


def with_changes(attributes: Attributes, **values: object) -> Attributes:
    return _shared(replace(attributes, **values))  # type: ignore[arg-type]


# --- archives -------------------------------------------------------------------------------------------------------


def is_archived(attributes: Attributes, now: int) -> bool:
    """Whether the bytes cannot be read now: an archive class without a restored copy, or an archive tier."""
    if attributes.storage_class in ARCHIVED:
        return not attributes.restored_from <= now < attributes.restored_until
    if attributes.archive_status:
        return not (attributes.restored_until and attributes.restored_from <= now)
    return False


def restore_text(attributes: Attributes, now: int) -> str:
    """The value of x-amz-restore; empty where there is none."""
    if not attributes.restored_until or now >= attributes.restored_until:
        return ""
    if now < attributes.restored_from:
        return 'ongoing-request="true"'
    if attributes.storage_class not in ARCHIVED:
        return ""
    return f'ongoing-request="false", expiry-date="{http_text(attributes.restored_until)}"'


# --- answers --------------------------------------------------------------------------------------------------------


def encryption_lines(attributes: Attributes) -> tuple[tuple[str, str], ...]:
    """How an object is encrypted, as every answer about it says."""
    if attributes.customer_key_md5:
        return (
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key-MD5", attributes.customer_key_md5),
        )
    encryption = attributes.encryption
    if encryption.algorithm == "AES256":
        return _AES256_LINES
    lines = (
        ("x-amz-server-side-encryption", encryption.algorithm),
        ("x-amz-server-side-encryption-aws-kms-key-id", encryption.kms_key_id),
    )
    return (*lines, ("x-amz-server-side-encryption-bucket-key-enabled", "true")) if encryption.bucket_key else lines


_AES256_LINES = (("x-amz-server-side-encryption", "AES256"),)


def object_lines(stored: StoredObject, now: int) -> list[tuple[str, str]]:
    """All that HEAD and GET say of an object, but its length, its checksum and its version."""
    attributes = stored.attributes
    lines = [
        ("Last-Modified", http_text(stored.modified)),
        ("ETag", f'"{stored.etag}"'),
        ("Accept-Ranges", "bytes"),
        *attributes.headers,
        *encryption_lines(attributes),
        *((f"{_META}{name}", _encoded(value)) for name, value in attributes.metadata),
    ]
    if attributes.storage_class != "STANDARD":
        lines.append(("x-amz-storage-class", attributes.storage_class))
    if stored.tags:
        lines.append(("x-amz-tagging-count", str(len(stored.tags))))
    if attributes.website_redirect:
        lines.append(("x-amz-website-redirect-location", attributes.website_redirect))
    restore = restore_text(attributes, now)
    if restore:
        lines.append(("x-amz-restore", restore))
    if attributes.archive_status and is_archived(attributes, now):
        lines.append(("x-amz-archive-status", attributes.archive_status))
    lock = attributes.lock
    if lock is not None and lock.mode:
        lines.append(("x-amz-object-lock-mode", lock.mode))
        lines.append(("x-amz-object-lock-retain-until-date", lock.retain_until))
    if lock is not None and lock.legal_hold:
        lines.append(("x-amz-object-lock-legal-hold", "ON"))
    return lines
