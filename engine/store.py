"""`ObjectStore`: all that the engine asks of S3, one method an S3 action, one frozen request each.

Every implementation passes the same contract suite (tests/contract). A method either returns what S3 said or
raises a `StoreError` whose scope says how far it reaches; it never retries. Retrying, pacing, tracing and faults
are decorators (`engine.decorator`), put on in `engine.sites` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol, TypeVar, overload

from engine.bucket_facts import BucketFacts
from engine.errors import NotFound
from engine.model import (
    Acl,
    Checksum,
    CopyResult,
    DeleteReport,
    LifecycleConfiguration,
    Location,
    ObjectHead,
    ObjectLock,
    ObjectRef,
    Page,
    Properties,
    UploadedPart,
    UploadInfo,
    UploadRef,
    Value,
    VersionsPage,
)
from engine.windows import Sink, Source

Asked = TypeVar("Asked", bound="Request")
Answered = TypeVar("Answered")
Made = TypeVar("Made")


class Request(Value, frozen=True):
    """One call of a store. `operation` is the S3 action's name, by which errors and events name it too; `bucket` is
    where it goes.

    `reads`: it changes nothing. `harmless_twice`: nor does it when it is carried out twice, or it gives the same again;
    of whatever else nobody knows the outcome of, the caller looks at what is there. `deletes`: it rests on a look at
    what it deletes, which must not grow old. `answered_otherwise`: a server that does not know the question answers
    with something else, the object itself or a listing. `again_after_conflict`: a 409 is an invitation to try again."""

    operation: ClassVar[str]
    reads: ClassVar[bool] = False
    harmless_twice: ClassVar[bool] = False
    deletes: ClassVar[bool] = False
    answered_otherwise: ClassVar[bool] = False
    again_after_conflict: ClassVar[bool] = False

    @property
    def bucket(self) -> str:
        raise NotImplementedError


class OnObject(Request, frozen=True):
    """About one object."""

    ref: ObjectRef

    @property
    def bucket(self) -> str:
        return self.ref.bucket


class OnUpload(Request, frozen=True):
    """About an upload that has been begun."""

    upload: UploadRef

    @property
    def bucket(self) -> str:
        return self.upload.target.bucket


class ListPage(Request, frozen=True):
    """ListObjectsV2, with encoding-type=url. `start_after` is a full key, exclusive. `plain`: without that encoding,
    for a server that goes on wrongly with it (`sites.listings`); a page is broken by what XML cannot carry.
    `restore_status` asks whether archived objects can be read (x-amz-optional-object-attributes)."""

    operation = "ListObjectsV2"
    reads = harmless_twice = True

    bucket: str
    prefix: str = ""
    start_after: str = ""
    token: str | None = None
    max_keys: int = 1000
    delimiter: str = ""
    plain: bool = False
    restore_status: bool = True


class HeadObject(OnObject, frozen=True):
    """`part_number` asks for that part's size and the number of parts; `checksums` for the object's checksums."""

    operation = "HeadObject"
    reads = harmless_twice = True

    part_number: int | None = None
    checksums: bool = False


class CopyObject(Request, frozen=True):
    """CopyObject, at most 5 GiB.

    `source_etag` pins the source (x-amz-copy-source-if-match); `target_condition` guards the target (`ABSENT`, an
    ETag, or None for no condition). `properties` None copies the source's headers, metadata and tags as they are;
    otherwise they replace them, or, with `keep_headers`, only add encryption, redirect, lock and ACL to what is copied.
    `storage_class` is always sent (S3 would fall back to STANDARD), unless it is empty."""

    operation = "CopyObject"
    again_after_conflict = True

    source: ObjectRef
    target: ObjectRef
    source_etag: str | None = None
    target_condition: str | None = None
    storage_class: str = "STANDARD"
    checksum_algorithm: str = ""
    properties: Properties | None = None
    replace_tags: tuple[tuple[str, str], ...] | None = None
    keep_headers: bool = False

    @property
    def bucket(self) -> str:
        return self.target.bucket


class CreateUpload(Request, frozen=True):
    """CreateMultipartUpload with everything that the object is to carry, since a multipart copy inherits nothing."""

    operation = "CreateMultipartUpload"

    target: ObjectRef
    properties: Properties
    checksum_algorithm: str = ""
    checksum_type: str = ""

    @property
    def bucket(self) -> str:
        return self.target.bucket


class CopyPart(OnUpload, frozen=True):
    """UploadPartCopy of bytes `first` to `last`, inclusive; the whole source where `first` is None."""

    operation = "UploadPartCopy"
    harmless_twice = True

    number: int
    source: ObjectRef
    source_etag: str | None
    first: int | None
    last: int | None


class UploadPart(OnUpload, frozen=True):
    """UploadPart with a body; by `send_from` it comes from a source, and `body` is empty. `checksum` and `content_md5`
    (base64) are the body's, for the server to compare."""

    operation = "UploadPart"
    harmless_twice = True

    number: int
    body: bytes = b""
    checksum: Checksum | None = None
    content_md5: str = ""


class CompleteUpload(OnUpload, frozen=True):
    """CompleteMultipartUpload. `size` is sent as MpuObjectSize where it is given, `checksum` as the expected
    full-object checksum; one without a value only says that the parts' own are sent (COMPOSITE)."""

    operation = "CompleteMultipartUpload"

    parts: tuple[UploadedPart, ...]
    target_condition: str | None = None
    size: int | None = None
    checksum: Checksum | None = None


class AbortUpload(OnUpload, frozen=True):
    operation = "AbortMultipartUpload"
    harmless_twice = True


class ListParts(OnUpload, frozen=True):
    operation = "ListParts"
    reads = harmless_twice = True


class ListUploads(Request, frozen=True):
    operation = "ListMultipartUploads"
    reads = harmless_twice = answered_otherwise = True

    bucket: str
    prefix: str = ""


class ListVersions(Request, frozen=True):
    """ListObjectVersions: what is there, what was, and delete markers. `after` is a key and a version of it."""

    operation = "ListObjectVersions"
    reads = harmless_twice = answered_otherwise = True

    bucket: str
    prefix: str = ""
    after: tuple[str, str] = ("", "")


class GetRange(OnObject, frozen=True):
    """GetObject of bytes `first` to `last`, inclusive; the whole object where `first` is None. Pinned by
    `if_match` where given, and to the whole object's `size` where that is known. `checksums` asks for the object's
    checksums too: S3 gives them with a whole object, and with a range only where it is just one of its parts."""

    operation = "GetObject"
    reads = harmless_twice = True

    first: int | None = None
    last: int | None = None
    if_match: str | None = None
    size: int | None = None
    checksums: bool = False


class Body(NamedTuple):
    """The bytes of one GetRange, with the ETag and the whole object's size."""

    data: bytes
    etag: str
    size: int


class Fetched(Value, frozen=True):
    """What came with the bytes of a GetRange that went into a sink: the ETag, the whole object's size, and how to read
    the rest of the answer's head. Its `checksums` are the whole object's where the whole object came; of a range they
    are that range's, or none."""

    etag: str
    size: int
    head: Callable[[], ObjectHead]


class PutObject(OnObject, frozen=True):
    """PutObject; by `send_from` the body comes from a source, and `body` is empty. `checksum_algorithm` has the
    checksum of `body` computed and sent; `checksum` and `content_md5` (base64) are those of a body that was hashed
    before."""

    operation = "PutObject"

    body: bytes = b""
    properties: Properties = Properties()
    target_condition: str | None = None
    checksum_algorithm: str = ""
    checksum: Checksum | None = None
    content_md5: str = ""


class GetTags(OnObject, frozen=True):
    operation = "GetObjectTagging"
    reads = harmless_twice = answered_otherwise = True


class PutTags(OnObject, frozen=True):
    operation = "PutObjectTagging"
    harmless_twice = True

    tags: tuple[tuple[str, str], ...]


class RestoreObject(OnObject, frozen=True):
    """Has S3 make an archived object readable, by `tier` ("Bulk", "Standard", "Expedited"): for so many `days`, or for
    good where that is None (the archive tiers of INTELLIGENT_TIERING). The answer is whether that was begun; else it
    was readable already, and stays so for the days that are asked for now."""

    operation = "RestoreObject"
    harmless_twice = True

    days: int | None
    tier: str


class GetAcl(OnObject, frozen=True):
    operation = "GetObjectAcl"
    reads = harmless_twice = answered_otherwise = True


class OfLock(OnObject, frozen=True):
    """`unseen`: HEAD shows none, and asked is only whether that may be believed: not sent where it was found to be so
    (`sites.tolerating`)."""

    reads = harmless_twice = answered_otherwise = True

    unseen: bool = False


class GetRetention(OfLock, frozen=True):
    operation = "GetObjectRetention"


class GetLegalHold(OfLock, frozen=True):
    operation = "GetObjectLegalHold"


class DeleteObject(OnObject, frozen=True):
    """The answer is whether S3 only added a delete marker: then the bucket keeps versions."""

    operation = "DeleteObject"
    deletes = True

    if_match: str | None = None


class DeleteObjects(Request, frozen=True):
    """At most 1,000 (key, ETag or None) pairs."""

    operation = "DeleteObjects"
    deletes = True

    bucket: str
    keys: tuple[tuple[str, str | None], ...]


class AskBucket(Request, frozen=True):
    """What there is to know of a bucket: HEAD, its location and its settings."""

    operation = "GetBucketLocation"
    reads = harmless_twice = answered_otherwise = True

    bucket: str


class GetLifecycle(AskBucket, frozen=True):
    """All of a bucket's lifecycle configuration; an empty one where there is none."""

    operation = "GetBucketLifecycleConfiguration"


class PutLifecycle(Request, frozen=True):
    """The whole of it in place of what is there; an empty one takes that away (DeleteBucketLifecycle)."""

    operation = "PutBucketLifecycleConfiguration"

    bucket: str
    configuration: LifecycleConfiguration


class ObjectStore(Protocol):
    """All that the engine asks of S3. `fetch_into` is `get_range` into a sink, where no byte of another answer than the
    one asked for comes. `send_from` is `put_object` or `upload_part` with a body that comes from a source."""

    async def list_page(self, request: ListPage) -> Page: ...
    async def head_object(self, request: HeadObject) -> ObjectHead: ...
    async def copy_object(self, request: CopyObject) -> CopyResult: ...
    async def create_upload(self, request: CreateUpload) -> UploadRef: ...
    async def copy_part(self, request: CopyPart) -> UploadedPart: ...
    async def upload_part(self, request: UploadPart) -> UploadedPart: ...
    async def complete_upload(self, request: CompleteUpload) -> CopyResult: ...
    async def abort_upload(self, request: AbortUpload) -> None: ...
    async def list_parts(self, request: ListParts) -> list[UploadedPart]: ...
    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]: ...
    async def list_versions(self, request: ListVersions) -> VersionsPage: ...
    async def get_range(self, request: GetRange) -> Body: ...
    async def fetch_into(self, request: GetRange, sink: Sink) -> Fetched: ...
    async def put_object(self, request: PutObject) -> CopyResult: ...
    @overload
    async def send_from(self, request: PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: UploadPart, source: Source) -> UploadedPart: ...
    async def get_tags(self, request: GetTags) -> tuple[tuple[str, str], ...]: ...
    async def put_tags(self, request: PutTags) -> None: ...
    async def restore_object(self, request: RestoreObject) -> bool: ...
    async def get_acl(self, request: GetAcl) -> Acl: ...
    async def get_retention(self, request: GetRetention) -> ObjectLock | None: ...
    async def get_legal_hold(self, request: GetLegalHold) -> bool: ...
    async def delete_object(self, request: DeleteObject) -> bool: ...
    async def delete_objects(self, request: DeleteObjects) -> DeleteReport: ...
    async def bucket_facts(self, request: AskBucket) -> BucketFacts: ...
    async def get_lifecycle(self, request: GetLifecycle) -> LifecycleConfiguration: ...
    async def put_lifecycle(self, request: PutLifecycle) -> None: ...


StoreOf = Callable[[Location], ObjectStore]
"""The store of the site that a location is on: what is given to whoever handles both sides of a route."""


def by_store(store_of: StoreOf, make: Callable[[ObjectStore], Made]) -> Callable[[Location], Made]:
    """What is made of a side's store, once for each store."""
    made: dict[int, tuple[ObjectStore, Made]] = {}  # with the store, so that no other bears its id

    def of(where: Location) -> Made:
        store = store_of(where)
        if id(store) not in made:
            made[id(store)] = store, make(store)
        return made[id(store)][1]

    return of


async def head_or_none(store: ObjectStore, request: HeadObject) -> ObjectHead | None:
    """What HEAD says, or None where the object does not exist. Raises whatever else the store raises."""
    try:
        return await store.head_object(request)
    except NotFound:
        return None
