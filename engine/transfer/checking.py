"""Trying what a migration needs at one location: the read actions by themselves, the write actions only when asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from engine.errors import AccessDenied, AttemptError, NotFound, ObjectError
from engine.model import Location, ObjectRef, Properties, UploadRef
from engine.plan.sizes import server_ms
from engine.sites.trial import COPY, probe_at, remove_probe, removed_if_stopped
from engine.store import (
    AbortUpload,
    CopyObject,
    CreateUpload,
    DeleteObject,
    GetRange,
    GetTags,
    ListPage,
    ListUploads,
    ObjectStore,
    PutObject,
)


class Trial(NamedTuple):
    """One action and whether it is allowed: "allowed", "denied", "not known" (no answer came) or "not tried", with a
    reason."""

    action: str
    verdict: str
    reason: str = ""


async def try_reading(store: ObjectStore, where: Location) -> list[Trial]:
    """List, and read what is found first. Raises errors of scope `run`, such as a bucket that is not there."""
    trials = []
    found: ObjectRef | None = None
    why = "there is no object to try it on"
    try:
        page = await store.list_page(ListPage(where.bucket, where.key, max_keys=1))
        found = ObjectRef(where.bucket, page.objects[0].key) if page.objects else None
        trials.append(Trial("s3:ListBucket", "allowed"))
    except AccessDenied as error:
        why = "nothing could be listed"
        trials.append(Trial("s3:ListBucket", "denied", error.message))
    if found is None:
        trials += [Trial(action, "not tried", why) for action in ("s3:GetObject", "s3:GetObjectTagging")]
    else:
        ref = found
        trials.append(await _try("s3:GetObject", lambda: store.get_range(GetRange(ref, 0, 0)), empty_is_fine=True))
        trials.append(await _try("s3:GetObjectTagging", lambda: store.get_tags(GetTags(ref))))
    trials.append(
        await _try("s3:ListBucketMultipartUploads", lambda: store.list_uploads(ListUploads(where.bucket, where.key)))
    )
    return trials


async def try_writing(
    store: ObjectStore, where: Location, left: list[ObjectRef] | None = None
) -> tuple[list[Trial], list[ObjectRef]]:
    """Put, copy, begin and abort an upload, delete: on an object of our own, removed at the end. What is not known to
    be gone is given as well, which `left` is told of also where this is stopped."""
    one = probe_at(where)
    two = ObjectRef(one.bucket, one.key + COPY)
    begun: list[UploadRef] = []
    left = [] if left is None else left
    async with removed_if_stopped(store, one, begun, left):
        put = await _try("s3:PutObject", lambda: store.put_object(PutObject(one, b"cartage")))
        if put.verdict in ("denied", "not tried"):
            rest = ("s3:PutObject (CopyObject)", "s3:AbortMultipartUpload", "s3:DeleteObject")
            return [put, *(Trial(action, "not tried", "nothing could be put") for action in rest)], left
        trials = [
            put,
            await _try("s3:PutObject (CopyObject)", lambda: store.copy_object(CopyObject(one, two))),
            await _try("s3:AbortMultipartUpload", lambda: _upload_and_abort(store, two, begun)),
            await _try("s3:DeleteObject", lambda: store.delete_object(DeleteObject(two))),
        ]
        left[:] = await remove_probe(store, one, begun)
    return trials, left


async def _upload_and_abort(store: ObjectStore, ref: ObjectRef, begun: list[UploadRef]) -> None:
    """Tells `begun` of an upload that may be there, without an id where the answer was lost."""
    try:
        begun.append(await store.create_upload(CreateUpload(ref, Properties())))
    except AttemptError:
        begun.append(UploadRef(ref, ""))
        raise
    await store.abort_upload(AbortUpload(begun[0]))


async def _try(action: str, attempt: Callable[[], Awaitable[object]], *, empty_is_fine: bool = False) -> Trial:
    try:
        await attempt()
    except AccessDenied as error:
        return Trial(action, "denied", error.message)
    except NotFound:
        return Trial(action, "not tried", "the object went away meanwhile")
    except AttemptError as error:
        return Trial(action, "not known", error.message)
    except ObjectError as error:
        if empty_is_fine and error.code in ("InvalidRange", "416"):
            return Trial(action, "allowed")
        return Trial(action, "not tried", error.message)
    return Trial(action, "allowed")


def skew_s(date: str, now_s: float) -> float | None:
    """How far this machine's clock was ahead of the Date header when that came (`now_s`, seconds since the epoch), in
    seconds; None where it cannot be read. The header has whole seconds: less than one is no difference."""
    server = server_ms(date)
    if server is None:
        return None
    ahead_s = now_s - server / 1000
    return 0.0 if 0 <= ahead_s < 1 else ahead_s
