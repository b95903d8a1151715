"""An S3 in memory that holds bodies, honest about conditions, for tests of what begins after the copying.

What a test wants to go wrong it says by `fail` (an error for one operation on one key), `before` (called with each
request, so that the world can change at that very moment) and the switches below. It keeps every request in
`requests`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, NamedTuple

from engine.errors import BucketMissing, NotFound, PreconditionFailed, Rejected, StoreError, Unsupported
from engine.model import (
    ABSENT,
    CopyResult,
    ListedObject,
    ObjectHead,
    ObjectRef,
    Page,
    Properties,
    UploadedPart,
    UploadInfo,
    UploadRef,
)
from engine.store import (
    Body,
    BucketFacts,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    DeleteFailure,
    DeleteObject,
    DeleteObjects,
    DeleteReport,
    GetRange,
    HeadObject,
    LifecycleRule,
    ListPage,
    ListUploads,
    PutObject,
    PutTags,
    UploadPart,
)

START_S = 1_900_000_000


class Stored(NamedTuple):
    body: bytes
    etag: str
    modified: str
    properties: Properties


@dataclass
class FakeStore:
    """Buckets come into being with their first object. `now_s` is the server's clock."""

    now_s: float = START_S
    page_keys: int = 1_000
    sends_date: bool = True
    honours_batch: bool = True
    honours_single: bool = True
    versioning: str | None = ""
    lifecycle: tuple[LifecycleRule, ...] | None = ()
    objects: dict[tuple[str, str], Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[ObjectRef, dict[int, bytes]]] = field(default_factory=dict)
    denied: Callable[[str], bool] = lambda key: False
    silent: Callable[[str], bool] = lambda key: False
    fail: dict[tuple[str, str], list[StoreError]] = field(default_factory=dict)
    before: Callable[[str, Any], None] = lambda operation, request: None
    requests: list[tuple[str, Any]] = field(default_factory=list)

    # --- for tests --------------------------------------------------------------------------------------------

    def put(self, location: str, body: bytes = b"x", **properties: Any) -> str:
        """Store an object by its full address; gives its ETag."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        etag = hashlib.md5(body).hexdigest()
        self.objects[bucket, key] = Stored(body, etag, self._iso(), Properties(**properties))
        return etag

    def remove(self, location: str) -> None:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        del self.objects[bucket, key]

    def keys(self, location: str) -> list[str]:
        """The keys under a location, after its own."""
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return sorted(key[len(prefix) :] for name, key in self.objects if name == bucket and key.startswith(prefix))

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.requests)

    def _iso(self) -> str:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self.now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def _date(self) -> str:
        return formatdate(int(self.now_s), usegmt=True) if self.sends_date else ""

    def _begin(self, operation: str, request: Any, key: str) -> None:
        self.requests.append((operation, request))
        self.before(operation, request)
        waiting = self.fail.get((operation, key)) or self.fail.get((operation, "*"))
        if waiting:
            raise waiting.pop(0)

    def _get(self, operation: str, ref: ObjectRef) -> Stored:
        found = self.objects.get(tuple(ref))
        if found is None:
            raise NotFound("there is no such key", operation=operation, ref=str(ref), code="NoSuchKey")
        return found

    def _check(self, operation: str, ref: ObjectRef, condition: str | None) -> None:
        there = self.objects.get(tuple(ref))
        if condition == ABSENT and there is not None:
            raise PreconditionFailed("it is there", operation=operation, ref=str(ref), condition="If-None-Match")
        if condition not in (None, ABSENT) and (there is None or there.etag != condition):
            raise PreconditionFailed("it changed", operation=operation, ref=str(ref), condition="If-Match")

    # --- the protocol -----------------------------------------------------------------------------------------

    async def list_page(self, request: ListPage) -> Page:
        self._begin("ListObjectsV2", request, request.prefix)
        after = request.token if request.token is not None else request.start_after
        keys = sorted(
            key
            for bucket, key in self.objects
            if bucket == request.bucket and key.startswith(request.prefix) and (not after or key > after)
        )
        listed: list[ListedObject] = []
        prefixes: list[str] = []
        last = ""
        for key in keys:
            cut = key.find(request.delimiter, len(request.prefix)) if request.delimiter else -1
            prefix = key[: cut + 1] if cut >= 0 else ""
            if prefix and prefixes and prefixes[-1] == prefix:
                last = key
                continue
            if len(listed) + len(prefixes) >= min(request.max_keys, self.page_keys):
                return Page(listed, last, tuple(prefixes))
            last = key
            if prefix:
                prefixes.append(prefix)
                continue
            there = self.objects[request.bucket, key]
            storage_class = there.properties.storage_class
            listed.append(ListedObject(key, len(there.body), there.etag, there.modified, storage_class))
        return Page(listed, None, tuple(prefixes))

    async def head_object(self, request: HeadObject) -> ObjectHead:
        self._begin("HeadObject", request, request.ref.key)
        there = self._get("HeadObject", request.ref)
        return ObjectHead(len(there.body), there.etag, there.modified, there.properties, date=self._date())

    async def copy_object(self, request: CopyObject) -> CopyResult:
        self._begin("CopyObject", request, request.target.key)
        source = self._get("CopyObject", request.source)
        if request.source_etag is not None and source.etag != request.source_etag:
            raise PreconditionFailed("the source changed", operation="CopyObject", ref=str(request.target))
        self._check("CopyObject", request.target, request.target_condition)
        kept = request.properties or source.properties
        etag = hashlib.md5(source.body).hexdigest()
        properties = replace(kept, storage_class=request.storage_class)
        self.objects[tuple(request.target)] = Stored(source.body, etag, self._iso(), properties)
        return CopyResult(etag, self._iso(), encryption="AES256")

    async def put_object(self, request: PutObject) -> CopyResult:
        self._begin("PutObject", request, request.ref.key)
        self._check("PutObject", request.ref, request.target_condition)
        etag = hashlib.md5(request.body).hexdigest()
        self.objects[tuple(request.ref)] = Stored(request.body, etag, self._iso(), request.properties)
        return CopyResult(etag, self._iso())

    async def get_range(self, request: GetRange) -> Body:
        self._begin("GetObject", request, request.ref.key)
        there = self._get("GetObject", request.ref)
        if request.if_match is not None and request.if_match != there.etag:
            raise PreconditionFailed("it changed", operation="GetObject", ref=str(request.ref))
        if request.first is None:
            return Body(there.body, there.etag, len(there.body))
        if request.first >= len(there.body):
            raise Rejected("no such range", operation="GetObject", ref=str(request.ref), code="InvalidRange")
        last = len(there.body) - 1 if request.last is None else request.last
        return Body(there.body[request.first : last + 1], there.etag, len(there.body))

    async def get_tags(self, request: ObjectRef) -> tuple[tuple[str, str], ...]:
        self._begin("GetObjectTagging", request, request.key)
        return self._get("GetObjectTagging", request).properties.tags or ()

    async def put_tags(self, request: PutTags) -> None:
        self._begin("PutObjectTagging", request, request.ref.key)
        there = self._get("PutObjectTagging", request.ref)
        self.objects[tuple(request.ref)] = there._replace(properties=replace(there.properties, tags=request.tags))

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        self._begin("CreateMultipartUpload", request, request.target.key)
        upload_id = f"upload-{len(self.uploads) + 1}"
        self.uploads[upload_id] = (request.target, {})
        return UploadRef(request.target, upload_id)

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        self._begin("UploadPart", request, request.upload.target.key)
        self._upload(request.upload)[request.number] = request.body
        return UploadedPart(request.number, hashlib.md5(request.body).hexdigest(), len(request.body))

    async def copy_part(self, request: CopyPart) -> UploadedPart:
        self._begin("UploadPartCopy", request, request.upload.target.key)
        source = self._get("UploadPartCopy", request.source)
        if request.source_etag is not None and source.etag != request.source_etag:
            raise PreconditionFailed("the source changed", operation="UploadPartCopy", ref=str(request.source))
        first = request.first or 0
        body = source.body[first : len(source.body) if request.last is None else request.last + 1]
        self._upload(request.upload)[request.number] = body
        return UploadedPart(request.number, hashlib.md5(body).hexdigest(), len(body))

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        self._begin("CompleteMultipartUpload", request, request.upload.target.key)
        parts = self._upload(request.upload)
        self._check("CompleteMultipartUpload", request.upload.target, request.target_condition)
        bodies = [parts[part.number] for part in request.parts]
        whole = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
        etag = f"{whole}-{len(bodies)}"
        self.objects[tuple(request.upload.target)] = Stored(b"".join(bodies), etag, self._iso(), Properties())
        del self.uploads[request.upload.upload_id]
        return CopyResult(etag, self._iso())

    async def abort_upload(self, request: UploadRef) -> None:
        self._begin("AbortMultipartUpload", request, request.target.key)
        self._upload(request)
        del self.uploads[request.upload_id]

    def _upload(self, upload: UploadRef) -> dict[int, bytes]:
        found = self.uploads.get(upload.upload_id)
        if found is None:
            raise NotFound("no such upload", operation="Upload", ref=str(upload.target), code="NoSuchUpload")
        return found[1]

    async def list_parts(self, request: UploadRef) -> list[UploadedPart]:
        self._begin("ListParts", request, request.target.key)
        parts = self._upload(request)
        return [UploadedPart(n, hashlib.md5(b).hexdigest(), len(b)) for n, b in sorted(parts.items())]

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        self._begin("ListMultipartUploads", request, request.prefix)
        return [
            UploadInfo(ref.key, upload_id, self._iso())
            for upload_id, (ref, _) in self.uploads.items()
            if ref.bucket == request.bucket and ref.key.startswith(request.prefix)
        ]

    async def delete_object(self, request: DeleteObject) -> bool:
        self._begin("DeleteObject", request, request.ref.key)
        if self.denied(request.ref.key):
            from engine.errors import AccessDenied

            raise AccessDenied("not allowed", operation="DeleteObject", ref=str(request.ref), code="AccessDenied")
        if request.if_match is not None:
            if not self.honours_single:
                raise Unsupported("If-Match", operation="DeleteObject", ref=str(request.ref), code="NotImplemented")
            there = self._get("DeleteObject", request.ref)
            if there.etag != request.if_match:
                raise PreconditionFailed("it changed", operation="DeleteObject", ref=str(request.ref))
        self.objects.pop(tuple(request.ref), None)
        return self.versioning == "Enabled"

    async def delete_objects(self, request: DeleteObjects) -> DeleteReport:
        self._begin("DeleteObjects", request, "")
        if not 1 <= len(request.keys) <= 1_000:
            raise Rejected("not 1 to 1,000 keys", operation="DeleteObjects", ref=request.bucket, code="MalformedXML")
        deleted: list[str] = []
        failed: list[DeleteFailure] = []
        for key, etag in request.keys:
            there = self.objects.get((request.bucket, key))
            if self.denied(key):
                failed.append(DeleteFailure(key, "AccessDenied", "Access Denied"))
            elif etag is not None and self.honours_batch and there is None:
                failed.append(DeleteFailure(key, "NoSuchKey", "there is no such key"))
            elif etag is not None and self.honours_batch and there is not None and there.etag != etag:
                failed.append(DeleteFailure(key, "PreconditionFailed", "it changed"))
            else:
                self.objects.pop((request.bucket, key), None)
                if not self.silent(key):
                    deleted.append(key)
        return DeleteReport(tuple(deleted), tuple(failed), self.versioning == "Enabled")

    async def bucket_facts(self, request: str) -> BucketFacts:
        self._begin("GetBucketLocation", request, "")
        if not any(bucket == request for bucket, _ in self.objects):
            raise BucketMissing("there is no such bucket", operation="HeadBucket", ref=request, code="NoSuchBucket")
        return BucketFacts(request, "us-east-1", "owner", self.versioning, self.lifecycle, self._date())
