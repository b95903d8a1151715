"""Copying one object: the decisions that follow from S3's answers.

One call of `Copier.copy` takes a task to its outcome. An object's failure is a value; only errors of scope `run`
are raised. An unknown outcome is settled by looking at the target.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from engine.errors import (
    Ambiguous,
    Archived,
    AttemptError,
    Conflict,
    NotFound,
    ObjectError,
    PreconditionFailed,
    Rejected,
    StoreError,
    Unsupported,
)
from engine.model import (
    ABSENT,
    Checksum,
    CopyResult,
    ObjectHead,
    ObjectRef,
    OpaqueEtag,
    Proof,
)
from engine.plan.integrity import (
    MD5_ENCRYPTIONS,
    Agreement,
    Evidence,
    compare_etags,
    evidence_of_copy,
    evidence_of_heads,
    is_md5,
    parts_of,
)
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.store import CopyObject, HeadObject, ObjectStore, head_or_none
from engine.transfer.guard import FORMS, Conditions, Form
from engine.transfer.mending import mend
from engine.transfer.properties import NOTHING, copy_directives
from engine.transfer.task import CopyTask, Method, conflicting, drifted, failed, method_for
from engine.transfer.uploading import Uploader

ATTEMPTS = 5
"""How often one copy is sent while its outcome stays unknown, each time after a look at the target."""

TOO_LARGE = frozenset({"EntityTooLarge", "InvalidRequest"})
"""What S3 answers to a CopyObject of a source over 5 GiB: the size was not what the listing said."""


class Copier:
    """Copies single objects through `store`; multipart copies through `uploader`."""

    def __init__(
        self,
        store: ObjectStore,
        uploader: Uploader,
        conditions: Conditions,
        sleep: Callable[[float], Awaitable[None]],
        jitter: random.Random,
    ) -> None:
        self._store = store
        self._uploader = uploader
        self._conditions = conditions
        self._sleep = sleep
        self._jitter = jitter

    async def copy(self, task: CopyTask) -> Outcome:
        """Take one task to its outcome. Raises `RunError` alone."""
        try:
            if task.inspect:
                return await self._inspect(task)
            if task.mend:
                if task.upload is not None and task.target_condition != ABSENT:
                    # Of an earlier run that mended it; what the source carried then it may not carry now.
                    await self._uploader.discard(task.upload)
                    task = task._replace(upload=None)
                return await mend(self._store, task, self.copy)
            if task.claim and (foreign := await self._foreign(task)) is not None:
                return foreign
            method = method_for(task.source)
            if task.upload is not None or method in (Method.OWN_PARTS, Method.FAST_PARTS):
                return await self._uploader.upload(task, method)
            if method is Method.COPY and task.route.plain_properties:
                return await self._copy_plain(task)
            return await self._copy_whole(task, method)
        except Archived as error:
            return Outcome(task.key, State.ARCHIVED, code=error.code, message=error.message)
        except (ObjectError, AttemptError) as error:
            return failed(task, error)  # an attempt that the retry layer has given up; an upload is kept

    def _copy_plain(self, task: CopyTask) -> Coroutine[Any, Any, Outcome]:
        """What nearly every object is: one CopyObject with nothing to find out first."""
        return self._send(task, Method.COPY, self._request(task), (), 1)

    def _request(self, task: CopyTask) -> CopyObject:
        conditions, source, target = self._conditions, task.source_ref, task.target_ref
        return CopyObject(
            source,
            target,
            conditions.pin("copy", source.bucket, task.source.etag),
            conditions.target("copy", target.bucket, task.target_condition),
            task.route.storage_class_for(task.source),
        )

    async def _copy_whole(self, task: CopyTask, method: Method) -> Outcome:
        """One CopyObject, after what it takes to know its checksums and properties."""
        checksums: Sequence[Checksum] = ()
        requests = 1
        if method is Method.COPY_CHECKED:
            requests += 1
            head = await self._head(task.source_ref, checksums=True)
            if head is None or head.etag != task.source.etag:
                return drifted(task, head.etag if head else "", requests=requests)
            checksums = [item for item in head.checksums if item.type == "FULL_OBJECT"]
            if not checksums and parts_of(task.source.etag):  # the listing names one that HEAD does not show
                return await self._uploader.upload(task, Method.OWN_PARTS)
        told = NOTHING
        if not task.route.plain_properties:
            told = await copy_directives(self._store, task.route, task.source, task.source_ref)
        request = self._request(task)._replace(
            checksum_algorithm=checksums[0].algorithm if checksums else "",
            properties=told.properties,
            replace_tags=told.tags,
            keep_headers=told.keep_headers,
        )
        return await self._send(task, method, request, checksums, requests)

    async def _send(
        self, task: CopyTask, method: Method, request: CopyObject, checksums: Sequence[Checksum], requests: int
    ) -> Outcome:
        """One CopyObject, sent again only after a look at the target. Once a condition was refused it is sent without,
        and what it can be sent without from then on is kept."""
        lost = False
        pin, condition = request.source_etag, request.target_condition
        form = full = Form(pin is not None, condition is not None)
        forms = list(FORMS[full])  # a 412 that nothing explains is met twice before it counts
        last: StoreError | None = None
        for attempt in range(ATTEMPTS + len(forms)):
            if attempt:
                request = request._replace(
                    source_etag=pin if form.pinned else None, target_condition=condition if form.guarded else None
                )
            try:
                result = await self._store.copy_object(request)
            except PreconditionFailed as error:
                met = await self._after_412(task, error, condition, perhaps_ours=lost)
                if isinstance(met, Outcome):
                    return met
                if met is None and (not forms or not (form.pinned or form.guarded)):
                    return failed(task, error, requests=requests + 3 * attempt)
                last, condition = error, met or condition
                form = forms.pop(0) if met is None else form
                continue
            except (Ambiguous, Conflict) as error:
                lost = lost or isinstance(error, Ambiguous)
                settled = await self._after_unknown(task, request.target_condition)
                if isinstance(settled, Outcome):
                    return settled
                if attempt >= ATTEMPTS - 1:
                    return failed(task, error, requests=requests + 2 * attempt)
                condition = settled if form.guarded else condition
                await self._sleep(self._jitter.uniform(0, min(20.0, 0.2 * 2**attempt)))
                continue
            except NotFound as error:
                # Of the source, or (If-Match) of a target that is gone: then it is ours to make.
                if await self._head(task.source_ref) is None:
                    return drifted(task, "", requests=requests + 1)
                if attempt >= ATTEMPTS - 1:
                    return failed(task, error, requests=requests + 2 * attempt)
                if condition in (ABSENT, None):
                    await self._sleep(self._jitter.uniform(0, min(20.0, 0.2 * 2**attempt)))
                last, condition = error, ABSENT if condition else None
                continue
            except (Unsupported, Rejected) as error:
                if isinstance(error, Rejected) and error.code in TOO_LARGE and task.source.size > 0:
                    head = await self._head(task.source_ref)
                    if head is not None and head.etag != task.source.etag:
                        return drifted(task, head.etag)
                forms = forms[1:] if forms[:1] == [full] else forms  # a clear no is believed at once
                if not forms or not (isinstance(error, Unsupported) or self._conditions.doubtful(request)):
                    raise
                last, form = error, forms.pop(0)
                continue
            if form != full:
                self._learn(task, full, form)
            if (
                method is Method.COPY
                and result.etag == task.source.etag
                and result.encryption in MD5_ENCRYPTIONS
                and "-" not in result.etag
                and type(task.source.etag) is not OpaqueEtag
            ):
                # What nearly every object meets, without a call.
                checksum = str(result.checksums[0]) if result.checksums else ""
                count = requests + 2 * attempt
                return Outcome(task.key, State.COPIED, result.etag, checksum, Proof.DIGEST, "etag", "copy", count)
            return await self._judge(task, method, result, checksums, requests + 2 * attempt)
        if last is None or isinstance(last, PreconditionFailed):
            return conflicting(task, "", "the target came and went while it was being copied", requests=requests)
        return failed(task, last, requests=requests)

    def _learn(self, task: CopyTask, full: Form, sent: Form) -> None:
        """A copy was taken in a lesser form, after it was refused in its full one."""
        if full.pinned and not sent.pinned:
            self._conditions.refuse_pin("copy", task.source_ref.bucket, task.source.etag)
        if full.guarded and not sent.guarded:
            self._conditions.refuse_target("copy", task.target_ref.bucket, task.target_condition)

    async def _judge(
        self, task: CopyTask, method: Method, result: CopyResult, checksums: Sequence[Checksum], requests: int
    ) -> Outcome:
        """The copy succeeded: what does the answer prove?"""
        source = task.source
        agreement, evidence = evidence_of_copy(
            source_etag=source.etag,
            target_etag=result.etag,
            target_encryption=result.encryption,
            source_checksums=checksums,
            target_checksums=result.checksums,
        )
        target_checksums: Sequence[Checksum] = result.checksums
        if agreement is not Agreement.EQUAL:
            requests += 2
            agreement, evidence, target_checksums = await self._compare_heads(task, result.etag, evidence)
        if agreement is Agreement.DIFFERENT:
            return Outcome(
                task.key,
                State.FAILED,
                result.etag,
                method=method.value,
                requests=requests,
                code="DigestMismatch",
                message=f"S3 says that the copy differs from its source by {evidence.compared}; the next run copies it "
                f"again (target ETag {result.etag}, source ETag {source.etag})",
            )
        checksum = next((str(item) for item in target_checksums if item.type == "FULL_OBJECT"), "")
        return Outcome(
            task.key, State.COPIED, result.etag, checksum, evidence.proof, evidence.compared, method.value, requests
        )

    async def _compare_heads(
        self, task: CopyTask, target_etag: str, before: Evidence
    ) -> tuple[Agreement, Evidence, Sequence[Checksum]]:
        """What the answer alone could not say: checksums of both sides, and whether the source's ETag is an MD5."""
        source = await self._head(task.source_ref, checksums=True)
        target = await self._head(task.target_ref, checksums=True)
        if source is None or target is None or source.etag != task.source.etag or target.etag != target_etag:
            return Agreement.UNKNOWN, before, ()
        agreement, evidence = evidence_of_heads(source, target, before.compared)
        return agreement, evidence, target.checksums

    async def _after_412(
        self, task: CopyTask, error: PreconditionFailed, condition: str | None, *, perhaps_ours: bool
    ) -> Outcome | str | None:
        """412 has four meanings: the source changed, the target is there, our own success was lost; or, where both are
        as they were (None), the server cannot do one of the conditions.

        `perhaps_ours`: an earlier copy's answer was lost, and it may have landed since it was looked for. A target that
        cannot be told apart from it gives the ETag over which to copy again."""
        source = await self._head(task.source_ref)
        if source is None or source.etag != task.source.etag:
            return drifted(task, source.etag if source else "", requests=2)
        target = await self._head(task.target_ref)
        if target is not None and _bears(task, target):
            return self._already_there(task, target)
        if target is None:
            return None if condition in (ABSENT, None) else ABSENT
        if condition is None or target.etag == condition:
            return None
        if perhaps_ours and target.size == task.source.size and not await self._differs(task, target):
            return target.etag
        return conflicting(
            task, target.etag, "the target was written by someone else since it was looked at", requests=3
        )

    async def _after_unknown(self, task: CopyTask, condition: str | None) -> Outcome | str | None:
        """Look at the target: an outcome where it tells, else the condition under which to send the copy again."""
        target = await self._head(task.target_ref)
        if target is None:
            return condition if condition in (ABSENT, None) else ABSENT
        if _bears(task, target):
            return self._already_there(task, target)
        if condition is None:
            return None
        if target.etag == condition:
            return condition
        if target.size == task.source.size and not await self._differs(task, target):
            return target.etag  # perhaps ours, and nothing to tell it by: copied again over exactly this one
        return conflicting(task, target.etag, "the target was written by someone else while a copy's outcome was open")

    async def _differs(self, task: CopyTask, target: ObjectHead) -> bool:
        """Whether a target of the same size certainly holds other bytes: both ETags are MD5s, and differ."""
        if compare_etags(task.source.etag, target.etag) is not Agreement.DIFFERENT:
            return False
        source = await self._head(task.source_ref)
        return source is not None and source.etag == task.source.etag and _both_md5(source, target)

    async def _foreign(self, task: CopyTask) -> Outcome | None:
        """A target that appeared while an earlier run's copy was under way: a conflict where it is certainly not
        ours, None where it may be, and is copied again over exactly what was seen."""
        target = await self._head(task.target_ref)
        if target is not None and target.etag == task.target_condition and await self._differs(task, target):
            return conflicting(task, target.etag, "the target was written by someone else while a copy was under way")
        return None

    def _already_there(self, task: CopyTask, target: ObjectHead) -> Outcome:
        proven = is_md5(target.properties.encryption) or "-" in target.etag
        return Outcome(
            task.key,
            State.COPIED,
            target.etag,
            proof=Proof.DIGEST if proven else Proof.SIZE,
            compared="etag" if proven else "size: etag is no MD5 under this encryption",
            method=Method.COPY.value,
            requests=3,
        )

    async def _inspect(self, task: CopyTask) -> Outcome:
        """The target was there before us, as long as the source, with an ETag that cannot be compared."""
        source = await self._head(task.source_ref, checksums=True)
        target = await self._head(task.target_ref, checksums=True)
        if source is None or source.etag != task.source.etag:
            return drifted(task, source.etag if source else "", requests=2)
        if target is None:
            return await self.copy(task._replace(inspect=False, target_condition=ABSENT))
        if target.etag != task.target_condition:
            return conflicting(task, target.etag, "the target was written by someone else since it was listed")
        nothing = "etags of different forms, no common checksum"
        agreement, evidence = evidence_of_heads(source, target, nothing)
        if agreement is Agreement.EQUAL:
            checksum = next((str(item) for item in target.checksums if item.type == "FULL_OBJECT"), "")
            return Outcome(
                task.key,
                State.COPIED,
                task.target_condition,
                checksum,
                evidence.proof,
                evidence.compared,
                "found",
                2,
            )
        if task.route.overwrites_different:
            return await self.copy(task._replace(inspect=False))
        why = (
            f"the target holds other content by {evidence.compared}"
            if agreement is Agreement.DIFFERENT
            else "the target has the same size, and S3 gives nothing else to compare"
        )
        return conflicting(task, task.target_condition, why, requests=2)

    async def _head(self, ref: ObjectRef, *, checksums: bool = False) -> ObjectHead | None:
        return await head_or_none(self._store, HeadObject(ref, checksums=checksums))


def _bears(task: CopyTask, target: ObjectHead) -> bool:
    """The target is what our copy would have written, as far as an ETag can say."""
    return target.size == task.source.size and compare_etags(task.source.etag, target.etag) is Agreement.EQUAL


def _both_md5(source: ObjectHead, target: ObjectHead) -> bool:
    return is_md5(source.properties.encryption) and is_md5(target.properties.encryption)
