"""Objects of one endpoint into a bucket of another: the source of what passes.

Every GET is pinned by If-Match, so that no two versions are ever mixed. Of a source that was uploaded in parts, and has
no checksum of the whole, the parts are kept as they were: then the target's ETag comes out equal, and proves it (unless
they are shorter than S3 takes them). One that was written in one piece and has nothing but its MD5 is written in one
piece too, up to the 5 GiB that S3 takes so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.bodies import MemorySink
from engine.checksums import is_known
from engine.crc import CRC64NVME
from engine.model import Checksum, ObjectHead, UploadedPart
from engine.plan.integrity import (
    Agreement,
    Compares,
    Evidence,
    checksum_to_ask,
    compare_checksums,
    evidence_told,
    is_md5,
    is_plain,
    parts_of,
    same_etag,
)
from engine.plan.parts import MAX_COPY_BYTES, MIN_PART_BYTES, Layout, PartRange, part_layout
from engine.store import GetRange, ObjectStore
from engine.transfer.carrier import Task
from engine.transfer.drift import fetched, source_now
from engine.transfer.origin import Way
from engine.transfer.passing import BUFFER_BYTES
from engine.transfer.server_parts import own_parts
from engine.transfer.sums import Counted, counted


class Elsewhere:
    """The objects of another endpoint as an `Origin`."""

    method = "relay"
    requests = 1

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def head(self, task: Task) -> ObjectHead:
        return await source_now(self._store, task, checksums=True)

    async def whole(
        self, task: Task, buffer: Callable[[], memoryview], algorithms: Sequence[str]
    ) -> tuple[ObjectHead, Counted]:
        source = task.source
        sink = MemorySink(buffer, algorithms)
        request = GetRange(task.source_ref, if_match=source.etag or None, size=source.size, checksums=True)
        answer = await fetched(self._store, task, request, sink)
        return answer.head(), counted(sink.hashers)

    async def fetch(self, task: Task, first: int, buffer: memoryview, algorithms: Sequence[str]) -> Counted:
        source = task.source
        sink = MemorySink(lambda: buffer, algorithms)
        last = first + len(buffer) - 1
        request = GetRange(task.source_ref, first, last, source.etag or None, source.size)
        await fetched(self._store, task, request, sink)
        return counted(sink.hashers)

    async def ahead(self, task: Task, part: PartRange, algorithms: Sequence[str]) -> Counted | None:
        return None

    async def way(self, task: Task, head: ObjectHead, summed: bool) -> tuple[Way, int]:
        size, told = task.source.size, checksum_to_ask(head.checksums)
        counted_here = Checksum(CRC64NVME, "FULL_OBJECT", "")
        if told is not None and told.value and summed:
            return Way(part_layout(size), told), 0
        if not parts_of(head.etag):
            one_piece = is_plain(head.etag) and is_md5(head.properties.encryption) and size <= MAX_COPY_BYTES
            return Way(None if one_piece else part_layout(size), counted_here), 0
        own, asked = await own_parts(self._store, task.source_ref, head)
        if own is None or any(part.size < MIN_PART_BYTES for part in list(own.layout)[:-1]):
            # No layout, or one that its server took and others do not.
            return Way(part_layout(size), counted_here), asked
        # S3 takes a part of a composite checksum only with its own, which has to be known before it is sent.
        buffered = all(part.size <= BUFFER_BYTES for part in own.layout)
        composite = told is not None and is_known(told.algorithm) and buffered
        return Way(own.layout, told if told is not None and composite else counted_here, own), asked

    def claims(self, head: ObjectHead, passed: ObjectHead) -> ObjectHead:
        """What the source's server says; and what was counted of the bytes that passed, where these are proven to be
        the source's."""
        by_etag = is_plain(head.etag) and is_md5(head.properties.encryption) and same_etag(head.etag, passed.etag)
        if not by_etag and compare_checksums(head.checksums, passed.checksums)[0] is not Agreement.EQUAL:
            return head
        return head._replace(etag=passed.etag or head.etag, checksums=(*head.checksums, *passed.checksums))

    async def evidence(
        self, task: Task, source: ObjectHead, target: ObjectHead, store: ObjectStore, compares: Compares
    ) -> tuple[Agreement, Evidence]:
        return evidence_told(source, target, compares)

    async def kept(
        self, task: Task, layout: Layout, parts: dict[int, UploadedPart], algorithm: str, compares: Compares
    ) -> dict[int, tuple[UploadedPart, Counted]]:
        """All of which the server says the checksum: what the whole comes to is held against the source's. Where that
        may be what it was sent, and the source's ETag is of other parts, nothing says what they hold."""
        if algorithm and not compares(algorithm) and layout.count != parts_of(task.source.etag):
            return {}
        found = {}
        for number, part in parts.items():
            values = {item.algorithm: item.value for item in part.checksums if item.algorithm == algorithm}
            if values or not algorithm:
                found[number] = part, Counted(values)
        return found
