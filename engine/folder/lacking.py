"""What a folder has not: copies on a server, uploads in parts, tags and access lists. Each is refused as S3 refuses
what it does not know."""

from __future__ import annotations

from typing import NoReturn

from engine import store
from engine.errors import Unsupported
from engine.model import Acl, CopyResult, LifecycleConfiguration, UploadedPart, UploadInfo, UploadRef, VersionsPage
from engine.store import Request


class Lacking:
    """The part of an `ObjectStore` that no folder answers."""

    async def copy_object(self, request: store.CopyObject) -> CopyResult:
        _refuse(request)

    async def create_upload(self, request: store.CreateUpload) -> UploadRef:
        _refuse(request)

    async def copy_part(self, request: store.CopyPart) -> UploadedPart:
        _refuse(request)

    async def upload_part(self, request: store.UploadPart) -> UploadedPart:
        _refuse(request)

    async def complete_upload(self, request: store.CompleteUpload) -> CopyResult:
        _refuse(request)

    async def abort_upload(self, request: store.AbortUpload) -> None:
        _refuse(request)

    async def list_parts(self, request: store.ListParts) -> list[UploadedPart]:
        _refuse(request)

    async def list_uploads(self, request: store.ListUploads) -> list[UploadInfo]:
        _refuse(request)

    async def list_versions(self, request: store.ListVersions) -> VersionsPage:
        _refuse(request)

    async def get_tags(self, request: store.GetTags) -> tuple[tuple[str, str], ...]:
        _refuse(request)

    async def put_tags(self, request: store.PutTags) -> None:
        _refuse(request)

    async def restore_object(self, request: store.RestoreObject) -> bool:
        _refuse(request)

    async def get_lifecycle(self, request: store.GetLifecycle) -> LifecycleConfiguration:
        _refuse(request)

    async def put_lifecycle(self, request: store.PutLifecycle) -> None:
        _refuse(request)

    async def get_acl(self, request: store.GetAcl) -> Acl:
        _refuse(request)


def _refuse(request: Request) -> NoReturn:
    raise unsupported(request, request.operation)


def unsupported(request: Request, what: str) -> Unsupported:
    """The error for what a folder has not."""
    return Unsupported(
        f"a local folder has no {what}", operation=request.operation, ref=request.bucket, code="NotImplemented"
    )
