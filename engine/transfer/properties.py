"""What an object carries besides its bytes, the same by CopyObject and by parts.

CopyObject keeps headers, metadata and tags by itself, and falls back to STANDARD, a private ACL and no redirect; a
multipart upload inherits nothing at all (API reference, CopyObject and CreateMultipartUpload). So the storage class is
always sent, and an upload is given what HEAD and GetObjectTagging say of the source.
"""

from __future__ import annotations

from dataclasses import replace

from engine.errors import AccessDenied, NotFound
from engine.model import ListedObject, ObjectHead, ObjectRef, Properties
from engine.plan.route import Route
from engine.store import HeadObject, ObjectStore

Tags = tuple[tuple[str, str], ...]


async def copy_directives(
    store: ObjectStore, route: Route, source: ListedObject, ref: ObjectRef
) -> tuple[Properties | None, Tags | None]:
    """What a CopyObject is to replace: (headers and metadata, tags), None for what S3 copies by itself.

    Costs a HEAD only where the route changes headers or metadata, or preserves what CopyObject drops."""
    if route.plain_properties:
        return None, None
    tags: Tags | None = None
    if route.set_tags is not None:
        tags = route.set_tags
    elif route.properties.tags == "drop":
        tags = ()
    if not route.rewrites_headers:
        return None, tags
    head = await store.head_object(HeadObject(ref))
    return adjusted(route, source, head.properties), tags


async def read_properties(
    store: ObjectStore, route: Route, source: ListedObject, ref: ObjectRef, head: ObjectHead
) -> Properties:
    """Everything that an upload of this source has to be created with.

    Raises `AccessDenied` (code `TagsDenied`) where the tags may not be read: absent is not the same as none."""
    properties = adjusted(route, source, head.properties)
    if route.set_tags is not None:
        return replace(properties, tags=route.set_tags)
    if route.properties.tags == "drop" or head.tag_count == 0:
        return replace(properties, tags=())
    try:
        return replace(properties, tags=await store.get_tags(ref))
    except NotFound:
        return replace(properties, tags=())
    except AccessDenied as error:
        raise AccessDenied(
            "the tags of this object may not be read, so that a copy by parts would lose them.",
            operation="GetObjectTagging",
            ref=str(ref),
            code="TagsDenied",
            request_id=error.request_id,
            advice='Allow s3:GetObjectTagging, or leave tags out with properties = { tags = "drop" } on the route.',
        ) from error


def adjusted(route: Route, source: ListedObject, properties: Properties) -> Properties:
    """The source's properties as the route wants them on the target. Tags are not looked at here."""
    rules = route.properties
    if rules.content_headers == "drop":
        properties = replace(
            properties,
            content_type="",
            content_encoding="",
            content_disposition="",
            content_language="",
            cache_control="",
            expires="",
        )
    if rules.metadata == "drop":
        properties = replace(properties, metadata=())
    if route.set_metadata:
        merged = dict(properties.metadata) | dict(route.set_metadata)
        properties = replace(properties, metadata=tuple(sorted(merged.items())))
    return replace(
        properties,
        storage_class=route.storage_class_for(source),
        website_redirect=properties.website_redirect if rules.website_redirect == "preserve" else "",
        encryption=properties.encryption if rules.encryption == "preserve" else None,
        lock=properties.lock if rules.lock == "preserve" else None,
    )
