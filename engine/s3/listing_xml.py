"""A page of ListObjectsV2 from XML. Pure.

Half of what a listing costs is reading XML, so the form that S3 itself sends is matched by one expression. That is
safe because it is checked to be all there is: each `<Contents>` of the page follows the one before without a gap and
matches to its end, no value has a reference in it (but the ETag's &quot;) nor a character that XML does not have, and
what is around them is parsed strictly. A page of any other form goes to the parser whole, which costs three times as
much and reads the same: a property test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_plus, unquote_to_bytes

from engine.errors import Ambiguous, ListingBroken
from engine.model import RESTORING, ListedObject, Page
from engine.s3 import xml
from engine.s3.answers import bare, moment
from engine.s3.asked import NO_WAY_ON, is_last
from engine.s3.messages import Call
from engine.s3.parsing import Answer, read_document

_ITEMS = re.compile(
    r"<Contents><Key>([^<>&\x00-\x1f]*)</Key><LastModified>([^<>&\x00-\x1f]*)</LastModified>"
    r'<ETag>(?:&quot;|")?([^<>&"\x00-\x1f]*)(?:&quot;|")?</ETag>'
    r"((?:<ChecksumAlgorithm>[^<>&\x00-\x1f]*</ChecksumAlgorithm>|<ChecksumType>[^<>&\x00-\x1f]*</ChecksumType>)*)"
    r"<Size>([0-9]+)</Size>(?:<StorageClass>([^<>&\x00-\x1f]*)</StorageClass>)?"
    r"(<RestoreStatus>(?:<IsRestoreInProgress>[^<>&\x00-\x1f]*</IsRestoreInProgress>"
    r"|<RestoreExpiryDate>[^<>&\x00-\x1f]*</RestoreExpiryDate>)*</RestoreStatus>)?</Contents>"
).findall
_ALGORITHM = re.compile(r"<ChecksumAlgorithm>([^<]*)<").findall
_TYPE = re.compile(r"<ChecksumType>([^<]*)<").findall
_UNTIL = re.compile(r"<RestoreExpiryDate>([^<]+)<").findall
_ONGOING = re.compile(r"<IsRestoreInProgress>true<", re.IGNORECASE).search
_GAPLESS = "</Contents><Contents>"


def page_of(call: Call, answer: Answer, region: str) -> Page:
    """Raises `ListingBroken` for a page that neither says it is the last nor how to go on, or whose keys are no UTF-8;
    `Ambiguous` for one that cannot be read."""
    rows: list[tuple[str, ...]] = []
    around = answer
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        text = ""  # read_document says so
    first, last = text.find("<Contents>"), text.rfind("</Contents>")
    if 0 <= first < last and "<!" not in text and "\ufffe" not in text and "\uffff" not in text:
        last += len("</Contents>")
        rows = _ITEMS(text, first, last)
        # Every beginning and every end belongs to a match, and between two of them there is nothing.
        if (
            rows
            and text.count("<Contents>") == text.count("</Contents>") == len(rows)
            and text.count(_GAPLESS) == len(rows) - 1
        ):
            around = Answer(answer.status, answer.headers, (text[:first] + text[last:]).encode())
        else:
            rows = []
    document = read_document(call, around, region)
    fields = document.fields()
    decode = _decode if fields.get("EncodingType") == "url" else str
    try:
        objects = _from_rows(rows, decode) if rows else [_object(item, decode) for item in document.all("Contents")]
        prefixes = tuple([decode(item.text("Prefix")) for item in document.all("CommonPrefixes")])
    except UnicodeDecodeError as error:
        raise _broken(call, "KeyNotUtf8", "a key in it is not UTF-8") from error
    except (KeyError, ValueError) as error:
        raise _broken(call, "LineIncomplete", f"a line of it lacks what it must carry ({error})") from error
    _check_count(call, fields.get("KeyCount", ""), len(objects) + len(prefixes))
    if is_last(fields.get("IsTruncated")):
        return Page(objects, None, prefixes)
    token = fields.get("NextContinuationToken", "")
    if not token:
        raise _broken(call, "NoToken", NO_WAY_ON)
    return Page(objects, token, prefixes)


def _check_count(call: Call, said: str, found: int) -> None:
    """Raises `Ambiguous` for a page that holds fewer keys than it says (KeyCount): who believed it would take the rest
    for gone. Fewer said than found is a server that does not count prefixes, and no loss."""
    if said.isascii() and said.isdigit() and int(said[:9]) > found:
        raise call.error(Ambiguous, f"a page says that it holds {said[:9]} keys, and holds {found}", "KeysMissing")


def _from_rows(rows: list[tuple[str, ...]], decode: Callable[[str], str]) -> list[ListedObject]:
    return [
        ListedObject(
            decode(key) if "%" in key or "+" in key else key,
            int(size),
            etag,
            modified if len(modified) == 24 else moment(modified),
            storage_class or "STANDARD",
            _checksum(_ALGORITHM(checksums), _TYPE(checksums)) if checksums else "",
            _restore(_UNTIL(restore), _ONGOING(restore) is not None) if restore else "",
        )
        for key, modified, etag, checksums, size, storage_class, restore in rows
    ]


def _object(item: xml.Document, decode: Callable[[str], str]) -> ListedObject:
    fields = item.fields()
    algorithms = [child.element.text or "" for child in item.all("ChecksumAlgorithm")]
    restores = list(item.all("RestoreStatus"))
    until = [text for child in restores if (text := child.text("RestoreExpiryDate"))]
    ongoing = any(child.text("IsRestoreInProgress").lower() == "true" for child in restores)
    return ListedObject(
        decode(fields["Key"]),
        int(fields["Size"]),
        bare(fields.get("ETag", "")),
        moment(fields.get("LastModified", "")),
        fields.get("StorageClass", "") or "STANDARD",
        _checksum(algorithms, [fields.get("ChecksumType", "")]),
        _restore(until, ongoing),
    )


def _restore(until: list[str], ongoing: bool) -> str:
    return RESTORING if ongoing else moment(until[0]) if until else ""


def _checksum(algorithms: list[str], types: list[str]) -> str:
    if not algorithms:
        return ""
    chosen = "CRC64NVME" if "CRC64NVME" in algorithms else algorithms[0]
    return f"{chosen}:{types[0] if types else ''}"


def _decode(text: str) -> str:
    """A value of encoding-type=url: %XX of UTF-8, and "+" for a space. Raises UnicodeDecodeError: a key that is
    replaced is another key."""
    return unquote_plus(text, errors="strict") if text.isascii() else unquote_to_bytes(text.replace("+", " ")).decode()


def _broken(call: Call, code: str, why: str) -> ListingBroken:
    return call.error(ListingBroken, f"the listing cannot be used: {why}.", code)
