"""The conditions of a request, each as S3 has it: of a read, of a copy's source, of a write's target, of a delete.

"Conditional requests" in the S3 user guide; the precedence of dates and ETags is that of the CopyObject and GetObject
reference.
"""

from __future__ import annotations

from engine.sandbox.clock import parse_http
from engine.sandbox.records import StoredObject
from engine.sandbox.refusals import S3Error, precondition_failed

_SOURCE = "x-amz-copy-source-if-"
_NOT_SUPPORTED = "A header you provided implies functionality that is not implemented"


def etag_matches(wanted: str, etag: str) -> bool:
    """Whether a header's ETags (one, several, or "*") name this one."""
    if wanted == "*":
        return True
    return any(item.strip().removeprefix("W/").strip('"') == etag for item in wanted.split(","))


def not_modified(headers: dict[str, str], stored: StoredObject) -> bool:
    """Whether a read is answered 304. Raises 412 where it must not be answered at all."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is not None:
        if not etag_matches(match, stored.etag):
            raise precondition_failed("If-Match")
    elif _changed_since(headers.get("if-unmodified-since"), stored):
        raise precondition_failed("If-Unmodified-Since")
    if none_match is not None:
        return etag_matches(none_match, stored.etag)
    return _unchanged_since(headers.get("if-modified-since"), stored)


def check_source(headers: dict[str, str], source: StoredObject) -> None:
    """The conditions of a copy on its source: 412 for any that does not hold."""
    match = headers.get("x-amz-copy-source-if-match")
    if match is not None:
        if match != f'"{source.etag}"' and not etag_matches(match, source.etag):
            raise precondition_failed("x-amz-copy-source-If-Match")
    elif _changed_since(headers.get(f"{_SOURCE}unmodified-since"), source):
        raise precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    none_match = headers.get("x-amz-copy-source-if-none-match")
    if none_match is not None:
        if etag_matches(none_match, source.etag):
            raise precondition_failed("x-amz-copy-source-If-None-Match")
    elif _unchanged_since(headers.get(f"{_SOURCE}modified-since"), source):
        raise precondition_failed("x-amz-copy-source-If-Modified-Since")


def check_target(headers: dict[str, str], key: str, current: StoredObject | None) -> None:
    """The conditions of a write: If-None-Match takes "*" only, If-Match an ETag only, and not both at once."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return
    if match is not None and none_match is not None:
        raise S3Error("NotImplemented", Header="If-Match,If-None-Match")
    if none_match is not None:
        if none_match.strip() != "*":
            raise S3Error("NotImplemented", _NOT_SUPPORTED, Header="If-None-Match")
        if current is not None:
            raise precondition_failed("If-None-Match")
        return
    assert match is not None
    if match.strip() == "*":
        raise S3Error("NotImplemented", _NOT_SUPPORTED, Header="If-Match")
    if current is None:
        raise S3Error("NoSuchKey", Key=key)
    if not etag_matches(match, current.etag):
        raise precondition_failed("If-Match")


def check_delete(wanted: str | None, key: str, current: StoredObject | None) -> None:
    """The condition of a delete: an ETag, or "*" for any object. Nothing there is 404 for an ETag and 412 for "*"."""
    if wanted is None:
        return
    if current is None:
        if wanted.strip() == "*":
            raise precondition_failed("If-Match")
        raise S3Error("NoSuchKey", Key=key)
    if not etag_matches(wanted, current.etag):
        raise precondition_failed("If-Match")


def _changed_since(text: str | None, stored: StoredObject) -> bool:
    when = parse_http(text) if text else None
    return when is not None and stored.modified > when


def _unchanged_since(text: str | None, stored: StoredObject) -> bool:
    when = parse_http(text) if text else None
    return when is not None and stored.modified <= when
