"""An object that is written by parts: the upload's whole life, resumable, whatever its parts are made of.

Intent is committed, then the upload created, then its id committed, then the parts. Interruption and errors of scope
`run` keep the upload for the next run; a failure of the object, drift and a conflict abort it, shielded from
cancellation. Parts run on the workers of everyone (`WorkQueue.run_parts`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from engine.errors import Ambiguous, AttemptError, EngineError, NotFound, ObjectError, PreconditionFailed
from engine.model import ABSENT, Checksum, CopyResult, ObjectRef, Properties, UploadedPart, UploadRef, bucket_name
from engine.plan.integrity import predicted_etag, same_etag
from engine.plan.lifecycle import State
from engine.plan.parts import Layout, PartRange
from engine.plan.record import Outcome, UploadRecord
from engine.plan.sizes import moment_ms
from engine.sites.site import Site
from engine.store import AbortUpload, CreateUpload, ListParts
from engine.transfer.carrier import Drifted, Ended, Failed, Interrupted, Task
from engine.transfer.completing import Again, SeenComplete, as_answer, complete, target_now
from engine.transfer.guard import Conditions
from engine.transfer.orphans import SERVER_SLACK_MS, Orphans
from engine.transfer.work import WorkQueue

RESTARTS = 3
"""How often an upload is begun anew after 409, or where it vanished."""

ABORT_GRACE_S = 20.0
"""How long an abort may take after the run was cancelled."""


class UploadJournal(Protocol):
    """What the ledger remembers of uploads. All but `record_parts` are durable when they return."""

    async def intend_upload(self, upload: UploadRecord) -> None: ...
    async def set_upload_id(self, route: str, key: str, upload_id: str) -> None: ...
    async def record_parts(self, route: str, key: str, parts: Sequence[UploadedPart]) -> None: ...
    async def finish_upload(self, route: str, key: str, how: str) -> None: ...
    async def parts(self, route: str, key: str) -> list[UploadedPart]: ...


class Content(Protocol):
    """What the upload of one object is made of: where carriers differ."""

    @property
    def task(self) -> Task: ...

    @property
    def layout(self) -> Layout:
        """The parts of an upload that is begun now; one of an earlier run keeps its own."""

    @property
    def checksum(self) -> Checksum | None:
        """What S3 is to sum the object by, with its value where that is known beforehand."""

    def whole(self, parts: Sequence[UploadedPart]) -> Checksum | None:
        """What an upload of these parts is to be completed with. Raises `Ended` where they are not what they should
        be."""

    async def kept(self, layout: Layout, parts: dict[int, UploadedPart]) -> dict[int, UploadedPart]:
        """Those of an earlier run's parts, in their places, that need not be sent again."""

    def again(self, task: Task) -> Content:
        """The same for an upload that is begun anew, of this task."""

    async def properties(self) -> Properties:
        """Everything that the upload is created with."""

    async def etag_now(self) -> str:
        """The source's ETag as it is now, empty where it is gone: asked once a part was refused for it."""

    async def send(self, upload: UploadRef, part: PartRange, count: int) -> UploadedPart:
        """Bring one of `count` parts to the target."""

    async def judge(self, result: CopyResult, parts: Sequence[UploadedPart], requests: int) -> Outcome:
        """The outcome of a completed upload, that took so many requests. Raises `Differs`."""


@dataclass(slots=True)
class _Progress:
    """One upload under way. Not shared between uploads; mutated by its part jobs on the event loop alone."""

    done: dict[int, UploadedPart]
    requests: int = 0
    unrecorded: list[UploadedPart] = field(default_factory=list)
    recording: bool = False


class Uploader:
    """Writes objects at `site` by parts. Intents are dated by `now_ms`, this machine's clock, and by the clock of the
    site's own server, which dates its uploads and objects: another server's says nothing of them. An upload that was
    intended before `outdated_before` of its bucket is begun anew: it keeps a configuration that the bucket has no
    more."""

    def __init__(
        self,
        site: Site,
        journal: UploadJournal,
        queue: WorkQueue[Task],
        orphans: Orphans,
        now_ms: Callable[[], int],
        conditions: Conditions,
        outdated_before: Mapping[str, int],
    ) -> None:
        self._site = site
        self._outdated_before = outdated_before
        self._store = site.store
        self._journal = journal
        self._queue = queue
        self._orphans = orphans
        self._now_ms = now_ms
        self._conditions = conditions

    async def carry(self, content: Content, requests: int) -> Outcome:
        """An upload to its outcome, begun anew where it has to be; `requests` is what it took to know its content.

        Raises `Interrupted`, `Ended` and what the store raises: `Ended` and `ObjectError` only after the upload was
        aborted."""
        task = content.task
        if task.upload is not None and (done := await self.completed_before(content, task.upload)) is not None:
            return done
        last: EngineError | None = None
        try:
            for _ in range(RESTARTS):
                try:
                    outcome = await self.upload(content)
                    return outcome._replace(requests=outcome.requests + requests)
                except Again as again:
                    last = again.error
                    condition = again.condition or content.task.target_condition
                    content = content.again(content.task._replace(upload=None, target_condition=condition))
        except Ended as ended:
            ended.requests += requests
            raise
        return Outcome(
            task.key,
            State.FAILED,
            code=getattr(last, "code", "") or "UploadRestarted",
            message=f"the upload had to be begun anew {RESTARTS} times: {last}",
            requests=requests,
        )

    async def upload(self, content: Content) -> Outcome:
        """One upload from intent, or from where an earlier run left it, to its proof.

        Raises `Again` where it has to be begun anew, `Interrupted`, `Ended` and what the store raises: `Again`, `Ended`
        and `ObjectError` only after the upload was aborted."""
        task = content.task
        ref, layout, have = await self._begin(content)
        progress = _Progress(have)
        async with self._aborted_unless_kept(content, ref, progress):
            missing = [part for part in layout if part.number not in have]
            await self._queue.run_parts(
                [partial(self._send, content, ref, part, layout.count, progress) for part in missing],
                sum(part.size for part in missing),
            )
            if len(progress.done) != layout.count:
                raise Interrupted  # S3 would complete an upload that lacks its last parts
            progress.requests += 2  # Create, or the look at its parts; and Complete
            parts = list(progress.done.values())
            checksum = content.whole(parts)
            result = await complete(self._store, self._conditions, task, ref, parts, checksum)
            outcome = await content.judge(result, parts, progress.requests)
        if isinstance(result, SeenComplete):
            await self._abort(task.route.name, task.key, ref, how="completed")
        else:
            await self._journal.finish_upload(task.route.name, task.key, "completed")
        await self._orphans.look_again(ref.target)
        return outcome

    @asynccontextmanager
    async def _aborted_unless_kept(self, content: Content, ref: UploadRef, progress: _Progress) -> AsyncIterator[None]:
        """Decides what becomes of an upload that does not get to its proof: whatever stops the run, or may pass, keeps
        it for the next run; every other end aborts it."""
        task = content.task
        try:
            yield
        except Again:
            await self._abort(task.route.name, task.key, ref, must=True)
            raise
        except (PreconditionFailed, NotFound) as error:
            # On a part: the upload is gone, or the source changed. (Complete settles its own.)
            await self._abort(task.route.name, task.key, ref)
            if error.code == "NoSuchUpload":
                raise Again(error) from error
            etag = await content.etag_now()
            if etag != task.source.etag:
                raise Drifted(progress.requests, etag_now=etag) from error
            raise Failed(progress.requests, error=error) from error
        except (Ended, ObjectError):
            await self._abort(task.route.name, task.key, ref)
            raise

    async def _begin(self, content: Content) -> tuple[UploadRef, Layout, dict[int, UploadedPart]]:
        """Take an earlier upload up again, or begin one: intent, Create, id."""
        task, checksum = content.task, content.checksum
        algorithm = checksum.algorithm if checksum else ""
        if task.upload is not None:
            taken_up = await self._take_up(content, task.upload, algorithm)
            if taken_up is not None:
                return taken_up
        properties = await content.properties()
        record = UploadRecord(
            task.route.name,
            task.key,
            task.route.target.bucket,
            task.target_ref.key,
            "",
            task.source.etag,
            task.source.size,
            content.layout.text,
            algorithm,
            self._now_ms(),
            self._site.server_ms(task.route.target.bucket),
        )
        await self._journal.intend_upload(record)
        try:
            request = CreateUpload(task.target_ref, properties, algorithm, checksum.type if checksum else "")
            ref = await self._store.create_upload(request)
        except Ambiguous as error:
            await self._orphans.look_for(task.target_ref, record)
            raise Again(error) from error
        except ObjectError:
            await self._journal.finish_upload(task.route.name, task.key, "refused")
            raise
        await self._journal.set_upload_id(task.route.name, task.key, ref.upload_id)
        return ref, content.layout, {}

    async def completed_before(self, content: Content, upload: UploadRecord) -> Outcome | None:
        """What an earlier run completed without being told: the target bears the ETag of the parts that it recorded."""
        task = content.task
        if not upload.upload_id or upload.source_etag != task.source.etag or task.target_condition == ABSENT:
            return None
        if task.anew:
            return None  # what was found damaged may bear the very ETag
        parts = await self._journal.parts(task.route.name, task.key)
        predicted = predicted_etag(parts)
        target = await target_now(self._store, task) if predicted else None
        if target is None or not same_etag(target.etag, predicted) or target.size != task.source.size:
            return None
        modified_ms = moment_ms(target.modified)
        if not upload.server_ms or modified_ms is None:
            return None  # nobody knows whether it was there before the upload was begun
        if modified_ms < upload.server_ms - SERVER_SLACK_MS:
            return None  # it was there, and the upload was to be written over it
        await self.discard(upload)
        return await content.judge(as_answer(target), parts, 3)

    async def _take_up(
        self, content: Content, upload: UploadRecord, algorithm: str
    ) -> tuple[UploadRef, Layout, dict[int, UploadedPart]] | None:
        """The parts that an earlier run left, or None where that upload is of no use any more."""
        task = content.task
        if not upload.upload_id:
            with suppress(ObjectError):  # it may not be looked for at all: what was told has to do
                await self._orphans.look_for(task.target_ref, upload)
            return None
        ref = UploadRef(task.target_ref, upload.upload_id)
        same_source = upload.source_etag == task.source.etag and upload.source_size == task.source.size
        outdated = upload.intent_ms < self._outdated_before.get(bucket_name(upload.bucket, self._site.name), 0)
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
        try:
            return ref, layout, await content.kept(layout, have)
        except (Ended, ObjectError):
            await self._abort(task.route.name, task.key, ref)
            raise

    async def _send(self, content: Content, ref: UploadRef, part: PartRange, count: int, progress: _Progress) -> None:
        progress.requests += 1
        done = await content.send(ref, part, count)
        progress.done[part.number] = done
        progress.unrecorded.append(done)
        await self._record(content.task, progress)

    async def _record(self, task: Task, progress: _Progress) -> None:
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
        slow = f"it was not aborted within {ABORT_GRACE_S:.0f} s"
        problem: EngineError | None
        problem = Ambiguous(slow, operation="AbortMultipartUpload", ref=str(ref.target), code="AbortTooSlow")
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
