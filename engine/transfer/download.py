"""Objects of S3 into a local folder. One object's life, top to bottom (`engine.transfer.into_folder` has what stands
there already, and how parts are put together).

Bytes come pinned to the ETag that was listed, are hashed on their way, and are compared with what S3 says of the object
before the file has its name. A small object is one GET; of a larger one ranges are fetched by every worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.bodies import Disk, FileSink, MemorySink
from engine.checksums import checksum_of
from engine.crc import PARAMETERS
from engine.folder.carried import is_link
from engine.folder.refusals import telling
from engine.folder.store import FolderStore
from engine.folder.unfinished import Published, Unfinished
from engine.model import ObjectHead, Proof
from engine.plan.integrity import Evidence, is_md5, parts_of
from engine.plan.parts import Layout, PartRange
from engine.plan.record import Outcome
from engine.store import GetRange, ObjectStore
from engine.transfer.buffers import Buffers
from engine.transfer.carrier import Differs, Task, copied
from engine.transfer.drift import fetched
from engine.transfer.into_folder import IntoFolder, permissions, written_ns
from engine.transfer.ranges import Ranges
from engine.transfer.server_parts import own_parts, told_whole
from engine.transfer.wanted import Wanted, agrees, named, wanted_of
from engine.transfer.work import WorkQueue


class Download(IntoFolder):
    """The carrier from one S3 site into local folders. `buffers` has the memory of small objects: it also bounds how
    many are on their way, each of which takes a connection."""

    method = "download"
    requests = 1

    def __init__(
        self, source: ObjectStore, target: FolderStore, queue: WorkQueue[Task], disk: Disk, buffers: Buffers
    ) -> None:
        super().__init__(source, target, queue, disk)
        self._buffers = buffers
        self._ranges = Ranges()

    # --- one GET --------------------------------------------------------------------------------------------

    async def _carry_whole(self, task: Task) -> Outcome:
        source = task.source
        algorithm, kind, _ = f"{source.checksum}::".split(":", 2)
        by_checksum = kind == "FULL_OBJECT" and algorithm in PARAMETERS
        counted = algorithm if by_checksum else "MD5"
        with await self._buffers.take(source.size) as room:
            sink = MemorySink(room.buffer, [counted])
            request = GetRange(task.source_ref, if_match=source.etag, size=source.size, checksums=True)
            head = (await fetched(self._source, task, request, sink)).head()
            wanted, requests = await self._ahead(task, head)
            layout = wanted.layout or Layout(source.size, part_bytes=source.size)
            sums = [sink.hashers[0].value()]
            if wanted.algorithm and (wanted.algorithm != counted or layout.count > 1):
                sums = [checksum_of(wanted.algorithm, room.buffer()[part.first : part.last + 1]) for part in layout]
            evidence = await self._prove(task, wanted, layout, sums)
            put = partial(self._put, task, room.buffer(), head)
            published = await self._placed(task, self._at_the_end(put))
            self._count(task, head)
            return copied(task, published.version, wanted.known, evidence, self.method, 1 + requests)

    def _put(self, task: Task, data: memoryview, head: ObjectHead) -> Published:
        ref = task.target_ref
        publisher = self._target.publisher(ref.bucket)
        if self._keeps_links and is_link(head.properties):
            return publisher.put_link(ref.key, bytes(data), condition=task.target_condition)
        return publisher.put(
            ref.key, data, condition=task.target_condition, mtime_ns=written_ns(head), mode=permissions(task, head)
        )

    # --- ranges ---------------------------------------------------------------------------------------------

    async def _carry_part(self, task: Task, unfinished: Unfinished, part: PartRange, algorithm: str) -> str:
        # What the disk refuses is told here, and not below: there it would count as an answer of S3's.
        sink = FileSink(self._disk, unfinished.put, part.first, [algorithm])
        request = GetRange(task.source_ref, part.first, part.last, task.source.etag, task.source.size)
        with telling(unfinished.path):
            async with self._ranges.one():
                self._go_on()
                await fetched(self._source, task, request, sink)
        return sink.hashers[0].value()

    # --- what the bytes prove -------------------------------------------------------------------------------

    async def _ahead(self, task: Task, head: ObjectHead) -> tuple[Wanted, int]:
        wanted = wanted_of(head, task.source.size)
        if wanted.algorithm or not parts_of(head.etag) or not is_md5(head.properties.encryption):
            return wanted, 0
        own, requests = await own_parts(self._source, task.source_ref, head)
        return (Wanted("MD5", etag=head.etag, parts=own) if own is not None else wanted), requests

    async def _proven(
        self, task: Task, wanted: Wanted, layout: Layout, sums: Sequence[str], unfinished: Unfinished
    ) -> tuple[Evidence, str]:
        if wanted.algorithm == "MD5" and wanted.layout is None:
            layout = Layout(unfinished.size, part_bytes=unfinished.size)
            sums = [await self._disk.run(unfinished.checksum, 0, unfinished.size, "MD5")]
        return await self._prove(task, wanted, layout, sums), wanted.known

    async def _prove(self, task: Task, wanted: Wanted, layout: Layout, sums: Sequence[str]) -> Evidence:
        """Raises `Differs` where the bytes that came are not those that S3 speaks of."""
        if not wanted.algorithm:
            return Evidence(Proof.SIZE, "size: S3 gives nothing that bytes can be compared with")
        if agrees(wanted, layout, sums):
            return self._by_digest(wanted)
        if wanted.parts is not None and not await told_whole(self._source, task.source_ref, wanted.parts):
            # What was guessed says nothing where it does not come out.
            return Evidence(Proof.SIZE, "size: the parts of the source's upload are not known")
        said = f"the bytes that came differ from what S3 says of them by {named(wanted)}"
        raise Differs(method=self.method, message=f"{said}; the next run fetches them again")
