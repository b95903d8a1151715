"""The listings of a bucket: ListObjectsV2, ListObjects and ListObjectVersions, in the order of keys' UTF-8 bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from engine.sandbox.clock import iso_text
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.markup import all_plain, element, escape, url_encoded, xml_reply
from engine.sandbox.properties import restore_text
from engine.sandbox.records import Account, Bucket, StoredObject
from engine.sandbox.refusals import S3Error

PAGE_KEYS = 1000


class _Page(NamedTuple):
    """What a page holds. `last` is its last key or common prefix; empty where there is no more."""

    keys: list[str]
    prefixes: list[str]
    last: str
    last_is_prefix: bool


def list_objects_v2(account: Account, bucket: Bucket, request: Request) -> Reply:
    query = request.query
    limit = _limit(query, "max-keys")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    token, start_after = query.get("continuation-token"), query.get("start-after", "")
    after, skip_group = _opened(token) if token is not None else (start_after, False)
    page = _page(bucket, prefix, delimiter, after, limit, skip_group=skip_group)
    encode = _encoder(query)
    parts = [
        element("Name", bucket.name),
        f"<Prefix>{encode(prefix)}</Prefix>",
        f"<StartAfter>{encode(start_after)}</StartAfter>" if start_after else "",
        element("ContinuationToken", token) if token is not None else "",
        f"<NextContinuationToken>{_sealed(page)}</NextContinuationToken>" if page.last else "",
        f"<KeyCount>{len(page.keys) + len(page.prefixes)}</KeyCount><MaxKeys>{limit}</MaxKeys>",
        f"<Delimiter>{encode(delimiter)}</Delimiter>" if delimiter else "",
        "<EncodingType>url</EncodingType>" if encode is url_encoded else "",
        "<IsTruncated>true</IsTruncated>" if page.last else "<IsTruncated>false</IsTruncated>",
        _contents(account, bucket, page.keys, request, with_owner=query.get("fetch-owner") == "true"),
        *(f"<CommonPrefixes><Prefix>{encode(item)}</Prefix></CommonPrefixes>" for item in page.prefixes),
    ]
    return xml_reply("ListBucketResult", *parts)


def list_objects(account: Account, bucket: Bucket, request: Request) -> Reply:
    """The older listing, which other tools still use."""
    query = request.query
    limit = _limit(query, "max-keys")
    prefix, delimiter, marker = query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", "")
    skip_group = bool(delimiter) and marker.endswith(delimiter)
    page = _page(bucket, prefix, delimiter, marker, limit, skip_group=skip_group)
    encode = _encoder(query)
    parts = [
        element("Name", bucket.name),
        f"<Prefix>{encode(prefix)}</Prefix><Marker>{encode(marker)}</Marker>",
        f"<NextMarker>{encode(page.last)}</NextMarker>" if page.last and delimiter else "",
        f"<MaxKeys>{limit}</MaxKeys>",
        f"<Delimiter>{encode(delimiter)}</Delimiter>" if delimiter else "",
        "<EncodingType>url</EncodingType>" if encode is url_encoded else "",
        "<IsTruncated>true</IsTruncated>" if page.last else "<IsTruncated>false</IsTruncated>",
        _contents(account, bucket, page.keys, request, with_owner=True),
        *(f"<CommonPrefixes><Prefix>{encode(item)}</Prefix></CommonPrefixes>" for item in page.prefixes),
    ]
    return xml_reply("ListBucketResult", *parts)


def list_object_versions(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Every version and delete marker, newest first for each key."""
    query = request.query
    limit = _limit(query, "max-keys")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    key_marker, id_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    encode = _encoder(query)
    rows: list[str] = []
    groups: list[str] = []
    next_key = next_id = ""
    last = ("", "")
    for key, stored, is_latest in _versions(bucket, prefix, key_marker, id_marker):
        group = _group(key, prefix, delimiter)
        if group and (group in groups or group == key_marker):
            continue
        if len(rows) + len(groups) == limit:
            next_key, next_id = last
            break
        if group:
            groups.append(group)
            last = (group, "")
        else:
            rows.append(_version_row(account, encode(key), stored, is_latest))
            last = (key, stored.version_id)
    parts = [
        element("Name", bucket.name),
        f"<Prefix>{encode(prefix)}</Prefix><KeyMarker>{encode(key_marker)}</KeyMarker>",
        element("VersionIdMarker", id_marker),
        f"<NextKeyMarker>{encode(next_key)}</NextKeyMarker>" if next_key else "",
        element("NextVersionIdMarker", next_id) if next_id else "",
        f"<MaxKeys>{limit}</MaxKeys>",
        f"<Delimiter>{encode(delimiter)}</Delimiter>" if delimiter else "",
        "<EncodingType>url</EncodingType>" if encode is url_encoded else "",
        f"<IsTruncated>{'true' if next_key else 'false'}</IsTruncated>",
        *rows,
        *(f"<CommonPrefixes><Prefix>{encode(item)}</Prefix></CommonPrefixes>" for item in groups),
    ]
    return xml_reply("ListVersionsResult", *parts)


# --- pages ----------------------------------------------------------------------------------------------------------


def _page(bucket: Bucket, prefix: str, delimiter: str, after: str, limit: int, *, skip_group: bool) -> _Page:
    if limit == 0:
        return _Page([], [], "", False)
    start, inclusive = (after, False) if after and after >= prefix else (prefix, True)
    if skip_group:
        start, inclusive = _beyond(after), True
    if not delimiter:
        keys = list(islice(bucket.objects.from_key(start, inclusive=inclusive), limit + 1))
        if keys and not keys[-1].startswith(prefix):
            keys = [key for key in keys if key.startswith(prefix)]
        more = len(keys) > limit
        if more:
            del keys[limit:]
        return _Page(keys, [], keys[-1] if more else "", False)
    return _grouped_page(bucket, prefix, delimiter, start, inclusive, limit)


def _grouped_page(bucket: Bucket, prefix: str, delimiter: str, start: str, inclusive: bool, limit: int) -> _Page:
    """A page with common prefixes: what is under one is passed over, not read."""
    keys: list[str] = []
    groups: list[str] = []
    last, last_is_prefix = "", False
    while True:
        group = ""
        for key in bucket.objects.from_key(start, inclusive=inclusive):
            if not key.startswith(prefix):
                return _Page(keys, groups, "", False)
            if len(keys) + len(groups) == limit:
                return _Page(keys, groups, last, last_is_prefix)
            group = _group(key, prefix, delimiter)
            if group:
                break
            keys.append(key)
            last, last_is_prefix = key, False
        if not group:
            break
        groups.append(group)
        last, last_is_prefix = group, True
        start, inclusive = _beyond(group), True
    return _Page(keys, groups, "", False)


def _group(key: str, prefix: str, delimiter: str) -> str:
    """The common prefix that a key is rolled up into; empty where it is none."""
    if not delimiter:
        return ""
    found = key.find(delimiter, len(prefix))
    return key[: found + len(delimiter)] if found >= 0 else ""


def _beyond(group: str) -> str:
    """The first text after everything that begins with `group`."""
    return group[:-1] + chr(ord(group[-1]) + 1) if group[-1] < "\U0010ffff" else group + "\U0010ffff"


def _versions(bucket: Bucket, prefix: str, key_marker: str, id_marker: str) -> Iterator[tuple[str, StoredObject, bool]]:
    gone = [key for key in bucket.versions if key not in bucket.objects]
    start = max(prefix, key_marker)
    keys = bucket.objects.from_key(start, inclusive=True)
    every: Iterator[str] = iter(sorted([*keys, *gone])) if gone else keys
    for key in every:
        if key < start or (key == key_marker and not id_marker):
            continue
        if not key.startswith(prefix):
            if key > prefix:
                return
            continue
        current = bucket.objects.get(key)
        history = bucket.versions.get(key) or ([current] if current is not None else [])
        passed = key != key_marker
        for position, stored in enumerate(history):
            if passed:
                yield key, stored, position == 0
            passed = passed or stored.version_id == id_marker


# --- rows -----------------------------------------------------------------------------------------------------------


def _contents(account: Account, bucket: Bucket, keys: list[str], request: Request, *, with_owner: bool) -> str:
    if request.query.get("encoding-type") == "url":
        shown = keys if all_plain(keys) else [url_encoded(key) for key in keys]
    else:
        shown = [escape(key) for key in keys]
    get = bucket.objects.get
    owner = _owner(account) if with_owner else ""
    with_restore = "RestoreStatus" in request.headers.get("x-amz-optional-object-attributes", "")
    now = account.clock.now()
    rows = []
    for key, text in zip(keys, shown, strict=True):
        stored = get(key)
        if stored is None:
            continue
        attributes = stored.attributes
        checksum = stored.checksum
        kind = _checksum_elements(checksum.algorithm, checksum.type) if checksum is not None else ""
        restore = _restore_status(stored, now) if with_restore and attributes.restored_until else ""
        rows.append(
            f"<Contents><Key>{text}</Key><LastModified>{iso_text(stored.modified)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag>{kind}<Size>{stored.size}</Size>{owner}"
            f"<StorageClass>{attributes.storage_class}</StorageClass>{restore}</Contents>"
        )
    return "".join(rows)


@lru_cache(maxsize=64)
def _checksum_elements(algorithm: str, kind: str) -> str:
    return f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"


def _restore_status(stored: StoredObject, now: int) -> str:
    text = restore_text(stored.attributes, now)
    if not text:
        return ""
    if "true" in text:
        return "<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>"
    until = iso_text(stored.attributes.restored_until)
    return (
        "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>"
        f"<RestoreExpiryDate>{until}</RestoreExpiryDate></RestoreStatus>"
    )


def _owner(account: Account) -> str:
    return f"<Owner><ID>{account.owner_id}</ID><DisplayName>{escape(account.owner_name)}</DisplayName></Owner>"


def _version_row(account: Account, key: str, stored: StoredObject, is_latest: bool) -> str:
    about = (
        f"<Key>{key}</Key><VersionId>{stored.version_id}</VersionId><IsLatest>{'true' if is_latest else 'false'}"
        f"</IsLatest><LastModified>{iso_text(stored.modified)}</LastModified>"
    )
    if stored.is_marker:
        return f"<DeleteMarker>{about}{_owner(account)}</DeleteMarker>"
    checksum = stored.checksum
    kind = _checksum_elements(checksum.algorithm, checksum.type) if checksum is not None else ""
    return (
        f"<Version>{about}<ETag>&quot;{stored.etag}&quot;</ETag>{kind}<Size>{stored.size}</Size>{_owner(account)}"
        f"<StorageClass>{stored.attributes.storage_class}</StorageClass></Version>"
    )


# --- what a request asks for ----------------------------------------------------------------------------------------


def _limit(query: dict[str, str], name: str) -> int:
    text = query.get(name, str(PAGE_KEYS))
    if not text.isascii() or not text.isdigit() or int(text) > 2**31 - 1:
        raise S3Error(
            "InvalidArgument",
            f"Provided {name} not an integer or within integer range",
            details=(("ArgumentName", name), ("ArgumentValue", text)),
        )
    return min(int(text), PAGE_KEYS)


def _encoder(query: dict[str, str]) -> Callable[[str], str]:
    """How keys and prefixes are written: encoding-type=url, or as XML has it."""
    wanted = query.get("encoding-type")
    if wanted not in (None, "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    return url_encoded if wanted == "url" else escape


def _sealed(page: _Page) -> str:
    kind = b"p" if page.last_is_prefix else b"k"
    return base64.urlsafe_b64encode(kind + page.last.encode("utf-8", "surrogateescape")).decode()


def _opened(token: str) -> tuple[str, bool]:
    """The key or common prefix that a token stands for. Raises InvalidArgument."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii"))
        kind, text = raw[:1], raw[1:].decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError) as error:
        raise _bad_token() from error
    if kind not in (b"k", b"p") or not text:
        raise _bad_token()
    return text, kind == b"p"


def _bad_token() -> S3Error:
    return S3Error(
        "InvalidArgument",
        "The continuation token provided is incorrect",
        details=(("ArgumentName", "continuation-token"),),
    )
