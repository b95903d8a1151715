"""Copying one object by parts on the server: which parts, what each is copied with, and what the whole proves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from engine.errors import ObjectError, Rejected
from engine.model import MIB, Checksum, CopyResult, ObjectHead, ObjectRef, Properties, UploadedPart, UploadRef
from engine.plan.integrity import checksum_to_ask, combined_checksum, is_md5, parts_of, predicted_etag, same_etag
from engine.plan.parts import (
    MAX_PARTS,
    Layout,
    OwnParts,
    PartRange,
    fast_layout,
    guessed_layout,
    sized_layout,
    uniform_layout,
)
from engine.plan.record import Outcome
from engine.store import CopyPart, HeadObject, ObjectStore, head_or_none
from engine.transfer.carrier import Drifted, Failed, Task
from engine.transfer.drift import source_now
from engine.transfer.guard import Conditions, copy_part
from engine.transfer.judging import judged
from engine.transfer.methods import Method
from engine.transfer.properties import read_properties
from engine.transfer.uploading import Uploader


class ServerParts(NamedTuple):
    """Copies objects by parts from `source` to `target`. `uploader` keeps each upload's life, this what it is made
    of."""

    source: ObjectStore
    target: ObjectStore
    uploader: Uploader
    conditions: Conditions

    async def copy(self, task: Task, method: Method) -> Outcome:
        """Copy one object by parts. Raises `Ended` and what the store raises; `ObjectError` only after the upload was
        aborted."""
        try:
            head = await source_now(self.source, task, checksums=True)
        except Drifted:
            if task.upload is not None:
                await self.uploader.discard(task.upload)
            raise
        checksum = checksum_to_ask(head.checksums)
        own, asked = None, 0
        if method is Method.OWN_PARTS or (not (checksum and checksum.value) and "-" in task.source.etag):
            own, asked = await own_parts(self.source, task.source_ref, head)
        method = Method.FAST_PARTS if own is None else Method.OWN_PARTS
        layout = fast_layout(task.source.size) if own is None else own.layout
        copy = PartsCopy(self, task, head, layout, checksum, method, own)
        return await self.uploader.carry(copy, 1 + asked)


class PartsCopy(NamedTuple):
    """One object that is copied by parts: the `uploading.Content` of its upload."""

    by: ServerParts
    task: Task
    head: ObjectHead
    layout: Layout
    checksum: Checksum | None
    method: Method
    own: OwnParts | None = None

    def whole(self, parts: Sequence[UploadedPart]) -> Checksum | None:
        """Where an object is about to take its own place, its parts have to make up what it is: nothing could mend
        it."""
        task = self.task
        told = task.route.in_place and self.method is Method.OWN_PARTS and is_md5(self.head.properties.encryption)
        if told and (made := predicted_etag(parts)) and not same_etag(made, task.source.etag):
            raise Failed(
                error=Rejected(
                    f"copies of its parts do not make up its ETag {task.source.etag}: it was written meanwhile, or the "
                    "server does not tell the parts that it was uploaded in. It was left as it is.",
                    operation="CompleteMultipartUpload",
                    ref=str(task.target_ref),
                    code="PartsDiffer",
                )
            )
        return self.checksum

    async def kept(self, layout: Layout, parts: dict[int, UploadedPart]) -> dict[int, UploadedPart]:
        return parts  # the server copied them itself, each from the source that is pinned

    def again(self, task: Task) -> PartsCopy:
        return self._replace(task=task)

    async def properties(self) -> Properties:
        return await read_properties(self.by.source, self.task.route, self.task.source, self.head)

    async def etag_now(self) -> str:
        head = await head_or_none(self.by.source, HeadObject(self.task.source_ref, checksums=True))
        return head.etag if head else ""

    async def send(self, upload: UploadRef, part: PartRange, count: int) -> UploadedPart:
        """One part, copied by the target's server. S3 takes a range only of sources over 5 MB."""
        task = self.task
        whole = count == 1 and part.first == 0 and task.source.size <= 5 * MIB
        first, last = (None, None) if whole else (part.first, part.last)
        request = CopyPart(upload, part.number, task.source_ref, task.source.etag or None, first, last)
        done = await copy_part(self.by.source, self.by.target, self.by.conditions, request)
        return done._replace(size=part.size)

    async def judge(self, result: CopyResult, parts: Sequence[UploadedPart], requests: int) -> Outcome:
        """The upload is complete: what do its answers prove, those of its parts included?"""
        task, wanted, given = self.task, self.checksum, result.checksums
        if wanted is not None and wanted.value and all(item.algorithm != wanted.algorithm for item in given):
            combined = combined_checksum(wanted, parts)
            if combined is not None:
                result = result._replace(checksums=(*given, combined))
        alike = partial(are_own, self.by.source, task.source_ref, self.own, parts)
        return await judged(self.by.target, task, self.head, result, self.method.value, requests, parts, alike)


async def own_parts(source: ObjectStore, ref: ObjectRef, head: ObjectHead) -> tuple[OwnParts | None, int]:
    """The parts that a multipart source was uploaded in, and how many requests it took to learn them.

    One HEAD of part 1 gives its size and the number of parts (API reference, HeadObject, partNumber): parts of equal
    size, which the finished copy's ETag confirms. Where sizes cannot be equal, one HEAD a part. A server that does
    not tell parts leaves the sizes that the usual tools upload with. None: no layout of N parts is possible.
    """
    count = parts_of(head.etag)
    if not count or count > MAX_PARTS:
        return None, 0
    first = await _part(source, ref, 1)
    if first is None or first.part_size is None or first.parts_count != count:
        guess = guessed_layout(head.size, count)
        return OwnParts(guess, 0) if guess is not None else None, 1
    uniform = uniform_layout(head.size, first.part_size, count)
    if uniform is not None and count <= 2:
        return OwnParts(uniform, 1), 1
    if uniform is not None:
        # The second part tells a regular layout from nearly every odd one before a byte is copied.
        second = await _part(source, ref, 2)
        if second is not None and second.part_size == first.part_size:
            return OwnParts(uniform, 2), 2
    sizes = [first.part_size]
    for number in range(2, count + 1):
        part = await _part(source, ref, number)
        if part is None or part.part_size is None:
            return None, number
        sizes.append(part.part_size)
    layout = sized_layout(head.size, sizes)
    return OwnParts(layout, count) if layout is not None else None, count


async def told_whole(source: ObjectStore, ref: ObjectRef, own: OwnParts) -> bool:
    """Whether these are the object's parts for certain, so that an ETag that they do not come to is a mismatch. Its
    server is asked for those that it did not tell yet, up to the first that is another."""
    if not own.told:
        return own.is_certain
    for part in own.layout:
        if own.told < part.number < own.layout.count:
            there = await _part(source, ref, part.number)
            if there is None or there.part_size != part.size:
                return False
    return True


async def are_own(source: ObjectStore, ref: ObjectRef, own: OwnParts | None, parts: Sequence[UploadedPart]) -> bool:
    """Whether an upload of these parts is certainly cut as its source is. One that was taken up keeps its layout."""
    if own is None or [part.size for part in sorted(parts)] != [part.size for part in own.layout]:
        return False
    return await told_whole(source, ref, own)


async def _part(source: ObjectStore, ref: ObjectRef, number: int) -> ObjectHead | None:
    """HEAD of one part; None where the server does not know the parameter."""
    try:
        return await source.head_object(HeadObject(ref, part_number=number))
    except ObjectError:
        return None
