"""What all that is put around a store has in common: retrying, pacing, looking closer, tests' faults."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, overload

from engine import store
from engine.bucket_facts import BucketFacts
from engine.model import (
    Acl,
    CopyResult,
    DeleteReport,
    LifecycleConfiguration,
    ObjectHead,
    ObjectLock,
    Page,
    UploadedPart,
    UploadInfo,
    UploadRef,
    VersionsPage,
)
from engine.store import Answered, Asked, ObjectStore
from engine.windows import Sink, Source

Method = Callable[[Asked], Coroutine[Any, Any, Answered]]
"""One of a store's methods."""


class StoreDecorator:
    """An `ObjectStore` around another: a subclass says in `_call` what happens around every request, or replaces single
    methods alone.

    All of these are plain functions that give a coroutine: one a layer and request is enough, and none where nothing is
    done. What a subclass leaves as it is, its instances take over from the inner store when they are made: a request
    passes through no layer that does nothing with it."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        if type(self)._call is StoreDecorator._call:
            for name in _METHODS:
                if getattr(type(self), name) is getattr(StoreDecorator, name):
                    setattr(self, name, getattr(inner, name))

    def _call(self, method: Method[Asked, Answered], request: Asked) -> Coroutine[Any, Any, Answered]:
        """Carry out `method(request)`."""
        return method(request)

    def list_page(self, request: store.ListPage) -> Coroutine[Any, Any, Page]:
        return self._call(self._inner.list_page, request)

    def head_object(self, request: store.HeadObject) -> Coroutine[Any, Any, ObjectHead]:
        return self._call(self._inner.head_object, request)

    def copy_object(self, request: store.CopyObject) -> Coroutine[Any, Any, CopyResult]:
        return self._call(self._inner.copy_object, request)

    def create_upload(self, request: store.CreateUpload) -> Coroutine[Any, Any, UploadRef]:
        return self._call(self._inner.create_upload, request)

    def copy_part(self, request: store.CopyPart) -> Coroutine[Any, Any, UploadedPart]:
        return self._call(self._inner.copy_part, request)

    def upload_part(self, request: store.UploadPart) -> Coroutine[Any, Any, UploadedPart]:
        return self._call(self._inner.upload_part, request)

    def complete_upload(self, request: store.CompleteUpload) -> Coroutine[Any, Any, CopyResult]:
        return self._call(self._inner.complete_upload, request)

    def abort_upload(self, request: store.AbortUpload) -> Coroutine[Any, Any, None]:
        return self._call(self._inner.abort_upload, request)

    def list_parts(self, request: store.ListParts) -> Coroutine[Any, Any, list[UploadedPart]]:
        return self._call(self._inner.list_parts, request)

    def list_uploads(self, request: store.ListUploads) -> Coroutine[Any, Any, list[UploadInfo]]:
        return self._call(self._inner.list_uploads, request)

    def list_versions(self, request: store.ListVersions) -> Coroutine[Any, Any, VersionsPage]:
        return self._call(self._inner.list_versions, request)

    def get_range(self, request: store.GetRange) -> Coroutine[Any, Any, store.Body]:
        return self._call(self._inner.get_range, request)

    def fetch_into(self, request: store.GetRange, sink: Sink) -> Coroutine[Any, Any, store.Fetched]:
        inner = self._inner
        return self._call(lambda attempt: inner.fetch_into(attempt, sink), request)

    def put_object(self, request: store.PutObject) -> Coroutine[Any, Any, CopyResult]:
        return self._call(self._inner.put_object, request)

    @overload
    def send_from(self, request: store.PutObject, source: Source) -> Coroutine[Any, Any, CopyResult]: ...
    @overload
    def send_from(self, request: store.UploadPart, source: Source) -> Coroutine[Any, Any, UploadedPart]: ...
    def send_from(self, request: store.PutObject | store.UploadPart, source: Source) -> Coroutine[Any, Any, Any]:
        inner = self._inner
        if isinstance(request, store.PutObject):
            return self._call(lambda attempt: inner.send_from(attempt, source), request)
        return self._call(lambda attempt: inner.send_from(attempt, source), request)

    def get_tags(self, request: store.GetTags) -> Coroutine[Any, Any, tuple[tuple[str, str], ...]]:
        return self._call(self._inner.get_tags, request)

    def put_tags(self, request: store.PutTags) -> Coroutine[Any, Any, None]:
        return self._call(self._inner.put_tags, request)

    def restore_object(self, request: store.RestoreObject) -> Coroutine[Any, Any, bool]:
        return self._call(self._inner.restore_object, request)

    def get_acl(self, request: store.GetAcl) -> Coroutine[Any, Any, Acl]:
        return self._call(self._inner.get_acl, request)

    def get_retention(self, request: store.GetRetention) -> Coroutine[Any, Any, ObjectLock | None]:
        return self._call(self._inner.get_retention, request)

    def get_legal_hold(self, request: store.GetLegalHold) -> Coroutine[Any, Any, bool]:
        return self._call(self._inner.get_legal_hold, request)

    def delete_object(self, request: store.DeleteObject) -> Coroutine[Any, Any, bool]:
        return self._call(self._inner.delete_object, request)

    def delete_objects(self, request: store.DeleteObjects) -> Coroutine[Any, Any, DeleteReport]:
        return self._call(self._inner.delete_objects, request)

    def bucket_facts(self, request: store.AskBucket) -> Coroutine[Any, Any, BucketFacts]:
        return self._call(self._inner.bucket_facts, request)

    def get_lifecycle(self, request: store.GetLifecycle) -> Coroutine[Any, Any, LifecycleConfiguration]:
        return self._call(self._inner.get_lifecycle, request)

    def put_lifecycle(self, request: store.PutLifecycle) -> Coroutine[Any, Any, None]:
        return self._call(self._inner.put_lifecycle, request)


_METHODS = tuple(name for name in vars(StoreDecorator) if not name.startswith("_"))
"""A store's. A decorator that does nothing around requests has them of the store that it is put around."""
