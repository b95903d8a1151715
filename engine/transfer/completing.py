"""CompleteMultipartUpload, whose answer can get lost: what became of the upload is settled by looking.

NoSuchUpload may mean "completed already", 412 may be our own lost success, and an answer that never came may be either;
the target tells, by the ETag that S3 makes of the parts. Complete is sent again only while the upload is still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import Ambiguous, Conflict, EngineError, NotFound, PreconditionFailed, Unsupported
from engine.model import ABSENT, Checksum, CopyResult, ObjectHead, UploadedPart, UploadRef
from engine.plan.integrity import is_md5, predicted_etag, same_etag
from engine.store import CompleteUpload, HeadObject, ListParts, ObjectStore, head_or_none
from engine.transfer.carrier import Conflicting, Task
from engine.transfer.guard import Conditions

COMPLETIONS = 4
"""How often Complete is sent while its outcome stays unknown, each time after a look at target and upload."""


class Again(Exception):
    """Begin this upload anew; with `condition` on the target, where it is not that of the task any more."""

    def __init__(self, error: EngineError, condition: str = "") -> None:
        self.error = error
        self.condition = condition


async def complete(
    store: ObjectStore,
    conditions: Conditions,
    task: Task,
    ref: UploadRef,
    done: Sequence[UploadedPart],
    checksum: Checksum | None,
) -> CopyResult:
    """Complete the upload: what S3 says of the object.

    Raises `Conflicting` where the target is someone else's, `Again` where the upload has to be begun anew, and
    `Ambiguous` where nothing settles it."""
    parts = tuple(sorted(done))
    predicted = predicted_etag(parts)
    bucket, wanted = ref.target.bucket, task.target_condition
    condition = conditions.target("complete", bucket, wanted)
    request = CompleteUpload(ref, parts, condition, task.source.size, checksum)
    unknown: Ambiguous | None = None
    unexplained = False
    for _ in range(COMPLETIONS):
        try:
            result = await store.complete_upload(request)
            if request.target_condition != condition:
                conditions.refuse_target("complete", bucket, wanted)
            return result
        except Conflict as error:
            raise Again(error) from error  # an upload has to be started anew after 409 (API reference)
        except Unsupported:
            if request.target_condition is None:
                raise
            request = request._replace(target_condition=None)
        except (Ambiguous, NotFound, PreconditionFailed) as error:
            target = await target_now(store, task)
            if target is not None and target.size == task.source.size and _may_be_new(task, target, predicted):
                # With no answer lost before, 412 says that this upload did not write it.
                is_theirs = isinstance(error, PreconditionFailed) and unknown is None
                return as_answer(target, NotOurs if is_theirs else SeenComplete)
            if isinstance(error, PreconditionFailed):
                if request.target_condition == (target.etag if target is not None else ABSENT):
                    # Nothing has changed. Met twice it is a condition that the server cannot do.
                    request = request._replace(target_condition=None) if unexplained else request
                    unexplained = True
                    continue
                if target is None:
                    raise Again(error, ABSENT) from error
                why = "the target was written by someone else during the upload"
                raise Conflicting(condition=wanted, etag_there=target.etag, why=why) from error
            if isinstance(error, NotFound):
                raise Again(error, _perhaps_ours(task, target)) from error  # the upload, or an If-Match without target
            try:
                await store.list_parts(ListParts(ref))
            except NotFound as gone:
                raise Again(gone, _perhaps_ours(task, await target_now(store, task))) from error
            unknown = error
    assert unknown is not None
    raise unknown


def _may_be_new(task: Task, target: ObjectHead, predicted: str) -> bool:
    """Whether it bears the ETag of the parts, and did not before: else it may be what was to be written over. (Of what
    is set where it is, whoever asks compares what it carries.)"""
    return same_etag(target.etag, predicted) and (target.etag != task.target_condition or task.route.in_place)


async def target_now(store: ObjectStore, task: Task) -> ObjectHead | None:
    """The target, with its checksums; None where there is none."""
    return await head_or_none(store, HeadObject(task.target_ref, checksums=True))


class SeenComplete(CopyResult, frozen=True):
    """What a look at the target says, in place of Complete's own answer. Whether it was this upload that wrote it, or
    an earlier one of the same parts, cannot be told: the upload may still be there."""


class NotOurs(SeenComplete, frozen=True):
    """Of what somebody else wrote at the same time, from the same bytes: found in place, and theirs."""


def as_answer(target: ObjectHead, kind: type[SeenComplete] = SeenComplete) -> SeenComplete:
    """What HEAD says of the target, as Complete would have said it."""
    encryption = target.properties.encryption
    return kind(
        target.etag, checksums=target.checksums, encryption=encryption.algorithm if encryption is not None else ""
    )


def _perhaps_ours(task: Task, target: ObjectHead | None) -> str:
    """The upload is gone, and what is at the target may be its object, under an encryption of whose ETags nothing can
    be predicted: it is copied again over exactly that. Empty where nothing speaks for it."""
    if target is None:
        return ABSENT
    if target.size != task.source.size or is_md5(target.properties.encryption):
        return ""
    return target.etag
