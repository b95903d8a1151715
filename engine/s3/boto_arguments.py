"""What botocore's methods are told. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from engine import store
from engine.model import ABSENT, ObjectRef, Properties, UploadRef
from engine.s3.acl import acl_arguments
from engine.s3.messages import Call, body_checksum
from engine.s3.request_headers import tag_text
from engine.s3.request_xml import check_batch
from engine.store import Request


def arguments_of(call: Call, request: Request) -> dict[str, Any]:
    """The arguments that say what `call` says in HTTP. Raises `Rejected` for a batch that cannot be deleted."""
    match request:
        case store.ListPage():
            arguments = _page(request)
        case store.HeadObject():
            arguments = named(request.ref) | _given(PartNumber=request.part_number)
            arguments |= {"ChecksumMode": "ENABLED"} if request.checksums else {}
        case store.GetRange():
            arguments = named(request.ref) | _given(IfMatch=_quoted(request.if_match))
            arguments |= {"ChecksumMode": "ENABLED"} if request.checksums else {}
            if request.first is not None:
                arguments["Range"] = f"bytes={request.first}-{'' if request.last is None else request.last}"
        case store.CopyObject():
            arguments = _copy(request)
        case store.PutObject():
            arguments = named(request.ref) | {"Body": request.body} | _properties(request.properties)
            arguments |= _condition(request.target_condition)
            if request.checksum_algorithm:  # botocore computes CRC64NVME with an optional package alone
                arguments["ChecksumAlgorithm"] = request.checksum_algorithm
                arguments[f"Checksum{request.checksum_algorithm}"] = body_checksum(request)
            arguments |= _checksums(request)
        case store.RestoreObject():
            asked = {"GlacierJobParameters": {"Tier": request.tier}, **({"Days": request.days} if request.days else {})}
            arguments = named(request.ref) | {"RestoreRequest": asked}
        case store.PutTags():
            tags = [{"Key": key, "Value": value} for key, value in request.tags]
            arguments = named(request.ref) | {"Tagging": {"TagSet": tags}}
        case store.DeleteObject():
            arguments = named(request.ref) | _given(IfMatch=_quoted(request.if_match))
        case store.DeleteObjects():
            check_batch(request.bucket, request.keys)
            objects = [{"Key": key, **_given(ETag=_quoted(etag))} for key, etag in request.keys]
            arguments = {"Bucket": request.bucket, "Delete": {"Objects": objects}}
        case store.CreateUpload():
            arguments = named(request.target) | _properties(request.properties)
            arguments |= _given(
                StorageClass=request.properties.storage_class,
                ChecksumAlgorithm=request.checksum_algorithm,
                ChecksumType=request.checksum_type,
            )
        case store.CopyPart():
            arguments = of_upload(request.upload) | {"PartNumber": request.number}
            arguments |= _copy_source(request.source, request.source_etag)
            if request.first is not None:
                arguments["CopySourceRange"] = f"bytes={request.first}-{request.last}"
        case store.UploadPart():
            arguments = of_upload(request.upload) | {"PartNumber": request.number, "Body": request.body}
            arguments |= _checksums(request)
        case store.CompleteUpload():
            arguments = _complete(request)
        case store.ListParts():
            arguments = of_upload(request.upload) | {"PartNumberMarker": int(_asked(call, "part-number-marker"))}
        case store.ListUploads():
            arguments = {"Bucket": request.bucket, "Prefix": request.prefix, "EncodingType": "url"}
            arguments |= _given(KeyMarker=_asked(call, "key-marker"), UploadIdMarker=_asked(call, "upload-id-marker"))
        case store.ListVersions():
            key, version = request.after
            arguments = {"Bucket": request.bucket, "Prefix": request.prefix, "EncodingType": "url"}
            arguments |= _given(KeyMarker=key, VersionIdMarker=version if key else "")
        case store.OnUpload():
            arguments = of_upload(request.upload)
        case store.OnObject():
            arguments = named(request.ref)
        case store.PutLifecycle() if request.configuration.rules:  # which the client's event puts there as they are
            arguments = {"Bucket": request.bucket, "LifecycleConfiguration": {"Rules": []}}
        case _:
            arguments = {"Bucket": request.bucket}
    return arguments


def named(ref: ObjectRef) -> dict[str, Any]:
    return {"Bucket": ref.bucket, "Key": ref.key}


def of_upload(upload: UploadRef) -> dict[str, Any]:
    return named(upload.target) | {"UploadId": upload.upload_id}


def _given(**arguments: Any) -> dict[str, Any]:
    """Those that say anything."""
    return {name: value for name, value in arguments.items() if value not in ("", {}, None)}


def _quoted(etag: str | None) -> str | None:
    return f'"{etag}"' if etag else None


def _asked(call: Call, name: str) -> str:
    return parse_qs(call.query).get(name, [""])[0]


def _condition(condition: str | None) -> dict[str, str]:
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": f'"{condition}"'}


def _page(request: store.ListPage) -> dict[str, Any]:
    arguments = {"Bucket": request.bucket, "MaxKeys": request.max_keys} | _given(
        Prefix=request.prefix,
        StartAfter=request.start_after,
        ContinuationToken=request.token,
        Delimiter=request.delimiter,
        # Whether an archived object can be read. Who does not know the header leaves it.
        OptionalObjectAttributes=["RestoreStatus"] if request.restore_status else None,
    )
    # Always said, so that botocore leaves decoding to us: it decodes only what it encoded.
    return arguments | {"EncodingType": "" if request.plain else "url"}


def _copy_source(ref: ObjectRef, etag: str | None) -> dict[str, Any]:
    # As a dictionary botocore encodes every byte but the slashes; as text it would split at "?versionId=".
    return {"CopySource": named(ref)} | _given(CopySourceIfMatch=_quoted(etag))


def _copy(request: store.CopyObject) -> dict[str, Any]:
    arguments = named(request.target) | _copy_source(request.source, request.source_etag)
    arguments |= _condition(request.target_condition) | _given(ChecksumAlgorithm=request.checksum_algorithm)
    if request.properties is not None:
        arguments |= _properties(request.properties)
        if not request.keep_headers:
            arguments["MetadataDirective"] = "REPLACE"
        arguments.pop("Tagging", None)
    arguments |= _given(StorageClass=request.storage_class)
    if request.replace_tags is not None:
        arguments |= {"TaggingDirective": "REPLACE", "Tagging": tag_text(request.replace_tags)}
    return arguments


def _complete(request: store.CompleteUpload) -> dict[str, Any]:
    parts = []
    for part in request.parts:
        values: dict[str, Any] = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
        if request.checksum is not None:
            values |= {f"Checksum{item.algorithm}": item.value for item in part.checksums}
        parts.append(values)
    arguments = of_upload(request.upload) | {"MultipartUpload": {"Parts": parts}}
    arguments |= _condition(request.target_condition)
    if request.checksum is not None:
        arguments |= _given(**{f"Checksum{request.checksum.algorithm}": request.checksum.value})
        arguments["ChecksumType"] = request.checksum.type
    if request.size is not None:
        arguments["MpuObjectSize"] = str(request.size)
    return arguments


def _checksums(request: store.PutObject | store.UploadPart) -> dict[str, str]:
    """What the server compares a body with."""
    arguments = {"ContentMD5": request.content_md5} if request.content_md5 else {}
    if request.checksum is not None:
        arguments["ChecksumAlgorithm"] = request.checksum.algorithm
        arguments[f"Checksum{request.checksum.algorithm}"] = request.checksum.value
    return arguments


def _properties(properties: Properties) -> dict[str, Any]:
    """What PutObject, CreateMultipartUpload and a replacing CopyObject are told to write."""
    encryption, lock = properties.encryption, properties.lock
    arguments: dict[str, Any] = {
        "ContentType": properties.content_type,
        "ContentEncoding": properties.content_encoding,
        "ContentDisposition": properties.content_disposition,
        "ContentLanguage": properties.content_language,
        "CacheControl": properties.cache_control,
        "Expires": properties.expires,
        "Metadata": dict(properties.metadata),
        "Tagging": tag_text(properties.tags or ()),
        "WebsiteRedirectLocation": properties.website_redirect,
        "StorageClass": properties.storage_class if properties.storage_class != "STANDARD" else "",
        **acl_arguments(properties.acl),
    }
    if encryption is not None:
        arguments["ServerSideEncryption"] = encryption.algorithm
        arguments["SSEKMSKeyId"] = encryption.kms_key_id
        if encryption.bucket_key:
            arguments["BucketKeyEnabled"] = True
    if lock is not None:
        arguments["ObjectLockMode"] = lock.mode
        arguments["ObjectLockRetainUntilDate"] = lock.retain_until
        arguments["ObjectLockLegalHoldStatus"] = "ON" if lock.legal_hold else ""
    return _given(**arguments)
