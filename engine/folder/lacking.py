"""What a folder has not: copies on a server, uploads in parts, tags, access lists and locks. Each is refused as S3
refuses what it does not know."""

from __future__ import annotations

from typing import Any

from engine.errors import Unsupported
from engine.store import Request


class Lacking:
    """The part of an `ObjectStore` that no folder answers."""

    async def copy_object(self, request: Request) -> Any:
        raise unsupported(request, request.operation)

    create_upload = copy_part = upload_part = complete_upload = abort_upload = list_parts = list_uploads = copy_object
    list_versions = get_tags = put_tags = get_acl = restore_object = get_lifecycle = put_lifecycle = copy_object
    get_retention = get_legal_hold = copy_object


def unsupported(request: Request, what: str) -> Unsupported:
    """The error for what a folder has not."""
    return Unsupported(
        f"a local folder has no {what}", operation=request.operation, ref=request.bucket, code="NotImplemented"
    )
