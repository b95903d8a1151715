"""Copying one object by parts: the upload's whole life, resumable.

Intent is committed, then the upload created, then its id committed, then the parts. Interruption and errors of scope
`run` keep the upload for the next run; a failure of the object, drift and a conflict abort it, shielded from
cancellation. Parts run on the workers of everyone (`WorkQueue.put_parts`), and the worker that began the upload
carries parts too while it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from engine.errors import (
    Ambiguous,
    AttemptError,
    EngineError,
    NotFound,
    ObjectError,
    PreconditionFailed,
)
from engine.model import ABSENT, MIB, Checksum, CopyResult, ObjectHead, ObjectRef, Proof, UploadedPart, UploadRef
from engine.plan.integrity import (
    Agreement,
    checksum_to_ask,
    combined_checksum,
    evidence_of_copy,
    evidence_of_heads,
    predicted_etag,
)
from engine.plan.lifecycle import State
from engine.plan.parts import Layout, PartRange, fast_layout
from engine.plan.record import Outcome, UploadRecord
from engine.store import AbortUpload, CopyPart, CreateUpload, HeadObject, ListParts, ObjectStore, head_or_none
from engine.transfer.completing import Again, Looked, as_answer, complete, look
from engine.transfer.guard import Conditions, copy_part
from engine.transfer.layouts import own_layouts
from engine.transfer.orphans import Orphans
from engine.transfer.properties import read_properties
from engine.transfer.task import CopyTask, Method, drifted, failed
from engine.transfer.work import PartJob, WorkQueue

ABORT_GRACE_S = 20.0
"""How long an abort may take after the run was cancelled."""

RESTARTS = 3
"""How often an upload is begun anew after 409, a layout that proved wrong, or an upload that vanished."""


class UploadJournal(Protocol):
    """What the ledger remembers of uploads. All but `record_parts` are durable when they return."""

    async def intend_upload(self, upload: UploadRecord) -> None: ...
    async def set_upload_id(self, route: str, key: str, upload_id: str) -> None: ...
    async def record_parts(self, route: str, key: str, parts: Sequence[UploadedPart]) -> None: ...
    async def finish_upload(self, route: str, key: str, how: str) -> None: ...
    async def parts(self, route: str, key: str) -> list[UploadedPart]: ...


class Interrupted(Exception):
    """The run is stopping: this upload keeps what it has for the next run, and its task has no outcome."""


@dataclass(slots=True)
class _Progress:
    """One upload under way. Not shared between uploads; mutated by its part jobs on the event loop alone."""

    done: dict[int, UploadedPart]
    missing: int
    finished: anyio.Event
    error: BaseException | None = None
    requests: int = 0
    unrecorded: list[UploadedPart] = field(default_factory=list)
    recording: bool = False


class Uploader:
    """Copies objects by parts. Intents are dated by `now_ms`, this machine's clock, and by `server_now_ms`, the
    server's (None: it is not known). An upload that was intended before
    `outdated_before` of its bucket is begun anew: it keeps a configuration that the bucket has no more."""

    def __init__(
        self,
        store: ObjectStore,
        journal: UploadJournal,
        queue: WorkQueue[CopyTask],
        orphans: Orphans,
        now_ms: Callable[[], int],
        conditions: Conditions,
        outdated_before: Mapping[str, int] | None = None,
        server_now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._outdated_before = outdated_before or {}
        self._store = store
        self._journal = journal
        self._queue = queue
        self._orphans = orphans
        self._now_ms = now_ms
        self._server_now_ms = server_now_ms
        self._conditions = conditions

    async def upload(self, task: CopyTask, method: Method) -> Outcome:
        """Copy one object by parts. Raises as `Copier.copy`; `ObjectError` only after the upload was aborted."""
        head = await self._head(task)
        if head is None or head.etag != task.source.etag:
            if task.upload is not None:
                await self.discard(task.upload)
            return drifted(task, head.etag if head else "")
        checksum = checksum_to_ask(head.checksums)
        whole = checksum is not None and checksum.value != ""
        layouts: list[Layout] = []
        asked = 0
        if method is Method.OWN_PARTS or (not whole and "-" in task.source.etag):
            layouts, asked = await own_layouts(self._store, task.source_ref, head)
        method = Method.OWN_PARTS if layouts else Method.FAST_PARTS
        layouts = layouts or [fast_layout(task.source.size)]
        requests = 1 + asked
        upload = task.upload
        if upload is not None and (done := await self._completed_before(task, head, upload, checksum)) is not None:
            return done
        last: EngineError | None = None
        for turn in range(RESTARTS):
            layout = layouts[min(turn, len(layouts) - 1)]
            try:
                outcome = await self._once(task, head, layout, checksum, upload)
            except Again as again:
                upload, last = None, again.error
                if again.condition:
                    task = task._replace(target_condition=again.condition)
                continue
            if outcome.state is State.COPIED and outcome.proof < Proof.DIGEST and turn + 1 < len(layouts):
                # The guess at the source's layout was wrong: the next one lays out again, over our own copy.
                upload, task = None, task._replace(target_condition=outcome.target_etag)
                requests += outcome.requests
                continue
            how = method.value if outcome.method else ""
            return outcome._replace(method=how, requests=outcome.requests + requests)
        return Outcome(
            task.key,
            State.FAILED,
            code=getattr(last, "code", "") or "UploadRestarted",
            message=f"the upload had to be begun anew {RESTARTS} times: {last or 'its layout did not prove it'}",
            requests=requests,
        )

    async def _once(
        self,
        task: CopyTask,
        head: ObjectHead,
        layout: Layout,
        checksum: Checksum | None,
        upload: UploadRecord | None,
    ) -> Outcome:
        """One upload from intent (or from where an earlier run left it) to Complete."""
        ref, layout, have = await self._begin(task, head, layout, checksum, upload)
        progress = _Progress(have, layout.count - len(have), anyio.Event())
        try:
            if progress.missing:
                await self._carry(task, ref, layout, progress)
            if progress.error is not None:
                raise progress.error
            if len(progress.done) != layout.count:
                raise Interrupted  # S3 would complete an upload that lacks its last parts
            progress.requests += 2  # Create, or the look at its parts; and Complete
            result = await complete(self._store, self._conditions, task, ref, list(progress.done.values()), checksum)
            if isinstance(result, CopyResult):
                outcome = await self._judge(task, head, result, progress, checksum)
            else:
                outcome = result
        except Again:
            await self._abort(task.route.name, task.key, ref, must=True)
            raise
        except PreconditionFailed as error:
            # On a part: the source changed. (Complete settles its own 412.)
            await self._abort(task.route.name, task.key, ref)
            now = await self._head(task)
            if now is None or now.etag != task.source.etag:
                return drifted(task, now.etag if now else "", requests=progress.requests)
            return failed(task, error, requests=progress.requests)
        except NotFound as error:
            await self._abort(task.route.name, task.key, ref)
            if error.code == "NoSuchUpload":
                raise Again(error) from error
            return drifted(task, "", requests=progress.requests)
        except ObjectError:
            await self._abort(task.route.name, task.key, ref)
            raise
        if outcome.state is State.COPIED and isinstance(result, Looked):
            await self._abort(task.route.name, task.key, ref, how="completed")
        elif outcome.state is State.COPIED:
            await self._journal.finish_upload(task.route.name, task.key, "completed")
        else:
            await self._abort(task.route.name, task.key, ref)
        return outcome

    async def _begin(
        self,
        task: CopyTask,
        head: ObjectHead,
        layout: Layout,
        checksum: Checksum | None,
        upload: UploadRecord | None,
    ) -> tuple[UploadRef, Layout, dict[int, UploadedPart]]:
        """Take an earlier upload up again, or begin one: intent, Create, id."""
        if upload is not None:
            taken_up = await self._take_up(task, upload, checksum.algorithm if checksum else "")
            if taken_up is not None:
                return taken_up
        properties = await read_properties(self._store, task.route, task.source, task.source_ref, head)
        record = UploadRecord(
            task.route.name,
            task.key,
            task.route.target.bucket,
            task.target_ref.key,
            "",
            task.source.etag,
            task.source.size,
            layout.text,
            checksum.algorithm if checksum else "",
            self._now_ms(),
            self._server_now_ms() if self._server_now_ms is not None else 0,
        )
        await self._journal.intend_upload(record)
        try:
            ref = await self._store.create_upload(
                CreateUpload(
                    task.target_ref,
                    properties,
                    checksum.algorithm if checksum else "",
                    checksum.type if checksum else "",
                )
            )
        except Ambiguous as error:
            await self._orphans.look_for(task.target_ref, record)
            raise Again(error) from error
        except ObjectError:
            await self._journal.finish_upload(task.route.name, task.key, "refused")
            raise
        await self._journal.set_upload_id(task.route.name, task.key, ref.upload_id)
        return ref, layout, {}

    async def _completed_before(
        self, task: CopyTask, head: ObjectHead, upload: UploadRecord, checksum: Checksum | None
    ) -> Outcome | None:
        """What an earlier run completed without being told: the target bears the ETag of the parts that it recorded."""
        if not upload.upload_id or upload.source_etag != task.source.etag or task.target_condition == ABSENT:
            return None
        parts = await self._journal.parts(task.route.name, task.key)
        predicted = predicted_etag(parts)
        target = await look(self._store, task) if predicted else None
        if target is None or target.etag != predicted or target.size != task.source.size:
            return None
        await self.discard(upload)
        progress = _Progress({part.number: part for part in parts}, 0, anyio.Event(), requests=3)
        return await self._judge(task, head, as_answer(target), progress, checksum)

    async def _take_up(
        self, task: CopyTask, upload: UploadRecord, algorithm: str
    ) -> tuple[UploadRef, Layout, dict[int, UploadedPart]] | None:
        """The parts that an earlier run left, or None where that upload is of no use any more."""
        if not upload.upload_id:
            with suppress(ObjectError):  # it may not be looked for at all: what was told has to do
                await self._orphans.look_for(task.target_ref, upload)
            return None
        ref = UploadRef(task.target_ref, upload.upload_id)
        same_source = upload.source_etag == task.source.etag and upload.source_size == task.source.size
        outdated = upload.intent_ms < self._outdated_before.get(upload.bucket, 0)
        if not same_source or outdated or upload.checksum_algorithm != algorithm:
            await self._abort(task.route.name, task.key, ref, must=True)
            return None
        try:
            parts = await self._store.list_parts(ListParts(ref))
        except NotFound:
            await self._journal.finish_upload(task.route.name, task.key, "vanished")
            return None
        layout = Layout.from_text(task.source.size, upload.layout)
        wanted = {part.number: part.size for part in layout}
        have = {part.number: part for part in parts if wanted.get(part.number) == part.size}
        return ref, layout, have

    async def _carry(self, task: CopyTask, ref: UploadRef, layout: Layout, progress: _Progress) -> None:
        """Hand the missing parts to all workers, carry parts oneself, and wait for the last."""
        missing = [part for part in layout if part.number not in progress.done]
        self._queue.put_parts([self._part_job(task, ref, part, layout.count, progress) for part in missing])
        try:
            while not progress.finished.is_set():
                job = self._queue.take_part_nowait()
                if job is None:
                    await progress.finished.wait()
                    break
                try:
                    await job()
                finally:
                    self._queue.part_done()
        except BaseException as error:
            progress.error = progress.error or error  # the other parts of this upload need not begin
            raise

    def _part_job(self, task: CopyTask, ref: UploadRef, part: PartRange, count: int, progress: _Progress) -> PartJob:
        whole = count == 1 and part.first == 0
        small = task.source.size <= 5 * MIB  # S3 takes a range only on sources over 5 MB

        async def run() -> None:
            try:
                if self._queue.stopping:
                    progress.error = progress.error or Interrupted()
                if progress.error is None:
                    progress.requests += 1
                    first, last = (None, None) if whole and small else (part.first, part.last)
                    request = CopyPart(ref, part.number, task.source_ref, task.source.etag or None, first, last)
                    done = await copy_part(self._store, self._conditions, request)
                    done = done._replace(size=part.size)
                    progress.done[part.number] = done
                    progress.unrecorded.append(done)
                    await self._record(task, progress)
            except EngineError as error:
                progress.error = progress.error or error
            except BaseException:  # cancelled: the part is missing, and whoever waits for the last must know
                progress.error = progress.error or Interrupted()
                raise
            finally:
                # Also after an error all parts are waited for, so that none lands after the abort.
                progress.missing -= 1
                if progress.missing == 0:
                    progress.finished.set()

        return run

    async def _record(self, task: CopyTask, progress: _Progress) -> None:
        """Commit the parts that are done; those that end meanwhile go with the next batch, of whoever is at it."""
        if progress.recording:
            return
        progress.recording = True
        try:
            while progress.unrecorded:
                parts, progress.unrecorded = progress.unrecorded, []
                await self._journal.record_parts(task.route.name, task.key, parts)
        finally:
            progress.recording = False

    async def _judge(
        self, task: CopyTask, head: ObjectHead, result: CopyResult, progress: _Progress, checksum: Checksum | None
    ) -> Outcome:
        """The upload is complete: what do its answers prove, those of its parts included?"""
        checksums = result.checksums
        if checksum is not None and checksum.value and all(item.algorithm != checksum.algorithm for item in checksums):
            combined = combined_checksum(checksum, list(progress.done.values()))
            checksums = (*checksums, combined) if combined is not None else checksums
        agreement, evidence = evidence_of_copy(
            source_etag=task.source.etag,
            target_etag=result.etag,
            target_encryption=result.encryption,
            source_checksums=head.checksums,
            target_checksums=checksums,
        )
        if agreement is not Agreement.EQUAL:
            progress.requests += 1
            target = await look(self._store, task)
            if target is not None and target.etag == result.etag:
                agreement, evidence = evidence_of_heads(head, target, evidence.compared)
                checksums = target.checksums or checksums
        ours = next((str(item) for item in checksums if item.type == "FULL_OBJECT"), "")
        method = Method.OWN_PARTS  # or FAST_PARTS: whoever chose the layout says so
        if agreement is Agreement.DIFFERENT:
            return Outcome(
                task.key,
                State.FAILED,
                result.etag,
                ours,
                method=method.value,
                requests=progress.requests,
                code="DigestMismatch",
                message=f"S3 says that the copy differs from its source by {evidence.compared}; the next run copies "
                f"it again",
            )
        return Outcome(
            task.key,
            State.COPIED,
            result.etag,
            ours,
            evidence.proof,
            evidence.compared,
            method.value,
            progress.requests,
        )

    async def discard(self, upload: UploadRecord) -> None:
        """End an upload of an earlier run that is of no use any more: abort it, or look for what it may have left."""
        target = ObjectRef(upload.bucket, upload.target_key)
        if upload.upload_id:
            await self._abort(upload.route, upload.key, UploadRef(target, upload.upload_id))
        else:
            try:
                await self._orphans.look_for(target, upload)
            except AttemptError:
                return  # it stays in the ledger: the next run looks again
            except ObjectError:
                pass  # as in `_take_up`
            await self._journal.finish_upload(upload.route, upload.key, "aborted")

    async def _abort(self, route: str, key: str, ref: UploadRef, *, how: str = "aborted", must: bool = False) -> None:
        """Abort, shielded from cancellation: an upload nobody knows of is billed for ever. One that cannot be aborted
        stays in the ledger for the next run; `must` raises then, so that no other takes its place there. `how` is what
        the ledger says of its end."""
        problem: EngineError | None = _too_slow(ref)
        with anyio.CancelScope(shield=True), anyio.move_on_after(ABORT_GRACE_S):
            try:
                await self._store.abort_upload(AbortUpload(ref))
                problem = None
            except NotFound:
                problem = None  # completed or aborted already
            except EngineError as error:
                problem = error
            if problem is None:
                await self._journal.finish_upload(route, key, how)
        if problem is not None:
            self._orphans.report(ref.target, ref.upload_id, str(problem))
            if must:
                raise problem

    async def _head(self, task: CopyTask) -> ObjectHead | None:
        return await head_or_none(self._store, HeadObject(task.source_ref, checksums=True))


def _too_slow(ref: UploadRef) -> Ambiguous:
    return Ambiguous(
        f"it was not aborted within {ABORT_GRACE_S:.0f} s",
        operation="AbortMultipartUpload",
        ref=str(ref.target),
        code="AbortTooSlow",
    )
