"""botocore's dictionaries as the engine's values, and the other way round. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

from engine.model import (
    ABSENT,
    RESTORING,
    UNKNOWN_SIZE,
    Checksum,
    Encryption,
    ListedObject,
    ObjectHead,
    ObjectLock,
    Properties,
    ReplicationRule,
)
from engine.s3.acl import acl_arguments

CHECKSUM_ALGORITHMS = (
    "CRC64NVME",
    "CRC32",
    "CRC32C",
    "SHA1",
    "SHA256",
    "SHA512",
    "MD5",
    "XXHASH64",
    "XXHASH3",
    "XXHASH128",
)
"""S3's algorithms, those first that every full object has. The later ones are not in the pinned service model, which
drops them from answers."""

REPLICATES_DELETES = ("DeleteMarkerReplication", "DeleteReplication")
"""The parts of a replication rule that pass on deletes; the second one is MinIO's, for versions."""


def checksum_field(algorithm: str) -> str:
    """The field of the service model that carries an algorithm's value."""
    return f"Checksum{algorithm}"


def bare_etag(answer: Mapping[str, Any]) -> str:
    """An answer's ETag bare (`bare`); empty where there is none (Ceph RGW leaves out one or the other)."""
    return bare(str(answer.get("ETag") or ""))


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


def checksums_of(answer: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> tuple[Checksum, ...]:
    """Every checksum in an answer, or in its `headers`, where the service model does not know the algorithm. A value
    that ends in "-N" is composite, whatever the server calls it."""
    headers = headers or {}
    found = []
    for algorithm in CHECKSUM_ALGORITHMS:
        value = answer.get(checksum_field(algorithm)) or headers.get(f"x-amz-checksum-{algorithm.lower()}")
        if value:
            kind = str(answer.get("ChecksumType") or ("COMPOSITE" if "-" in value else "FULL_OBJECT"))
            found.append(Checksum(algorithm, kind, value))
    return tuple(found)


def head_of(answer: Mapping[str, Any]) -> ObjectHead:
    """HeadObject's answer. With a part number, ContentLength is the part's and Content-Range carries the whole."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    length = int(answer.get("ContentLength", UNKNOWN_SIZE))
    whole = str(answer.get("ContentRange") or headers.get("content-range", "")).rpartition("/")[2]
    parts_count = answer.get("PartsCount")
    ranged = whole.isdigit()
    tag_count = headers.get("x-amz-tagging-count", answer.get("TagCount"))
    return ObjectHead(
        int(whole) if ranged else length,
        bare_etag(answer),
        moment(answer.get("LastModified")),
        _properties(answer, headers),
        checksums_of(answer, headers),
        int(parts_count) if parts_count else None,
        length if length >= 0 and (ranged or parts_count) else None,
        str(answer.get("VersionId", "")),
        int(tag_count) if tag_count is not None else None,
        str(answer.get("ArchiveStatus", "")),
        restore_of(str(answer.get("Restore", ""))),
        str(headers.get("date", "")),
    )


def _properties(answer: Mapping[str, Any], headers: Mapping[str, str]) -> Properties:
    algorithm = str(answer.get("ServerSideEncryption", ""))
    lock = ObjectLock(
        str(answer.get("ObjectLockMode", "")),
        moment(answer.get("ObjectLockRetainUntilDate")),
        answer.get("ObjectLockLegalHoldStatus") == "ON",
    )
    return Properties(
        content_type=str(answer.get("ContentType", "")),
        content_encoding=str(answer.get("ContentEncoding", "")),
        content_disposition=str(answer.get("ContentDisposition", "")),
        content_language=str(answer.get("ContentLanguage", "")),
        cache_control=str(answer.get("CacheControl", "")),
        expires=str(headers.get("expires", "")),
        metadata=tuple(sorted(answer.get("Metadata", {}).items())),
        storage_class=str(answer.get("StorageClass", "STANDARD")),
        website_redirect=str(answer.get("WebsiteRedirectLocation", "")),
        encryption=Encryption(algorithm, str(answer.get("SSEKMSKeyId", "")), bool(answer.get("BucketKeyEnabled")))
        if algorithm
        else None,
        lock=lock if lock != ObjectLock() else None,
        hidden_metadata=int(answer.get("MissingMeta") or 0),
    )


def property_arguments(properties: Properties) -> dict[str, Any]:
    """What PutObject, CreateMultipartUpload and a replacing CopyObject are told to write."""
    encryption, lock = properties.encryption, properties.lock
    arguments: dict[str, Any] = {
        "ContentType": properties.content_type,
        "ContentEncoding": properties.content_encoding,
        "ContentDisposition": properties.content_disposition,
        "ContentLanguage": properties.content_language,
        "CacheControl": properties.cache_control,
        "Expires": properties.expires,
        "Metadata": dict(properties.metadata),
        "Tagging": tag_text(properties.tags or ()),
        "WebsiteRedirectLocation": properties.website_redirect,
        "StorageClass": properties.storage_class if properties.storage_class != "STANDARD" else "",
        **acl_arguments(properties.acl),
    }
    if encryption is not None:
        arguments["ServerSideEncryption"] = encryption.algorithm
        arguments["SSEKMSKeyId"] = encryption.kms_key_id
        if encryption.bucket_key:
            arguments["BucketKeyEnabled"] = True
    if lock is not None:
        arguments["ObjectLockMode"] = lock.mode
        arguments["ObjectLockRetainUntilDate"] = lock.retain_until
        arguments["ObjectLockLegalHoldStatus"] = "ON" if lock.legal_hold else ""
    return {name: value for name, value in arguments.items() if value not in ("", {}, None)}


def tag_text(tags: Iterable[tuple[str, str]]) -> str:
    """Tags as the x-amz-tagging header has them: a query string, a space as %20, which every server reads (Ceph RGW
    takes a "+" for a plus)."""
    return urlencode(list(tags), quote_via=quote, safe="")


def replication_of(rules: Iterable[Mapping[str, Any]]) -> tuple[ReplicationRule, ...]:
    """The enabled rules that replicate deletes."""
    found = []
    for rule in rules:
        said = {name: str(rule.get(name, {}).get("Status", "")) for name in REPLICATES_DELETES}
        if rule.get("Status") != "Enabled" or not replicates_deletes(said, filtered="Filter" in rule):
            continue
        chosen = rule.get("Filter", {})
        both = chosen.get("And", {})
        prefix = str(chosen.get("Prefix") or both.get("Prefix") or rule.get("Prefix") or "")
        tags = [chosen["Tag"]] if "Tag" in chosen else both.get("Tags", [])
        only = tuple(sorted(f"{tag['Key']}={tag['Value']}" for tag in tags))
        target = bucket_of_arn(str(rule.get("Destination", {}).get("Bucket", "")))
        found.append(ReplicationRule(str(rule.get("ID", "")), prefix, target, only))
    return tuple(found)


def replicates_deletes(said: Mapping[str, str], *, filtered: bool) -> bool:
    """Whether a replication rule passes on what is deleted: where it says so, and always in the older form, which has
    no filter and says nothing of it (S3 User Guide, "Backward compatibility considerations")."""
    return "Enabled" in said.values() or (not filtered and not any(said.values()))


def bucket_of_arn(arn: str) -> str:
    """The bucket that a replication rule writes to."""
    return arn.rpartition(":::")[2]


def condition_arguments(condition: str | None) -> dict[str, str]:
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": f'"{condition}"'}


def listed_object(item: Mapping[str, Any], key: str) -> ListedObject:
    """A line of a listing; `key` is its own, decoded."""
    status = item.get("RestoreStatus", {})
    return ListedObject(
        key,
        int(item["Size"]),
        bare_etag(item),
        moment(item.get("LastModified")),
        item.get("StorageClass") or "STANDARD",
        listed_checksum(item),
        RESTORING if status.get("IsRestoreInProgress") else moment(status.get("RestoreExpiryDate")),
    )


def listed_checksum(item: Mapping[str, Any]) -> str:
    algorithms = item.get("ChecksumAlgorithm") or ()
    if not algorithms:
        return ""
    chosen = "CRC64NVME" if "CRC64NVME" in algorithms else algorithms[0]
    return f"{chosen}:{item.get('ChecksumType', '')}"


def headers_of(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def default_encryption_of(answer: Mapping[str, Any]) -> str:
    """What objects are encrypted with by default, in words."""
    for rule in answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        bucket_key = "bucket key" if rule.get("BucketKeyEnabled") else ""
        words = (default.get("SSEAlgorithm"), default.get("KMSMasterKeyID"), bucket_key)
        return " ".join(str(word) for word in words if word)
    return ""


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
