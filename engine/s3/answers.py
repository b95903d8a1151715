"""What S3 and other servers write in their own ways, as the engine says it, and compares it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_plus

from engine.model import RESTORING


def bare(etag: str) -> str:
    """An ETag without its quotes, and without the mark of a weak one (RFC 9110, 8.8.3): who compresses or caches
    answers on the way marks the ETags of HEAD and GET, and the listing's stays as it was."""
    return etag.strip().removeprefix("W/").strip('"')


_EXPIRES = re.compile(r'expiry-date="([^"]*)"').search


def restore_of(text: str) -> str:
    """x-amz-restore as `ListedObject.restore` has it."""
    if 'ongoing-request="true"' in text:
        return RESTORING
    until = _EXPIRES(text)
    return "" if until is None else http_moment(until[1])  # of a form unknown: it can be read, whatever that means


def upload_key(text: str, prefix: str, *, encoded: bool) -> str:
    """A key of ListMultipartUploads: in form encoding, where a space is "+", if the answer says so. Ceph RGW encodes
    and does not say it, LocalStack says it and does not: of both readings, the one under the prefix that was asked for.
    """
    decoded = unquote_plus(text)
    likely, other = (decoded, text) if encoded else (text, decoded)
    return other if other.startswith(prefix) and not likely.startswith(prefix) else likely


# --- times --------------------------------------------------------------------------------------------------

_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTHS = {name: f"{number:02d}" for number, name in enumerate(_NAMES, 1)}
_IS_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d").match


def moment(text: str) -> str:
    """A time of S3's as listings have it, "2026-01-31T10:00:00.000Z", also from servers that write it otherwise: with
    another fraction, another zone, none (UTC then), or as an HTTP date. What cannot be read comes back as it is, and so
    does a time before the epoch: the zero of some servers' clocks."""
    if not text or (len(text) == 24 and text.endswith("Z")):
        return text
    if _IS_DATE(text) is None:
        return http_moment(text) if text[:3].isalpha() else text
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    utc = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z" if utc.year >= 1970 else text


def http_moment(text: str) -> str:
    """An HTTP date ("Sat, 31 Jan 2026 10:00:00 GMT") as listings have times."""
    month = _MONTHS.get(text[8:11])
    if month is not None and len(text) == 29 and text.endswith(" GMT"):
        return f"{text[12:16]}-{month}-{text[5:7]}T{text[17:25]}.000Z"
    try:
        return moment(parsedate_to_datetime(text).isoformat()) if text else ""
    except (ValueError, TypeError):
        return text
