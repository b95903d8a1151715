"""Objects into a bucket whose bytes pass through this machine: from a folder (`upload`), or from elsewhere (`relay`).

A small object is one PutObject, out of memory; a larger one goes part by part, each from a buffer of the carrier's one
pool, so that memory is bounded whatever the objects are. What is sent bears a checksum that its server compares, and is
completed with that of the whole: the answer is the proof. Parts that are longer than a buffer are streamed.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from engine.bodies import MemorySource
from engine.checksums import checksum_of
from engine.crc import CRC64NVME
from engine.errors import Ambiguous, Rejected, Unsupported
from engine.model import MIB, Checksum, CopyResult, ObjectHead, Properties, UploadedPart, UploadRef
from engine.plan.integrity import (
    MD5_ENCRYPTIONS,
    Agreement,
    Compares,
    Evidence,
    combined_checksum,
    is_impossible,
    is_plain,
    multipart_etag,
    same_etag,
)
from engine.plan.parts import PART_BYTES, SMALL_BYTES, Layout, OwnParts, PartRange
from engine.plan.record import Outcome
from engine.store import ObjectStore, PutObject, UploadPart
from engine.transfer.buffers import Buffers
from engine.transfer.carrier import Differs, Drifted, Failed, Pause, Task
from engine.transfer.existing import Existing, compared_now
from engine.transfer.guard import Conditions
from engine.transfer.judging import judged
from engine.transfer.methods import needs_own_parts
from engine.transfer.origin import Origin, Streamed
from engine.transfer.properties import read_properties
from engine.transfer.putting import Putter
from engine.transfer.server_parts import are_own
from engine.transfer.sums import MD5, Counted, Sums, countable, joined
from engine.transfer.uploading import Uploader
from engine.windows import Source

BUFFER_BYTES = 32 * MIB
"""A part that is longer is streamed, through a buffer of `PART_BYTES`."""


class Passing(Existing):
    """The carrier into a bucket from somewhere else. `buffers` bounds what is in memory."""

    unpinned: Collection[str] = ()
    """None: every answer of a source says which version its bytes are of."""

    def __init__(
        self,
        origin: Origin,
        source: ObjectStore,
        target: ObjectStore,
        uploader: Uploader,
        conditions: Conditions,
        sums: Sums,
        buffers: Buffers,
        pause: Pause,
    ) -> None:
        super().__init__(source, target, uploader)
        self.origin = origin
        self.conditions = conditions
        self.sums = sums
        self.buffers = buffers
        self._putter = Putter(target, conditions, sums, pause)

    async def _evidence(self, task: Task, source: ObjectHead, target: ObjectHead) -> tuple[Agreement, Evidence]:
        return await self.origin.evidence(task, source, target, self.target, self.compares(task))

    def compares(self, task: Task) -> Compares:
        """As `Sums.compares`, where a task leads to."""
        return self.sums.compares(task.target_ref.bucket)

    async def _claim(self, task: Task) -> Outcome | None:
        """What landed before its outcome was committed is not sent again where it proves to be the source's."""
        if task.upload is None and (compared := await compared_now(self.source, self.target, task, 2)) is not None:
            agreement, found = await self._found(task, compared, self.origin.method, 2)
            if agreement is Agreement.EQUAL and compared.agrees:
                return found
        return await super()._claim(task)

    async def _copy(self, task: Task) -> Outcome:
        if task.source.size <= SMALL_BYTES and not needs_own_parts(task.source):
            if task.upload is not None:  # of what it was before
                await self.discard(task.upload)
            return await self._put_small(task)
        try:
            head = await self.origin.head(task)
        except Drifted:
            if task.upload is not None:
                await self.discard(task.upload)
            raise
        way, asked = await self.origin.way(task, head, self.sums.takes(task.target_ref.bucket) is not False)
        if way.layout is None:
            return await self._put_streamed(task, head, way.checksum)
        return await self._uploader.carry(PassedParts(self, task, head, way.layout, way.checksum, way.own), 1 + asked)

    # --- one PutObject --------------------------------------------------------------------------------------

    async def _put_small(self, task: Task) -> Outcome:
        bucket = task.target_ref.bucket
        with await self.buffers.take(task.source.size) as room:
            head, sums = await self.origin.whole(task, room.buffer, self.sums.algorithms(bucket, CRC64NVME))
            told = countable(head.checksums)
            if told is not None and told.algorithm not in sums.values:
                sums = sums._replace(values={**sums.values, told.algorithm: checksum_of(told.algorithm, room.buffer())})
            algorithm = told.algorithm if told is not None else CRC64NVME
            if told is not None and sums.values.get(told.algorithm) != told.value:
                raise _damaged(self.origin.method, told, "nothing was written")
            if not self.compares(task)(algorithm):
                sums = _with_md5(sums, room.buffer())
            request = PutObject(
                task.target_ref,
                properties=await read_properties(self.source, task.route, task.source, head),
                checksum=None if self.sums.takes(bucket) is False else sums.as_checksum(algorithm),
                content_md5=sums.content_md5,
            )
            result, requests = await self._putter.put(
                task, request, MemorySource(room.buffer()), lambda: _as_head(head, _with_md5(sums, room.buffer()))
            )
        known, requests = self.origin.claims(head, _as_head(head, sums)), requests + self.origin.requests
        return await self._judged(task, known, result, requests)

    async def _put_streamed(self, task: Task, head: ObjectHead, wanted: Checksum) -> Outcome:
        """An object that has to be written in one piece, so that its ETag comes out equal."""
        bucket = task.target_ref.bucket
        properties = await read_properties(self.source, task.route, task.source, head)
        # The source's ETag is its MD5, else it would go by parts: S3 takes nothing with a lock without a digest ahead.
        md5 = base64.b64encode(bytes.fromhex(head.etag)).decode()
        request = PutObject(task.target_ref, properties=properties, content_md5=md5)
        with await self.buffers.take(PART_BYTES) as room:
            whole = PartRange(1, 0, task.source.size - 1)
            source = Streamed(self.origin, task, whole, room.buffer(), self.sums.algorithms(bucket, wanted.algorithm))

            def passes() -> ObjectHead:
                passed = _as_head(head, source.counted if source.is_whole else Counted({}))
                return self.origin.claims(head, passed)

            result, requests = await self._putter.put(task, request, source, passes)
        requests += 1 + self.origin.requests * -(-task.source.size // PART_BYTES)
        return await self._judged(task, passes(), result, requests)

    async def _judged(self, task: Task, known: ObjectHead, result: CopyResult, requests: int) -> Outcome:
        method, compares = self.origin.method, self.compares(task)
        return await judged(self.target, task, known, result, method, requests, compares=compares)


@dataclass(slots=True)
class PassedParts:
    """One object that passes by parts: the `uploading.Content` of its upload. `wanted` and `own` as in `origin.Way`."""

    by: Passing
    task: Task
    head: ObjectHead
    layout: Layout
    wanted: Checksum
    own: OwnParts | None
    checksum: Checksum | None = field(init=False)
    _counted: dict[int, Counted] = field(default_factory=dict)
    _comes_twice: bool = False

    def __post_init__(self) -> None:
        upload, sums = self.task.upload, self.by.sums
        # An upload that is taken up keeps what it was begun with.
        bare = not upload.checksum_algorithm if upload is not None else sums.takes(self.task.target_ref.bucket) is False
        self.checksum = None if bare else self.wanted

    def again(self, task: Task) -> PassedParts:
        return PassedParts(self.by, task, self.head, self.layout, self.wanted, self.own)

    @property
    def _algorithms(self) -> tuple[str, ...]:
        sums, bucket, algorithm = self.by.sums, self.task.target_ref.bucket, self.wanted.algorithm
        needed = sums.algorithms(bucket, algorithm) if self.checksum is not None else (MD5,)
        return needed if not self.wanted.value or algorithm in needed else (algorithm, *needed)

    async def properties(self) -> Properties:
        return await read_properties(self.by.source, self.task.route, self.task.source, self.head)

    async def etag_now(self) -> str:
        try:
            await self.by.origin.head(self.task)
        except Drifted as drifted:
            return drifted.etag_now
        return self.task.source.etag

    # --- parts ----------------------------------------------------------------------------------------------

    async def kept(self, layout: Layout, parts: dict[int, UploadedPart]) -> dict[int, UploadedPart]:
        algorithm = self.wanted.algorithm if self.checksum is not None else ""
        found = await self.by.origin.kept(self.task, layout, parts, algorithm, self.by.compares(self.task))
        self.layout = layout
        self._counted |= {number: sums for number, (_, sums) in found.items()}
        return {number: self._bearing(part, sums) for number, (part, sums) in found.items()}

    async def send(self, upload: UploadRef, part: PartRange, count: int) -> UploadedPart:
        size = part.size if part.size <= BUFFER_BYTES else PART_BYTES
        with await self.by.buffers.take(size) as room:
            buffer = room.buffer()
            if size < part.size:
                done, sums = await self._stream(upload, part, buffer)
            else:
                sums = await self.by.origin.fetch(self.task, part.first, buffer, self._algorithms)
                done = await self._send(upload, part, MemorySource(buffer), sums)
        self._refuse_other(part, done, sums)
        self._counted[part.number] = sums
        return self._bearing(done._replace(size=part.size), sums)

    async def _send(self, upload: UploadRef, part: PartRange, source: Source, sums: Counted) -> UploadedPart:
        by, bucket, checksum = self.by, upload.target.bucket, None
        if self.checksum is not None and by.sums.takes(bucket) is not False:
            checksum = sums.as_checksum(self.wanted.algorithm, "")
        request = UploadPart(upload, part.number, checksum=checksum, content_md5=sums.content_md5)
        try:
            done = await by.target.send_from(request, source)
        except (Rejected, Unsupported) as error:
            if checksum is None or not by.sums.may_be_why(bucket, error):
                raise
            done = await by.target.send_from(request._replace(checksum=None), source)
            by.sums.refused(bucket, self.wanted.algorithm)
        else:
            if checksum is not None:
                by.sums.answered(bucket, self.wanted.algorithm, done.checksums)
        return done

    async def _stream(self, upload: UploadRef, part: PartRange, buffer: memoryview) -> tuple[UploadedPart, Counted]:
        """A part that is longer than a buffer. Where its checksum cannot be known before it has passed, what its server
        says of it is compared afterwards; but for an object with a lock, of which S3 takes no part without a digest:
        there each part comes twice."""
        origin, algorithms = self.by.origin, self._algorithms
        source = Streamed(origin, self.task, part, buffer, algorithms)
        ahead = await origin.ahead(self.task, part, algorithms)
        if ahead is None and self._comes_twice:
            ahead = await source.count()
        try:
            done = await self._send(upload, part, source, ahead or Counted({}))
        except Rejected as error:
            if ahead is not None or error.code != "InvalidRequest":
                raise
            self._comes_twice = True
            done = await self._send(upload, part, source, await source.count())
        return done, source.counted

    def _refuse_other(self, part: PartRange, done: UploadedPart, sums: Counted) -> None:
        """Raise `Failed` where the server got other bytes than were sent."""
        said = next((it for it in done.checksums if it.algorithm in sums.values), None)
        by = "checksum" if said is not None and said.value not in sums.values.values() else ""
        is_known = said is not None and self.by.compares(self.task)(said.algorithm)
        if not (by or is_known) and sums.md5 and is_plain(done.etag) and done.encryption in MD5_ENCRYPTIONS:
            is_told = not is_impossible(done.etag, part.size)  # some say that of nothing for everything
            by = "ETag" if is_told and not same_etag(done.etag, sums.md5) else ""
        if by:
            message = f"part {part.number} arrived with other bytes than were sent, by its {by}"
            ref = str(self.task.target_ref)
            raise Failed(error=Ambiguous(message, operation="UploadPart", ref=ref, code="DigestMismatch"))

    def _bearing(self, part: UploadedPart, sums: Counted) -> UploadedPart:
        """The part with the checksum that was counted here, for Complete."""
        checksum = sums.as_checksum(self.wanted.algorithm, "") if self.checksum is not None else None
        return part._replace(checksums=(checksum,) if checksum is not None else ())

    # --- the whole ------------------------------------------------------------------------------------------

    def whole(self, parts: Sequence[UploadedPart]) -> Checksum | None:
        told, came = self.wanted, self._passed().checksums
        if told.value and came and came[0] != told:
            raise _damaged(self.by.origin.method, told, "the upload was aborted")
        if self.checksum is None or self.by.sums.takes(self.task.target_ref.bucket) is False:
            return None
        return combined_checksum(told, parts) if told.type == "FULL_OBJECT" else told

    async def judge(self, result: CopyResult, parts: Sequence[UploadedPart], requests: int) -> Outcome:
        by, upload = self.by, self.task.upload
        if upload is not None and not self._counted:
            # An earlier run completed it without being told: what it sent is counted again.
            layout = Layout.from_text(self.task.source.size, upload.layout)
            await self.kept(layout, {part.number: part for part in parts})
        passed = self._passed()
        known = by.origin.claims(self.head, passed)

        async def alike() -> bool:
            return known.etag == passed.etag or await are_own(by.source, self.task.source_ref, self.own, parts)

        method, compares = by.origin.method, by.compares(self.task)
        return await judged(by.target, self.task, known, result, method, requests, parts, alike, compares)

    def _passed(self) -> ObjectHead:
        """What was counted of all parts, as a HEAD of them would say it."""
        algorithm = self.wanted.algorithm
        sums = [(part, self._counted.get(part.number, Counted({}))) for part in self.layout]
        etag = multipart_etag([item.md5 for _, item in sums])
        whole = joined(algorithm, sums)
        return ObjectHead(self.task.source.size, etag, "", checksums=(whole,) if whole is not None else ())


def _damaged(method: str, told: Checksum, so: str) -> Differs:
    """The bytes that came are not those that the source's server speaks of, so that nothing stands of them."""
    said = f"the bytes that came differ from what the source's server says of them by {told.algorithm}"
    return Differs(method=method, message=f"{said}; {so}, and the next run fetches them again")


def _as_head(head: ObjectHead, sums: Counted) -> ObjectHead:
    """What was counted of all bytes, as a HEAD of them would say it."""
    checksums = tuple(Checksum(name, "FULL_OBJECT", value) for name, value in sums.values.items() if name != MD5)
    return ObjectHead(head.size, sums.md5, "", checksums=checksums)


def _with_md5(sums: Counted, buffer: memoryview) -> Counted:
    """The same, and the MD5: once it is to be known whether it is these bytes that stand somewhere."""
    return sums if sums.md5 else Counted({**sums.values, MD5: checksum_of(MD5, buffer)})
