"""Multipart uploads: begun, filled part by part, completed or aborted, and listed."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

from engine import crc
from engine.model import Checksum
from engine.sandbox import bodies
from engine.sandbox.bodies import Content
from engine.sandbox.checksums import (
    ALGORITHMS,
    COMPOSITE,
    FULL_OBJECT,
    asked_for,
    check_body,
    checksum_of,
    composite,
    default_algorithm,
    elements,
    pending,
    require_locked_digest,
    sent,
    type_asked_for,
    value_of,
)
from engine.sandbox.clock import iso_text
from engine.sandbox.conditions import check_target
from engine.sandbox.copying import COPY_LIMIT_BYTES, copy_too_large, source_of
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import keep, version_lines
from engine.sandbox.listing import checksum_elements
from engine.sandbox.markup import element, read_document, xml_reply
from engine.sandbox.properties import attributes_of, customer_key_md5, encryption_lines, tags_of
from engine.sandbox.reading import part_number
from engine.sandbox.records import Account, Bucket, PartRecord, StoredObject, Upload, UploadedPiece
from engine.sandbox.refusals import S3Error, invalid_argument
from engine.sandbox.writing import check_key, etag_of

SMALLEST_PART_BYTES = 5 << 20
LARGEST_PART_BYTES = 5 << 30
RANGED_SOURCE_BYTES = 5 << 20
"""A range is taken only of a source that is larger."""

_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)").fullmatch


def create_upload(account: Account, bucket: Bucket, request: Request) -> Reply:
    check_key(request.key)
    algorithm = asked_for(request.headers)
    checksum_type = type_asked_for(request.headers, algorithm)
    attributes = attributes_of(account, bucket, request.headers)
    number = account.next_number()
    upload_id = f"{number:08x}.{bodies.md5_of(b'upload %d' % number)}.{bodies.md5_of(request.key.encode())[:24]}"
    bucket.uploads[upload_id] = Upload(
        upload_id, request.key, account.clock.now(), attributes, tags_of(request.headers), algorithm, checksum_type
    )
    lines = encryption_lines(attributes)
    if algorithm:
        lines += (("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", checksum_type))
    return xml_reply(
        "InitiateMultipartUploadResult",
        element("Bucket", bucket.name),
        element("Key", request.key),
        element("UploadId", upload_id),
        headers=lines,
    )


def upload_part(account: Account, bucket: Bucket, request: Request) -> Reply:
    upload, number = _addressed(bucket, request)
    _check_upload_key(request.headers, upload)
    if upload.attributes.lock is not None:
        require_locked_digest(request.headers, "Put Part")
    algorithm, _ = check_body(request.headers, request.body)
    is_another = algorithm != upload.algorithm if algorithm else upload.checksum_type == COMPOSITE
    if upload.algorithm and is_another:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}, actual checksum "
            f"Type: {algorithm.lower() or 'null'}",
        )
    piece = _keep_part(account, upload, number, request.body)
    lines = (("ETag", f'"{piece.etag}"'), *encryption_lines(upload.attributes))
    if upload.algorithm:
        lines += ((f"x-amz-checksum-{upload.algorithm.lower()}", piece.checksum),)
    elif algorithm:
        lines += ((f"x-amz-checksum-{algorithm.lower()}", value_of(algorithm, request.body)),)
    return Reply(200, lines)


def copy_part(account: Account, bucket: Bucket, request: Request) -> Reply:
    """UploadPartCopy: the whole source, or a range of one that is over 5 MiB."""
    upload, number = _addressed(bucket, request)
    headers = request.headers
    _check_upload_key(headers, upload)
    source = source_of(account, headers)
    first, last = _source_range(headers.get("x-amz-copy-source-range"), source.stored.size)
    if last - first > COPY_LIMIT_BYTES:
        raise copy_too_large()
    assert source.stored.content is not None
    piece = _keep_part(account, upload, number, bodies.cut(source.stored.content, first, last))
    name = f"Checksum{upload.algorithm}"
    lines = encryption_lines(upload.attributes)
    lines += (("x-amz-copy-source-version-id", source.version_id),) if source.version_id else ()
    return xml_reply(
        "CopyPartResult",
        f"<LastModified>{iso_text(piece.modified)}</LastModified><ETag>&quot;{piece.etag}&quot;</ETag>",
        element(name, piece.checksum) if upload.algorithm else "",
        headers=lines,
        moved_bytes=piece.size,
    )


def complete_upload(account: Account, bucket: Bucket, request: Request) -> Reply:
    name = request.bucket, request.key, request.query.get("uploadId", "")
    if account.complete_again and name in account.completed:
        return account.completed[name]
    reply = _complete(account, bucket, request)
    if account.complete_again:
        account.completed[name] = reply
    return reply


def _complete(account: Account, bucket: Bucket, request: Request) -> Reply:
    upload = _upload_of(bucket, request)
    headers, key = request.headers, request.key
    _check_completion(headers, upload)
    check_target(headers, key, bucket.objects.get(key))
    numbers = _listed_parts(upload, read_document(request.body, "CompleteMultipartUpload"))
    pieces = [upload.parts[number] for number in numbers]
    size = sum(piece.size for piece in pieces)
    expected = headers.get("x-amz-mp-object-size")
    if expected is not None and expected != str(size):
        raise S3Error("InvalidRequest", f"The provided 'x-amz-mp-object-size' header value {expected} does not match "
                      f"what was computed: {size}")  # fmt: skip
    content = bodies.join([piece.content for piece in pieces])
    stored = StoredObject(
        content,
        size,
        bodies.multipart_etag([piece.etag for piece in pieces]),
        account.clock.now(),
        upload.attributes,
        _whole_checksum(bucket, upload, pieces, content),
        upload.tags,
        tuple(
            PartRecord(number, piece.size, piece.etag, piece.checksum)
            for number, piece in zip(numbers, pieces, strict=True)
        ),
    )
    checksum = checksum_of(stored)
    algorithm, value = sent(headers)
    if algorithm and (checksum is None or checksum.algorithm != algorithm or not _same_value(checksum, value)):
        raise S3Error("BadDigest", f"The {algorithm.lower()} you specified did not match the calculated checksum.")
    keep(account, bucket, key, stored)
    del bucket.uploads[upload.upload_id]
    return xml_reply(
        "CompleteMultipartUploadResult",
        element("Location", f"https://{bucket.name}.s3.{account.region}.amazonaws.com/{key}"),
        element("Bucket", bucket.name),
        element("Key", key),
        f"<ETag>&quot;{stored.etag}&quot;</ETag>",
        elements(checksum),
        headers=encryption_lines(stored.attributes) + version_lines(bucket, stored),
    )


def abort_upload(account: Account, bucket: Bucket, request: Request) -> Reply:
    upload = _upload_of(bucket, request)
    del bucket.uploads[upload.upload_id]
    return Reply(204)


def list_parts(account: Account, bucket: Bucket, request: Request) -> Reply:
    upload = _upload_of(bucket, request)
    marker = _number(request.query, "part-number-marker", 0)
    limit = min(_number(request.query, "max-parts", 1000), 1000)
    rest = sorted(number for number in upload.parts if number > marker)
    shown = rest[:limit]
    rows = []
    for number in shown:
        piece = upload.parts[number]
        checksum = element(f"Checksum{upload.algorithm}", piece.checksum) if upload.algorithm else ""
        rows.append(
            f"<Part><PartNumber>{number}</PartNumber><LastModified>{iso_text(piece.modified)}</LastModified>"
            f"<ETag>&quot;{piece.etag}&quot;</ETag>{checksum}<Size>{piece.size}</Size></Part>"
        )
    return xml_reply(
        "ListPartsResult",
        element("Bucket", bucket.name),
        element("Key", upload.key),
        element("UploadId", upload.upload_id),
        f"<Initiator>{account.owner}</Initiator><Owner>{account.owner}</Owner>",
        element("StorageClass", upload.attributes.storage_class),
        f"<PartNumberMarker>{marker}</PartNumberMarker>",
        f"<NextPartNumberMarker>{shown[-1] if shown else 0}</NextPartNumberMarker>",
        f"<MaxParts>{limit}</MaxParts><IsTruncated>{'true' if len(rest) > limit else 'false'}</IsTruncated>",
        checksum_elements(upload.algorithm, upload.checksum_type),
        *rows,
    )


# --- parts ----------------------------------------------------------------------------------------------------------


def _addressed(bucket: Bucket, request: Request) -> tuple[Upload, int]:
    return _upload_of(bucket, request), part_number(request.query.get("partNumber", ""))


def _upload_of(bucket: Bucket, request: Request) -> Upload:
    """Raises NoSuchUpload: unknown, aborted, completed, or another key's."""
    upload_id = request.query.get("uploadId", "")
    found = bucket.uploads.get(upload_id)
    if found is None or found.key != request.key:
        raise S3Error("NoSuchUpload", UploadId=upload_id)
    return found


def _keep_part(account: Account, upload: Upload, number: int, content: Content) -> UploadedPiece:
    size = bodies.size_of(content)
    if size > LARGEST_PART_BYTES:
        raise S3Error("EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(LARGEST_PART_BYTES))
    before = upload.latest
    if before is not None and before.content == content:
        content = before.content  # kept once: of a file that is one hole all parts are the same
    checksum = value_of(upload.algorithm, content) if upload.algorithm else ""
    piece = UploadedPiece(content, size, etag_of(account, upload.attributes, content), checksum, account.clock.now())
    upload.parts[number] = upload.latest = piece
    return piece


def _source_range(text: str | None, size: int) -> tuple[int, int]:
    """First byte and the one after the last. Stricter than the Range of a GET: nothing is cut short."""
    if text is None:
        return 0, size
    match = _RANGE(text)
    if match is None or int(match[1]) > int(match[2]):
        raise invalid_argument(
            "x-amz-copy-source-range",
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
        )
    first, last = int(match[1]), int(match[2])
    if first >= size:
        raise S3Error("InvalidRequest", "The specified copy range is invalid for the source object size")
    if last >= size:
        said = f"Range specified is not valid for source object of size: {size}"
        raise invalid_argument("x-amz-copy-source-range", text, said)
    if size <= RANGED_SOURCE_BYTES:
        raise S3Error("InvalidRequest", "A range can be copied only of a source that is larger than 5 MB.")
    return first, last + 1


def _check_upload_key(headers: dict[str, str], upload: Upload) -> None:
    """Every part of an upload with a customer's key has to bring that key."""
    if customer_key_md5(headers, "x-amz-") != upload.attributes.customer_key_md5:
        raise S3Error("InvalidRequest", "The multipart upload initiate requested encryption. Subsequent part requests "
                      "must include the appropriate encryption parameters.")  # fmt: skip


# --- completing -----------------------------------------------------------------------------------------------------


def _check_completion(headers: dict[str, str], upload: Upload) -> None:
    wanted = headers.get("x-amz-checksum-type", "")
    if wanted and wanted != upload.checksum_type and (upload.algorithm or wanted != FULL_OBJECT):
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using the {upload.checksum_type or 'null'} checksum mode. The complete request "
            "must use the same checksum mode.",
        )


def _listed_parts(upload: Upload, document: ElementTree.Element) -> list[int]:
    """The numbers of the parts that the request names, each held against what was uploaded."""
    items = document.findall("Part")
    if not items:
        raise S3Error("MalformedXML")
    numbers: list[int] = []
    for item in items:
        text = item.findtext("PartNumber") or ""
        if not text.isdigit():
            raise S3Error("MalformedXML")
        numbers.append(int(text))
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise S3Error("InvalidPartOrder", UploadId=upload.upload_id)
    for number, item in zip(numbers, items, strict=True):
        etag = (item.findtext("ETag") or "").strip().strip('"')
        piece = upload.parts.get(number)
        if piece is None or piece.etag != etag:
            raise _invalid_part(upload, number, etag)
        _check_part_checksum(upload, number, piece, item)
    for number in numbers[:-1]:
        piece = upload.parts[number]
        if piece.size < SMALLEST_PART_BYTES:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=str(piece.size),
                MinSizeAllowed=str(SMALLEST_PART_BYTES),
                PartNumber=str(number),
                ETag=piece.etag,
            )
    return numbers


def _check_part_checksum(upload: Upload, number: int, piece: UploadedPiece, item: ElementTree.Element) -> None:
    given = {name: item.findtext(f"Checksum{name}") for name in ALGORITHMS}
    given = {name: value for name, value in given.items() if value}
    if not upload.algorithm:
        if given:
            raise _invalid_part(upload, number, piece.etag)
        return
    value = given.get(upload.algorithm)
    if value is None:
        if upload.checksum_type == COMPOSITE:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using a {upload.algorithm.lower()} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {number} in the request.",
            )
        return
    if value != piece.checksum:
        raise _invalid_part(upload, number, piece.etag)


def _invalid_part(upload: Upload, number: int, etag: str) -> S3Error:
    return S3Error("InvalidPart", UploadId=upload.upload_id, PartNumber=str(number), ETag=etag)


def _whole_checksum(bucket: Bucket, upload: Upload, pieces: list[UploadedPiece], content: Content) -> Checksum | None:
    if upload.checksum_type == COMPOSITE:
        return Checksum(upload.algorithm, COMPOSITE, composite(upload.algorithm, [piece.checksum for piece in pieces]))
    if upload.algorithm:
        return Checksum(upload.algorithm, FULL_OBJECT, combined(upload.algorithm, pieces))
    return pending(default_algorithm(bucket))


def combined(algorithm: str, pieces: list[UploadedPiece]) -> str:
    """The full-object CRC from those of the parts."""
    value = 0
    for piece in pieces:
        value = crc.combine(algorithm, value, crc.from_base64(algorithm, piece.checksum), piece.size)
    return crc.to_base64(algorithm, value)


def _same_value(checksum: Checksum, sent_value: str) -> bool:
    """A composite may be sent with or without its number of parts."""
    return sent_value in (checksum.value, checksum.value.partition("-")[0])


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "") or str(default)
    if not text.isascii() or not text.isdigit():
        raise S3Error("InvalidArgument", f"Argument {name} must be an integer between 0 and 2147483647")
    return int(text)
