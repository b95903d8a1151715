"""S3's HTTP answers as the engine's values. Pure.

A success is an answer that says what was done: a copy without an ETag, a page that is cut short or cannot be read is
never one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

from engine.errors import Ambiguous, StoreError
from engine.model import (
    UNKNOWN_SIZE,
    Acl,
    Checksum,
    CopyResult,
    DeleteFailure,
    DeleteReport,
    Encryption,
    ObjectHead,
    ObjectLock,
    Properties,
    UploadedPart,
    UploadInfo,
    Value,
)
from engine.s3 import asked, xml
from engine.s3.acl import acl_of
from engine.s3.answers import bare, http_moment, moment, restore_of, upload_key
from engine.s3.classify import classify
from engine.s3.messages import Call
from engine.store import Body, Fetched, GetRange

CHECKSUMS = ("CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
_CHECKSUM_FIELDS = tuple((f"Checksum{name}", name) for name in CHECKSUMS)
_CHECKSUM_HEADERS = tuple((f"x-amz-checksum-{name}".lower().encode(), name) for name in CHECKSUMS)
_METADATA = b"x-amz-meta-"
_RARE = frozenset(
    b"content-range x-amz-mp-parts-count x-amz-tagging-count x-amz-version-id x-amz-archive-status "
    b"x-amz-restore".split()
)
"""Headers that few answers have, and that `Properties` has not."""
_NO_PROPERTIES = _RARE.union(
    [header for header, _ in _CHECKSUM_HEADERS],
    b"content-length accept-ranges connection date etag last-modified server".split(),
    b"x-amz-checksum-type x-amz-id-2 x-amz-request-id".split(),
)
"""Headers that are of one answer or one object. What is left says what `Properties` has, for many objects alike."""


class Answer(Value, frozen=True):
    """One HTTP answer. Header names are lower-case. `whole` is false for a body that only the connection's end
    ended, so that nothing says that it is complete."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    whole: bool = True

    def header(self, name: bytes) -> str:
        """A header's value, or empty text. Bytes that are no UTF-8 come through as they are."""
        return _text(self.headers.get(name, b""))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


# --- errors -----------------------------------------------------------------------------------------------


def error_of(call: Call, answer: Answer, region: str) -> StoreError:
    """What an answer with an error status, or with an error inside, says. `region` is the one signed for."""
    try:
        root, fields = xml.read_flat(answer.body)
        if root == "ErrorResponse":  # IAM's and STS's way, which some gateways use
            fields = next((child.fields() for child in xml.read(xml.decode(answer.body)).all("Error")), {})
    except xml.NotXml:
        fields = {}
    code = fields.get("Code", "")
    elsewhere = answer.header(b"x-amz-bucket-region") or fields.get("Region", "")
    if elsewhere == region:
        elsewhere = ""
    return classify(
        call.operation.name,
        str(call.ref),
        answer.status,
        "" if code.isdigit() else code,
        fields.get("Message", ""),
        request_id=answer.header(b"x-amz-request-id") or fields.get("RequestId", ""),
        retry_after=answer.header(b"retry-after"),
        condition=fields.get("Condition", ""),
        region=elsewhere,
        location=answer.header(b"location"),
    )


def no_etag(call: Call, what: str = "ETag") -> Ambiguous:
    """The error for a success that does not carry what a success carries."""
    said = f"S3 answered success without an {what}: whether it happened is not known"
    return call.error(Ambiguous, said, f"No{what}")


def unreadable(call: Call, why: object) -> Ambiguous:
    return call.error(Ambiguous, f"the answer cannot be read ({why})", "UnreadableAnswer")


def cut_short(call: Call) -> Ambiguous:
    return call.error(Ambiguous, "the answer was cut short", "CutShort")


def read_document(call: Call, answer: Answer, region: str) -> xml.Document:
    """A successful answer's document. Raises what an `<Error>` in it means, `Ambiguous` for any root but one of the
    operation's (none: any will do)."""
    roots = call.operation.roots
    try:
        document = xml.read(xml.decode(answer.body))
    except xml.NotXml as error:
        raise unreadable(call, error) from error
    if document.name == "Error":
        raise error_of(call, answer, region)
    # moto: ListPartsResponse
    if roots and document.name not in roots and document.name.replace("Response", "Result") not in roots:
        raise unreadable(call, f"<{document.name}> where <{roots[0]}> was due")
    return document


# --- writes -----------------------------------------------------------------------------------------------


_COPIED = re.compile(
    rb'<\?xml version="1\.0" encoding="UTF-8"\?>\s*<CopyObjectResult(?: xmlns="[\w:/.-]*")?>'
    rb"<LastModified>([\dT:.-]{23}Z)</LastModified><ETag>(?:&quot;|\")([\da-f]{32})(?:&quot;|\")</ETag>"
    rb"(?:<Checksum([A-Z\d]+)>([\w+/=]+)</Checksum\3>(?:<ChecksumType>FULL_OBJECT</ChecksumType>)?)?"
    rb"</CopyObjectResult>",
    re.ASCII,
).fullmatch
"""The form in which nearly every copy is answered, at a third of the cost of reading it as any document."""


def copy_result(call: Call, answer: Answer, region: str) -> CopyResult:
    """The answer to CopyObject or CompleteMultipartUpload. Raises `Ambiguous` where it has no ETag."""
    headers = answer.headers
    version = answer.header(b"x-amz-version-id") if b"x-amz-version-id" in headers else ""
    encryption = answer.header(b"x-amz-server-side-encryption") if b"x-amz-server-side-encryption" in headers else ""
    usual = _COPIED(answer.body)
    if usual is not None and "CopyObjectResult" in call.operation.roots:
        at, etag, name, value = usual.groups()
        if name is None:
            return CopyResult(etag.decode(), at.decode(), (), version, encryption)
        if (algorithm := name.decode()) in CHECKSUMS:
            checksum = Checksum(algorithm, "FULL_OBJECT", value.decode())
            return CopyResult(etag.decode(), at.decode(), (checksum,), version, encryption)
    fields = _result(call, answer, region)
    given = checksums(fields) if len(fields) > 2 else ()
    return CopyResult(fields["ETag"], moment(fields.get("LastModified", "")), given, version, encryption)


def copied_part(call: Call, answer: Answer, region: str, number: int) -> UploadedPart:
    fields = _result(call, answer, region)
    return UploadedPart(number, fields["ETag"], -1, checksums(fields))


def _result(call: Call, answer: Answer, region: str) -> dict[str, str]:
    """The fields of a result, its ETag bare and not empty."""
    if not answer.body.strip():
        raise no_etag(call)
    try:
        name, fields = xml.read_flat(answer.body)
    except xml.NotXml as error:
        raise unreadable(call, error) from error
    if name == "Error":
        raise error_of(call, answer, region)
    if name not in call.operation.roots:
        raise unreadable(call, f"<{name}> where <{call.operation.roots[0]}> was due")
    etag = bare(fields.get("ETag", ""))
    if not etag:
        raise no_etag(call)
    fields["ETag"] = etag
    return fields


def put_result(call: Call, answer: Answer) -> CopyResult:
    """The answer to PutObject: in headers alone."""
    etag = bare(answer.header(b"etag"))
    if not etag:
        raise no_etag(call)
    return CopyResult(
        etag,
        "",
        header_checksums(answer),
        answer.header(b"x-amz-version-id"),
        answer.header(b"x-amz-server-side-encryption"),
    )


def uploaded_part(call: Call, answer: Answer, number: int) -> UploadedPart:
    size, done = len(call.body) or call.length, put_result(call, answer)
    return UploadedPart(number, done.etag, size, done.checksums, done.encryption)


def listed_parts(document: xml.Document) -> list[UploadedPart]:
    parts = []
    for item in document.all("Part"):
        fields = item.fields()
        parts.append(
            UploadedPart(int(fields["PartNumber"]), bare(fields["ETag"]), int(fields["Size"]), checksums(fields))
        )
    return parts


def listed_uploads(document: xml.Document, prefix: str) -> list[UploadInfo]:
    """The lines of ListMultipartUploads."""
    encoded = document.text("EncodingType") == "url"
    found = []
    for item in document.all("Upload"):
        fields = item.fields()
        key = upload_key(fields["Key"], prefix, encoded=encoded)
        found.append(UploadInfo(key, fields["UploadId"], moment(fields.get("Initiated", ""))))
    return found


def acl(document: xml.Document) -> Acl:
    """The answer to GetObjectAcl."""
    grants = [
        (grant.text("Permission"), who.text("ID"), who.text("URI"))
        for grants in document.all("AccessControlList")
        for grant in grants.all("Grant")
        for who in grant.all("Grantee")
    ]
    return acl_of(document.text_in("Owner", "ID"), grants)


def tag_set(document: xml.Document) -> tuple[tuple[str, str], ...]:
    return tuple((tag.text("Key"), tag.text("Value")) for tags in document.all("TagSet") for tag in tags.all("Tag"))


def retention(document: xml.Document | None) -> ObjectLock | None:
    """The answer to GetObjectRetention; None is that of an object without."""
    mode, until = (document.text("Mode"), document.text("RetainUntilDate")) if document is not None else ("", "")
    return ObjectLock(mode, moment(until)) if mode or until else None


def is_held(document: xml.Document | None) -> bool:
    """The answer to GetObjectLegalHold."""
    return document is not None and document.text("Status") == "ON"


def delete_report(call: Call, answer: Answer, region: str) -> DeleteReport:
    document = read_document(call, answer, region)
    deleted = [item.fields() for item in document.all("Deleted")]
    failed = [item.fields() for item in document.all("Error")]
    return DeleteReport(
        tuple(fields["Key"] for fields in deleted if fields.get("Key")),
        tuple(
            DeleteFailure(fields.get("Key", ""), fields.get("Code", ""), fields.get("Message", "")) for fields in failed
        ),
        any(fields.get("DeleteMarker") == "true" for fields in deleted),
    )


# --- reads ------------------------------------------------------------------------------------------------


def body_of(call: Call, answer: Answer, request: GetRange) -> Body:
    """The bytes that were asked for. Raises as `engine.s3.asked.body_of`."""
    if not answer.whole:
        raise cut_short(call)
    return asked.body_of(
        request, answer.status, answer.header(b"content-range"), bare(answer.header(b"etag")), answer.body
    )


def fetched(answer: Answer, size: int) -> Fetched:
    """What came beside bytes that went into a sink, of an object of `size` bytes."""
    return Fetched(bare(answer.header(b"etag")), size, lambda: object_head(answer))


def object_head(answer: Answer) -> ObjectHead:
    """HEAD's answer. With a part number, Content-Length is the part's and Content-Range carries the whole."""
    headers = answer.headers
    length_text = headers.get(b"content-length", b"")
    length = int(length_text) if length_text.isdigit() else UNKNOWN_SIZE
    head = ObjectHead(
        length,
        bare(answer.header(b"etag")),
        http_moment(answer.header(b"last-modified")),
        _properties(tuple([item for item in headers.items() if item[0] not in _NO_PROPERTIES])),
        header_checksums(answer),
        date=answer.header(b"date"),
    )
    return head if _RARE.isdisjoint(headers) else _with_rare(head, answer)


def _with_rare(head: ObjectHead, answer: Answer) -> ObjectHead:
    """With what few answers say."""
    whole = answer.header(b"content-range").rpartition("/")[2]
    parts_count = answer.header(b"x-amz-mp-parts-count")
    tag_count = answer.header(b"x-amz-tagging-count")
    return head._replace(
        size=int(whole) if whole.isdigit() else head.size,
        parts_count=int(parts_count) if parts_count.isdigit() and int(parts_count) else None,
        part_size=head.size if head.size >= 0 and (whole.isdigit() or parts_count) else None,
        version_id=answer.header(b"x-amz-version-id"),
        tag_count=int(tag_count) if tag_count.isdigit() else None,
        archive_status=answer.header(b"x-amz-archive-status"),
        restore=restore_of(answer.header(b"x-amz-restore")),
    )


@functools.lru_cache(maxsize=256)
def _properties(headers: tuple[tuple[bytes, bytes], ...]) -> Properties:
    """By the headers that may say them. Most objects of a project carry the same: they share one value."""
    said = {name: _text(value) for name, value in headers}
    header = said.get
    metadata = [(_text(name[len(_METADATA) :]), value) for name, value in said.items() if name.startswith(_METADATA)]
    return Properties(
        content_type=header(b"content-type", ""),
        content_encoding=_coding(header(b"content-encoding", "")),
        content_disposition=header(b"content-disposition", ""),
        content_language=header(b"content-language", ""),
        cache_control=header(b"cache-control", ""),
        expires=header(b"expires", ""),
        metadata=tuple(sorted(metadata)),
        storage_class=header(b"x-amz-storage-class") or "STANDARD",
        website_redirect=header(b"x-amz-website-redirect-location", ""),
        encryption=_encryption(said),
        lock=_lock(said),
        hidden_metadata=int(missing) if (missing := header(b"x-amz-missing-meta", "")).isdigit() else 0,
    )


def _coding(said: str) -> str:
    """A Content-Encoding without `aws-chunked`: that was how the body came, and some servers keep it all the same."""
    if "aws-chunked" not in said.lower():
        return said
    names = (name.strip() for name in said.split(","))
    return ",".join(name for name in names if name and name.lower() != "aws-chunked")


def _encryption(said: Mapping[bytes, str]) -> Encryption | None:
    algorithm = said.get(b"x-amz-server-side-encryption")
    if not algorithm:
        return None
    return Encryption(
        algorithm,
        said.get(b"x-amz-server-side-encryption-aws-kms-key-id", ""),
        said.get(b"x-amz-server-side-encryption-bucket-key-enabled") == "true",
    )


def _lock(said: Mapping[bytes, str]) -> ObjectLock | None:
    mode = said.get(b"x-amz-object-lock-mode", "")
    until = said.get(b"x-amz-object-lock-retain-until-date", "")
    legal_hold = said.get(b"x-amz-object-lock-legal-hold") == "ON"
    return ObjectLock(mode, moment(until), legal_hold) if mode or until or legal_hold else None


# --- their parts ------------------------------------------------------------------------------------------


def checksums(fields: Mapping[str, str]) -> tuple[Checksum, ...]:
    """The checksums among a result's fields. A value that ends in "-N" is composite, whatever the server says."""
    pairs = [(name, fields[field]) for field, name in _CHECKSUM_FIELDS if field in fields]
    return _checksums(pairs, fields.get("ChecksumType", ""))


def header_checksums(answer: Answer) -> tuple[Checksum, ...]:
    headers = answer.headers
    pairs = [(name, _text(headers[header])) for header, name in _CHECKSUM_HEADERS if header in headers]
    return _checksums(pairs, answer.header(b"x-amz-checksum-type")) if pairs else ()


def _checksums(pairs: Iterable[tuple[str, str]], kind: str) -> tuple[Checksum, ...]:
    return tuple(
        [
            Checksum(name, kind or ("COMPOSITE" if "-" in value else "FULL_OBJECT"), value)
            for name, value in pairs
            if value
        ]
    )
