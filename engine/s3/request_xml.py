"""The XML bodies of requests. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from engine.errors import Rejected
from engine.model import UploadedPart

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
"""Whatever is outside XML 1.0's production Char cannot be written in a document, not even as a reference. (Said by what
Char has, this takes ten times as long to compile, at every start.)"""
_TO_ESCAPE = re.compile('[&<>"\t\n\r\x7f-\x9f\u2028]')


def escape(text: str) -> str:
    """Text inside an element. White space that a parser may normalise goes as a reference."""
    return _TO_ESCAPE.sub(lambda match: f"&#{ord(match[0])};", text)


def fits_xml(text: str) -> bool:
    """Whether an XML document can carry this text."""
    return _NOT_IN_XML(text) is None


def comes_back(text: str) -> bool:
    """Whether it fits, and is read as what it is also where it was not escaped: a raw "\\r" is read as "\\n"."""
    return "\r" not in text and fits_xml(text)


def check_batch(bucket: str, keys: Sequence[tuple[str, str | None]]) -> None:
    """Raises `Rejected` for what DeleteObjects cannot ask: no key, more than 1,000, or one that XML cannot carry."""
    if not 0 < len(keys) <= 1000:
        raise Rejected(
            "a batch has 1 to 1,000 keys", operation="DeleteObjects", ref=f"s3://{bucket}/", code="BatchSize"
        )
    for key, _ in keys:
        if not fits_xml(key):
            said = "the key has a character that XML cannot carry: it has to be deleted by itself"
            raise Rejected(said, operation="DeleteObjects", ref=f"s3://{bucket}/{key}", code="KeyNotInXml")


def delete_xml(bucket: str, keys: Sequence[tuple[str, str | None]]) -> bytes:
    """The body of DeleteObjects. Raises as `check_batch` does."""
    check_batch(bucket, keys)
    lines = []
    for key, etag in keys:
        condition = "" if etag is None else f"<ETag>&quot;{escape(etag)}&quot;</ETag>"
        lines.append(f"<Object><Key>{escape(key)}</Key>{condition}</Object>")
    return f'<Delete xmlns="{NAMESPACE}">{"".join(lines)}</Delete>'.encode()


def complete_xml(parts: Iterable[UploadedPart], *, with_checksums: bool) -> bytes:
    """The body of CompleteMultipartUpload."""
    lines = []
    for part in parts:
        checksums = "".join(
            f"<Checksum{item.algorithm}>{escape(item.value)}</Checksum{item.algorithm}>"
            for item in (part.checksums if with_checksums else ())
        )
        lines.append(
            f"<Part>{checksums}<ETag>&quot;{escape(part.etag)}&quot;</ETag><PartNumber>{part.number}</PartNumber></Part>"
        )
    return f'<CompleteMultipartUpload xmlns="{NAMESPACE}">{"".join(lines)}</CompleteMultipartUpload>'.encode()


def restore_xml(days: int | None, tier: str) -> bytes:
    """The body of RestoreObject."""
    lasting = "" if days is None else f"<Days>{days}</Days>"
    how = f"<GlacierJobParameters><Tier>{escape(tier)}</Tier></GlacierJobParameters>"
    return f'<RestoreRequest xmlns="{NAMESPACE}">{lasting}{how}</RestoreRequest>'.encode()


def tagging_xml(tags: Iterable[tuple[str, str]]) -> bytes:
    """The body of PutObjectTagging."""
    lines = "".join(f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in tags)
    return f'<Tagging xmlns="{NAMESPACE}"><TagSet>{lines}</TagSet></Tagging>'.encode()
