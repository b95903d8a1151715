"""What an object carries besides its bytes, the same by CopyObject and by parts.

CopyObject keeps headers, metadata and tags by itself, and falls back to STANDARD, a private ACL and no redirect; a
multipart upload inherits nothing at all (API reference, CopyObject and CreateMultipartUpload). So the storage class is
always sent, and an upload is given what HEAD and GetObjectTagging say of the source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from engine.errors import AccessDenied, NotFound, ObjectError, Rejected, Unsupported
from engine.model import Acl, ListedObject, ObjectHead, ObjectLock, ObjectRef, Properties
from engine.plan.route import PropertyRule, Route
from engine.plan.sizes import moment_ms, server_ms
from engine.sites.tolerating import NO_TAGS, TAGS_UNREADABLE
from engine.store import GetAcl, GetLegalHold, GetRetention, GetTags, HeadObject, ObjectStore

Value = TypeVar("Value")
Tags = tuple[tuple[str, str], ...]

CONTENT_HEADERS = (
    "content_type",
    "content_encoding",
    "content_disposition",
    "content_language",
    "cache_control",
    "expires",
)


class Directives(NamedTuple):
    """What a CopyObject is to be told: headers and metadata that replace the source's (or, with `keep_headers`, only
    what is added to them), and tags that replace its tags; None for what S3 copies by itself."""

    properties: Properties | None = None
    tags: Tags | None = None
    keep_headers: bool = False


LEAVE_TAGS_OUT = 'To leave tags out: properties = { tags = "drop" } on the route, or --no-tags with cp.'


async def copy_directives(store: ObjectStore, route: Route, source: ListedObject) -> Directives:
    """What a CopyObject of this source is to be told.

    Costs a HEAD only where `Route.looks_at_source`, and a GetObjectAcl only where the route keeps ACLs. Raises
    `Rejected` (code `PropertyRefused`) for an object that carries what may not go."""
    if route.plain_properties:
        return Directives()
    rules, ref = route.properties, source_ref(route, source)
    _refuse_storage_class(route, source)
    tags = () if route.set_tags is None and rules.tags is PropertyRule.DROP else route.set_tags
    there = Properties()
    if route.looks_at_source or rules.tags is PropertyRule.FAIL:
        head = await store.head_object(HeadObject(ref))
        there = await seen_properties(store, route, ref, head)
        if rules.tags is PropertyRule.FAIL and await _has_tags(store, route, ref, head):
            raise _refused(ref, "tags")
    acl = await chosen_acl(store, route, ref)
    return directives_of(route, ref, adjusted(route, source, there)._replace(acl=acl), tags)


def directives_of(route: Route, ref: ObjectRef, wanted: Properties, tags: Tags | None) -> Directives:
    """What a CopyObject is to be told, so that its target carries what is wanted; None for `tags` leaves the source's.

    Raises `Rejected` (code `MetadataHidden`)."""
    if route.rewrites_headers:
        _refuse_hidden_metadata(wanted, ref)
        return Directives(wanted, tags)
    added = Properties(
        encryption=wanted.encryption, website_redirect=wanted.website_redirect, lock=wanted.lock, acl=wanted.acl
    )
    return Directives(None, tags) if added == Properties() else Directives(added, tags, keep_headers=True)


async def read_properties(store: ObjectStore, route: Route, source: ListedObject, head: ObjectHead) -> Properties:
    """Everything that an upload of this source has to be created with.

    Raises as `read_tags` and `seen_properties`, and `Rejected` (code `MetadataHidden`) where HEAD does not show all
    metadata."""
    ref = source_ref(route, source)
    _refuse_storage_class(route, source)
    acl = await chosen_acl(store, route, ref)
    properties = adjusted(route, source, await seen_properties(store, route, ref, head))
    _refuse_hidden_metadata(properties, ref)
    tags = await wanted_tags(store, route, ref, head)
    if tags and route.set_tags is None and route.properties.tags is PropertyRule.FAIL:
        raise _refused(ref, "tags")
    return _with(properties, tags=tags or None, acl=acl)


async def wanted_tags(store: ObjectStore, route: Route, ref: ObjectRef, head: ObjectHead) -> Tags:
    """The tags that the copy of this source is to have. Raises as `read_tags`."""
    return route.tags_over(await read_tags(store, route, ref, head) if route.reads_tags else ())


async def read_tags(store: ObjectStore, route: Route, ref: ObjectRef, head: ObjectHead) -> Tags:
    """The tags of an object, for nothing where HEAD says that there are none; none of one that is gone. Raises as
    `tags_of`."""
    if head.tag_count == 0:
        return ()
    try:
        return await tags_of(store, ref, head.tag_count, "" if route.in_place else LEAVE_TAGS_OUT)
    except NotFound:
        return ()


async def tags_of(store: ObjectStore, ref: ObjectRef, count: int | None, without: str = "") -> Tags:
    """The tags of an object that has so many, where HEAD said so. A server without object tags has none. `without` says
    how to do without them, where that can be.

    Raises `NotFound`, `AccessDenied` (code `TagsDenied`) where they may not be read, `Rejected` (code
    `TAGS_UNREADABLE`) where the server gives something else in their place, or fewer: absent is not the same as
    none."""
    try:
        tags = await store.get_tags(GetTags(ref))
        if count and len(tags) < count:
            raise Rejected(f"S3 gives {len(tags)}", operation=GetTags.operation, code=TAGS_UNREADABLE)
        return tags
    except (Rejected, Unsupported) as error:
        if error.code == NO_TAGS and not count:
            return ()
        if error.code not in (NO_TAGS, TAGS_UNREADABLE):
            raise
        counted = f", and HEAD counts {count}" if count else ""
        lost = f"the tags of this object cannot be read, so that they would be lost unseen: {error.message}{counted}."
        raise _told(Rejected, lost, error, ref, TAGS_UNREADABLE, without) from error
    except AccessDenied as error:
        lost = "the tags of this object may not be read, so that they would be lost unseen."
        advice = f"Allow s3:GetObjectTagging. {without}".rstrip()
        raise _told(AccessDenied, lost, error, ref, "TagsDenied", advice) from error


async def chosen_acl(store: ObjectStore, route: Route, ref: ObjectRef) -> Acl | None:
    """The ACL that the copy is to have; None for what every new object has. Raises `Rejected` where the source has
    another and none may be lost, `AccessDenied` (code `AclDenied`) where it may not be read."""
    keep = route.properties.acl
    if keep is PropertyRule.DROP:
        return None
    if keep is PropertyRule.SET:
        return Acl(route.set_acl)
    if route.source.is_local:
        return None  # a file has none
    try:
        acl = await store.get_acl(GetAcl(ref))
    except AccessDenied as error:
        lost = "the ACL of this object may not be read, so that it would be lost unseen."
        advice = 'Allow s3:GetObjectAcl, or leave ACLs out with properties = { acl = "drop" } on the route.'
        raise _told(AccessDenied, lost, error, ref, "AclDenied", advice) from error
    if acl.is_private:
        return None
    if keep is PropertyRule.FAIL:
        raise _refused(ref, "acl")
    return acl


def source_ref(route: Route, source: ListedObject) -> ObjectRef:
    """Where a route's source is."""
    return ObjectRef(route.source.bucket, source.key)


async def seen_properties(store: ObjectStore, route: Route, ref: ObjectRef, head: ObjectHead) -> Properties:
    """As `source_properties`, with the lock that HEAD may hide, where the route does not leave it behind or set it.

    Raises `AccessDenied` (code `LockDenied`) where it may not be read."""
    if route.properties.lock not in (PropertyRule.PRESERVE, PropertyRule.FAIL):
        return source_properties(head)
    return source_properties(await with_lock(store, ref, head))


async def with_lock(store: ObjectStore, ref: ObjectRef, head: ObjectHead) -> ObjectHead:
    """The same with the lock that the object has. HEAD leaves retention and legal hold out for whoever may not read
    them (API reference, HeadObject): where it shows none, only asking tells. Object Lock takes a bucket that keeps
    versions, and there HEAD names the version: elsewhere there is nothing to ask for.

    Raises `NotFound`, and `AccessDenied` (code `LockDenied`) where it may not be read."""
    lock = head.properties.lock or ObjectLock()
    if not head.version_id or (lock.mode and lock.legal_hold):
        return head
    try:
        if not lock.mode and (kept := await store.get_retention(GetRetention(ref, unseen=True))):
            lock = replace(lock, mode=kept.mode, retain_until=kept.retain_until)
        if not lock.legal_hold and await store.get_legal_hold(GetLegalHold(ref, unseen=True)):
            lock = replace(lock, legal_hold=True)
    except AccessDenied as error:
        lost = "whether this object is locked may not be read, so that its lock would be lost unseen."
        advice = (
            "Allow s3:GetObjectRetention and s3:GetObjectLegalHold, or leave locks out with properties = "
            '{ lock = "drop" } on the route.'
        )
        raise _told(AccessDenied, lost, error, ref, "LockDenied", advice) from error
    return head._replace(properties=_with(head.properties, lock=lock if lock != ObjectLock() else None))


def source_properties(head: ObjectHead) -> Properties:
    """What an object carries that can be written again: a retention that has ended by the server's clock cannot."""
    lock = head.properties.lock
    if lock is None or not lock.retain_until:
        return head.properties
    now_ms, until_ms = server_ms(head.date), moment_ms(lock.retain_until)
    if now_ms is None or until_ms is None or until_ms // 1_000 > now_ms // 1_000:
        return head.properties
    return head.properties._replace(lock=ObjectLock(legal_hold=True) if lock.legal_hold else None)


def adjusted(route: Route, source: ListedObject, properties: Properties) -> Properties:
    """The source's properties as the route wants them on the target. Tags are not looked at here.

    Raises `Rejected` where the source carries what the route says it must not lose unseen."""
    rules = route.properties
    if route.plain_properties:
        wanted = route.storage_class_for(source)
        return _with(properties, storage_class=wanted, website_redirect="", encryption=None, lock=None)
    carried = {
        "content_headers": any(getattr(properties, name) for name in CONTENT_HEADERS[1:]),
        "metadata": bool(properties.metadata or properties.hidden_metadata),
        "website_redirect": bool(properties.website_redirect),
        "encryption": properties.encryption is not None and properties.encryption.algorithm != "AES256",
        "lock": properties.lock is not None,
    }
    for name, there in carried.items():
        if there and getattr(rules, name) is PropertyRule.FAIL:
            raise _refused(source_ref(route, source), name)
    if rules.content_headers is PropertyRule.DROP:
        nothing: dict[str, Any] = dict.fromkeys(CONTENT_HEADERS, "")
        properties = properties._replace(**nothing)
    metadata = {} if rules.metadata is PropertyRule.DROP else dict(properties.metadata)
    return _with(
        properties,
        **dict(route.set_headers),
        metadata=tuple(sorted((metadata | dict(route.set_metadata)).items())),
        hidden_metadata=0 if rules.metadata is PropertyRule.DROP else properties.hidden_metadata,
        storage_class=route.storage_class_for(source),
        website_redirect=_chosen(rules.website_redirect, properties.website_redirect, route.set_redirect, ""),
        encryption=_chosen(rules.encryption, properties.encryption, route.set_encryption, None),
        lock=_chosen(rules.lock, properties.lock, route.set_lock, None),
    )


def _with(properties: Properties, **wanted: Any) -> Properties:
    """These properties with others in their place; the same where they are so already, as most are."""
    changed = {name: value for name, value in wanted.items() if getattr(properties, name) != value}
    return properties._replace(**changed) if changed else properties


def _refuse_hidden_metadata(properties: Properties, ref: ObjectRef) -> None:
    """Where metadata has to be sent anew, what HEAD cannot show would be lost unseen."""
    if properties.hidden_metadata:
        raise Rejected(
            f"the source has {properties.hidden_metadata} values of metadata that no header can carry "
            "(x-amz-missing-meta): they cannot be read, so that they would be lost.",
            operation="HeadObject",
            ref=str(ref),
            code="MetadataHidden",
            advice='Leave metadata out with properties = { metadata = "drop" } on the route, or copy it as it is: one '
            "CopyObject, up to 5 GiB and without other headers, keeps it.",
        )


def _refuse_storage_class(route: Route, source: ListedObject) -> None:
    if route.properties.storage_class is PropertyRule.FAIL and source.storage_class not in ("", "STANDARD"):
        raise _refused(source_ref(route, source), "storage_class")


def _chosen(keep: PropertyRule, there: Value, given: Value, nothing: Value) -> Value:
    if keep is PropertyRule.PRESERVE:
        return there
    return given if keep is PropertyRule.SET else nothing


async def _has_tags(store: ObjectStore, route: Route, ref: ObjectRef, head: ObjectHead) -> bool:
    return head.tag_count > 0 if head.tag_count is not None else bool(await read_tags(store, route, ref, head))


def _told(
    kind: type[ObjectError], message: str, error: ObjectError, ref: ObjectRef, code: str, advice: str
) -> ObjectError:
    """The same error, for what would be lost."""
    return kind(message, operation=error.operation, ref=str(ref), code=code, request_id=error.request_id, advice=advice)


def _refused(ref: ObjectRef, name: str) -> Rejected:
    return Rejected(
        f"the source carries {name.replace('_', ' ')}, and the route says that none may be lost.",
        operation="CopyObject",
        ref=str(ref),
        code="PropertyRefused",
        advice=f'Say what is to become of it with properties = {{ {name} = "preserve" }} or "drop" on the route.',
    )
