"""An `ObjectStore` in memory that keeps S3's rules, and breaks them where a test says so.

It enforces what the engine relies on: conditions on source and target, order of listings, parts and their ETags, the
limits of CopyObject. `script` plans faults: `before` an effect (the request never arrived) or `after` it (the answer
was lost). `calls` holds every request in order.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sortedcontainers import SortedDict

from engine.errors import Conflict, NotFound, PreconditionFailed, Rejected, StoreError
from engine.model import (
    ABSENT,
    Checksum,
    CopyResult,
    Encryption,
    ListedObject,
    ObjectHead,
    ObjectRef,
    Page,
    Properties,
    UploadedPart,
    UploadInfo,
    UploadRef,
)
from engine.plan.integrity import multipart_etag
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
    ListPage,
    ListUploads,
    PutObject,
    PutTags,
    UploadPart,
)

MODIFIED = "2026-01-02T03:04:05.000Z"
FIVE_GIB = 5 << 30


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Held:
    """One object. `parts` are (ETag, size) of the parts it was made of, empty for one made in one piece."""

    size: int
    etag: str
    properties: Properties = field(default_factory=Properties)
    parts: tuple[tuple[str, int], ...] = ()
    checksums: tuple[Checksum, ...] = ()
    body: bytes | None = None


@dataclass
class Open:
    """One upload under way."""

    request: CreateUpload
    parts: dict[int, UploadedPart] = field(default_factory=dict)


class FakeStore:
    """`honours_source`, `honours_target`, `honours_delete`: False for a server that answers 200 whatever the condition
    says. `etag_in_answers` False for one whose Complete says no ETag. `gate` is awaited before each request."""

    def __init__(self) -> None:
        self.objects: dict[str, SortedDict[str, Held]] = defaultdict(SortedDict)
        self.uploads: dict[str, Open] = {}
        self.calls: list[tuple[str, Any]] = []
        self.script: dict[str, deque[tuple[str, Exception | Callable[[], None] | None]]] = defaultdict(deque)
        self.honours_source = self.honours_target = self.honours_delete = True
        self.checksum_on_copy = False
        self.gate: Callable[[str, Any], Awaitable[None]] | None = None
        self.page_keys = 1000
        self._ids = 0

    # --- what tests do --------------------------------------------------------------------------------------

    def put(self, bucket: str, key: str, size: int = 10, *, etag: str = "", **more: Any) -> Held:
        """Place an object; its ETag is that of its key unless given."""
        held = Held(size, etag or md5(f"{bucket}/{key}"), **more)
        self.objects[bucket][key] = held
        return held

    def put_parts(self, bucket: str, key: str, sizes: list[int], **more: Any) -> Held:
        """Place an object that was uploaded in parts of these sizes."""
        parts = tuple((md5(f"{key}#{number}"), size) for number, size in enumerate(sizes, 1))
        etag = multipart_etag([etag for etag, _ in parts])
        held = Held(sum(sizes), etag, parts=parts, **more)
        self.objects[bucket][key] = held
        return held

    def get(self, bucket: str, key: str) -> Held | None:
        return self.objects[bucket].get(key)

    def plan(self, operation: str, *steps: tuple[str, Exception | Callable[[], None] | None]) -> None:
        """Faults for the next requests of `operation`: ("before" | "after", what), or ("ok", None)."""
        self.script[operation].extend(steps)

    def made(self, operation: str) -> list[Any]:
        """Every request of one operation so far."""
        return [request for name, request in self.calls if name == operation]

    async def _do(self, operation: str, request: Any, effect: Callable[[Any], Any]) -> Any:
        self.calls.append((operation, request))
        if self.gate is not None:
            await self.gate(operation, request)
        when, what = self.script[operation].popleft() if self.script[operation] else ("ok", None)
        if when == "before":
            _happen(what)
        answer = effect(request)
        if when == "after":
            _happen(what)
        return answer

    # --- the protocol ---------------------------------------------------------------------------------------

    async def list_page(self, request: ListPage) -> Page:
        return await self._do("ListObjectsV2", request, self._list)

    async def head_object(self, request: HeadObject) -> ObjectHead:
        return await self._do("HeadObject", request, self._head)

    async def copy_object(self, request: CopyObject) -> CopyResult:
        return await self._do("CopyObject", request, self._copy)

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        return await self._do("CreateMultipartUpload", request, self._create)

    async def copy_part(self, request: CopyPart) -> UploadedPart:
        return await self._do("UploadPartCopy", request, self._copy_part)

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        raise NotImplementedError

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        return await self._do("CompleteMultipartUpload", request, self._complete)

    async def abort_upload(self, request: UploadRef) -> None:
        await self._do("AbortMultipartUpload", request, self._abort)

    async def list_parts(self, request: UploadRef) -> list[UploadedPart]:
        return await self._do("ListParts", request, lambda ref: sorted(self._open(ref, "ListParts").parts.values()))

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        return await self._do("ListMultipartUploads", request, self._list_uploads)

    async def get_range(self, request: GetRange) -> Body:
        return await self._do("GetObject", request, self._get)

    async def put_object(self, request: PutObject) -> CopyResult:
        return await self._do("PutObject", request, self._put)

    async def get_tags(self, request: ObjectRef) -> tuple[tuple[str, str], ...]:
        return await self._do(
            "GetObjectTagging", request, lambda ref: self._there(ref, "GetObjectTagging").properties.tags or ()
        )

    async def put_tags(self, request: PutTags) -> None:
        raise NotImplementedError

    async def delete_object(self, request: DeleteObject) -> bool:
        return await self._do("DeleteObject", request, self._delete)

    async def delete_objects(self, request: DeleteObjects) -> DeleteReport:
        return await self._do("DeleteObjects", request, self._delete_many)

    async def bucket_facts(self, request: str) -> BucketFacts:
        return BucketFacts(request, "us-east-1")

    # --- effects --------------------------------------------------------------------------------------------

    def _list(self, request: ListPage) -> Page:
        objects = self.objects[request.bucket]
        after = request.token or request.start_after
        page: list[ListedObject] = []
        limit = min(request.max_keys, self.page_keys)
        begin = max(after, request.prefix)
        for key in objects.irange(begin, inclusive=(begin != after or not after, True)):
            if not key.startswith(request.prefix):
                break
            if len(page) == limit:
                return Page(page, page[-1].key)
            held = objects[key]
            checksum = f"{held.checksums[0].algorithm}:{held.checksums[0].type}" if held.checksums else ""
            page.append(
                ListedObject(key, held.size, held.etag, MODIFIED, held.properties.storage_class or "STANDARD", checksum)
            )
        return Page(page)

    def _there(self, ref: ObjectRef, operation: str) -> Held:
        held = self.objects[ref.bucket].get(ref.key)
        if held is None:
            raise NotFound("no such key", operation=operation, ref=str(ref), code="NoSuchKey")
        return held

    def _head(self, request: HeadObject) -> ObjectHead:
        held = self._there(request.ref, "HeadObject")
        checksums = held.checksums if request.checksums else ()
        head = ObjectHead(held.size, held.etag, MODIFIED, held.properties, checksums)
        tags = held.properties.tags
        head = replace(head, tag_count=len(tags) if tags is not None else None)
        if request.part_number is None:
            return head
        size = held.parts[request.part_number - 1][1] if held.parts else held.size
        return replace(head, parts_count=len(held.parts) or None, part_size=size)

    def _check_source(self, operation: str, held: Held, etag: str | None) -> None:
        if etag is not None and self.honours_source and held.etag != etag:
            raise PreconditionFailed("the source changed", operation=operation)

    def _check_target(self, operation: str, ref: ObjectRef, condition: str | None) -> None:
        if condition is None or not self.honours_target:
            return
        there = self.objects[ref.bucket].get(ref.key)
        if condition == ABSENT:
            if there is not None:
                raise PreconditionFailed("the target is there", operation=operation)
        elif there is None:
            raise NotFound("no such key", operation=operation, ref=str(ref), code="NoSuchKey")
        elif there.etag != condition:
            raise PreconditionFailed("the target changed", operation=operation)

    def _copy(self, request: CopyObject) -> CopyResult:
        held = self._there(request.source, "CopyObject")
        self._check_source("CopyObject", held, request.source_etag)
        self._check_target("CopyObject", request.target, request.target_condition)
        if held.size > FIVE_GIB:
            raise Rejected("too large", operation="CopyObject", code="InvalidRequest")
        properties = replace(request.properties or held.properties, storage_class=request.storage_class)
        if request.replace_tags is not None:
            properties = replace(properties, tags=request.replace_tags)
        etag = md5(f"whole of {held.etag}") if held.parts else held.etag
        checksums = held.checksums
        if request.checksum_algorithm and not checksums and self.checksum_on_copy:
            checksums = (Checksum(request.checksum_algorithm, "FULL_OBJECT", md5(held.etag)),)
        target = Held(held.size, etag, properties, (), checksums, held.body)
        self.objects[request.target.bucket][request.target.key] = target
        encryption = properties.encryption.algorithm if properties.encryption else ""
        return CopyResult(etag, MODIFIED, checksums, encryption=encryption)

    def _create(self, request: CreateUpload) -> UploadRef:
        self._ids += 1
        upload_id = f"upload-{self._ids}"
        self.uploads[upload_id] = Open(request)
        return UploadRef(request.target, upload_id)

    def _open(self, ref: UploadRef, operation: str) -> Open:
        if ref.upload_id not in self.uploads:
            raise NotFound("no such upload", operation=operation, ref=str(ref.target), code="NoSuchUpload")
        return self.uploads[ref.upload_id]

    def _copy_part(self, request: CopyPart) -> UploadedPart:
        upload = self._open(request.upload, "UploadPartCopy")
        held = self._there(request.source, "UploadPartCopy")
        self._check_source("UploadPartCopy", held, request.source_etag)
        first = request.first or 0
        last = held.size - 1 if request.last is None else request.last
        start, etag = 0, md5(f"{held.etag}:{first}-{last}")
        for part_etag, size in held.parts:
            if (start, start + size - 1) == (first, last):
                etag = part_etag
            start += size
        part = UploadedPart(request.number, etag, last - first + 1)
        upload.parts[request.number] = part
        return part._replace(size=-1)

    def _complete(self, request: CompleteUpload) -> CopyResult:
        upload = self._open(request.upload, "CompleteMultipartUpload")
        target = request.upload.target
        self._check_target("CompleteMultipartUpload", target, request.target_condition)
        parts = [upload.parts[part.number] for part in request.parts]
        size = sum(part.size for part in parts)
        if request.size is not None and request.size != size:
            raise Rejected("the size differs", operation="CompleteMultipartUpload", code="InvalidRequest")
        etag = multipart_etag([part.etag for part in parts])
        checksums = (request.checksum,) if request.checksum else ()
        held = Held(size, etag, upload.request.properties, tuple((part.etag, part.size) for part in parts), checksums)
        self.objects[target.bucket][target.key] = held
        del self.uploads[request.upload.upload_id]
        return CopyResult(etag, MODIFIED, checksums)

    def _abort(self, ref: UploadRef) -> None:
        self._open(ref, "AbortMultipartUpload")
        del self.uploads[ref.upload_id]

    def _list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        return [
            UploadInfo(item.request.target.key, upload_id, MODIFIED)
            for upload_id, item in self.uploads.items()
            if item.request.target.bucket == request.bucket and item.request.target.key.startswith(request.prefix)
        ]

    def _get(self, request: GetRange) -> Body:
        held = self._there(request.ref, "GetObject")
        body = held.body or b""
        return Body(body[request.first : None if request.last is None else request.last + 1], held.etag, held.size)

    def _put(self, request: PutObject) -> CopyResult:
        self._check_target("PutObject", request.ref, request.target_condition)
        etag = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
        self.put(request.ref.bucket, request.ref.key, len(request.body), etag=etag, body=request.body)
        return CopyResult(etag, MODIFIED)

    def _delete(self, request: DeleteObject) -> bool:
        held = self.objects[request.ref.bucket].get(request.ref.key)
        if request.if_match is not None and self.honours_delete and held is not None and held.etag != request.if_match:
            raise PreconditionFailed("the object changed", operation="DeleteObject")
        self.objects[request.ref.bucket].pop(request.ref.key, None)
        return False

    def _delete_many(self, request: DeleteObjects) -> DeleteReport:
        deleted, failed = [], []
        for key, etag in request.keys:
            try:
                self._delete(DeleteObject(ObjectRef(request.bucket, key), etag))
            except PreconditionFailed as error:
                failed.append(DeleteFailure(key, error.code, error.message))
            else:
                deleted.append(key)
        return DeleteReport(tuple(deleted), tuple(failed))


def _happen(what: Exception | Callable[[], None] | None) -> None:
    if isinstance(what, Exception):
        raise what
    if what is not None:
        what()


def conflict(operation: str) -> StoreError:
    return Conflict("another write was under way", operation=operation, code="ConditionalRequestConflict")


def crc64(text: str) -> Checksum:
    return Checksum("CRC64NVME", "FULL_OBJECT", base64.b64encode(hashlib.sha1(text.encode()).digest()[:8]).decode())


KMS = Encryption("aws:kms", "key-1")
