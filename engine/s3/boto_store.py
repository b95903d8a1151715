"""`BotoStore`: every S3 action through aioboto3: the plane of the rare calls, or all of it with `--store boto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from engine.errors import AccessDenied, ObjectError
from engine.model import (
    ABSENT,
    CopyResult,
    ListedObject,
    ObjectHead,
    ObjectRef,
    Page,
    UploadedPart,
    UploadInfo,
    UploadRef,
)
from engine.s3.answers import (
    CHECKSUM_ALGORITHMS,
    checksums_of,
    head_of,
    lifecycle_of,
    moment,
    property_arguments,
    tag_text,
)
from engine.s3.boto_errors import cut_short, no_etag, translated
from engine.s3.session import Session
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


class BotoStore:
    """`engine.store.ObjectStore` on one aioboto3 client, its own retries off."""

    def __init__(self, session: Session) -> None:
        self._session = session
        connection = session.connection
        self._common: dict[str, Any] = {}
        if connection.request_payer:
            self._common["RequestPayer"] = connection.request_payer
        if connection.expected_bucket_owner:
            self._common["ExpectedBucketOwner"] = connection.expected_bucket_owner

    async def _call(self, operation: str, method: str, ref: str, **arguments: Any) -> dict[str, Any]:
        async with translated(operation, ref, self._session.endpoint):
            client = await self._session.client()
            answer: dict[str, Any] = await getattr(client, method)(**arguments, **self._common)
        return answer

    # --- listing ------------------------------------------------------------------------------------------

    async def list_page(self, request: ListPage) -> Page:
        arguments: dict[str, Any] = {
            "Bucket": request.bucket,
            "MaxKeys": request.max_keys,
            # Asked for by ourselves, so that botocore leaves decoding to us: it decodes only what it encoded.
            "EncodingType": "url",
        }
        for name, value in (
            ("Prefix", request.prefix),
            ("StartAfter", request.start_after),
            ("ContinuationToken", request.token),
            ("Delimiter", request.delimiter),
        ):
            if value:
                arguments[name] = value
        ref = f"s3://{request.bucket}/{request.prefix}"
        answer = await self._call("ListObjectsV2", "list_objects_v2", ref, **arguments)
        decode = unquote_plus if answer.get("EncodingType") == "url" else str
        objects = [
            ListedObject(
                decode(item["Key"]),
                int(item["Size"]),
                item.get("ETag", "").strip('"'),
                moment(item.get("LastModified")),
                item.get("StorageClass", "STANDARD"),
                _listed_checksum(item),
                bool(item.get("RestoreStatus", {}).get("RestoreExpiryDate")),
            )
            for item in answer.get("Contents", ())
        ]
        prefixes = tuple(decode(item["Prefix"]) for item in answer.get("CommonPrefixes", ()))
        return Page(objects, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None, prefixes)

    # --- one object ---------------------------------------------------------------------------------------

    async def head_object(self, request: HeadObject) -> ObjectHead:
        arguments: dict[str, Any] = _named(request.ref)
        if request.part_number is not None:
            arguments["PartNumber"] = request.part_number
        if request.checksums:
            arguments["ChecksumMode"] = "ENABLED"
        return head_of(await self._call("HeadObject", "head_object", str(request.ref), **arguments))

    async def copy_object(self, request: CopyObject) -> CopyResult:
        arguments = _named(request.target) | {
            "CopySource": _copy_source(request.source),
            "StorageClass": request.storage_class,
        }
        if request.source_etag:
            arguments["CopySourceIfMatch"] = f'"{request.source_etag}"'
        arguments |= _condition(request.target_condition)
        if request.checksum_algorithm:
            arguments["ChecksumAlgorithm"] = request.checksum_algorithm
        if request.properties is not None:
            arguments |= property_arguments(request.properties) | {"MetadataDirective": "REPLACE"}
            arguments["StorageClass"] = request.storage_class
            arguments.pop("Tagging", None)
        if request.replace_tags is not None:
            arguments |= {"TaggingDirective": "REPLACE", "Tagging": tag_text(request.replace_tags)}
        answer = await self._call("CopyObject", "copy_object", str(request.target), **arguments)
        return _result("CopyObject", request.target, answer, answer.get("CopyObjectResult") or {})

    async def put_object(self, request: PutObject) -> CopyResult:
        arguments = _named(request.ref) | {"Body": request.body} | property_arguments(request.properties)
        arguments |= _condition(request.target_condition)
        if request.checksum_algorithm:
            arguments["ChecksumAlgorithm"] = request.checksum_algorithm
        answer = await self._call("PutObject", "put_object", str(request.ref), **arguments)
        return _result("PutObject", request.ref, answer, answer)

    async def get_range(self, request: GetRange) -> Body:
        arguments: dict[str, Any] = _named(request.ref)
        if request.first is not None:
            arguments["Range"] = f"bytes={request.first}-{'' if request.last is None else request.last}"
        if request.if_match:
            arguments["IfMatch"] = f'"{request.if_match}"'
        async with translated("GetObject", str(request.ref), self._session.endpoint):
            client = await self._session.client()
            answer = await client.get_object(**arguments, **self._common)
            async with answer["Body"] as stream:
                data = await stream.read()
        if len(data) != int(answer["ContentLength"]):
            raise cut_short("GetObject", str(request.ref))
        whole = str(answer.get("ContentRange", "")).rpartition("/")[2]
        return Body(data, answer.get("ETag", "").strip('"'), int(whole) if whole.isdigit() else len(data))

    async def get_tags(self, request: ObjectRef) -> tuple[tuple[str, str], ...]:
        answer = await self._call("GetObjectTagging", "get_object_tagging", str(request), **_named(request))
        return tuple((item["Key"], item["Value"]) for item in answer.get("TagSet", ()))

    async def put_tags(self, request: PutTags) -> None:
        tags = {"TagSet": [{"Key": key, "Value": value} for key, value in request.tags]}
        await self._call(
            "PutObjectTagging", "put_object_tagging", str(request.ref), **_named(request.ref), Tagging=tags
        )

    # --- uploads ------------------------------------------------------------------------------------------

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        arguments = _named(request.target) | property_arguments(request.properties)
        arguments["StorageClass"] = request.properties.storage_class
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
        arguments = _upload(request.upload) | {
            "PartNumber": request.number,
            "CopySource": _copy_source(request.source),
        }
        if request.source_etag:
            arguments["CopySourceIfMatch"] = f'"{request.source_etag}"'
        if request.first is not None:
            arguments["CopySourceRange"] = f"bytes={request.first}-{request.last}"
        ref = str(request.upload.target)
        answer = await self._call("UploadPartCopy", "upload_part_copy", ref, **arguments)
        part = answer.get("CopyPartResult") or {}
        etag = str(part.get("ETag", "")).strip('"')
        if not etag:
            raise no_etag("UploadPartCopy", ref)
        return UploadedPart(request.number, etag, -1, checksums_of(part))

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        arguments = _upload(request.upload) | {"PartNumber": request.number, "Body": request.body}
        ref = str(request.upload.target)
        answer = await self._call("UploadPart", "upload_part", ref, **arguments)
        etag = str(answer.get("ETag", "")).strip('"')
        if not etag:
            raise no_etag("UploadPart", ref)
        return UploadedPart(request.number, etag, len(request.body), checksums_of(answer))

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        parts = []
        for part in request.parts:
            values: dict[str, Any] = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
            if request.checksum is not None:
                values |= {CHECKSUM_ALGORITHMS[item.algorithm]: item.value for item in part.checksums}
            parts.append(values)
        arguments = _upload(request.upload) | {"MultipartUpload": {"Parts": parts}}
        arguments |= _condition(request.target_condition)
        if request.checksum is not None:
            arguments[CHECKSUM_ALGORITHMS[request.checksum.algorithm]] = request.checksum.value
            arguments["ChecksumType"] = request.checksum.type
            if request.size is not None:
                arguments["MpuObjectSize"] = str(request.size)
        ref = str(request.upload.target)
        answer = await self._call("CompleteMultipartUpload", "complete_multipart_upload", ref, **arguments)
        return _result("CompleteMultipartUpload", request.upload.target, answer, answer)

    async def abort_upload(self, request: UploadRef) -> None:
        await self._call("AbortMultipartUpload", "abort_multipart_upload", str(request.target), **_upload(request))

    async def list_parts(self, request: UploadRef) -> list[UploadedPart]:
        parts: list[UploadedPart] = []
        marker = 0
        while True:
            answer = await self._call(
                "ListParts", "list_parts", str(request.target), **_upload(request), PartNumberMarker=marker
            )
            for item in answer.get("Parts", ()):
                etag = str(item.get("ETag", "")).strip('"')
                parts.append(UploadedPart(int(item["PartNumber"]), etag, int(item["Size"]), checksums_of(item)))
            following = int(answer.get("NextPartNumberMarker") or 0)
            if not answer.get("IsTruncated") or following <= marker:
                return parts
            marker = following

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        found: list[UploadInfo] = []
        markers: dict[str, Any] = {}
        while True:
            answer = await self._call(
                "ListMultipartUploads",
                "list_multipart_uploads",
                f"s3://{request.bucket}/{request.prefix}",
                Bucket=request.bucket,
                Prefix=request.prefix,
                EncodingType="url",
                **markers,
            )
            decode = unquote_plus if answer.get("EncodingType") == "url" else str
            for item in answer.get("Uploads", ()):
                found.append(
                    UploadInfo(
                        decode(item["Key"]),
                        item["UploadId"],
                        moment(item.get("Initiated")),
                        str(item.get("Owner", {}).get("ID", "")),
                        str(item.get("Initiator", {}).get("ID", "")),
                    )
                )
            following = {
                "KeyMarker": decode(answer.get("NextKeyMarker", "")),
                "UploadIdMarker": answer.get("NextUploadIdMarker", ""),
            }
            if not answer.get("IsTruncated") or following == markers:
                return found
            markers = following

    # --- deleting -----------------------------------------------------------------------------------------

    async def delete_object(self, request: DeleteObject) -> None:
        arguments: dict[str, Any] = _named(request.ref)
        if request.if_match:
            arguments["IfMatch"] = f'"{request.if_match}"'
        await self._call("DeleteObject", "delete_object", str(request.ref), **arguments)

    async def delete_objects(self, request: DeleteObjects) -> DeleteReport:
        """Keys with characters that XML cannot carry must go by `delete_object`: S3 would read other keys."""
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

    async def bucket_facts(self, request: str) -> BucketFacts:
        ref = f"s3://{request}/"
        head = await self._call("HeadBucket", "head_bucket", ref, Bucket=request)
        headers = _headers(head)
        versioning: str | None = None
        lifecycle = None
        owner = ""
        try:
            answer = await self._call("GetBucketVersioning", "get_bucket_versioning", ref, Bucket=request)
            versioning = str(answer.get("Status", ""))
        except ObjectError:
            versioning = None
        try:
            answer = await self._call(
                "GetBucketLifecycleConfiguration", "get_bucket_lifecycle_configuration", ref, Bucket=request
            )
            lifecycle = lifecycle_of(answer.get("Rules", ()))
        except AccessDenied:
            lifecycle = None
        except ObjectError:
            lifecycle = ()  # NoSuchLifecycleConfiguration
        try:
            answer = await self._call("GetBucketAcl", "get_bucket_acl", ref, Bucket=request)
            owner = str(answer.get("Owner", {}).get("ID", ""))
        except ObjectError:
            owner = ""
        return BucketFacts(
            request,
            str(head.get("BucketRegion") or headers.get("x-amz-bucket-region", "")),
            owner,
            versioning,
            lifecycle,
            headers.get("date", ""),
            headers.get("server", ""),
        )


def _named(ref: ObjectRef) -> dict[str, Any]:
    return {"Bucket": ref.bucket, "Key": ref.key}


def _upload(upload: UploadRef) -> dict[str, Any]:
    return _named(upload.target) | {"UploadId": upload.upload_id}


def _copy_source(ref: ObjectRef) -> dict[str, str]:
    # As a dictionary botocore encodes every byte but the slashes; as text it would split at "?versionId=".
    return {"Bucket": ref.bucket, "Key": ref.key}


def _condition(condition: str | None) -> dict[str, str]:
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": f'"{condition}"'}


def _listed_checksum(item: Mapping[str, Any]) -> str:
    algorithms = item.get("ChecksumAlgorithm") or ()
    if not algorithms:
        return ""
    chosen = "CRC64NVME" if "CRC64NVME" in algorithms else algorithms[0]
    return f"{chosen}:{item.get('ChecksumType', '')}"


def _headers(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _result(operation: str, ref: ObjectRef, answer: Mapping[str, Any], result: Mapping[str, Any]) -> CopyResult:
    """A success is a parsed result with an ETag; anything less is an unknown outcome."""
    etag = str(result.get("ETag", "")).strip('"')
    if not etag:
        raise no_etag(operation, str(ref))
    return CopyResult(
        etag,
        moment(result.get("LastModified")),
        checksums_of(result),
        str(answer.get("VersionId", "")),
        str(answer.get("ServerSideEncryption", "")),
    )
