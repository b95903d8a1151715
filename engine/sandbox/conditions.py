"""The conditions of a request, each as S3 has it: of a read, of a copy's source, of a write's target, of a delete.

"Conditional requests" in the S3 user guide; the precedence of dates and ETags is that of the CopyObject and GetObject
reference.
"""

from __future__ import annotations

from engine.sandbox.clock import parse_http
from engine.sandbox.records import StoredObject
from engine.sandbox.refusals import S3Error, precondition_failed

_SOURCE = "x-amz-copy-source-"
_NOT_SUPPORTED = "A header you provided implies functionality that is not implemented"


def etag_matches(wanted: str, etag: str) -> bool:
    """Whether a header's ETags (one, several, or "*") name this one."""
    if wanted in ("*", f'"{etag}"'):
        return True
    return any(item.strip().removeprefix("W/").strip('"') == etag for item in wanted.split(","))


def not_modified(headers: dict[str, str], stored: StoredObject) -> bool:
    """Whether a read is answered 304. Raises 412 where it must not be answered at all."""
    unmet = _unmet(headers, stored)
    if unmet in ("If-Match", "If-Unmodified-Since"):
        raise precondition_failed(unmet)
    return unmet != ""


def check_source(headers: dict[str, str], source: StoredObject) -> None:
    """The conditions of a copy on its source: 412 for any that does not hold."""
    if unmet := _unmet(headers, source, _SOURCE):
        raise precondition_failed(_SOURCE + unmet)


def _unmet(headers: dict[str, str], stored: StoredObject, start: str = "") -> str:
    """The first condition on what is there that does not hold, a date only where no ETag is asked for; empty where all
    do. `start` is what the headers' names begin with."""
    match, none_match = headers.get(f"{start}if-match"), headers.get(f"{start}if-none-match")
    if match is not None:
        if not etag_matches(match, stored.etag):
            return "If-Match"
    elif _changed_since(headers.get(f"{start}if-unmodified-since"), stored):
        return "If-Unmodified-Since"
    if none_match is not None:
        return "If-None-Match" if etag_matches(none_match, stored.etag) else ""
    return "If-Modified-Since" if _changed_since(headers.get(f"{start}if-modified-since"), stored) is False else ""


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


def _changed_since(text: str | None, stored: StoredObject) -> bool | None:
    """None where there is no such condition, or none that is understood."""
    when = parse_http(text) if text else None
    return stored.modified > when if when is not None else None
