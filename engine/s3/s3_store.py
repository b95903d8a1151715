"""`S3Store`: every S3 action, as what is asked and what the answer says, whoever carries the request."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from engine import store
from engine.bucket_facts import BucketFacts
from engine.errors import NotFound, ObjectError, RunError, StoreError
from engine.model import (
    Acl,
    CopyResult,
    DeleteReport,
    LifecycleConfiguration,
    ObjectHead,
    ObjectLock,
    ObjectRef,
    Page,
    UploadedPart,
    UploadInfo,
    UploadRef,
    VersionsPage,
)
from engine.s3 import messages, operations, parsing, xml
from engine.s3.answers import upload_key
from engine.s3.asked import ENDLESS, MOST_PAGES, NO_WAY_ON, is_last
from engine.s3.bucket import BucketQuestions, bucket_facts, lifecycle_of
from engine.s3.classify import lacks_reason
from engine.s3.kept_credentials import KeptCredentials
from engine.s3.listing_xml import page_of
from engine.s3.messages import Call
from engine.s3.operations import Operation
from engine.s3.parsing import Answer
from engine.s3.session import Session
from engine.s3.versions_xml import versions_page
from engine.store import ObjectStore

UNLOCKED = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"})
"""What S3 answers of an object that has no retention, or was never held; the second is Ceph's."""


class S3Store(ObjectStore, AbstractAsyncContextManager[ObjectStore]):
    """All of `engine.store.ObjectStore` but bodies that do not lie in memory. Opened with `async with`. `_region` says
    for which region requests to a bucket are signed, `_credentials` are what they are signed with."""

    _region: Callable[[str], str]
    _credentials: KeptCredentials

    def __init__(self, session: Session) -> None:
        self._session = session

    async def refresh(self) -> None:
        """Fresh credentials for all requests from now on. Raises `BadCredentials`."""
        await self._credentials.refresh()

    def move(self, bucket: str, region: str) -> None:
        """Sign a bucket's requests for another region from now on."""
        self._session.move(bucket, region)

    @property
    def in_line(self) -> int:
        """How many requests wait for a connection, as far as is known."""
        return 0

    @abstractmethod
    async def _exchange(self, call: Call, stream: Any = None) -> Answer:
        """Send and receive. Raises for whatever is no answer; what an answer says is the caller's to read. A body
        that does not lie in memory goes through `stream`."""
        raise NotImplementedError

    async def _ask(self, call: Call, stream: Any = None) -> Answer:
        """The answer to a request that S3 says has succeeded. Raises what it says otherwise."""
        answer = await self._exchange(call, stream)
        if 200 <= answer.status < 300:
            return answer
        raise parsing.error_of(call, answer, self._region(call.bucket))

    async def _bare(self, call: Call) -> Answer:
        """A write that a status alone answers: what comes with a success may be an error, and is no confirmation."""
        answer = await self._ask(call)
        if answer.body.strip():
            name = self._read(call, answer).name
            if not name.startswith(call.operation.name):  # LocalStack: an empty RestoreObjectOutput
                raise parsing.unreadable(call, f"<{name}> where nothing was due")
        return answer

    async def _confirmed(self, call: Call) -> Answer:
        """A delete or an abort. S3 says it by 204 alone (API reference, DeleteObject, AbortMultipartUpload)."""
        answer = await self._bare(call)
        if answer.status != 204:
            raise parsing.unreadable(call, f"status {answer.status} where 204 was due")
        return answer

    async def _document(self, call: Call) -> xml.Document:
        return self._read(call, await self._ask(call))

    def _read(self, call: Call, answer: Answer) -> xml.Document:
        return parsing.read_document(call, answer, self._region(call.bucket))

    # --- listing ------------------------------------------------------------------------------------------

    async def list_page(self, request: store.ListPage) -> Page:
        call = messages.list_page(request)
        answer = await self._ask(call)
        return page_of(call, answer, self._region(call.bucket))

    # --- one object ---------------------------------------------------------------------------------------

    async def head_object(self, request: store.HeadObject) -> ObjectHead:
        call = messages.head_object(request)
        try:
            answer = await self._ask(call)
        except ObjectError as error:
            if lacks_reason(error):
                await self._ask_reason(request.ref, error)
            raise
        head = parsing.object_head(answer)
        if not head.etag:  # a gateway's own page, say, of whoever has to sign in first
            raise parsing.unreadable(call, "no ETag, which every object has")
        return head

    async def _ask_reason(self, ref: ObjectRef, bare: ObjectError) -> None:
        """The answer to a HEAD has no body, so that expired credentials look like a bad request. A GET of one byte is
        refused in words: raises what reaches further than this object, or says of it why it is refused."""
        try:
            await self._ask(messages.get_range(store.GetRange(ref, 0, 0)))
        except RunError:
            raise
        except StoreError as error:
            if type(error) is type(bare):
                raise

    async def copy_object(self, request: store.CopyObject) -> CopyResult:
        call = messages.copy_object(request)
        answer = await self._exchange(call)
        if answer.status == 200:
            return parsing.copy_result(call, answer, self._region(call.bucket))
        raise parsing.error_of(call, answer, self._region(call.bucket))

    async def put_object(self, request: store.PutObject) -> CopyResult:
        call = messages.put_object(request)
        return parsing.put_result(call, await self._ask(call))

    async def get_range(self, request: store.GetRange) -> store.Body:
        call = messages.get_range(request)
        return parsing.body_of(call, await self._ask(call), request)

    async def get_tags(self, request: store.GetTags) -> tuple[tuple[str, str], ...]:
        call = messages.setting_of(operations.GET_TAGS, request.ref)
        answer = await self._ask(call)
        if not answer.body.strip():  # Ceph RGW, for an object without tags
            if not answer.whole:
                raise parsing.cut_short(call)
            return ()
        return parsing.tag_set(self._read(call, answer))

    async def get_acl(self, request: store.GetAcl) -> Acl:
        return parsing.acl(await self._document(messages.setting_of(operations.GET_OBJECT_ACL, request.ref)))

    async def get_retention(self, request: store.GetRetention) -> ObjectLock | None:
        return parsing.retention(await self._of_lock(operations.GET_RETENTION, request))

    async def get_legal_hold(self, request: store.GetLegalHold) -> bool:
        return parsing.is_held(await self._of_lock(operations.GET_LEGAL_HOLD, request))

    async def _of_lock(self, operation: Operation, request: store.OfLock) -> xml.Document | None:
        """None for an object that never had one."""
        try:
            return await self._document(messages.setting_of(operation, request.ref))
        except NotFound as error:
            if error.code in UNLOCKED:
                return None
            raise

    async def put_tags(self, request: store.PutTags) -> None:
        await self._bare(messages.put_tags(request))

    async def restore_object(self, request: store.RestoreObject) -> bool:
        return (await self._bare(messages.restore_object(request))).status == 202

    # --- uploads ------------------------------------------------------------------------------------------

    async def create_upload(self, request: store.CreateUpload) -> UploadRef:
        call = messages.create_upload(request)
        upload_id = (await self._document(call)).text("UploadId")
        if not upload_id:
            raise parsing.no_etag(call, "UploadId")
        return UploadRef(request.target, upload_id)

    async def copy_part(self, request: store.CopyPart) -> UploadedPart:
        call = messages.copy_part(request)
        return parsing.copied_part(call, await self._ask(call), self._region(call.bucket), request.number)

    async def upload_part(self, request: store.UploadPart) -> UploadedPart:
        call = messages.upload_part(request)
        return parsing.uploaded_part(call, await self._ask(call), request.number)

    async def complete_upload(self, request: store.CompleteUpload) -> CopyResult:
        call = messages.complete_upload(request)
        return parsing.copy_result(call, await self._ask(call), self._region(call.bucket))

    async def abort_upload(self, request: store.AbortUpload) -> None:
        await self._confirmed(messages.abort_upload(request))

    async def list_parts(self, request: store.ListParts) -> list[UploadedPart]:
        parts: list[UploadedPart] = []
        marker = 0
        for _ in range(MOST_PAGES):
            call = messages.list_parts(request, marker)
            document = await self._document(call)
            try:
                parts += parsing.listed_parts(document)
                following = int(document.text("NextPartNumberMarker") or 0)
            except (KeyError, ValueError) as error:
                raise parsing.unreadable(call, f"a part lacks {error}") from error
            if is_last(document.text("IsTruncated")):
                return parts
            if following <= marker:
                raise parsing.unreadable(call, NO_WAY_ON)
            marker = following
        raise parsing.unreadable(call, ENDLESS)

    async def list_uploads(self, request: store.ListUploads) -> list[UploadInfo]:
        found: list[UploadInfo] = []
        markers = ("", "")
        for _ in range(MOST_PAGES):
            call = messages.list_uploads(request, *markers)
            document = await self._document(call)
            try:
                found += parsing.listed_uploads(document, request.prefix)
            except KeyError as error:
                raise parsing.unreadable(call, f"an upload lacks {error}") from error
            encoded = document.text("EncodingType") == "url"
            key = upload_key(document.text("NextKeyMarker"), request.prefix, encoded=encoded)
            following = (key, document.text("NextUploadIdMarker"))
            if is_last(document.text("IsTruncated")):
                return found
            if following in (markers, ("", "")):
                raise parsing.unreadable(call, NO_WAY_ON)
            markers = following
        raise parsing.unreadable(call, ENDLESS)

    async def list_versions(self, request: store.ListVersions) -> VersionsPage:
        call = messages.list_versions(request)
        document = await self._document(call)
        try:
            page = versions_page(document, request.prefix)
        except (KeyError, ValueError) as error:
            raise parsing.unreadable(call, str(error)) from error
        if page.next is not None and (page.next[0] < request.after[0] or page.next == request.after):
            raise parsing.unreadable(call, NO_WAY_ON)
        return page

    # --- deleting -----------------------------------------------------------------------------------------

    async def delete_object(self, request: store.DeleteObject) -> bool:
        answer = await self._confirmed(messages.delete_object(request))
        return answer.header(b"x-amz-delete-marker") == "true"

    async def delete_objects(self, request: store.DeleteObjects) -> DeleteReport:
        call = messages.delete_objects(request)
        return parsing.delete_report(call, await self._ask(call), self._region(call.bucket))

    # --- the bucket ---------------------------------------------------------------------------------------

    async def bucket_facts(self, request: store.AskBucket) -> BucketFacts:
        return await bucket_facts(BucketQuestions(self._ask, self._read), request.bucket, self._session.region)

    async def get_lifecycle(self, request: store.GetLifecycle) -> LifecycleConfiguration:
        return await lifecycle_of(BucketQuestions(self._ask, self._read), request.bucket)

    async def put_lifecycle(self, request: store.PutLifecycle) -> None:
        await self._bare(messages.put_lifecycle(request))
