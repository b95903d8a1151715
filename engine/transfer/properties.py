"""What an object carries besides its bytes, the same by CopyObject and by parts.

CopyObject keeps headers, metadata and tags by itself, and falls back to STANDARD, a private ACL and no redirect; a
multipart upload inherits nothing at all (API reference, CopyObject and CreateMultipartUpload). So the storage class is
always sent, and an upload is given what HEAD and GetObjectTagging say of the source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from engine.errors import AccessDenied, NotFound, Rejected
from engine.model import ListedObject, ObjectHead, ObjectRef, Properties
from engine.plan.route import Keep, Route
from engine.store import HeadObject, ObjectStore

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


async def copy_directives(
    store: ObjectStore, route: Route, source: ListedObject, ref: ObjectRef
) -> tuple[Properties | None, Tags | None]:
    """What a CopyObject is to replace: (headers and metadata, tags), None for what S3 copies by itself.

    Costs a HEAD only where the route changes headers or metadata, preserves what CopyObject drops, or has to look for
    what it must not lose. Raises `Rejected` (code `PropertyRefused`) for an object that carries what may not go."""
    if route.plain_properties:
        return None, None
    tags: Tags | None = None
    if route.set_tags is not None:
        tags = route.set_tags
    elif route.properties.tags is Keep.DROP:
        tags = ()
    if not route.rewrites_headers and route.properties.tags is not Keep.FAIL:
        return None, tags
    head = await store.head_object(HeadObject(ref))
    if route.properties.tags is Keep.FAIL and await _has_tags(store, ref, head):
        raise _refused(ref, "tags")
    if not route.rewrites_headers:
        return None, tags
    return adjusted(route, source, ref, head.properties), tags


async def read_properties(
    store: ObjectStore, route: Route, source: ListedObject, ref: ObjectRef, head: ObjectHead
) -> Properties:
    """Everything that an upload of this source has to be created with.

    Raises `AccessDenied` (code `TagsDenied`) where the tags may not be read: absent is not the same as none."""
    properties = adjusted(route, source, ref, head.properties)
    if route.set_tags is not None:
        return replace(properties, tags=route.set_tags)
    if route.properties.tags is Keep.DROP:
        return replace(properties, tags=())
    tags = await read_tags(store, ref, head)
    if tags and route.properties.tags is Keep.FAIL:
        raise _refused(ref, "tags")
    return replace(properties, tags=tags)


async def read_tags(store: ObjectStore, ref: ObjectRef, head: ObjectHead) -> Tags:
    """The tags of an object, for nothing where HEAD says that there are none.

    Raises `AccessDenied` (code `TagsDenied`) where they may not be read: absent is not the same as none."""
    if head.tag_count == 0:
        return ()
    try:
        return await store.get_tags(ref)
    except NotFound:
        return ()
    except AccessDenied as error:
        raise AccessDenied(
            "the tags of this object may not be read, so that they would be lost unseen.",
            operation="GetObjectTagging",
            ref=str(ref),
            code="TagsDenied",
            request_id=error.request_id,
            advice='Allow s3:GetObjectTagging, or leave tags out with properties = { tags = "drop" } on the route.',
        ) from error


def adjusted(route: Route, source: ListedObject, ref: ObjectRef, properties: Properties) -> Properties:
    """The source's properties as the route wants them on the target. Tags are not looked at here.

    Raises `Rejected` where the source carries what the route says it must not lose unseen."""
    rules = route.properties
    carried = {
        "content_headers": any(getattr(properties, name) for name in CONTENT_HEADERS[1:]),
        "metadata": bool(properties.metadata),
        "website_redirect": bool(properties.website_redirect),
        "encryption": properties.encryption is not None and properties.encryption.algorithm != "AES256",
        "lock": properties.lock is not None,
    }
    for name, there in carried.items():
        if there and getattr(rules, name) is Keep.FAIL:
            raise _refused(ref, name)
    if rules.content_headers is Keep.DROP:
        nothing: dict[str, Any] = dict.fromkeys(CONTENT_HEADERS, "")
        properties = replace(properties, **nothing)
    metadata = {} if rules.metadata is Keep.DROP else dict(properties.metadata)
    given: dict[str, Any] = dict(route.set_headers)
    return replace(
        replace(properties, **given),
        metadata=tuple(sorted((metadata | dict(route.set_metadata)).items())),
        storage_class=route.storage_class_for(source),
        website_redirect=_chosen(rules.website_redirect, properties.website_redirect, route.set_redirect, ""),
        encryption=_chosen(rules.encryption, properties.encryption, route.set_encryption, None),
        lock=_chosen(rules.lock, properties.lock, route.set_lock, None),
    )


def _chosen(keep: Keep, there: Value, given: Value, nothing: Value) -> Value:
    if keep is Keep.PRESERVE:
        return there
    return given if keep is Keep.SET else nothing


async def _has_tags(store: ObjectStore, ref: ObjectRef, head: ObjectHead) -> bool:
    return head.tag_count > 0 if head.tag_count is not None else bool(await read_tags(store, ref, head))


def _refused(ref: ObjectRef, name: str) -> Rejected:
    return Rejected(
        f"the source carries {name.replace('_', ' ')}, and the route says that none may be lost.",
        operation="CopyObject",
        ref=str(ref),
        code="PropertyRefused",
        advice=f'Say what is to become of it with properties = {{ {name} = "preserve" }} or "drop" on the route.',
    )
