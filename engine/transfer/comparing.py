"""Does the target carry what the route's contract gives it? A HEAD a side, tags where it must.

Compared is what the contract decides: a property that is dropped to the bucket's default (encryption, lock) is the
bucket's business and not looked at.
"""

from __future__ import annotations

from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import NamedTuple

from engine.errors import Rejected
from engine.folder.carried import MODE, MTIME, is_link, other_kind
from engine.model import Acl, Encryption, ListedObject, ObjectHead, ObjectLock, ObjectRef, Properties
from engine.plan.record import AGREE
from engine.plan.route import Pairs, PropertyRule, Route
from engine.store import GetAcl, HeadObject, ObjectStore
from engine.transfer.properties import (
    CONTENT_HEADERS,
    Tags,
    adjusted,
    chosen_acl,
    read_tags,
    seen_properties,
    source_properties,
    source_ref,
    wanted_tags,
    with_lock,
)

TOLD = ("private", "public-read", "public-read-write", "authenticated-read")
"""Canned ACLs that an object's grants tell."""


class Compared(NamedTuple):
    """Both sides as they were seen. `found` is `AGREE`, or what differs in a few words each; `tags` are those that the
    target is to have, None where something else differs too, or nothing does. `other_kind`: one is a symbolic link, and
    the other a file."""

    found: str
    source: ObjectHead
    target: ObjectHead
    tags: Tags | None = None
    other_kind: bool = False

    @property
    def agrees(self) -> bool:
        return self.found == AGREE


async def compare_properties(
    source_store: ObjectStore,
    target_store: ObjectStore,
    route: Route,
    source: ListedObject,
    target_ref: ObjectRef,
    *,
    checksums: bool = False,
) -> Compared:
    """Look at both sides and compare what they carry. `checksums` has the HEADs ask for those too. Raises what the
    stores raise."""
    ref = source_ref(route, source)
    source_head = await source_store.head_object(HeadObject(ref, checksums=checksums))
    target_head = await target_store.head_object(HeadObject(target_ref, checksums=checksums))
    try:
        carried = await seen_properties(source_store, route, ref, source_head)
        wanted = adjusted(route, source, carried)
        acl = await chosen_acl(source_store, route, ref)
    except Rejected as error:
        return Compared(error.message, source_head, target_head)
    if route.properties.lock in (PropertyRule.PRESERVE, PropertyRule.SET):
        target_head = await with_lock(target_store, target_ref, target_head)
    there_now = source_properties(target_head)  # a retention that has ended is none on this side either
    kind = ""
    if route.target.is_local:
        kind = _other_kind(route, source_head, target_head, target_ref)
        wanted, there_now = _of_a_file(wanted), _of_a_file(there_now)
    found = [f"it {kind}"] if kind else []
    found += differences(route, wanted, there_now)
    found += await acl_differences(target_store, route, acl, target_ref)
    tags = await wanted_tags(source_store, route, ref, source_head)
    # Where tags are dropped, what is not told of them is not asked for either: that may be forbidden.
    asked = route.set_tags is not None or route.properties.tags is not PropertyRule.DROP or target_head.tag_count
    there = await read_tags(target_store, route, target_ref, target_head) if asked else ()
    other = _pair_differences("tags", tuple(sorted(tags)), tuple(sorted(there)))
    alone = tags if other and not found else None
    return Compared("; ".join(found + other) or AGREE, source_head, target_head, alone, bool(kind))


def _other_kind(route: Route, source: ObjectHead, target: ObjectHead, ref: ObjectRef) -> str:
    """As `other_kind`, for a file that is to be a link only where the route drops no metadata, which says so. A marker
    is neither."""
    dropped = route.properties.metadata is PropertyRule.DROP and is_link(source.properties)
    return "" if dropped or ref.key.endswith("/") else other_kind(source.properties, target.properties)


def _of_a_file(properties: Properties) -> Properties:
    """Without what a file has of its own: its time and permissions, whose changes show in its version, its type, which
    is guessed by its name, and a storage class, of which there is one."""
    metadata = tuple(pair for pair in properties.metadata if pair[0] not in (MTIME, MODE))
    return properties._replace(metadata=metadata, content_type="", storage_class="")


def differences(route: Route, wanted: Properties, there: Properties) -> list[str]:
    """What of `there` is not as `wanted`, tags aside. Pure."""
    found = [
        _said(name, getattr(wanted, name), getattr(there, name))
        for name in (*CONTENT_HEADERS, "storage_class", "website_redirect")
        # A content type that no one set is S3's to choose.
        if getattr(wanted, name) != getattr(there, name) and (name != "content_type" or wanted.content_type)
    ]
    found += _pair_differences("metadata", _meant(wanted.metadata), _meant(there.metadata))
    if wanted.hidden_metadata != there.hidden_metadata:
        values = (str(side.hidden_metadata or "") for side in (wanted, there))
        found.append(_said("metadata that HEAD does not show", *values))
    rules = route.properties
    if rules.encryption in (PropertyRule.PRESERVE, PropertyRule.SET) and not _same_encryption(
        wanted.encryption, there.encryption
    ):
        found.append(_said("encryption", _encryption(wanted.encryption), _encryption(there.encryption)))
    if rules.lock in (PropertyRule.PRESERVE, PropertyRule.SET) and not _same_lock(wanted.lock, there.lock):
        found.append(_said("lock", _lock(wanted.lock), _lock(there.lock)))
    return found


async def acl_differences(store: ObjectStore, route: Route, wanted: Acl | None, target_ref: ObjectRef) -> list[str]:
    """What a canned ACL gives the bucket's owner cannot be told from the grants, and is not compared."""
    if route.properties.acl is PropertyRule.DROP or (wanted is not None and wanted.canned not in ("", *TOLD)):
        return []
    there = await store.get_acl(GetAcl(target_ref))
    one, other = str(wanted or Acl()), str(there)
    return [] if one == other else [_said("acl", one, other)]


def _meant(pairs: Pairs) -> Pairs:
    return tuple((name, meaning(value)) for name, value in pairs)


def _pair_differences(name: str, wanted: Pairs, there: Pairs) -> list[str]:
    expected, found = dict(wanted), dict(there)
    return [
        _said(f"{name}.{key}", expected.get(key, ""), found.get(key, ""))
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]


def _same_encryption(wanted: Encryption | None, there: Encryption | None) -> bool:
    if wanted is None:  # as objects from before 2023 are; every new one is encrypted by S3's own keys
        return there is None or there.algorithm == "AES256"
    if there is None:
        return False
    # S3 answers with the key's ARN, whatever form it was given in.
    same_key = not wanted.kms_key_id or there.kms_key_id.endswith(wanted.kms_key_id.rpartition("/")[2])
    return wanted.algorithm == there.algorithm and wanted.bucket_key == there.bucket_key and same_key


def _same_lock(wanted: ObjectLock | None, there: ObjectLock | None) -> bool:
    one, other = wanted or ObjectLock(), there or ObjectLock()
    # To the second: what was written without a fraction comes back with one.
    return (one.mode, one.retain_until[:19], one.legal_hold) == (other.mode, other.retain_until[:19], other.legal_hold)


def _encryption(value: Encryption | None) -> str:
    if value is None:
        return ""
    key = f" {value.kms_key_id}" if value.kms_key_id else ""
    return f"{value.algorithm}{key}{' with a bucket key' if value.bucket_key else ''}"


def _lock(value: ObjectLock | None) -> str:
    if value is None:
        return ""
    return f"{value.mode} {value.retain_until}{' with a legal hold' if value.legal_hold else ''}".strip()


def _said(name: str, wanted: str, there: str) -> str:
    return f"{name} is {there!r}, wanted {wanted!r}" if there else f"{name} is missing, wanted {wanted!r}"


def meaning(value: str) -> str:
    """What a value says: its words decoded; itself where it has none, or none that can be read."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value
