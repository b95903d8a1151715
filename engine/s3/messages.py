"""The engine's requests as S3's HTTP requests: method, path, query, headers, body. Pure; nothing is signed here.

Header names are lower-case and sorted, queries encoded and sorted, keys encoded byte for byte: what the signer takes.
Host, date, body hash of an empty body, token and the connection's fixed headers are the signer's to add.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from engine import checksums, store
from engine.errors import Rejected, StoreError
from engine.model import ABSENT, Checksum, ObjectRef, UploadRef, Value
from engine.s3 import operations
from engine.s3.lifecycle_xml import LEAST_SIZE, lifecycle_xml
from engine.s3.operations import Operation
from engine.s3.request_headers import checksum_headers, condition_headers, property_headers, tag_text
from engine.s3.request_xml import complete_xml, delete_xml, restore_xml, tagging_xml
from engine.s3.signing import BODY_HASH, encode_key, encode_query, encode_value

Failure = TypeVar("Failure", bound=StoreError)

EXPECTS_FROM_BYTES = 1 << 20
"""From this length on a body from a source waits until the server has seen the request's head: a refusal, a redirect or
a SlowDown costs no more than the head then, and is not lost in the reset of a connection that was still being written.
It costs a round trip, which is little beside the body's own time."""
BODY_LIMIT_BYTES = 1 << 30
"""The longest body of a GetObject that does not say how much it wants."""


class Call(Value, frozen=True):
    """One HTTP request to a bucket. `path` is the encoded key, "/" kept; `limit_bytes`, if not 0, is its own bound.
    `length` is that of a body which comes from a source; it `expects` "100 Continue" before that."""

    operation: Operation
    bucket: str
    path: str
    query: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    ref: ObjectRef
    body: bytes = b""
    limit_bytes: int = 0
    length: int = 0
    expects: bool = False

    def error(self, kind: type[Failure], message: str, code: str) -> Failure:
        """What went wrong with this very request."""
        return kind(message, operation=self.operation.name, ref=str(self.ref), code=code)


_COPY_PLAIN = ("x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-storage-class")
_COPY_ABSENT = ("if-none-match", *_COPY_PLAIN)
_PART_RANGE = ("x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-copy-source-range")


def list_page(request: store.ListPage) -> Call:
    query = f"list-type=2&max-keys={request.max_keys}"
    if not request.plain:
        query = f"encoding-type=url&{query}"
    if request.delimiter:
        query = f"delimiter={encode_value(request.delimiter)}&{query}"
    if request.token:
        query = f"continuation-token={encode_value(request.token)}&{query}"
    if request.prefix:
        query = f"{query}&prefix={encode_value(request.prefix)}"
    if request.start_after:
        query = f"{query}&start-after={encode_value(request.start_after)}"
    ref = ObjectRef(request.bucket, request.prefix)
    names, values = (("x-amz-optional-object-attributes",), ("RestoreStatus",)) if request.restore_status else ((), ())
    return Call(operations.LIST, request.bucket, "", query, names, values, ref)


def head_object(request: store.HeadObject) -> Call:
    query = f"partNumber={request.part_number}" if request.part_number is not None else ""
    names, values = (("x-amz-checksum-mode",), ("ENABLED",)) if request.checksums else ((), ())
    ref = request.ref
    return Call(operations.HEAD, ref.bucket, encode_key(ref.key), query, names, values, ref)


def copy_source(ref: ObjectRef) -> str:
    """What x-amz-copy-source holds: bucket and key, or an access point's ARN, "/object/" and key (API reference,
    CopyObject)."""
    between = "/object/" if ref.bucket.startswith("arn:") else "/"
    return f"{ref.bucket}{between}{encode_key(ref.key)}"


def copy_object(request: store.CopyObject) -> Call:
    """The most frequent call: its two usual forms are built without a dictionary."""
    target, etag, condition = request.target, request.source_etag, request.target_condition
    source = copy_source(request.source)
    path = encode_key(target.key)
    usual = request.properties is None and request.replace_tags is None and not request.checksum_algorithm
    if etag and usual and request.storage_class:
        if condition == ABSENT:
            values: tuple[str, ...] = ("*", source, f'"{etag}"', request.storage_class)
            return Call(operations.COPY, target.bucket, path, "", _COPY_ABSENT, values, target)
        if condition is None:
            values = (source, f'"{etag}"', request.storage_class)
            return Call(operations.COPY, target.bucket, path, "", _COPY_PLAIN, values, target)
    headers: dict[str, str] = {}
    if request.properties is not None:
        headers = property_headers("CopyObject", target, request.properties)
        headers.pop("x-amz-tagging", None)
        if not request.keep_headers:
            headers["x-amz-metadata-directive"] = "REPLACE"
    if request.replace_tags is not None:
        headers["x-amz-tagging-directive"] = "REPLACE"
        headers["x-amz-tagging"] = tag_text(request.replace_tags)
    if etag:
        headers["x-amz-copy-source-if-match"] = f'"{etag}"'
    if request.checksum_algorithm:
        headers["x-amz-checksum-algorithm"] = request.checksum_algorithm
    headers["x-amz-copy-source"] = source
    if request.storage_class:
        headers["x-amz-storage-class"] = request.storage_class
    return _call(operations.COPY, target, "", headers | condition_headers(condition))


def copy_part(request: store.CopyPart) -> Call:
    target = request.upload.target
    source = copy_source(request.source)
    query = _part_query(request)
    if request.source_etag and request.first is not None:
        values = (source, f'"{request.source_etag}"', f"bytes={request.first}-{request.last}")
        return Call(operations.COPY_PART, target.bucket, encode_key(target.key), query, _PART_RANGE, values, target)
    headers = {"x-amz-copy-source": source}
    if request.source_etag:
        headers["x-amz-copy-source-if-match"] = f'"{request.source_etag}"'
    if request.first is not None:
        headers["x-amz-copy-source-range"] = f"bytes={request.first}-{request.last}"
    return _call(operations.COPY_PART, target, query, headers)


def get_range(request: store.GetRange) -> Call:
    headers: dict[str, str] = {}
    limit = BODY_LIMIT_BYTES
    if request.first is not None:
        headers["range"] = f"bytes={request.first}-{'' if request.last is None else request.last}"
        if request.last is not None:
            limit = request.last - request.first + 1
    if request.if_match:
        headers["if-match"] = f'"{request.if_match}"'
    if request.checksums:
        headers["x-amz-checksum-mode"] = "ENABLED"
    # An error's XML must fit, however short the range.
    return _call(operations.GET, request.ref, "", headers, limit_bytes=max(limit, 1 << 20))


def put_object(request: store.PutObject) -> Call:
    headers = _put_headers(request)
    if request.checksum_algorithm:
        headers |= checksum_headers(Checksum(request.checksum_algorithm, "", body_checksum(request)))
    else:
        headers |= _digest_of(request)
    return _with_body(operations.PUT, request.ref, "", headers, request.body)


def _digest_of(request: store.PutObject | store.UploadPart) -> dict[str, str]:
    """The MD5 of a body that bears nothing to be compared with. S3 takes none without into a bucket that locks what it
    is given (PutObject, API reference: "required for any request to upload an object with a retention period")."""
    known = request.checksum is not None or request.content_md5
    return {} if known else checksum_headers(None, checksums.checksum_of("MD5", request.body))


def from_source(request: store.PutObject | store.UploadPart, length: int, body_hash: str) -> Call:
    """The request with `length` bytes from a source; `body_hash` is their SHA-256 or `UNSIGNED_PAYLOAD`."""
    if isinstance(request, store.PutObject):
        operation, ref, query, headers = operations.PUT, request.ref, "", _put_headers(request)
    else:
        operation, ref, query = operations.UPLOAD_PART, request.upload.target, _part_query(request)
        headers = checksum_headers(request.checksum, request.content_md5)
    return _call(operation, ref, query, headers | {BODY_HASH: body_hash}, length=length)


def _put_headers(request: store.PutObject) -> dict[str, str]:
    return (
        property_headers("PutObject", request.ref, request.properties)
        | condition_headers(request.target_condition)
        | checksum_headers(request.checksum, request.content_md5)
    )


def body_checksum(request: store.PutObject) -> str:
    """The body's checksum, base64. Raises `Rejected` for an algorithm that cannot be computed here."""
    algorithm = request.checksum_algorithm
    if checksums.is_known(algorithm):
        return checksums.checksum_of(algorithm, request.body)
    said = f"the checksum {algorithm} cannot be computed here"
    raise Rejected(said, operation=operations.PUT.name, ref=str(request.ref), code="UnknownChecksum")


# --- uploads ----------------------------------------------------------------------------------------------


def create_upload(request: store.CreateUpload) -> Call:
    headers = property_headers("CreateMultipartUpload", request.target, request.properties)
    if request.properties.storage_class:
        headers["x-amz-storage-class"] = request.properties.storage_class
    if request.checksum_algorithm:
        headers["x-amz-checksum-algorithm"] = request.checksum_algorithm
    if request.checksum_type:
        headers["x-amz-checksum-type"] = request.checksum_type
    return _call(operations.CREATE, request.target, "uploads", headers)


def upload_part(request: store.UploadPart) -> Call:
    ref, query = request.upload.target, _part_query(request)
    headers = checksum_headers(request.checksum, request.content_md5) | _digest_of(request)
    return _with_body(operations.UPLOAD_PART, ref, query, headers, request.body)


def complete_upload(request: store.CompleteUpload) -> Call:
    headers = condition_headers(request.target_condition) | {"content-type": "application/xml"}
    if request.checksum is not None:
        if request.checksum.value:
            headers[f"x-amz-checksum-{request.checksum.algorithm.lower()}"] = request.checksum.value
        headers["x-amz-checksum-type"] = request.checksum.type
    if request.size is not None:  # S3 refuses an upload that came to another size
        headers["x-amz-mp-object-size"] = str(request.size)
    body = complete_xml(request.parts, with_checksums=request.checksum is not None)
    return _with_body(operations.COMPLETE, request.upload.target, _upload_query(request.upload), headers, body)


def abort_upload(request: store.AbortUpload) -> Call:
    return _call(operations.ABORT, request.upload.target, _upload_query(request.upload), {})


def list_parts(request: store.ListParts, marker: int) -> Call:
    query = f"part-number-marker={marker}&{_upload_query(request.upload)}"
    return _call(operations.LIST_PARTS, request.upload.target, query, {})


def list_uploads(request: store.ListUploads, key_marker: str = "", upload_id_marker: str = "") -> Call:
    markers = {"key-marker": key_marker, "upload-id-marker": upload_id_marker}
    return _listing(operations.LIST_UPLOADS, request.bucket, request.prefix, "uploads", markers)


def list_versions(request: store.ListVersions) -> Call:
    key, version = request.after
    markers = {"key-marker": key, "version-id-marker": version}
    return _listing(operations.LIST_VERSIONS, request.bucket, request.prefix, "versions", markers)


def _listing(operation: Operation, bucket: str, prefix: str, what: str, markers: Mapping[str, str]) -> Call:
    given = [(name, value) for name, value in {"prefix": prefix, **markers}.items() if value]
    query = encode_query([("encoding-type", "url"), *given, (what, "")])
    return Call(operation, bucket, "", query, (), (), ObjectRef(bucket, prefix))


def setting_of(operation: Operation, ref: ObjectRef) -> Call:
    """The reading of a sub-resource, which takes no more than its name."""
    return _call(operation, ref, operation.setting, {})


def put_tags(request: store.PutTags) -> Call:
    return _with_document(operations.PUT_TAGS, request.ref, tagging_xml(request.tags))


def restore_object(request: store.RestoreObject) -> Call:
    return _with_document(operations.RESTORE, request.ref, restore_xml(request.days, request.tier))


# --- deleting ---------------------------------------------------------------------------------------------


def delete_object(request: store.DeleteObject) -> Call:
    headers = {"if-match": f'"{request.if_match}"'} if request.if_match else {}
    return _call(operations.DELETE, request.ref, "", headers)


def delete_objects(request: store.DeleteObjects) -> Call:
    """Raises `Rejected` for more than 1,000 keys, and for a key with a character that XML cannot carry (a server
    would read another key): such keys go by `delete_object`."""
    return _with_document(
        operations.DELETE_MANY, ObjectRef(request.bucket, ""), delete_xml(request.bucket, request.keys)
    )


# --- the bucket -------------------------------------------------------------------------------------------


def of_bucket(operation: Operation, bucket: str) -> Call:
    """HeadBucket, or one of a bucket's settings, which is read or taken away."""
    return setting_of(operation, ObjectRef(bucket, ""))


def put_lifecycle(request: store.PutLifecycle) -> Call:
    """Without a rule what is there is deleted: S3 takes no empty configuration."""
    configuration, ref = request.configuration, ObjectRef(request.bucket, "")
    if not configuration.rules:
        return of_bucket(operations.DELETE_LIFECYCLE, request.bucket)
    headers = {LEAST_SIZE: configuration.least_size} if configuration.least_size else {}
    body = lifecycle_xml(configuration)
    return _with_document(operations.PUT_LIFECYCLE, ref, body, headers)


# --- their parts ------------------------------------------------------------------------------------------


def _call(
    operation: Operation,
    ref: ObjectRef,
    query: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    length: int = 0,
    limit_bytes: int = 0,
) -> Call:
    names = tuple(sorted(headers))
    values = tuple([headers[name] for name in names])
    expects = length >= EXPECTS_FROM_BYTES
    return Call(
        operation, ref.bucket, encode_key(ref.key), query, names, values, ref, body, limit_bytes, length, expects
    )


def _with_body(operation: Operation, ref: ObjectRef, query: str, headers: dict[str, str], body: bytes) -> Call:
    headers[BODY_HASH] = hashlib.sha256(body).hexdigest()
    return _call(operation, ref, query, headers, body)


def _with_document(operation: Operation, ref: ObjectRef, body: bytes, headers: Mapping[str, str] = {}) -> Call:
    """A request to write a sub-resource, whose body is XML, with its MD5."""
    more = {"content-md5": checksums.checksum_of("MD5", body), "content-type": "application/xml", **headers}
    return _with_body(operation, ref, operation.setting, more, body)


def _upload_query(upload: UploadRef) -> str:
    return f"uploadId={encode_value(upload.upload_id)}"


def _part_query(request: store.CopyPart | store.UploadPart) -> str:
    return f"partNumber={request.number}&{_upload_query(request.upload)}"
