"""What a folder has not: copies on a server, uploads in parts, tags and access lists. Each is refused as S3 refuses
what it does not know."""

from __future__ import annotations

from typing import NoReturn

from engine.errors import Unsupported
from engine.model import Acl, CopyResult, UploadedPart, UploadInfo, UploadRef
from engine.store import (
    AbortUpload,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    GetAcl,
    GetTags,
    ListParts,
    ListUploads,
    PutTags,
    Request,
    RestoreObject,
    UploadPart,
)


class Lacking:
    """The part of an `ObjectStore` that no folder answers."""

    async def copy_object(self, request: CopyObject) -> CopyResult:
        _refuse(request)

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        _refuse(request)

    async def copy_part(self, request: CopyPart) -> UploadedPart:
        _refuse(request)

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        _refuse(request)

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        _refuse(request)

    async def abort_upload(self, request: AbortUpload) -> None:
        _refuse(request)

    async def list_parts(self, request: ListParts) -> list[UploadedPart]:
        _refuse(request)

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        _refuse(request)

    async def get_tags(self, request: GetTags) -> tuple[tuple[str, str], ...]:
        _refuse(request)

    async def put_tags(self, request: PutTags) -> None:
        _refuse(request)

    async def restore_object(self, request: RestoreObject) -> bool:
        _refuse(request)

    async def get_acl(self, request: GetAcl) -> Acl:
        _refuse(request)


def _refuse(request: Request) -> NoReturn:
    raise unsupported(request, request.operation)


def unsupported(request: Request, what: str) -> Unsupported:
    """The error for what a folder has not."""
    return Unsupported(
        f"a local folder has no {what}", operation=request.operation, ref=request.bucket, code="NotImplemented"
    )
