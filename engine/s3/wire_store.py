"""`WireStore`: every S3 action on the engine's own HTTP. A request costs a fiftieth of what botocore's costs.

What became of a request decides the error: one that was never sent is `Unavailable`; one that was, and whose answer
did not come whole, is `Ambiguous`. The one exception costs nothing: a request that does no harm twice, on a connection
that the server closed while it was idle, goes out again on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, overload

import anyio

from engine import freshness, store
from engine.errors import (
    Ambiguous,
    ObjectError,
    Rejected,
    RunError,
    StoreError,
    TooLate,
    Unavailable,
)
from engine.model import (
    Acl,
    CopyResult,
    DeleteReport,
    LifecycleConfiguration,
    ObjectHead,
    ObjectRef,
    Page,
    UploadedPart,
    UploadInfo,
    UploadRef,
    VersionsPage,
)
from engine.s3 import messages, parsing, xml
from engine.s3.answers import bare, upload_key
from engine.s3.asked import ENDLESS, MOST_PAGES, NO_WAY_ON, is_last
from engine.s3.boto_errors import TLS_REFUSED, unreachable
from engine.s3.bucket import ROOTS, bucket_facts, lifecycle_of
from engine.s3.classify import lacks_reason
from engine.s3.connecting import ConnectFailed
from engine.s3.http import ConnectionBroken
from engine.s3.intake import Windows
from engine.s3.listing_xml import page_of
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.places import Place, Places, Statistics
from engine.s3.session import Session
from engine.s3.signing import UNSIGNED_PAYLOAD
from engine.s3.streams import HELD_BACK_BYTES, Incoming, Outgoing, Stream, sha256_of
from engine.s3.versions_xml import versions_page
from engine.s3.wire_bucket import WireBucket
from engine.windows import Sink, Source

BODY_AT_ONCE_BYTES = 256 << 10
"""A body up to this goes out together with its head."""

MOST_CONNECTIONS_TRIED = 100
"""Connections that a request may find closed, one after the other, before it counts as not sent: a server that closes
all of its idle ones at a time, and not one that closes each as soon as it is open."""


class WireStore:
    """`engine.store.ObjectStore` on connections of our own, at most `max_connections` to each host. Opened with
    `async with`, and used on that event loop alone."""

    def __init__(self, session: Session, *, max_connections: int = 128) -> None:
        self._session = session
        self._max_connections = max_connections
        self._places: Places

    async def __aenter__(self) -> Self:
        self._places = Places(self._session, bound=self._max_connections)
        self._windows = Windows()
        return self

    async def __aexit__(self, *raised: object) -> None:
        with anyio.CancelScope(shield=True):  # what is given up ends at once, and must not be left behind
            await self._places.aclose()

    async def refresh(self) -> None:
        """Fresh credentials for all requests from now on. Raises `BadCredentials`."""
        await self._places.refresh()

    def move(self, bucket: str, region: str) -> None:
        """Sign a bucket's requests for another region from now on."""
        if self._places.region(bucket) != region and self._session.move(bucket, region):
            self._places.forget(bucket)

    def statistics(self) -> Statistics:
        return self._places.statistics()

    # --- one request --------------------------------------------------------------------------------------

    async def _exchange(self, call: Call, stream: Stream | None = None) -> Answer:
        """Send and receive. Raises for whatever is no answer; what an answer says is the caller's to read. A body that
        does not lie in memory goes through `stream`, whose sink or source may raise too."""
        place = self._places.known(call.bucket) or await self._places.find(call.bucket)
        operation, pool, body = call.operation, place.pool, call.body
        for _ in range(MOST_CONNECTIONS_TRIED):
            connection = pool.take()
            try:
                if connection is None:
                    connection = await pool.wait()
                    if not connection.open:
                        continue
                if connection.unread:  # nobody asked for it, or it is the server's close
                    connection.abort("data came that no one asked for", "Unasked")
                    continue
                head = place.head(call)
            except ConnectFailed as failure:
                raise _not_sent(call, place, failure) from failure
            except ValueError as error:
                assert connection is not None
                pool.released(connection)
                raise call.error(Rejected, f"not sent: {error}", "BadHeader") from error
            timely = freshness.ends_apart()
            apart = HELD_BACK_BYTES if timely and body else 0
            together = not apart and len(body) <= BODY_AT_ONCE_BYTES
            if timely:
                connection.write_through()
            try:
                freshness.sending(operation.name, call.ref)
            except TooLate:
                pool.released(connection)
                raise
            future = connection.exchange(
                head + body if body and together else head,
                bodiless=operation.bodiless,
                limit=call.limit_bytes or operation.limit_bytes,
                timeout_s=operation.timeout_s,
                total_s=operation.total_s,
                intake=None if stream is None else stream.begin(),
            )
            try:
                if stream is not None:
                    return await stream.run(connection, future)
                if not together:
                    await connection.send_body(memoryview(body)[: len(body) - apart], last=not apart)
                if apart:
                    freshness.sending(operation.name, call.ref, ending=True)
                    await connection.send_body(memoryview(body)[len(body) - apart :])
                return await future
            except ConnectionBroken as broken:
                if broken.stale and operation.harmless_twice:
                    continue
                raise call.error(Ambiguous, f"the connection broke: {broken.why}", broken.code) from broken
            except BaseException:  # cancelled, too late, or what a sink or a source raised
                if not future.cancel() and not future.cancelled():
                    future.exception()  # seen: nobody else asks for it
                connection.abort()
                raise
        closed = f"{MOST_CONNECTIONS_TRIED} connections were closed before a request could use them"
        raise call.error(Unavailable, closed, "Closed")

    async def _ask(self, call: Call, stream: Stream | None = None) -> Answer:
        """The answer to a request that S3 says has succeeded. Raises what it says otherwise."""
        answer = await self._exchange(call, stream)
        if 200 <= answer.status < 300:
            return answer
        raise parsing.error_of(call, answer, self._places.region(call.bucket))

    async def _confirmed(self, call: Call) -> Answer:
        """A delete or an abort. S3 says it by 204 alone (API reference, DeleteObject, AbortMultipartUpload): what comes
        with a 200 may be an error, and is no confirmation."""
        answer = await self._ask(call)
        if answer.status != 204:
            if answer.body.strip():
                self._read(call, answer)
            raise parsing.unreadable(call, f"status {answer.status} where 204 was due")
        return answer

    async def _document(self, call: Call, *roots: str) -> xml.Document:
        return self._read(call, await self._ask(call), roots)

    def _read(self, call: Call, answer: Answer, roots: Sequence[str] = ()) -> xml.Document:
        """Any root will do unless some are named."""
        return parsing.read_document(call, answer, self._places.region(call.bucket), *roots)

    # --- listing ------------------------------------------------------------------------------------------

    async def list_page(self, request: store.ListPage) -> Page:
        call = messages.list_page(request)
        answer = await self._ask(call)
        return page_of(call, answer, self._places.region(call.bucket))

    # --- one object ---------------------------------------------------------------------------------------

    async def head_object(self, request: store.HeadObject) -> ObjectHead:
        call = messages.head_object(request)
        try:
            answer = await self._ask(call)
        except ObjectError as error:
            if lacks_reason(error):
                await self._ask_reason(request.ref)
            raise
        return parsing.object_head(call, answer)

    async def _ask_reason(self, ref: ObjectRef) -> None:
        """The answer to a HEAD has no body, so that expired credentials look like a bad request. A GET of one byte is
        refused in words: raises what reaches further than this object."""
        try:
            await self._ask(messages.get_range(store.GetRange(ref, 0, 0)))
        except RunError:
            raise
        except StoreError:
            return

    async def copy_object(self, request: store.CopyObject) -> CopyResult:
        call = messages.copy_object(request)
        answer = await self._exchange(call)
        if answer.status == 200:
            return parsing.copy_result(call, answer, self._places.region(call.bucket))
        raise parsing.error_of(call, answer, self._places.region(call.bucket))

    async def put_object(self, request: store.PutObject) -> CopyResult:
        call = messages.put_object(request)
        return parsing.put_result(call, await self._ask(call))

    async def get_range(self, request: store.GetRange) -> store.Body:
        call = messages.get_range(request)
        return parsing.body_of(call, await self._ask(call), request)

    async def fetch_into(self, request: store.GetRange, sink: Sink) -> store.Fetched:
        call = messages.get_range(request)
        stream = Incoming(call, request, sink, self._windows)
        answer = await self._ask(call, stream)
        if stream.poured is None:  # it has no bytes
            body = parsing.body_of(call, answer, request)
            return store.Fetched(body.etag, body.size, lambda: parsing.object_head(call, answer))
        etag, size = bare(answer.header(b"etag")), stream.poured.size
        return store.Fetched(etag, size, lambda: parsing.object_head(call, answer))

    @overload
    async def send_from(self, request: store.PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: store.UploadPart, source: Source) -> UploadedPart: ...
    async def send_from(self, request: store.PutObject | store.UploadPart, source: Source) -> CopyResult | UploadedPart:
        place = self._places.known(request.bucket) or await self._places.find(request.bucket)
        length = source.length
        # TLS guards the body on its way, and its checksum at its end. Without TLS the signature has to.
        body_hash = UNSIGNED_PAYLOAD if place.secure else await sha256_of(source)
        if isinstance(request, store.PutObject):
            call = messages.put_from(request, length, body_hash)
        else:
            call = messages.upload_part_from(request, length, body_hash)
        if not place.invites:
            call = call._replace(expects=False)
        answer = await self._ask(call, Outgoing(call, source, place))
        if isinstance(request, store.PutObject):
            return parsing.put_result(call, answer)
        return parsing.uploaded_part(call, answer, request.number)

    async def get_tags(self, request: store.GetTags) -> tuple[tuple[str, str], ...]:
        call = messages.get_tags(request)
        answer = await self._ask(call)
        if not answer.body.strip():  # Ceph RGW, for an object without tags
            return ()
        return parsing.tag_set(self._read(call, answer, ROOTS["GetObjectTagging"]))

    async def get_acl(self, request: store.GetAcl) -> Acl:
        return parsing.acl(await self._document(messages.get_acl(request), *ROOTS["GetObjectAcl"]))

    async def put_tags(self, request: store.PutTags) -> None:
        await self._ask(messages.put_tags(request))

    async def restore_object(self, request: store.RestoreObject) -> bool:
        return (await self._ask(messages.restore_object(request))).status == 202

    # --- uploads ------------------------------------------------------------------------------------------

    async def create_upload(self, request: store.CreateUpload) -> UploadRef:
        call = messages.create_upload(request)
        # The second is rclone's: it says the id, and an upload that nobody knows of would be left behind.
        roots = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
        upload_id = (await self._document(call, *roots)).text("UploadId")
        if not upload_id:
            raise parsing.no_etag(call, "UploadId")
        return UploadRef(request.target, upload_id)

    async def copy_part(self, request: store.CopyPart) -> UploadedPart:
        call = messages.copy_part(request)
        return parsing.copied_part(call, await self._ask(call), self._places.region(call.bucket), request.number)

    async def upload_part(self, request: store.UploadPart) -> UploadedPart:
        call = messages.upload_part(request)
        return parsing.uploaded_part(call, await self._ask(call), request.number)

    async def complete_upload(self, request: store.CompleteUpload) -> CopyResult:
        call = messages.complete_upload(request)
        answer = await self._ask(call)
        return parsing.copy_result(call, answer, self._places.region(call.bucket), "CompleteMultipartUploadResult")

    async def abort_upload(self, request: store.AbortUpload) -> None:
        await self._confirmed(messages.abort_upload(request))

    async def list_parts(self, request: store.ListParts) -> list[UploadedPart]:
        parts: list[UploadedPart] = []
        marker = 0
        for _ in range(MOST_PAGES):
            call = messages.list_parts(request, marker)
            document = await self._document(call, "ListPartsResult")
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
            document = await self._document(call, "ListMultipartUploadsResult")
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
        document = await self._document(call, *ROOTS["ListObjectVersions"])
        try:
            return versions_page(document, request.prefix)
        except (KeyError, ValueError) as error:
            raise parsing.unreadable(call, str(error)) from error

    # --- deleting -----------------------------------------------------------------------------------------

    async def delete_object(self, request: store.DeleteObject) -> bool:
        answer = await self._confirmed(messages.delete_object(request))
        return answer.header(b"x-amz-delete-marker") == "true"

    async def delete_objects(self, request: store.DeleteObjects) -> DeleteReport:
        call = messages.delete_objects(request)
        return parsing.delete_report(call, await self._ask(call), self._places.region(call.bucket))

    # --- the bucket ---------------------------------------------------------------------------------------

    async def bucket_facts(self, request: store.AskBucket) -> store.BucketFacts:
        return await bucket_facts(WireBucket(self._ask, self._read), request.bucket, self._session.region)

    async def get_lifecycle(self, request: store.GetLifecycle) -> LifecycleConfiguration:
        return await lifecycle_of(WireBucket(self._ask, self._read), request.bucket)

    async def put_lifecycle(self, request: store.PutLifecycle) -> None:
        await self._ask(messages.put_lifecycle(request))


def _not_sent(call: Call, place: Place, failure: ConnectFailed) -> StoreError:
    """A request that certainly was not carried out."""
    if failure.final:
        code = TLS_REFUSED if failure.code in ("Certificate", "Tls") else failure.code
        return unreachable(place.endpoint, failure.why, call.operation.name, code)
    return call.error(Unavailable, f"no connection could be made ({failure.why})", failure.code)
