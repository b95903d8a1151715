"""Locations as people write them. Pure.

`s3://bucket/prefix/` is everything under it, `s3://bucket/key` that one exact key. Inside a plan, `/key` is in the
plan's bucket and a relative text is under the plan's prefix.
"""

from __future__ import annotations

import re

from engine.model import Location

MAX_KEY_BYTES = 1024
"""S3's limit, in bytes of UTF-8 (User Guide, "Naming Amazon S3 objects")."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-_]{1,61}[a-z0-9]\Z")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+\Z")


def bucket_problem(bucket: str) -> str:
    """Why this cannot be a bucket that Cartage works on; empty where it can.

    Access points (ARNs) and their aliases are taken as they are. Directory buckets list in no order and are refused."""
    if bucket.endswith("--x-s3"):
        return f"{bucket} is a directory bucket: its listings have no order, so that nothing can be proven on it"
    if bucket.startswith("arn:"):
        return ""
    if not _BUCKET.match(bucket) or ".." in bucket or _ADDRESS.match(bucket):
        return f"{bucket!r} is not a bucket's name (3 to 63 of a-z, 0-9, '.' and '-')"
    return ""


def key_problem(key: str) -> str:
    """Why S3 could not hold this key; empty where it can."""
    size = len(key) if key.isascii() else len(key.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY_BYTES:
        return f"the key is {size} bytes long, S3 takes {MAX_KEY_BYTES} ({key[:60]}…)"
    return ""


def parse_location(text: str, *, bucket: str = "", prefix: str = "") -> Location:
    """Read a location. Raises ValueError with a sentence that says what is wrong."""
    if text.startswith("s3://"):
        name, slash, key = text[5:].partition("/")
        if name.startswith("arn:") and ":accesspoint/" in text:
            arn, _, rest = text[5:].partition(":accesspoint/")
            point, slash, key = rest.partition("/")
            name = f"{arn}:accesspoint/{point}"
    elif text.startswith("/"):
        if not bucket:
            raise ValueError(f"{text!r} begins with '/', which needs the plan's bucket = \"…\"")
        name, slash, key = bucket, "/", text[1:]
    else:
        if not bucket:
            raise ValueError(f"{text!r} is no location: write s3://bucket/key, or give the plan a bucket and a prefix")
        if "://" in text:
            raise ValueError(f"{text!r} is no S3 location: only s3:// is understood")
        name, slash, key = bucket, "/", prefix + text
    problem = bucket_problem(name)
    if problem:
        raise ValueError(problem)
    if not slash:
        raise ValueError(f"{text!r} names a whole bucket: write s3://{name}/ for everything in it")
    if key and (problem := key_problem(key)):
        raise ValueError(problem)
    return Location(name, key)


def overlaps(one: Location, other: Location) -> bool:
    """Whether some key can belong to both."""
    if one.bucket != other.bucket:
        return False
    if one.is_prefix and other.is_prefix:
        return one.key.startswith(other.key) or other.key.startswith(one.key)
    if one.is_prefix:
        return other.key.startswith(one.key)
    if other.is_prefix:
        return one.key.startswith(other.key)
    return one.key == other.key
