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
from engine.sandbox.refusals import S3Error, invalid_argument

PAGE_KEYS = 1000


class _Page(NamedTuple):
    """What a page holds. `last` is its last key or common prefix; empty where there is no more."""

    keys: list[str]
    prefixes: list[str]
    last: str
    last_is_prefix: bool


class _Asked(NamedTuple):
    """What every kind of listing is asked for, and how its names are spelled."""

    bucket: Bucket
    prefix: str
    delimiter: str
    limit: int
    encode: Callable[[str], str]

    def reply(self, root: str, groups: list[str], *parts: str, more: bool) -> Reply:
        encode = self.encode
        return xml_reply(
            root,
            element("Name", self.bucket.name),
            f"<Prefix>{encode(self.prefix)}</Prefix><MaxKeys>{self.limit}</MaxKeys>",
            f"<Delimiter>{encode(self.delimiter)}</Delimiter>" if self.delimiter else "",
            "<EncodingType>url</EncodingType>" if encode is url_encoded else "",
            "<IsTruncated>true</IsTruncated>" if more else "<IsTruncated>false</IsTruncated>",
            *parts,
            *(f"<CommonPrefixes><Prefix>{encode(item)}</Prefix></CommonPrefixes>" for item in groups),
        )


def _asked(bucket: Bucket, query: dict[str, str]) -> _Asked:
    encoding = query.get("encoding-type")
    if encoding not in (None, "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    encode = url_encoded if encoding == "url" else escape
    return _Asked(bucket, query.get("prefix", ""), query.get("delimiter", ""), limit_of(query, "max-keys"), encode)


def list_objects_v2(account: Account, bucket: Bucket, request: Request) -> Reply:
    query = request.query
    asked = _asked(bucket, query)
    token, start_after = query.get("continuation-token"), query.get("start-after", "")
    after, skip_group = _opened(token) if token is not None else (start_after, False)
    page = _page(asked, after, skip_group=skip_group)
    return asked.reply(
        "ListBucketResult",
        page.prefixes,
        f"<StartAfter>{asked.encode(start_after)}</StartAfter>" if start_after else "",
        element("ContinuationToken", token) if token is not None else "",
        f"<NextContinuationToken>{_sealed(page)}</NextContinuationToken>" if page.last else "",
        f"<KeyCount>{len(page.keys) + len(page.prefixes)}</KeyCount>",
        _contents(account, bucket, page.keys, request, with_owner=query.get("fetch-owner") == "true"),
        more=page.last != "",
    )


def list_objects(account: Account, bucket: Bucket, request: Request) -> Reply:
    """The older listing, which other tools still use."""
    asked, marker = _asked(bucket, request.query), request.query.get("marker", "")
    page = _page(asked, marker, skip_group=bool(asked.delimiter) and marker.endswith(asked.delimiter))
    return asked.reply(
        "ListBucketResult",
        page.prefixes,
        f"<Marker>{asked.encode(marker)}</Marker>",
        f"<NextMarker>{asked.encode(page.last)}</NextMarker>" if page.last and asked.delimiter else "",
        _contents(account, bucket, page.keys, request, with_owner=True),
        more=page.last != "",
    )


def list_object_versions(account: Account, bucket: Bucket, request: Request) -> Reply:
    """Every version and delete marker, newest first for each key."""
    query = request.query
    asked = _asked(bucket, query)
    key_marker, id_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    rows: list[str] = []
    groups: list[str] = []
    next_key = next_id = ""
    last = ("", "")
    for key, stored, is_latest in _versions(bucket, asked.prefix, key_marker, id_marker):
        group = _group(key, asked.prefix, asked.delimiter)
        if group and (group in groups or group == key_marker):
            continue
        if len(rows) + len(groups) == asked.limit:
            next_key, next_id = last
            break
        if group:
            groups.append(group)
            last = (group, "")
        else:
            rows.append(_version_row(account, asked.encode(key), stored, is_latest))
            last = (key, stored.version_id)
    return asked.reply(
        "ListVersionsResult",
        groups,
        f"<KeyMarker>{asked.encode(key_marker)}</KeyMarker>",
        element("VersionIdMarker", id_marker),
        f"<NextKeyMarker>{asked.encode(next_key)}</NextKeyMarker>" if next_key else "",
        element("NextVersionIdMarker", next_id) if next_id else "",
        *rows,
        more=next_key != "",
    )


# --- pages ----------------------------------------------------------------------------------------------------------


def _page(asked: _Asked, after: str, *, skip_group: bool) -> _Page:
    bucket, prefix, _, limit, _ = asked
    if limit == 0:
        return _Page([], [], "", False)
    start, inclusive = (after, False) if after and after >= prefix else (prefix, True)
    if skip_group:
        start, inclusive = _beyond(after), True
    if not asked.delimiter:
        keys = list(islice(bucket.objects.from_key(start, inclusive=inclusive), limit + 1))
        if keys and not keys[-1].startswith(prefix):
            keys = [key for key in keys if key.startswith(prefix)]
        more = len(keys) > limit
        if more:
            del keys[limit:]
        return _Page(keys, [], keys[-1] if more else "", False)
    return _grouped_page(asked, start, inclusive=inclusive)


def _grouped_page(asked: _Asked, start: str, *, inclusive: bool) -> _Page:
    """A page with common prefixes: what is under one is passed over, not read."""
    bucket, prefix, delimiter, limit, _ = asked
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
    owner = f"<Owner>{account.owner}</Owner>" if with_owner else ""
    with_restore = "RestoreStatus" in request.headers.get("x-amz-optional-object-attributes", "")
    now = account.clock.now()
    rows = []
    for key, text in zip(keys, shown, strict=True):
        stored = get(key)
        if stored is None:
            continue
        attributes = stored.attributes
        checksum = stored.checksum
        kind = checksum_elements(checksum.algorithm, checksum.type) if checksum is not None else ""
        restore = _restore_status(stored, now) if with_restore and attributes.restored_until else ""
        rows.append(
            f"<Contents><Key>{text}</Key><LastModified>{iso_text(stored.modified)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag>{kind}<Size>{stored.size}</Size>{owner}"
            f"<StorageClass>{attributes.storage_class}</StorageClass>{restore}</Contents>"
        )
    return "".join(rows)


@lru_cache(maxsize=64)
def checksum_elements(algorithm: str, kind: str) -> str:
    """Of which kind a checksum is; empty where there is none."""
    return f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>" if algorithm else ""


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


def _version_row(account: Account, key: str, stored: StoredObject, is_latest: bool) -> str:
    about = (
        f"<Key>{key}</Key><VersionId>{stored.version_id}</VersionId><IsLatest>{'true' if is_latest else 'false'}"
        f"</IsLatest><LastModified>{iso_text(stored.modified)}</LastModified>"
    )
    if stored.is_marker:
        return f"<DeleteMarker>{about}<Owner>{account.owner}</Owner></DeleteMarker>"
    checksum = stored.checksum
    kind = checksum_elements(checksum.algorithm, checksum.type) if checksum is not None else ""
    return (
        f"<Version>{about}<ETag>&quot;{stored.etag}&quot;</ETag>{kind}<Size>{stored.size}</Size><Owner>{account.owner}</Owner>"
        f"<StorageClass>{stored.attributes.storage_class}</StorageClass></Version>"
    )


# --- what a request asks for ----------------------------------------------------------------------------------------


def limit_of(query: dict[str, str], name: str) -> int:
    """How many a page may hold: as many as `name` asks for, and 1,000 at most."""
    text = query.get(name, str(PAGE_KEYS))
    if not text.isascii() or not text.isdigit() or int(text) > 2**31 - 1:
        raise invalid_argument(name, text, f"Provided {name} not an integer or within integer range")
    return min(int(text), PAGE_KEYS)


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
    said = "The continuation token provided is incorrect"
    return S3Error("InvalidArgument", said, ArgumentName="continuation-token")
