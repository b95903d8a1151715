"""What several of aiobotocore's calls are told in the same words."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from engine.errors import ListingBroken
from engine.model import ObjectRef, UploadRef
from engine.s3.answers import checksum_field
from engine.store import GetRange, PutObject, UploadPart


def named(ref: ObjectRef) -> dict[str, Any]:
    return {"Bucket": ref.bucket, "Key": ref.key}


def ranged(request: GetRange) -> dict[str, Any]:
    arguments: dict[str, Any] = named(request.ref)
    if request.first is not None:
        arguments["Range"] = f"bytes={request.first}-{'' if request.last is None else request.last}"
    if request.if_match:
        arguments["IfMatch"] = f'"{request.if_match}"'
    if request.checksums:
        arguments["ChecksumMode"] = "ENABLED"
    return arguments


def of_upload(upload: UploadRef) -> dict[str, Any]:
    return named(upload.target) | {"UploadId": upload.upload_id}


def known_checksums(request: PutObject | UploadPart) -> dict[str, str]:
    """What the server compares a body with."""
    arguments = {"ContentMD5": request.content_md5} if request.content_md5 else {}
    if request.checksum is not None:
        arguments["ChecksumAlgorithm"] = request.checksum.algorithm
        arguments[checksum_field(request.checksum.algorithm)] = request.checksum.value
    return arguments


def copy_source(ref: ObjectRef) -> dict[str, str]:
    # As a dictionary botocore encodes every byte but the slashes; as text it would split at "?versionId=".
    return {"Bucket": ref.bucket, "Key": ref.key}


def listed_key(text: str, encoded: bool, ref: str) -> str:
    """A key of a listing. botocore decodes only where it asked for the encoding itself; form encoding, in which a
    space is "+" (API reference, EncodingType)."""
    if not encoded:
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise broken_listing(ref, f"a key is not UTF-8 ({text})") from error


def broken_listing(ref: str, why: str) -> ListingBroken:
    return ListingBroken(f"the listing cannot be used: {why}", operation="ListObjectsV2", ref=ref, code="ListingBroken")
