"""`ObjectStore`: all that the engine asks of S3, one method an S3 action, one frozen request each.

Every implementation passes the same contract suite (tests/contract). A method either returns what S3 said or
raises a `StoreError` whose scope says how far it reaches; it never retries. Retrying, pacing, tracing and faults
are decorators (`StoreDecorator`), put on in `engine.api` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from engine.errors import NotFound
from engine.model import (
    Acl,
    Checksum,
    CopyResult,
    ObjectHead,
    ObjectRef,
    Page,
    Properties,
    UploadedPart,
    UploadInfo,
    UploadRef,
)

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class ListPage(NamedTuple):
    """ListObjectsV2, with encoding-type=url. `start_after` is a full key, exclusive. `plain`: without that encoding,
    for a server that goes on wrongly with it (`sites.listings`); a page is broken by what XML cannot carry.
    `restore_status` asks whether archived objects can be read (x-amz-optional-object-attributes)."""

    bucket: str
    prefix: str = ""
    start_after: str = ""
    token: str | None = None
    max_keys: int = 1000
    delimiter: str = ""
    plain: bool = False
    restore_status: bool = True


class HeadObject(NamedTuple):
    """`part_number` asks for that part's size and the number of parts; `checksums` for the object's checksums."""

    ref: ObjectRef
    part_number: int | None = None
    checksums: bool = False


class CopyObject(NamedTuple):
    """CopyObject, at most 5 GiB.

    `source_etag` pins the source (x-amz-copy-source-if-match); `target_condition` guards the target (`ABSENT`, an
    ETag, or None for no condition). `properties` None copies the source's headers, metadata and tags as they are;
    otherwise they replace them, or, with `keep_headers`, only add encryption, redirect, lock and ACL to what is copied.
    `storage_class` is always sent (S3 would fall back to STANDARD), unless it is empty.
    """

    source: ObjectRef
    target: ObjectRef
    source_etag: str | None = None
    target_condition: str | None = None
    storage_class: str = "STANDARD"
    checksum_algorithm: str = ""
    properties: Properties | None = None
    replace_tags: tuple[tuple[str, str], ...] | None = None
    keep_headers: bool = False


class CreateUpload(NamedTuple):
    """CreateMultipartUpload with everything that the object is to carry, since a multipart copy inherits nothing."""

    target: ObjectRef
    properties: Properties
    checksum_algorithm: str = ""
    checksum_type: str = ""


class CopyPart(NamedTuple):
    """UploadPartCopy of bytes `first` to `last`, inclusive; the whole source where `first` is None."""

    upload: UploadRef
    number: int
    source: ObjectRef
    source_etag: str | None
    first: int | None
    last: int | None


class UploadPart(NamedTuple):
    """UploadPart with a body (uploads from local files, fixtures and tests)."""

    upload: UploadRef
    number: int
    body: bytes


class CompleteUpload(NamedTuple):
    """CompleteMultipartUpload. `size` is sent as MpuObjectSize where it is given, `checksum` as the expected
    full-object checksum; one without a value only says that the parts' own are sent (COMPOSITE)."""

    upload: UploadRef
    parts: tuple[UploadedPart, ...]
    target_condition: str | None = None
    size: int | None = None
    checksum: Checksum | None = None


class ListUploads(NamedTuple):
    bucket: str
    prefix: str = ""


class GetRange(NamedTuple):
    """GetObject of bytes `first` to `last`, inclusive; the whole object where `first` is None. Pinned by
    `if_match` where given, and to the whole object's `size` where that is known."""

    ref: ObjectRef
    first: int | None = None
    last: int | None = None
    if_match: str | None = None
    size: int | None = None


class Body(NamedTuple):
    """The bytes of one GetRange, with the ETag and the whole object's size."""

    data: bytes
    etag: str
    size: int


class PutObject(NamedTuple):
    ref: ObjectRef
    body: bytes
    properties: Properties = Properties()
    target_condition: str | None = None
    checksum_algorithm: str = ""


class PutTags(NamedTuple):
    ref: ObjectRef
    tags: tuple[tuple[str, str], ...]


class DeleteObject(NamedTuple):
    """The answer is whether S3 only added a delete marker: then the bucket keeps versions."""

    ref: ObjectRef
    if_match: str | None = None


class DeleteObjects(NamedTuple):
    """At most 1,000 (key, ETag or None) pairs."""

    bucket: str
    keys: tuple[tuple[str, str | None], ...]


class DeleteFailure(NamedTuple):
    """One error inside a DeleteObjects answer; `key` is empty where S3 did not name one."""

    key: str
    code: str
    message: str


class DeleteReport(NamedTuple):
    """What S3 confirmed, and what it refused. A key in neither is not proven deleted."""

    deleted: tuple[str, ...]
    failed: tuple[DeleteFailure, ...]
    delete_markers: bool = False


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """One enabled rule of a bucket that expires current objects. `prefix` is empty for the whole bucket, `only` is
    what else it asks of an object: tags and sizes ("env=test", "<1024"), in order."""

    rule_id: str
    prefix: str
    days: int | None
    date: str = ""
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplicationRule:
    """One enabled rule of a bucket that does to another bucket what is deleted here. `prefix` is empty for the whole
    bucket, `only` is what else it asks of an object: tags, in order."""

    rule_id: str
    prefix: str
    target: str
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What is known of a bucket. `versioning` is "", "Enabled" or "Suspended"; None where it is not known, like
    `lifecycle`, `replication` and `encryption`. `replication` are the rules that pass on deletes. `owner_id` is the
    bucket owner's canonical id, empty where it cannot be known.
    `encryption` is what objects get by default, in words ("aws:kms", key, "bucket key"). `causes` says of a setting why
    it is not known, or how the server said that it has no such thing. `date` is the server's clock; when it came,
    this machine's calendar said `date_s` (seconds since the epoch), and its running clock `came_s`."""

    bucket: str
    region: str
    owner_id: str = ""
    versioning: str | None = ""
    lifecycle: tuple[LifecycleRule, ...] | None = ()
    date: str = ""
    server: str = ""
    encryption: str | None = ""
    causes: tuple[tuple[str, str], ...] = ()
    date_s: float = 0.0
    came_s: float = 0.0
    replication: tuple[ReplicationRule, ...] | None = ()

    def cause(self, setting: str) -> str:
        """Why a setting ("lifecycle", "replication", "versioning", "encryption") is not known; empty where nothing is
        to be said."""
        return dict(self.causes).get(setting, "")


READS = frozenset(
    {
        "ListObjectsV2",
        "HeadObject",
        "GetObject",
        "GetObjectTagging",
        "GetObjectAcl",
        "ListParts",
        "ListMultipartUploads",
        "GetBucketLocation",
    }
)
"""The calls of a store that change nothing, by the names that errors and decorators have for them."""

HARMLESS_TWICE = READS | {"UploadPartCopy", "UploadPart", "AbortMultipartUpload", "PutObjectTagging"}
"""Reads, and writes that give the same when carried out twice. Copies, Complete, Create, Put and deletes are not here:
after an unknown outcome the caller looks at what is there."""


class ObjectStore(Protocol):
    """All that the engine asks of S3."""

    async def list_page(self, request: ListPage) -> Page: ...
    async def head_object(self, request: HeadObject) -> ObjectHead: ...
    async def copy_object(self, request: CopyObject) -> CopyResult: ...
    async def create_upload(self, request: CreateUpload) -> UploadRef: ...
    async def copy_part(self, request: CopyPart) -> UploadedPart: ...
    async def upload_part(self, request: UploadPart) -> UploadedPart: ...
    async def complete_upload(self, request: CompleteUpload) -> CopyResult: ...
    async def abort_upload(self, request: UploadRef) -> None: ...
    async def list_parts(self, request: UploadRef) -> list[UploadedPart]: ...
    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]: ...
    async def get_range(self, request: GetRange) -> Body: ...
    async def put_object(self, request: PutObject) -> CopyResult: ...
    async def get_tags(self, request: ObjectRef) -> tuple[tuple[str, str], ...]: ...
    async def put_tags(self, request: PutTags) -> None: ...
    async def get_acl(self, request: ObjectRef) -> Acl: ...
    async def delete_object(self, request: DeleteObject) -> bool: ...
    async def delete_objects(self, request: DeleteObjects) -> DeleteReport: ...
    async def bucket_facts(self, request: str) -> BucketFacts: ...


async def head_or_none(store: ObjectStore, request: HeadObject) -> ObjectHead | None:
    """What HEAD says, or None where the object does not exist. Raises whatever else the store raises."""
    try:
        return await store.head_object(request)
    except NotFound:
        return None


class StoreDecorator(ABC):
    """An `ObjectStore` around another: a subclass says in `_call` what happens around every request.

    The methods are plain functions that give `_call`'s coroutine: one coroutine a layer and request is enough."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    @abstractmethod
    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        """Carry out `method(request)`; `operation` is the S3 action's name."""

    def list_page(self, request: ListPage) -> Coroutine[Any, Any, Page]:
        return self._call("ListObjectsV2", self._inner.list_page, request)

    def head_object(self, request: HeadObject) -> Coroutine[Any, Any, ObjectHead]:
        return self._call("HeadObject", self._inner.head_object, request)

    def copy_object(self, request: CopyObject) -> Coroutine[Any, Any, CopyResult]:
        return self._call("CopyObject", self._inner.copy_object, request)

    def create_upload(self, request: CreateUpload) -> Coroutine[Any, Any, UploadRef]:
        return self._call("CreateMultipartUpload", self._inner.create_upload, request)

    def copy_part(self, request: CopyPart) -> Coroutine[Any, Any, UploadedPart]:
        return self._call("UploadPartCopy", self._inner.copy_part, request)

    def upload_part(self, request: UploadPart) -> Coroutine[Any, Any, UploadedPart]:
        return self._call("UploadPart", self._inner.upload_part, request)

    def complete_upload(self, request: CompleteUpload) -> Coroutine[Any, Any, CopyResult]:
        return self._call("CompleteMultipartUpload", self._inner.complete_upload, request)

    def abort_upload(self, request: UploadRef) -> Coroutine[Any, Any, None]:
        return self._call("AbortMultipartUpload", self._inner.abort_upload, request)

    def list_parts(self, request: UploadRef) -> Coroutine[Any, Any, list[UploadedPart]]:
        return self._call("ListParts", self._inner.list_parts, request)

    def list_uploads(self, request: ListUploads) -> Coroutine[Any, Any, list[UploadInfo]]:
        return self._call("ListMultipartUploads", self._inner.list_uploads, request)

    def get_range(self, request: GetRange) -> Coroutine[Any, Any, Body]:
        return self._call("GetObject", self._inner.get_range, request)

    def put_object(self, request: PutObject) -> Coroutine[Any, Any, CopyResult]:
        return self._call("PutObject", self._inner.put_object, request)

    def get_tags(self, request: ObjectRef) -> Coroutine[Any, Any, tuple[tuple[str, str], ...]]:
        return self._call("GetObjectTagging", self._inner.get_tags, request)

    def put_tags(self, request: PutTags) -> Coroutine[Any, Any, None]:
        return self._call("PutObjectTagging", self._inner.put_tags, request)

    def get_acl(self, request: ObjectRef) -> Coroutine[Any, Any, Acl]:
        return self._call("GetObjectAcl", self._inner.get_acl, request)

    def delete_object(self, request: DeleteObject) -> Coroutine[Any, Any, bool]:
        return self._call("DeleteObject", self._inner.delete_object, request)

    def delete_objects(self, request: DeleteObjects) -> Coroutine[Any, Any, DeleteReport]:
        return self._call("DeleteObjects", self._inner.delete_objects, request)

    def bucket_facts(self, request: str) -> Coroutine[Any, Any, BucketFacts]:
        return self._call("GetBucketLocation", self._inner.bucket_facts, request)
