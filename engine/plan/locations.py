"""Locations as people write them: `s3://bucket/prefix/`, `s3://bucket/key`, or short forms inside a plan. Pure.

A key is taken exactly as written: nothing is decoded, normalised or trimmed, so `s3://b//x` is the key "/x" and
`s3://b/a%20b` has a percent sign in it. A trailing slash means everything under it, no slash that one exact key, and
`s3://bucket` alone the whole bucket.
"""

from __future__ import annotations

import re

from engine.errors import UsageError
from engine.model import Location

MAX_KEY_BYTES = 1024
"""The longest key, in bytes of UTF-8 (S3 User Guide, "Naming Amazon S3 objects")."""

SCHEME = "s3://"

_NAME = re.compile(r"[a-zA-Z0-9._-]{3,255}\Z")
_MODERN = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_LEGACY = re.compile(r"[A-Z_]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}\Z")
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[:/][a-z0-9-]{3,50}")
_REFUSED_SUFFIXES = {
    "--x-s3": "is a directory bucket: it lists its keys in no order, so that two sides cannot be compared safely",
    ".mrap": "is a Multi-Region Access Point: name one bucket behind it instead",
    "--ol-s3": "is an Object Lambda access point, which answers with other bytes than the bucket holds",
    "--table-s3": "is a table bucket, which holds no plain objects",
}


def key_bytes(key: str) -> int:
    """The length of a key as S3 counts it."""
    return len(key) if key.isascii() else len(key.encode("utf-8", "surrogatepass"))


def problem_of_bucket(name: str) -> str:
    """Why `name` cannot be a bucket, in words that follow the name; empty where it can.

    The rules are S3's present ones. Names with capitals or underscores are let through up to 255 characters, because
    buckets made in us-east-1 before March 2018 may have them (S3 User Guide, "General purpose bucket naming rules").
    """
    for suffix, why in _REFUSED_SUFFIXES.items():
        if name.endswith(suffix):
            return why
    if _ACCESS_POINT.fullmatch(name):
        return ""
    if name.startswith("arn:"):
        return "is not the ARN of an access point"
    if not _NAME.match(name):
        if not 3 <= len(name) <= 255:
            return "is not a bucket name: it must have 3 to 63 characters"
        return "is not a bucket name: only letters, digits, dots and hyphens can be in it"
    if _LEGACY.search(name):
        return ""
    if len(name) > 63:
        return "is not a bucket name: it must have 3 to 63 characters"
    if not _MODERN.match(name):
        return "is not a bucket name: it must begin and end with a letter or a digit"
    if ".." in name:
        return "is not a bucket name: two dots stand side by side in it"
    if _ADDRESS.match(name):
        return "is not a bucket name: it looks like an IP address"
    return ""


def problem_of_key(key: str) -> str:
    """Why S3 could not hold this key; empty where it can."""
    try:
        length = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return "" if length <= MAX_KEY_BYTES else f"has {length:,} bytes, and S3 allows {MAX_KEY_BYTES:,}"


ALIASES = ("-s3alias", "--op-s3", "--xa-s3", "--ol-s3", ".mrap")
"""What no bucket's own name ends with (S3 User Guide, "Bucket naming rules"): aliases of access points, of those on
Outposts, to directory buckets, of Object Lambda, and over many regions."""


def is_access_point(bucket: str) -> bool:
    """Whether the name is an access point's, by ARN or alias, which may stand for any bucket."""
    return bucket.startswith("arn:") or bucket.endswith(ALIASES)


def may_be_same_bucket(one: str, other: str) -> bool:
    """Whether two names may reach the same objects. An access point hides its bucket, so it may be any."""
    return one == other or is_access_point(one) or is_access_point(other)


def parse_location(text: str) -> Location:
    """Read a full location, `s3://bucket`, `s3://bucket/prefix/` or `s3://bucket/key`.

    In place of the bucket's name an access point's ARN or alias may stand. Raises `UsageError`.
    """
    return resolve_location(text)


def resolve_location(text: str, *, bucket: str = "", prefix: str | None = None) -> Location:
    """Read a location as a plan writes it.

    `s3://…` is complete. `/x` is the key "x" of `bucket`. Anything else is relative: it stands under `prefix` in
    `bucket`, and is refused where `prefix` is None. Raises `UsageError`.
    """
    if text.startswith(SCHEME):
        location = _split(text)
    elif "://" in text[:12]:
        raise UsageError(f'"{text}" is not an S3 location: it must begin with s3://')
    elif text.startswith("/"):
        if not bucket:
            raise UsageError(f'"{text}" needs a bucket: write s3://bucket{text}, or name the plan\'s bucket')
        location = Location(bucket, text[1:])
    elif prefix is None:
        hint = f's3://bucket/{text} or "/{text}"' if bucket else f"s3://bucket/{text}"
        raise UsageError(f'"{text}" is not a complete location: write {hint}')
    elif not bucket:
        raise UsageError(f'"{text}" is relative, and the plan names no bucket: write s3://bucket/{text}')
    elif not prefix + text:
        raise UsageError('"" names nothing: write "/" for the whole bucket')
    else:
        location = Location(bucket, prefix + text)
    problem = problem_of_key(location.key)
    if problem:
        raise UsageError(f'the key of "{_short(text)}" {problem}')
    return location


def _split(text: str) -> Location:
    rest = text[len(SCHEME) :]
    access_point = _ACCESS_POINT.match(rest)
    if access_point:
        bucket, rest = access_point.group(), rest[access_point.end() :]
        if rest and not rest.startswith("/"):
            raise UsageError(f'"{_short(text)}" is not an S3 location: a slash must follow the access point')
        key = rest[1:]
    else:
        bucket, _, key = rest.partition("/")
    if not bucket:
        raise UsageError(f'"{_short(text)}" names no bucket')
    problem = problem_of_bucket(bucket)
    if problem:
        raise UsageError(f'"{_short(bucket)}" {problem}')
    return Location(bucket, key)


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "…"


def covers(outer: Location, inner: Location) -> bool:
    """Whether everything at `inner` is, or may be, also at `outer`."""
    if not may_be_same_bucket(outer.bucket, inner.bucket):
        return False
    return inner.key.startswith(outer.key) if outer.is_prefix else inner.key == outer.key
