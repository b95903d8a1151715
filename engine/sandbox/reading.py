"""Reading an object: HeadObject, GetObject, GetObjectAttributes."""

from __future__ import annotations

import re

from engine.sandbox import bodies
from engine.sandbox.checksums import COMPOSITE, checksum_of, elements, header_lines
from engine.sandbox.clock import http_text
from engine.sandbox.conditions import not_modified
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.keeping import object_of, version_lines
from engine.sandbox.markup import element, xml_reply
from engine.sandbox.properties import CONTENT_HEADERS, check_customer_key, is_archived, object_lines
from engine.sandbox.records import Account, Bucket, StoredObject
from engine.sandbox.refusals import S3Error, invalid_argument

MOST_PARTS = 10_000
_RANGE = re.compile(r"bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)").fullmatch


def head_object(account: Account, bucket: Bucket, request: Request) -> Reply:
    stored = _found(bucket, request)
    return _reply(account, bucket, stored, request, with_body=False)


def get_object(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Refused while the bytes are in an archive."""
    stored = _found(bucket, request)
    if is_archived(stored.attributes, account.clock.now()):
        raise archived_error(stored)
    return _reply(account, bucket, stored, request, with_body=True)


def archived_error(stored: StoredObject) -> S3Error:
    """The refusal to read an archived object, naming where it is."""
    attributes = stored.attributes
    if attributes.archive_status:
        return S3Error(
            "InvalidObjectState", StorageClass=attributes.storage_class, AccessTier=attributes.archive_status
        )
    return S3Error("InvalidObjectState", StorageClass=attributes.storage_class)


def get_object_attributes(account: Account, bucket: Bucket, request: Request) -> Reply:
    stored = _found(bucket, request)
    wanted = {item.strip() for item in request.headers.get("x-amz-object-attributes", "").split(",")}
    known = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
    if not wanted or not wanted <= known:
        raise S3Error("InvalidArgument", "Invalid attribute name specified.")
    checksum = checksum_of(stored)
    parts = [
        element("ETag", stored.etag) if "ETag" in wanted else "",
        f"<Checksum>{elements(checksum)}</Checksum>" if "Checksum" in wanted and checksum is not None else "",
        _object_parts(stored, request) if "ObjectParts" in wanted and stored.parts else "",
        element("StorageClass", stored.attributes.storage_class) if "StorageClass" in wanted else "",
        element("ObjectSize", stored.size) if "ObjectSize" in wanted else "",
    ]
    lines = (("Last-Modified", http_text(stored.modified)), *version_lines(bucket, stored))
    return xml_reply("GetObjectAttributesResponse", *parts, headers=lines)


def _object_parts(stored: StoredObject, request: Request) -> str:
    """The number of parts; each of them only where the upload kept their checksums, as S3 has it."""
    total = f"<PartsCount>{len(stored.parts)}</PartsCount>"
    checksum = stored.checksum
    if checksum is None or not all(part.checksum for part in stored.parts):
        return f"<ObjectParts>{total}</ObjectParts>"
    marker = int(request.headers.get("x-amz-part-number-marker", "0") or 0)
    limit = min(int(request.headers.get("x-amz-max-parts", "1000") or 1000), 1000)
    rest = [part for part in stored.parts if part.number > marker]
    name = f"Checksum{checksum.algorithm}"
    rows = [
        f"<Part><PartNumber>{part.number}</PartNumber><Size>{part.size}</Size><{name}>{part.checksum}</{name}></Part>"
        for part in rest[:limit]
    ]
    last = rest[:limit][-1].number if rest[:limit] else marker
    return (
        f"<ObjectParts>{total}<PartNumberMarker>{marker}</PartNumberMarker>"
        f"<NextPartNumberMarker>{last}</NextPartNumberMarker><MaxParts>{limit}</MaxParts>"
        f"<IsTruncated>{'true' if len(rest) > limit else 'false'}</IsTruncated>{''.join(rows)}</ObjectParts>"
    )


def _found(bucket: Bucket, request: Request) -> StoredObject:
    stored = object_of(bucket, request.key, request.query.get("versionId"))
    check_customer_key(request.headers, stored)
    return stored


def _reply(account: Account, bucket: Bucket, stored: StoredObject, request: Request, *, with_body: bool) -> Reply:
    headers, query = request.headers, request.query
    unchanged = not_modified(headers, stored)
    lines = object_lines(stored, account.clock.now())
    lines.extend(version_lines(bucket, stored))
    if unchanged:
        return Reply(304, tuple(lines))
    for name in CONTENT_HEADERS.values() if with_body else ():
        value = query.get(f"response-{name.lower()}")
        if value is not None:
            lines = [line for line in lines if line[0] != name] + [(name, value)]
    first, last, partial = 0, stored.size, False
    number = query.get("partNumber")
    if number is not None:
        if "range" in headers:
            raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        first, last = _part_bounds(stored, number)
        partial = True
        if stored.parts:
            lines.append(("x-amz-mp-parts-count", str(len(stored.parts))))
    elif "range" in headers:
        bounds = range_bounds(headers["range"], stored.size)
        if bounds is not None:
            first, last = bounds
            partial = True
    if headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        lines.extend(_checksum_lines(stored, number, whole=last - first == stored.size))
    if partial and stored.size:
        lines.append(("Content-Range", f"bytes {first}-{last - 1}/{stored.size}"))
    status = 206 if partial else 200
    if not with_body:
        lines.append(("Content-Length", str(last - first)))
        return Reply(status, tuple(lines))
    assert stored.content is not None
    return Reply(status, tuple(lines), bodies.cut(stored.content, first, last))


def _checksum_lines(stored: StoredObject, number: str | None, *, whole: bool) -> list[tuple[str, str]]:
    """The object's checksum; of a part, its own where the upload kept it; of a range, none."""
    checksum = stored.checksum
    if checksum is None:
        return []
    if number is not None and stored.parts:
        if checksum.type != COMPOSITE:
            return []
        part = stored.parts[int(number) - 1]
        return header_lines(checksum._replace(value=part.checksum))
    return header_lines(checksum_of(stored)) if whole else []


def part_number(text: str) -> int:
    """What a request calls its part number."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= MOST_PARTS:
        said = f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        raise invalid_argument("partNumber", text, said)
    return number


def _part_bounds(stored: StoredObject, text: str) -> tuple[int, int]:
    number = part_number(text)
    count = len(stored.parts) or 1
    if number > count:
        raise S3Error("InvalidPartNumber", PartNumberRequested=text, ActualPartCount=str(count))
    if not stored.parts:
        return 0, stored.size
    first = sum(part.size for part in stored.parts[: number - 1])
    return first, first + stored.parts[number - 1].size


def range_bounds(text: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for a Range that S3 does not understand and so passes over.

    Raises InvalidRange for one that has no byte in the object."""
    match = _RANGE(text.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        first = int(match[1])
        last = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < first:
            return None
    else:
        first, last = max(0, size - int(match[2])), size
        if int(match[2]) == 0:
            first = size
    if first >= size:
        raise S3Error(
            "InvalidRange",
            RangeRequested=text,
            ActualObjectSize=str(size),
            headers=(("Content-Range", f"bytes */{size}"),),
        )
    return first, last
