"""`BotoStore`: every S3 action through aiobotocore, for `--store boto`.

Success is what S3 must have said for it: a copy, a part or a finished upload without an ETag is an open outcome
(`Ambiguous`, code `NoETag`). Keys go out and come back byte for byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, overload

from engine.errors import Ambiguous, ObjectError, RunError, StoreError
from engine.model import (
    Acl,
    CopyResult,
    DeleteFailure,
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
from engine.s3.acl import acl_of
from engine.s3.answers import (
    bare_etag,
    checksum_field,
    checksums_of,
    condition_arguments,
    head_of,
    listed_object,
    moment,
    property_arguments,
    tag_text,
    upload_key,
)
from engine.s3.asked import ENDLESS, MOST_PAGES, NO_WAY_ON, body_of, is_last
from engine.s3.boto_arguments import broken_listing, copy_source, known_checksums, listed_key, named, of_upload, ranged
from engine.s3.boto_bodies import Pourer, Stopped, gathered
from engine.s3.boto_bucket import BotoBucket
from engine.s3.boto_clients import BotoClients
from engine.s3.boto_errors import confirmed, no_etag, translate
from engine.s3.boto_hooks import TRUNCATED
from engine.s3.bucket import bucket_facts, lifecycle_of
from engine.s3.classify import lacks_reason
from engine.s3.listing_xml import check_count
from engine.s3.messages import COPY_TOTAL_S, body_checksum
from engine.s3.request_xml import check_batch
from engine.s3.session import Session
from engine.store import (
    AbortUpload,
    AskBucket,
    Body,
    BucketFacts,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    DeleteObject,
    DeleteObjects,
    Fetched,
    GetAcl,
    GetLifecycle,
    GetRange,
    GetTags,
    HeadObject,
    ListPage,
    ListParts,
    ListUploads,
    ListVersions,
    PutLifecycle,
    PutObject,
    PutTags,
    RestoreObject,
    UploadPart,
)
from engine.windows import Sink, Source

Pour = Callable[[dict[str, Any], Any], Awaitable[None]]
"""What takes a body off its stream, `(answer, stream)`, instead of having it in memory."""


class BotoStore:
    """`engine.store.ObjectStore` on aiobotocore's clients, their own retries off. Opened with `async with`, which
    raises `ExtraMissing` where aiobotocore is not installed."""

    def __init__(self, session: Session, *, max_connections: int = 128) -> None:
        self._session = session
        self._clients = BotoClients(session, max_connections)
        owner = session.connection.expected_bucket_owner
        self._common: dict[str, Any] = {"ExpectedBucketOwner": owner} if owner else {}

    async def __aenter__(self) -> Self:
        await self._clients.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._clients.__aexit__(*raised)

    async def _call(
        self, operation: str, method: str, ref: str, pour: Pour | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """The answer, with its body in it unless that is poured elsewhere."""
        session = self._session
        try:
            async with asyncio.timeout(COPY_TOTAL_S):  # aiohttp bounds silence alone
                client = await self._clients.of(await session.bucket_region(arguments["Bucket"]))
                answer: dict[str, Any] = await getattr(client, method)(**arguments, **self._common)
                if "Body" in answer:
                    async with (stream := answer["Body"]):
                        answer["Body"] = await (stream.read() if pour is None else pour(answer, stream))
        except Exception as error:
            known = translate(operation, ref, session.endpoint, error)
            if known is None or known is error:
                raise
            raise known from error
        return confirmed(operation, ref, answer)

    # --- listing ------------------------------------------------------------------------------------------

    async def list_page(self, request: ListPage) -> Page:
        arguments: dict[str, Any] = {
            "Bucket": request.bucket,
            "MaxKeys": request.max_keys,
            # Asked for by ourselves, so that botocore leaves decoding to us: it decodes only what it encoded.
            "EncodingType": "" if request.plain else "url",
        }
        for name, value in (
            ("Prefix", request.prefix),
            ("StartAfter", request.start_after),
            ("ContinuationToken", request.token),
            ("Delimiter", request.delimiter),
        ):
            if value:
                arguments[name] = value
        # Whether an archived object can be read. Who does not know the header leaves it.
        if request.restore_status:
            arguments["OptionalObjectAttributes"] = ["RestoreStatus"]
        ref = f"s3://{request.bucket}/{request.prefix}"
        answer = await self._call("ListObjectsV2", "list_objects_v2", ref, **arguments)
        encoded = answer.get("EncodingType") == "url"
        objects = [listed_object(item, listed_key(item["Key"], encoded, ref)) for item in answer.get("Contents", ())]
        prefixes = tuple(listed_key(item["Prefix"], encoded, ref) for item in answer.get("CommonPrefixes", ()))
        check_count("ListObjectsV2", ref, str(answer.get("KeyCount", "")), len(objects) + len(prefixes))
        if is_last(answer.get(TRUNCATED)):
            return Page(objects, None, prefixes)
        if not answer.get("NextContinuationToken"):
            raise broken_listing(ref, NO_WAY_ON)
        return Page(objects, answer["NextContinuationToken"], prefixes)

    # --- one object ---------------------------------------------------------------------------------------

    async def head_object(self, request: HeadObject) -> ObjectHead:
        arguments: dict[str, Any] = named(request.ref)
        if request.part_number is not None:
            arguments["PartNumber"] = request.part_number
        if request.checksums:
            arguments["ChecksumMode"] = "ENABLED"
        try:
            answer = await self._call("HeadObject", "head_object", str(request.ref), **arguments)
        except ObjectError as error:
            if lacks_reason(error):
                await self._ask_reason(request.ref)
            raise
        return head_of(answer)

    async def _ask_reason(self, ref: ObjectRef) -> None:
        """The answer to a HEAD has no body, so that expired credentials look like a bad request. A GET of one byte is
        refused in words: raises what reaches further than this object."""
        try:
            await self._call("GetObject", "get_object", str(ref), **named(ref), Range="bytes=0-0")
        except RunError:
            raise
        except StoreError:
            return

    async def copy_object(self, request: CopyObject) -> CopyResult:
        arguments = named(request.target) | {
            "CopySource": copy_source(request.source),
        }
        if request.source_etag:
            arguments["CopySourceIfMatch"] = f'"{request.source_etag}"'
        arguments |= condition_arguments(request.target_condition)
        if request.checksum_algorithm:
            arguments["ChecksumAlgorithm"] = request.checksum_algorithm
        if request.properties is not None:
            arguments |= property_arguments(request.properties)
            if not request.keep_headers:
                arguments["MetadataDirective"] = "REPLACE"
            arguments.pop("Tagging", None)
        arguments |= {"StorageClass": request.storage_class} if request.storage_class else {}
        if request.replace_tags is not None:
            arguments |= {"TaggingDirective": "REPLACE", "Tagging": tag_text(request.replace_tags)}
        answer = await self._call("CopyObject", "copy_object", str(request.target), **arguments)
        return _result("CopyObject", request.target, answer, answer.get("CopyObjectResult") or {})

    async def put_object(self, request: PutObject) -> CopyResult:
        arguments = named(request.ref) | {"Body": request.body} | property_arguments(request.properties)
        arguments |= condition_arguments(request.target_condition)
        if request.checksum_algorithm:  # botocore computes CRC64NVME with an optional package alone
            arguments["ChecksumAlgorithm"] = request.checksum_algorithm
            arguments[checksum_field(request.checksum_algorithm)] = body_checksum(request)
        arguments |= known_checksums(request)
        answer = await self._call("PutObject", "put_object", str(request.ref), **arguments)
        return _result("PutObject", request.ref, answer, answer)

    async def get_range(self, request: GetRange) -> Body:
        answer = await self._call("GetObject", "get_object", str(request.ref), **ranged(request))
        data: bytes = answer["Body"]
        if len(data) != int(answer.get("ContentLength", len(data))):
            raise Ambiguous("the answer was cut short", operation="GetObject", ref=str(request.ref), code="CutShort")
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return body_of(request, status, str(answer.get("ContentRange", "")), bare_etag(answer), data)

    async def fetch_into(self, request: GetRange, sink: Sink) -> Fetched:
        sink.restart()
        pourer = Pourer(request, sink)
        try:
            answer = await self._call("GetObject", "get_object", str(request.ref), pourer, **ranged(request))
        except Stopped as stopped:
            raise stopped.cause from stopped
        return Fetched(bare_etag(answer), pourer.size, lambda: head_of(answer))

    @overload
    async def send_from(self, request: PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: UploadPart, source: Source) -> UploadedPart: ...
    async def send_from(self, request: PutObject | UploadPart, source: Source) -> CopyResult | UploadedPart:
        body = await gathered(request, source)
        if isinstance(request, PutObject):
            return await self.put_object(request._replace(body=body))
        return await self.upload_part(request._replace(body=body))

    async def get_tags(self, request: GetTags) -> tuple[tuple[str, str], ...]:
        answer = await self._call("GetObjectTagging", "get_object_tagging", str(request.ref), **named(request.ref))
        return tuple((item["Key"], item["Value"]) for item in answer.get("TagSet", ()))

    async def get_acl(self, request: GetAcl) -> Acl:
        answer = await self._call("GetObjectAcl", "get_object_acl", str(request.ref), **named(request.ref))
        grants = [(item.get("Permission", ""), item.get("Grantee", {})) for item in answer.get("Grants", ())]
        return acl_of(
            str(answer.get("Owner", {}).get("ID", "")),
            [(permission, who.get("ID", ""), who.get("URI", "")) for permission, who in grants],
        )

    async def put_tags(self, request: PutTags) -> None:
        tags = {"TagSet": [{"Key": key, "Value": value} for key, value in request.tags]}
        await self._call("PutObjectTagging", "put_object_tagging", str(request.ref), **named(request.ref), Tagging=tags)

    async def restore_object(self, request: RestoreObject) -> bool:
        asked = {"GlacierJobParameters": {"Tier": request.tier}, **({"Days": request.days} if request.days else {})}
        answer = await self._call(
            "RestoreObject", "restore_object", str(request.ref), **named(request.ref), RestoreRequest=asked
        )
        return int(answer["ResponseMetadata"]["HTTPStatusCode"]) == 202

    # --- uploads ------------------------------------------------------------------------------------------

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        arguments = named(request.target) | property_arguments(request.properties)
        arguments |= {"StorageClass": request.properties.storage_class} if request.properties.storage_class else {}
        if request.checksum_algorithm:
            arguments["ChecksumAlgorithm"] = request.checksum_algorithm
        if request.checksum_type:
            arguments["ChecksumType"] = request.checksum_type
        ref = str(request.target)
        answer = await self._call("CreateMultipartUpload", "create_multipart_upload", ref, **arguments)
        if not answer.get("UploadId"):
            raise no_etag("CreateMultipartUpload", ref, "UploadId")
        return UploadRef(request.target, answer["UploadId"])

    async def copy_part(self, request: CopyPart) -> UploadedPart:
        arguments = of_upload(request.upload) | {
            "PartNumber": request.number,
            "CopySource": copy_source(request.source),
        }
        if request.source_etag:
            arguments["CopySourceIfMatch"] = f'"{request.source_etag}"'
        if request.first is not None:
            arguments["CopySourceRange"] = f"bytes={request.first}-{request.last}"
        ref = str(request.upload.target)
        answer = await self._call("UploadPartCopy", "upload_part_copy", ref, **arguments)
        part = answer.get("CopyPartResult") or {}
        etag = bare_etag(part)
        if not etag:
            raise no_etag("UploadPartCopy", ref)
        return UploadedPart(request.number, etag, -1, checksums_of(part))

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        arguments = of_upload(request.upload) | {"PartNumber": request.number, "Body": request.body}
        arguments |= known_checksums(request)
        ref = str(request.upload.target)
        answer = await self._call("UploadPart", "upload_part", ref, **arguments)
        etag = bare_etag(answer)
        if not etag:
            raise no_etag("UploadPart", ref)
        return UploadedPart(request.number, etag, len(request.body), checksums_of(answer))

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        parts = []
        for part in request.parts:
            values: dict[str, Any] = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
            if request.checksum is not None:
                values |= {checksum_field(item.algorithm): item.value for item in part.checksums}
            parts.append(values)
        arguments = of_upload(request.upload) | {"MultipartUpload": {"Parts": parts}}
        arguments |= condition_arguments(request.target_condition)
        if request.checksum is not None:
            if request.checksum.value:
                arguments[checksum_field(request.checksum.algorithm)] = request.checksum.value
            arguments["ChecksumType"] = request.checksum.type
        if request.size is not None:
            arguments["MpuObjectSize"] = str(request.size)
        ref = str(request.upload.target)
        answer = await self._call("CompleteMultipartUpload", "complete_multipart_upload", ref, **arguments)
        return _result("CompleteMultipartUpload", request.upload.target, answer, answer)

    async def abort_upload(self, request: AbortUpload) -> None:
        await self._call(
            "AbortMultipartUpload", "abort_multipart_upload", str(request.upload.target), **of_upload(request.upload)
        )

    async def list_parts(self, request: ListParts) -> list[UploadedPart]:
        parts: list[UploadedPart] = []
        marker = 0
        ref = str(request.upload.target)
        for _ in range(MOST_PAGES):
            answer = await self._call(
                "ListParts", "list_parts", ref, **of_upload(request.upload), PartNumberMarker=marker
            )
            for item in answer.get("Parts", ()):
                number, size = int(item["PartNumber"]), int(item["Size"])
                parts.append(UploadedPart(number, bare_etag(item), size, checksums_of(item)))
            following = int(answer.get("NextPartNumberMarker") or 0)
            if is_last(answer.get(TRUNCATED)):
                return parts
            if following <= marker:
                raise _unreadable("ListParts", ref, NO_WAY_ON)
            marker = following
        raise _unreadable("ListParts", ref, ENDLESS)

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        found: list[UploadInfo] = []
        markers: dict[str, Any] = {}
        ref = f"s3://{request.bucket}/{request.prefix}"
        for _ in range(MOST_PAGES):
            answer = await self._call(
                "ListMultipartUploads",
                "list_multipart_uploads",
                ref,
                Bucket=request.bucket,
                Prefix=request.prefix,
                EncodingType="url",
                **markers,
            )
            encoded = answer.get("EncodingType") == "url"
            for item in answer.get("Uploads", ()):
                found.append(
                    UploadInfo(
                        upload_key(item["Key"], request.prefix, encoded=encoded),
                        item["UploadId"],
                        moment(item.get("Initiated")),
                        str(item.get("Owner", {}).get("ID", "")),
                        str(item.get("Initiator", {}).get("ID", "")),
                    )
                )
            following = {
                "KeyMarker": upload_key(answer.get("NextKeyMarker", ""), request.prefix, encoded=encoded),
                "UploadIdMarker": answer.get("NextUploadIdMarker", ""),
            }
            if is_last(answer.get(TRUNCATED)):
                return found
            if following == markers or not any(following.values()):
                raise _unreadable("ListMultipartUploads", ref, NO_WAY_ON)
            markers = following
        raise _unreadable("ListMultipartUploads", ref, ENDLESS)

    async def list_versions(self, request: ListVersions) -> VersionsPage:
        return await BotoBucket(self._call).versions(request)

    # --- deleting -----------------------------------------------------------------------------------------

    async def delete_object(self, request: DeleteObject) -> bool:
        arguments: dict[str, Any] = named(request.ref)
        if request.if_match:
            arguments["IfMatch"] = f'"{request.if_match}"'
        answer = await self._call("DeleteObject", "delete_object", str(request.ref), **arguments)
        return bool(answer.get("DeleteMarker"))

    async def delete_objects(self, request: DeleteObjects) -> DeleteReport:
        """Raises `Rejected` for more than 1,000 keys, and for a key with a character that XML cannot carry (S3 would
        read another key): such keys go by `delete_object`."""
        check_batch(request.bucket, request.keys)
        objects = [{"Key": key} if etag is None else {"Key": key, "ETag": f'"{etag}"'} for key, etag in request.keys]
        answer = await self._call(
            "DeleteObjects",
            "delete_objects",
            f"s3://{request.bucket}/",
            Bucket=request.bucket,
            Delete={"Objects": objects},
        )
        deleted = answer.get("Deleted", ())
        return DeleteReport(
            tuple(item["Key"] for item in deleted if item.get("Key")),
            tuple(
                DeleteFailure(item.get("Key", ""), item.get("Code", ""), item.get("Message", ""))
                for item in answer.get("Errors", ())
            ),
            any(item.get("DeleteMarker") for item in deleted),
        )

    # --- the bucket ---------------------------------------------------------------------------------------

    async def bucket_facts(self, request: AskBucket) -> BucketFacts:
        return await bucket_facts(BotoBucket(self._call), request.bucket, self._session.region)

    async def get_lifecycle(self, request: GetLifecycle) -> LifecycleConfiguration:
        return await lifecycle_of(BotoBucket(self._call), request.bucket)

    async def put_lifecycle(self, request: PutLifecycle) -> None:
        await BotoBucket(self._call).put_configuration(request.bucket, request.configuration)


def _unreadable(operation: str, ref: str, why: str) -> Ambiguous:
    return Ambiguous(f"the answer cannot be read ({why})", operation=operation, ref=ref, code="UnreadableAnswer")


def _result(operation: str, ref: ObjectRef, answer: Mapping[str, Any], result: Mapping[str, Any]) -> CopyResult:
    """A success is a parsed result with an ETag; anything less is an unknown outcome."""
    etag = bare_etag(result)
    if not etag:
        raise no_etag(operation, str(ref))
    return CopyResult(
        etag,
        moment(result.get("LastModified")),
        checksums_of(result),
        str(answer.get("VersionId", "")),
        str(answer.get("ServerSideEncryption", "")),
    )
