"""An `ObjectStore` in memory that keeps S3's rules, and breaks them where a test says so.

It enforces what the engine relies on: conditions on source and target, order of listings, parts and their ETags, the
limits of CopyObject and of a batch. Objects are bytes, or a size alone where nobody looks at the bytes. What goes wrong
is planned (`plan`), done by a hook that sees each request (`before`), or a manner of the server (the switches).
`requests` holds every request in order.
"""

from __future__ import annotations

import inspect
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, TypeVar, overload

from sortedcontainers import SortedDict

from engine import checksums, freshness
from engine.bodies import with_body
from engine.bucket_facts import BucketFacts
from engine.errors import AccessDenied, Ambiguous, Archived, BucketMissing, NotFound, PreconditionFailed, Rejected
from engine.model import (
    ABSENT,
    MIB,
    RESTORING,
    Acl,
    Checksum,
    CopyResult,
    DeleteFailure,
    DeleteReport,
    LifecycleConfiguration,
    LifecycleRule,
    ListedObject,
    ListedVersion,
    ObjectHead,
    ObjectLock,
    ObjectRef,
    Page,
    ReplicationRule,
    UploadedPart,
    UploadInfo,
    UploadRef,
    VersionsPage,
)
from engine.plan.bucket_rules import expirations
from engine.plan.integrity import multipart_etag
from engine.s3.request_xml import check_batch
from engine.store import (
    AbortUpload,
    AskBucket,
    Body,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    DeleteObject,
    DeleteObjects,
    Fetched,
    GetAcl,
    GetLegalHold,
    GetLifecycle,
    GetRange,
    GetRetention,
    GetTags,
    HeadObject,
    ListPage,
    ListParts,
    ListUploads,
    ListVersions,
    OfLock,
    PutLifecycle,
    PutObject,
    PutTags,
    RestoreObject,
    UploadPart,
)
from engine.windows import WINDOW_BYTES, Sink, Source
from tests.fake_store.held import START_S, Held, Open, checksum_of, md5, ref_of

FIVE_GIB = 5 << 30
SMALLEST_PART = 5 * MIB
MOST_PARTS = 10_000
LONGEST_KEY = 1_024
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")

Request = TypeVar("Request")
Answer = TypeVar("Answer")

Step = tuple[str, BaseException | Callable[[], object] | None]
"""When and what: "before" the effect (the request never arrived), "after" it (the answer was lost), or ("ok", None)."""


@dataclass(repr=False)  # who says what it is need not say all that it holds
class FakeStore:
    """Buckets come into being with their first object, unless `buckets` has all there are; then those of `versioned`
    keep versions, or else all that `versioning` says. `now_s` is the server's clock.

    `before` sees each request before it has any effect, and may raise, change the world, or wait (a coroutine is
    awaited). False in `honours_…`: the server answers 200 whatever the condition says; in `compares_…`: whatever the
    checksum says. `denied`: keys that may not be deleted; `silent`: keys whose deletion a batch's answer leaves out.
    `hides_locks`: HEAD shows no retention and no legal hold, as S3 does to those who may not read them."""

    now_s: float = START_S
    region: str = "us-east-1"
    page_keys: int = 1_000
    sends_date: bool = True
    honours_source: bool = True
    honours_target: bool = True
    honours_delete: bool = True
    checksum_on_copy: bool = False
    compares_sums: bool = True
    compares_whole: bool = True
    compares_md5: bool = True
    versioning: str | None = ""
    versioned: set[str] = field(default_factory=set)
    buckets: set[str] | None = None
    lifecycle: tuple[LifecycleRule, ...] | None = ()
    configuration: LifecycleConfiguration = field(default_factory=LifecycleConfiguration)
    replication: tuple[ReplicationRule, ...] | None = ()
    smallest_part: int = SMALLEST_PART
    denied: Callable[[str], bool] = lambda key: False
    silent: Callable[[str], bool] = lambda key: False
    hides_locks: bool = False
    before: Callable[[str, Any], Awaitable[None] | object] | None = None
    objects: SortedDict[tuple[str, str], Held] = field(default_factory=SortedDict)
    uploads: dict[str, Open] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    _steps: dict[tuple[str, str], deque[Step]] = field(default_factory=lambda: defaultdict(deque))
    _ids: int = 0

    # --- what tests do ----------------------------------------------------------------------------------------

    def put(self, location: str, content: bytes | int = 10, *, etag: str = "", **more: Any) -> Held:
        """Place an object of these bytes, or of so many; its ETag is the MD5 of the bytes, of its name where there are
        none, unless given."""
        ref = ref_of(location)
        if isinstance(content, int):
            return self._hold(ref, Held(content, etag or md5(f"{ref.bucket}/{ref.key}"), **more))
        return self._hold(ref, Held(len(content), etag or md5(content), body=content, **more))

    def put_parts(self, location: str, sizes: list[int], **more: Any) -> Held:
        """Place an object that was uploaded in parts of these sizes."""
        ref = ref_of(location)
        parts = tuple((md5(f"{ref.key}#{number}"), size) for number, size in enumerate(sizes, 1))
        etag = multipart_etag([etag for etag, _ in parts])
        return self._hold(ref, Held(sum(sizes), etag, parts=parts, **more))

    def get(self, location: str) -> Held | None:
        found: Held | None = self.objects.get(ref_of(location))
        return found

    def remove(self, location: str) -> None:
        del self.objects[ref_of(location)]

    def keys(self, location: str) -> list[str]:
        """The keys under a location, after its own."""
        bucket, prefix = ref_of(location)
        return [key[len(prefix) :] for name, key in self.objects if name == bucket and key.startswith(prefix)]

    def plan(self, operation: str, *steps: Step, key: str = "") -> None:
        """What becomes of the next requests of `operation`, or of those for `key` (a listing's is its prefix)."""
        self._steps[operation, key].extend(steps)

    def made(self, operation: str) -> list[Any]:
        """Every request of one operation so far."""
        return [request for name, request in self.requests if name == operation]

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each operation there were."""
        return Counter(name for name, _ in self.requests)

    # --- how a request is dealt with --------------------------------------------------------------------------

    async def _do(self, operation: str, request: Request, key: str, effect: Callable[[Request], Answer]) -> Answer:
        self.requests.append((operation, request))
        if self.before is not None and inspect.isawaitable(waiting := self.before(operation, request)):
            await waiting
        steps = self._steps[operation, key] or self._steps[operation, ""]
        freshness.sending(operation, key)
        when, what = steps.popleft() if steps else ("ok", None)
        if when == "before":
            _happen(what)
        answer = effect(request)
        if when == "after":
            _happen(what)
        return answer

    def _hold(self, ref: ObjectRef, held: Held) -> Held:
        held.modified = self._iso()
        self.objects[ref] = held
        return held

    def _iso(self) -> str:
        return datetime.fromtimestamp(self.now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def _date(self) -> str:
        return formatdate(int(self.now_s), usegmt=True) if self.sends_date else ""

    # --- the protocol -----------------------------------------------------------------------------------------

    async def list_page(self, request: ListPage) -> Page:
        return await self._do("ListObjectsV2", request, request.prefix, self._list)

    async def head_object(self, request: HeadObject) -> ObjectHead:
        return await self._do("HeadObject", request, request.ref.key, self._head)

    async def copy_object(self, request: CopyObject) -> CopyResult:
        return await self._do("CopyObject", request, request.target.key, self._copy)

    async def put_object(self, request: PutObject) -> CopyResult:
        return await self._do("PutObject", request, request.ref.key, self._put)

    async def get_range(self, request: GetRange) -> Body:
        return await self._do("GetObject", request, request.ref.key, self._get)

    async def fetch_into(self, request: GetRange, sink: Sink) -> Fetched:
        sink.restart()
        body: Body = await self._do("GetObject", request, request.ref.key, self._get)
        held = self._there("GetObject", request.ref)
        whole = len(body.data) == held.size
        for start in range(0, len(body.data), WINDOW_BYTES):
            await sink.write(memoryview(body.data)[start : start + WINDOW_BYTES])
        head = self._head(HeadObject(request.ref, checksums=request.checksums and whole))
        return Fetched(body.etag, body.size, lambda: head)

    @overload
    async def send_from(self, request: PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: UploadPart, source: Source) -> UploadedPart: ...
    async def send_from(self, request: PutObject | UploadPart, source: Source) -> CopyResult | UploadedPart:
        if isinstance(request, PutObject):
            return await self.put_object(await with_body(request, source))
        return await self.upload_part(await with_body(request, source))

    async def get_tags(self, request: GetTags) -> tuple[tuple[str, str], ...]:
        return await self._do("GetObjectTagging", request, request.ref.key, lambda it: self._get_tags(it.ref))

    async def put_tags(self, request: PutTags) -> None:
        await self._do("PutObjectTagging", request, request.ref.key, self._put_tags)

    async def restore_object(self, request: RestoreObject) -> bool:
        return await self._do("RestoreObject", request, request.ref.key, self._restore)

    async def list_versions(self, request: ListVersions) -> VersionsPage:
        return await self._do(request.operation, request, request.prefix, self._list_versions)

    async def get_lifecycle(self, request: GetLifecycle) -> LifecycleConfiguration:
        return await self._do(request.operation, request, "", lambda _: self.configuration)

    async def put_lifecycle(self, request: PutLifecycle) -> None:
        await self._do(request.operation, request, "", self._put_lifecycle)

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        return await self._do("CreateMultipartUpload", request, request.target.key, self._create)

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        return await self._do("UploadPart", request, request.upload.target.key, self._upload_part)

    async def copy_part(self, request: CopyPart) -> UploadedPart:
        return await self._do("UploadPartCopy", request, request.upload.target.key, self._copy_part)

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        return await self._do("CompleteMultipartUpload", request, request.upload.target.key, self._complete)

    async def abort_upload(self, request: AbortUpload) -> None:
        await self._do("AbortMultipartUpload", request, request.upload.target.key, lambda it: self._abort(it.upload))

    async def list_parts(self, request: ListParts) -> list[UploadedPart]:
        return await self._do("ListParts", request, request.upload.target.key, lambda it: self._list_parts(it.upload))

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        return await self._do("ListMultipartUploads", request, request.prefix, self._list_uploads)

    async def get_acl(self, request: GetAcl) -> Acl:
        return await self._do("GetObjectAcl", request, request.ref.key, lambda it: self._get_acl(it.ref))

    async def get_retention(self, request: GetRetention) -> ObjectLock | None:
        return await self._do("GetObjectRetention", request, request.ref.key, self._get_retention)

    async def get_legal_hold(self, request: GetLegalHold) -> bool:
        return await self._do("GetObjectLegalHold", request, request.ref.key, lambda it: self._lock(it).legal_hold)

    async def delete_object(self, request: DeleteObject) -> bool:
        return await self._do("DeleteObject", request, request.ref.key, self._delete)

    async def delete_objects(self, request: DeleteObjects) -> DeleteReport:
        return await self._do("DeleteObjects", request, "", self._delete_many)

    async def bucket_facts(self, request: AskBucket) -> BucketFacts:
        return await self._do("GetBucketLocation", request, "", lambda it: self._facts(it.bucket))

    # --- objects ----------------------------------------------------------------------------------------------

    def _in_bucket(self, operation: str, bucket: str) -> None:
        if self.buckets is not None and bucket not in self.buckets:
            raise BucketMissing("there is no such bucket", operation=operation, ref=bucket, code="NoSuchBucket")

    def _keeps_versions(self, bucket: str) -> bool:
        return self.versioning == "Enabled" or bucket in self.versioned

    def _there(self, operation: str, ref: ObjectRef) -> Held:
        self._in_bucket(operation, ref.bucket)
        held: Held | None = self.objects.get(ref)
        if held is None:
            code = "404" if operation == "HeadObject" else "NoSuchKey"  # the answer to a HEAD has no body to say more
            raise NotFound("there is no such key", operation=operation, ref=str(ref), code=code)
        return held

    def _readable(self, operation: str, ref: ObjectRef) -> Held:
        held = self._there(operation, ref)
        if held.properties.storage_class in ARCHIVES and held.restore in ("", RESTORING):
            raise Archived("it is archived", operation=operation, ref=str(ref), code="InvalidObjectState")
        return held

    def _source(self, operation: str, request: CopyObject | CopyPart) -> Held:
        held = self._readable(operation, request.source)
        if request.source_etag is not None and self.honours_source and held.etag != request.source_etag:
            raise PreconditionFailed("the source changed", operation=operation, ref=str(request.source))
        return held

    def _check_target(self, operation: str, ref: ObjectRef, condition: str | None) -> None:
        self._in_bucket(operation, ref.bucket)
        if len(ref.key.encode()) > LONGEST_KEY:
            raise Rejected("the key is too long", operation=operation, ref=str(ref), code="KeyTooLongError")
        if condition is None or not self.honours_target:
            return
        if condition == ABSENT:
            if ref in self.objects:
                raise PreconditionFailed("the target is there", operation=operation, ref=str(ref))
        elif self._there(operation, ref).etag != condition:
            raise PreconditionFailed("the target changed", operation=operation, ref=str(ref))

    def _list(self, request: ListPage) -> Page:
        self._in_bucket("ListObjectsV2", request.bucket)
        after = request.token or request.start_after
        limit = min(request.max_keys, self.page_keys)
        listed: list[ListedObject] = []
        prefixes: list[str] = []
        last = ""
        for bucket, key in self.objects.irange((request.bucket, max(after, request.prefix))):
            if bucket != request.bucket or not key.startswith(request.prefix):
                break
            if after and key <= after:
                continue
            cut = key.find(request.delimiter, len(request.prefix)) if request.delimiter else -1
            if cut >= 0 and prefixes and prefixes[-1] == key[: cut + 1]:
                last = key
                continue
            if len(listed) + len(prefixes) >= limit:
                return Page(listed, last, tuple(prefixes))
            last = key
            if cut >= 0:
                prefixes.append(key[: cut + 1])
                continue
            held = self.objects[bucket, key]
            checksum = f"{held.checksums[0].algorithm}:{held.checksums[0].type}" if held.checksums else ""
            storage_class = held.properties.storage_class or "STANDARD"
            listed.append(ListedObject(key, held.size, held.etag, held.modified, storage_class, checksum, held.restore))
        return Page(listed, None, tuple(prefixes))

    def _head(self, request: HeadObject) -> ObjectHead:
        held = self._there("HeadObject", request.ref)
        tags = held.properties.tags
        head = ObjectHead(
            held.size,
            held.etag,
            held.modified,
            held.properties._replace(tags=None, acl=None, lock=None if self.hides_locks else held.properties.lock),
            held.checksums if request.checksums else (),
            tag_count=len(tags) if tags is not None else None,
            restore=held.restore,
            date=self._date(),
            version_id="v1" if self._keeps_versions(request.ref.bucket) else "",
        )
        if request.part_number is None:
            return head
        size = held.parts[request.part_number - 1][1] if held.parts else held.size
        return head._replace(parts_count=len(held.parts) or None, part_size=size)

    def _copy(self, request: CopyObject) -> CopyResult:
        held = self._source("CopyObject", request)
        self._check_target("CopyObject", request.target, request.target_condition)
        if held.size > FIVE_GIB:
            raise Rejected("too large", operation="CopyObject", ref=str(request.target), code="InvalidRequest")
        properties = held.properties._replace(acl=None)
        if (given := request.properties) is not None and request.keep_headers:
            added = {name: getattr(given, name) for name in ("encryption", "website_redirect", "lock", "acl")}
            properties = properties._replace(**{name: value for name, value in added.items() if value})
        elif given is not None:
            properties = given
        properties = properties._replace(storage_class=request.storage_class)
        if request.replace_tags is not None:
            properties = properties._replace(tags=request.replace_tags)
        etag = held.etag
        if held.parts:  # copied in one piece, it has the ETag of one piece
            etag = md5(f"whole of {held.etag}" if held.body is None else held.body)
        checksums = held.checksums
        if request.checksum_algorithm and not checksums and self.checksum_on_copy:
            checksums = (checksum_of(request.checksum_algorithm, held),)
        made = self._hold(request.target, Held(held.size, etag, properties, (), checksums, held.body))
        encryption = properties.encryption.algorithm if properties.encryption else "AES256"
        return CopyResult(etag, made.modified, checksums, encryption=encryption)

    def _put(self, request: PutObject) -> CopyResult:
        self._check_target("PutObject", request.ref, request.target_condition)
        held = Held(len(request.body), md5(request.body), request.properties, body=request.body)
        if request.checksum_algorithm:
            held.checksums = (checksum_of(request.checksum_algorithm, held),)
        self._compare(request)
        if request.checksum is not None:
            held.checksums = (request.checksum,)
        return CopyResult(held.etag, self._hold(request.ref, held).modified, held.checksums)

    def _compare(self, request: PutObject | UploadPart) -> None:
        told = [request.checksum] if request.checksum is not None and self.compares_sums else []
        told += [Checksum("MD5", "", request.content_md5)] if request.content_md5 and self.compares_md5 else []
        if any(checksums.checksum_of(it.algorithm, request.body) != it.value for it in told):
            raise Ambiguous("it is not what was sent", operation=request.operation, code="BadDigest")

    def _get(self, request: GetRange) -> Body:
        held = self._readable("GetObject", request.ref)
        if request.if_match is not None and request.if_match != held.etag:
            raise PreconditionFailed("it changed", operation="GetObject", ref=str(request.ref))
        if request.first is not None and request.first >= held.size:
            raise Rejected("no such range", operation="GetObject", ref=str(request.ref), code="InvalidRange")
        if request.size is not None and request.size != held.size:
            raise Ambiguous("it has another size", operation="GetObject", ref=str(request.ref), code="WrongRange")
        last = held.size - 1 if request.last is None else min(request.last, held.size - 1)
        return Body(held.read(request.first or 0, last), held.etag, held.size)

    def _get_tags(self, ref: ObjectRef) -> tuple[tuple[str, str], ...]:
        return self._there("GetObjectTagging", ref).properties.tags or ()

    def _put_tags(self, request: PutTags) -> None:
        held = self._there("PutObjectTagging", request.ref)
        held.properties = held.properties._replace(tags=request.tags)

    def _restore(self, request: RestoreObject) -> bool:
        held = self._there("RestoreObject", request.ref)
        if held.properties.storage_class not in ARCHIVES:
            raise Archived("not archived", operation="RestoreObject", ref=str(request.ref), code="InvalidObjectState")
        if held.restore == RESTORING:
            raise Rejected("at it", operation="RestoreObject", ref=str(request.ref), code="RestoreAlreadyInProgress")
        begun = not held.restore
        held.restore = RESTORING if begun else held.restore
        return begun

    def _get_acl(self, ref: ObjectRef) -> Acl:
        return self._there("GetObjectAcl", ref).properties.acl or Acl()

    def _lock(self, request: OfLock) -> ObjectLock:
        held = self._there(request.operation, request.ref)
        if not self._keeps_versions(request.bucket):
            raise Rejected("no Object Lock", operation=request.operation, ref=str(request.ref), code="InvalidRequest")
        if self.hides_locks:
            raise AccessDenied("not allowed", operation=request.operation, ref=str(request.ref), code="AccessDenied")
        return held.properties.lock or ObjectLock()

    def _get_retention(self, request: GetRetention) -> ObjectLock | None:
        lock = self._lock(request)
        return replace(lock, legal_hold=False) if lock.mode else None

    # --- uploads ----------------------------------------------------------------------------------------------

    def _create(self, request: CreateUpload) -> UploadRef:
        self._ids += 1
        upload_id = f"upload-{self._ids}"
        self.uploads[upload_id] = Open(request, self._iso())
        return UploadRef(request.target, upload_id)

    def _open(self, operation: str, upload: UploadRef) -> Open:
        found = self.uploads.get(upload.upload_id)
        if found is None:
            raise NotFound("no such upload", operation=operation, ref=str(upload.target), code="NoSuchUpload")
        return found

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        upload = self._open("UploadPart", request.upload)
        if not 1 <= request.number <= MOST_PARTS:
            raise Rejected("no such part number", operation="UploadPart", code="InvalidArgument")
        self._compare(request)
        upload.bodies[request.number] = request.body
        told = (request.checksum,) if request.checksum is not None else ()
        upload.parts[request.number] = UploadedPart(request.number, md5(request.body), len(request.body), told)
        return upload.parts[request.number]

    def _copy_part(self, request: CopyPart) -> UploadedPart:
        upload = self._open("UploadPartCopy", request.upload)
        held = self._source("UploadPartCopy", request)
        first = request.first or 0
        last = held.size - 1 if request.last is None else request.last
        if last >= held.size:
            raise Rejected("no such range", operation="UploadPartCopy", ref=str(request.source), code="InvalidRange")
        start, etag = 0, md5(f"{held.etag}:{first}-{last}")
        for part_etag, size in held.parts:
            if (start, start + size - 1) == (first, last):
                etag = part_etag
            start += size
        if held.body is not None:
            upload.bodies[request.number] = held.read(first, last)
            etag = md5(upload.bodies[request.number])
        part = UploadedPart(request.number, etag, last - first + 1)
        upload.parts[request.number] = part
        return part._replace(size=-1)  # the answer does not say it

    def _complete(self, request: CompleteUpload) -> CopyResult:
        upload = self._open("CompleteMultipartUpload", request.upload)
        target = request.upload.target
        self._check_target("CompleteMultipartUpload", target, request.target_condition)
        parts = self._parts_of(upload, request.parts)
        size = sum(part.size for part in parts)
        if request.size is not None and request.size != size:
            raise Rejected("the size differs", operation="CompleteMultipartUpload", code="InvalidRequest")
        etag = multipart_etag([part.etag for part in parts])
        bodies = [upload.bodies[part.number] for part in parts if part.number in upload.bodies]
        body = b"".join(bodies) if len(bodies) == len(parts) else None
        checksums = (request.checksum,) if request.checksum else ()
        made = tuple((part.etag, part.size) for part in parts)
        held = Held(size, etag, upload.request.properties, made, checksums, body)
        told = request.checksum
        if (
            self.compares_whole
            and told
            and told.value
            and body is not None
            and told != checksum_of(told.algorithm, held)
        ):
            raise Ambiguous("the checksum differs", operation="CompleteMultipartUpload", code="BadDigest")
        self._hold(target, held)
        del self.uploads[request.upload.upload_id]
        return CopyResult(etag, held.modified, checksums)

    def _parts_of(self, upload: Open, named: tuple[UploadedPart, ...]) -> list[UploadedPart]:
        def refused(code: str) -> Rejected:
            return Rejected("the parts do not fit", operation="CompleteMultipartUpload", code=code)

        if any(one.number >= two.number for one, two in itertools.pairwise(named)):
            raise refused("InvalidPartOrder")
        parts = [upload.parts.get(part.number) for part in named]
        if any(part is None or part.etag != asked.etag for part, asked in zip(parts, named, strict=True)):
            raise refused("InvalidPart")
        found = [part for part in parts if part is not None]
        if any(part.size < self.smallest_part for part in found[:-1]):
            raise refused("EntityTooSmall")
        return found

    def _abort(self, upload: UploadRef) -> None:
        self._open("AbortMultipartUpload", upload)
        del self.uploads[upload.upload_id]

    def _list_parts(self, upload: UploadRef) -> list[UploadedPart]:
        return sorted(self._open("ListParts", upload).parts.values())

    def _list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        return [
            UploadInfo(item.request.target.key, upload_id, item.modified)
            for upload_id, item in self.uploads.items()
            if item.request.target.bucket == request.bucket and item.request.target.key.startswith(request.prefix)
        ]

    # --- deleting, and the bucket -----------------------------------------------------------------------------

    def _delete(self, request: DeleteObject) -> bool:
        ref, what = request.ref, "DeleteObject"
        if self.denied(ref.key):
            raise AccessDenied("not allowed", operation=what, ref=str(ref), code="AccessDenied")
        if request.if_match is not None and self.honours_delete and self._there(what, ref).etag != request.if_match:
            raise PreconditionFailed("it changed", operation=what, ref=str(ref), code="PreconditionFailed")
        self.objects.pop(ref, None)
        return self._keeps_versions(ref.bucket)

    def _delete_many(self, request: DeleteObjects) -> DeleteReport:
        check_batch(request.bucket, request.keys)
        deleted: list[str] = []
        failed: list[DeleteFailure] = []
        for key, etag in request.keys:
            try:
                self._delete(DeleteObject(ObjectRef(request.bucket, key), etag))
            except (AccessDenied, NotFound, PreconditionFailed) as error:
                failed.append(DeleteFailure(key, error.code, error.message))
            else:
                if not self.silent(key):
                    deleted.append(key)
        return DeleteReport(tuple(deleted), tuple(failed), self._keeps_versions(request.bucket))

    def _list_versions(self, request: ListVersions) -> VersionsPage:
        """It keeps none: what is there is all there is."""
        page = self._list(ListPage(request.bucket, request.prefix))
        return VersionsPage(
            [
                ListedVersion(item.key, "null", item.size, item.modified, item.storage_class, True, False)
                for item in page.objects
            ]
        )

    def _put_lifecycle(self, request: PutLifecycle) -> None:
        self.configuration = request.configuration

    def _facts(self, bucket: str) -> BucketFacts:
        self._in_bucket("HeadBucket", bucket)
        if self.buckets is None and not any(True for _ in self.objects.irange((bucket, ""), (bucket + "\0", ""))):
            raise BucketMissing("there is no such bucket", operation="HeadBucket", ref=bucket, code="NoSuchBucket")
        rules = expirations(self.configuration) if self.lifecycle == () else self.lifecycle
        return BucketFacts(
            bucket, self.region, "owner", self.versioning, rules, self._date(), replication=self.replication
        )


def _happen(what: BaseException | Callable[[], object] | None) -> None:
    if isinstance(what, BaseException):
        raise what
    if what is not None:
        what()
