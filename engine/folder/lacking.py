"""What a folder has not: copies on a server, uploads in parts, tags and access lists. Each is refused as S3 refuses
what it does not know."""

from __future__ import annotations

from typing import NoReturn

from engine.errors import Unsupported
from engine.model import Acl, CopyResult, ObjectRef, UploadedPart, UploadInfo, UploadRef
from engine.store import (
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    ListUploads,
    PutTags,
    UploadPart,
)


class Lacking:
    """The part of an `ObjectStore` that no folder answers."""

    async def copy_object(self, request: CopyObject) -> CopyResult:
        self._refuse("CopyObject", request.target.bucket)

    async def create_upload(self, request: CreateUpload) -> UploadRef:
        self._refuse("CreateMultipartUpload", request.target.bucket)

    async def copy_part(self, request: CopyPart) -> UploadedPart:
        self._refuse("UploadPartCopy", request.upload.target.bucket)

    async def upload_part(self, request: UploadPart) -> UploadedPart:
        self._refuse("UploadPart", request.upload.target.bucket)

    async def complete_upload(self, request: CompleteUpload) -> CopyResult:
        self._refuse("CompleteMultipartUpload", request.upload.target.bucket)

    async def abort_upload(self, request: UploadRef) -> None:
        self._refuse("AbortMultipartUpload", request.target.bucket)

    async def list_parts(self, request: UploadRef) -> list[UploadedPart]:
        self._refuse("ListParts", request.target.bucket)

    async def list_uploads(self, request: ListUploads) -> list[UploadInfo]:
        self._refuse("ListMultipartUploads", request.bucket)

    async def get_tags(self, request: ObjectRef) -> tuple[tuple[str, str], ...]:
        self._refuse("GetObjectTagging", request.bucket)

    async def put_tags(self, request: PutTags) -> None:
        self._refuse("PutObjectTagging", request.ref.bucket)

    async def get_acl(self, request: ObjectRef) -> Acl:
        self._refuse("GetObjectAcl", request.bucket)

    def _refuse(self, operation: str, bucket: str) -> NoReturn:
        raise unsupported(operation, bucket, operation)


def unsupported(operation: str, bucket: str, what: str) -> Unsupported:
    """The error for what a folder has not."""
    return Unsupported(f"a local folder has no {what}", operation=operation, ref=bucket, code="NotImplemented")
