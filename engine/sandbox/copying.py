"""CopyObject: one object's bytes under another key, inside S3; and the source of any copy, found and checked."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from engine.model import Checksum
from engine.sandbox.checksums import COMPOSITE, asked_for, checksum_of, default_algorithm, elements, pending
from engine.sandbox.clock import iso_text
from engine.sandbox.conditions import check_source, check_target
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import bucket_of, keep, object_of, version_lines
from engine.sandbox.markup import xml_reply
from engine.sandbox.properties import (
    acl_of,
    attributes_of,
    carried,
    check_customer_key,
    customer_key_md5,
    encryption_lines,
    encryption_of,
    is_archived,
    lock_of,
    storage_class_of,
    tags_of,
    with_changes,
)
from engine.sandbox.reading import archived_error
from engine.sandbox.records import AES256, Account, Attributes, Bucket, StoredObject
from engine.sandbox.refusals import S3Error, invalid_argument
from engine.sandbox.writing import check_key, etag_of

COPY_LIMIT_BYTES = 5 << 30

# What a request may carry that makes a copy more than the plain one.
_ENCRYPTION = "x-amz-server-side-encryption"
_UNUSUAL = (
    "x-amz-metadata-directive",
    "x-amz-website-redirect-location",
    _ENCRYPTION,
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-acl",
)


class Source(NamedTuple):
    """What a copy reads from. `version_id` is empty where the source's bucket has no versions."""

    bucket: str
    key: str
    stored: StoredObject
    version_id: str


def source_of(account: Account, headers: dict[str, str]) -> Source:
    """The object that x-amz-copy-source names, readable, and as the request's conditions want it."""
    name, key, version_id = _address(headers["x-amz-copy-source"])
    owner = headers.get("x-amz-source-expected-bucket-owner")
    if owner is not None and owner != account.account_id:
        raise S3Error("AccessDenied")
    bucket = bucket_of(account, name)
    try:
        stored = object_of(bucket, key, version_id)
    except S3Error as error:
        if error.code == "MethodNotAllowed":
            raise S3Error("InvalidRequest", "The source of a copy request may not specifically refer to a delete "
                          "marker by version id.") from error  # fmt: skip
        raise
    attributes = stored.attributes
    if attributes.customer_key_md5 or "x-amz-copy-source-server-side-encryption-customer-algorithm" in headers:
        check_customer_key(headers, stored, "x-amz-copy-source-")
    check_source(headers, stored)
    if (attributes.archive_status or attributes.storage_class != "STANDARD") and is_archived(
        attributes, account.clock.now()
    ):
        if attributes.archive_status:
            raise S3Error("ObjectNotInActiveTierError")
        raise archived_error(stored)
    return Source(name, key, stored, stored.version_id if bucket.versioning else "")


def copy_object(account: Account, bucket: Bucket, request: Request) -> Reply:
    headers, key = request.headers, request.key
    check_key(key)
    name, source_key, source, source_version = source_of(account, headers)
    if source.size > COPY_LIMIT_BYTES:
        raise copy_too_large()
    if name == request.bucket and source_key == key:
        _check_self_copy(bucket, source, headers)
    check_target(headers, key, bucket.objects.get(key))
    attributes = _attributes(account, bucket, source, headers)
    tags = source.tags
    directive = headers.get("x-amz-tagging-directive", "COPY")
    if directive != "COPY":
        if directive != "REPLACE":
            raise S3Error("InvalidArgument", "Unknown tagging directive.")
        tags = tags_of(headers)
    assert source.content is not None
    same_form = not source.parts and _is_md5(source.attributes) and _is_md5(attributes)
    stored = StoredObject(
        source.content,
        source.size,
        source.etag if same_form else etag_of(account, attributes, source.content),
        account.clock.now(),
        attributes,
        _checksum(bucket, source, headers),
        tags,
    )
    keep(account, bucket, key, stored)
    lines = encryption_lines(attributes)
    if bucket.versioning or source_version:
        lines += version_lines(bucket, stored)
        lines += (("x-amz-copy-source-version-id", source_version),) if source_version else ()
    return xml_reply(
        "CopyObjectResult",
        f"<LastModified>{iso_text(stored.modified)}</LastModified><ETag>&quot;{stored.etag}&quot;</ETag>",
        elements(stored.checksum),
        headers=lines,
        moved_bytes=stored.size,
    )


def copy_too_large() -> S3Error:
    """One request copies 5 GiB at most."""
    return S3Error(
        "InvalidRequest",
        f"The specified copy source is larger than the maximum allowable size for a copy source: {COPY_LIMIT_BYTES}",
    )


def _address(text: str) -> tuple[str, str, str | None]:
    """Bucket, key and version of a copy source. `?versionId=` is split off before decoding, so a key's own question
    mark must be encoded."""
    path, mark, version = text.partition("?versionId=")
    if "%" in path:
        path = unquote(path, errors="surrogateescape")
    bucket, slash, key = path.removeprefix("/").partition("/")
    if not slash or not bucket or not key:
        said = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise invalid_argument("x-amz-copy-source", text, said)
    if mark and not version:
        raise S3Error("InvalidArgument", "Version id cannot be the empty string")
    return bucket, key, version if mark else None


def _check_self_copy(bucket: Bucket, source: StoredObject, headers: dict[str, str]) -> None:
    changes = (
        headers.get("x-amz-metadata-directive") == "REPLACE"
        or "x-amz-storage-class" in headers
        or "x-amz-website-redirect-location" in headers
        or _ENCRYPTION in headers
        or "x-amz-server-side-encryption-customer-algorithm" in headers
        or "?versionId=" in headers["x-amz-copy-source"]
        or bucket.encryption != AES256
        or source.attributes.restored_until
    )
    if not changes:
        raise S3Error("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself "
                      "without changing the object's metadata, storage class, website redirect location or encryption "
                      "attributes.")  # fmt: skip


def _attributes(account: Account, bucket: Bucket, source: StoredObject, headers: dict[str, str]) -> Attributes:
    """What the copy carries: of the source, of the request, or by the target bucket's default."""
    storage_class = storage_class_of(headers)
    if not any(name in headers for name in _UNUSUAL):
        return carried(source.attributes, storage_class, bucket.encryption)
    directive = headers.get("x-amz-metadata-directive", "COPY")
    if directive == "REPLACE":
        return attributes_of(account, bucket, headers)
    if directive != "COPY":
        raise S3Error("InvalidArgument", "Unknown metadata directive.")
    kept = carried(source.attributes, storage_class, encryption_of(account, bucket, headers))
    return with_changes(
        kept,
        website_redirect=headers.get("x-amz-website-redirect-location", ""),
        customer_key_md5=customer_key_md5(headers, "x-amz-"),
        lock=lock_of(account, bucket, headers),
        acl=acl_of(bucket, headers),
    )


def _checksum(bucket: Bucket, source: StoredObject, headers: dict[str, str]) -> Checksum | None:
    """The algorithm that is asked for, else the source's, else S3's default. A copy in one piece always has a
    full-object checksum, also where the source's was of its parts."""
    wanted = asked_for(headers) if "x-amz-checksum-algorithm" in headers else ""
    existing = source.checksum
    if existing is not None and existing.type != COMPOSITE and wanted in ("", existing.algorithm):
        return checksum_of(source)
    made = pending(wanted or (existing.algorithm if existing is not None else default_algorithm(bucket)))
    if made is None or source.content is None:
        return made
    return checksum_of(StoredObject(source.content, source.size, "", 0, checksum=made))


def _is_md5(attributes: Attributes) -> bool:
    return attributes.encryption.algorithm == "AES256" and not attributes.customer_key_md5
