"""What S3 writes in its own way, as the engine says it. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from engine.model import RESTORING
from engine.s3.times import http_moment


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
