"""From a request line to bucket, key and query. Keys arrive as they were sent, byte for byte: nothing is normalised."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from engine.sandbox.refusals import S3Error

_LOCAL = ".localhost"


class Target(NamedTuple):
    """`path` and `raw_query` as they were sent; `pairs` is the query in order, repeated names kept."""

    bucket: str
    key: str
    query: dict[str, str]
    path: str
    pairs: tuple[tuple[str, str], ...]


def split_target(target: bytes, host: str) -> Target:
    """Read a request target for a server that answers as `host`.

    Path style: /bucket/key. Virtual-hosted style: `bucket.localhost` (or `bucket.s3.localhost`) and /key. Raises
    S3Error for what is not UTF-8."""
    if not target.startswith(b"/"):
        target = _origin_form(target)
    path, _, raw_query = target.partition(b"?")
    decoded = _text(path)
    bucket = _bucket_of_host(host)
    if bucket:
        key = decoded[1:]
    else:
        bucket, _, key = decoded[1:].partition("/")
    pairs = _pairs(raw_query) if raw_query else ()
    return Target(bucket, key, dict(pairs), path.decode("latin-1"), pairs)


def copy_source_of(headers: dict[str, str]) -> tuple[str, str]:
    """Bucket and key of x-amz-copy-source; empty texts where there is none."""
    path = headers.get("x-amz-copy-source", "").partition("?versionId=")[0]
    bucket, _, key = unquote_to_bytes(path.removeprefix("/")).decode("utf-8", "replace").partition("/")
    return bucket, key


def _origin_form(target: bytes) -> bytes:
    """The path of a target in absolute form, as a client sends it to a proxy."""
    _, found, rest = target.partition(b"://")
    if not found:
        raise S3Error("InvalidArgument", "The request target is not a path")
    slash = rest.find(b"/")
    return b"/" if slash < 0 else rest[slash:]


def _bucket_of_host(host: str) -> str:
    if _LOCAL not in host:
        return ""
    name = host.rpartition(":")[0] or host
    if not name.endswith(_LOCAL):
        return ""
    bucket = name[: -len(_LOCAL)].removesuffix(".s3")
    return "" if bucket == "s3" else bucket


def _text(raw: bytes) -> str:
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "Couldn't parse the specified URI.") from None


def _pairs(raw: bytes) -> tuple[tuple[str, str], ...]:
    found = []
    for piece in raw.replace(b"+", b" ").split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            found.append((_text(name), _text(value)))
    return tuple(found)
