"""Objects of S3 into a local folder. One object's life, top to bottom.

Bytes come pinned to the ETag that was listed, are hashed on their way, and are compared with what S3 says of the object
before the file has its name; it is on the disk when its outcome is known (`engine.folder.publishing`). A small object
is one GET; of a larger one ranges are fetched by every worker, into a file that has its full length from the start, and
a run that was cut short goes on with those that are synced, once they have been hashed again.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

import anyio

from engine.bodies import Disk, FileSink, MemorySink, hash_range
from engine.checksums import checksum_of, hasher
from engine.crc import PARAMETERS
from engine.errors import AttemptError, NotFound, ObjectError, PreconditionFailed
from engine.folder.carried import is_link, mode_of, mtime_of
from engine.folder.journal import Part
from engine.folder.refusals import telling
from engine.folder.store import FolderStore
from engine.folder.unfinished import Published, Unfinished
from engine.model import ABSENT, MIB, ObjectHead, Proof
from engine.plan.integrity import Evidence, is_md5, parts_of
from engine.plan.lifecycle import State
from engine.plan.parts import Layout, PartRange
from engine.plan.record import Outcome, UploadRecord
from engine.plan.route import PropertyRule
from engine.store import GetRange, HeadObject, ObjectStore, PutObject, head_or_none
from engine.transfer.buffers import Buffers
from engine.transfer.carrier import Conflicting, Drifted, Ended, Task, copied, outcome_of
from engine.transfer.comparing import compare_properties
from engine.transfer.drift import as_listed, fetched, source_now
from engine.transfer.existing import conflict
from engine.transfer.ranges import Ranges
from engine.transfer.server_parts import own_layout
from engine.transfer.wanted import Wanted, agrees, named, wanted_of
from engine.transfer.work import WorkQueue
from engine.windows import memory

METHOD = "download"
WHOLE_BYTES = 2 * MIB
"""An object up to this size is one GET, kept in memory until all of it was compared."""
RANGE_BYTES = 16 * MIB
MOST_RANGE_BYTES = 64 * MIB
RANGES = 1_000
"""Ranges are so long that there are no more of an object, up to MOST_RANGE_BYTES: each costs a sync."""


class Download:
    """The carrier from one S3 site into local folders. `disk` has the threads that files are written by, `buffers` the
    memory of small objects: it also bounds how many are on their way, each of which takes a connection."""

    unpinned: Collection[str] = ()
    """None: every GET is pinned, and its answer says of which ETag it is."""

    def __init__(
        self, source: ObjectStore, target: FolderStore, queue: WorkQueue[Task], disk: Disk, buffers: Buffers
    ) -> None:
        self._source = source
        self._target = target
        self._queue = queue
        self._disk = disk
        self._buffers = buffers
        self._ranges = Ranges()

    async def discard(self, upload: UploadRecord) -> None:
        """A download begins no upload."""

    async def carry(self, task: Task) -> Outcome:
        """Take one task to its outcome, as `Carrier.carry`."""
        try:
            if task.inspect or task.claim:
                return await self._inspect(task)
            if task.mend:
                return await self._mend(task)
            if task.source.size == 0 or task.target_ref.key.endswith("/"):
                return await self._make_empty(task)
            if task.source.size <= WHOLE_BYTES:
                return await self._fetch_whole(task)
            return await self._fetch_ranges(task)
        except (Ended, ObjectError, AttemptError) as error:
            return outcome_of(task, error)

    # --- what is there already ------------------------------------------------------------------------------

    async def _inspect(self, task: Task) -> Outcome:
        """A file of the same length was there before us, or appeared while an earlier run was writing it: read it, and
        compare."""
        head = await source_now(self._source, task, checksums=True)
        wanted, requests = await self._wanted(task, head)
        target = await head_or_none(self._target, HeadObject(task.target_ref))
        plain = task._replace(inspect=False, claim=False)
        if target is None:
            return await self.carry(plain._replace(target_condition=ABSENT))
        if target.etag != task.target_condition:
            raise conflict(task, target.etag, "the file was written to since it was listed")
        equal = target.size == task.source.size and wanted.algorithm and await self._holds(task, wanted)
        if equal:
            method = METHOD if task.claim else "found"
            return copied(task, target.etag, wanted.known, _by_digest(wanted), method, 1 + requests)
        # Ours, as far as can be told, is fetched again: a layout that was guessed proves no difference.
        untold = not wanted.algorithm or wanted.layout is not None
        if task.route.overwrites_different or (task.claim and untold and target.size == task.source.size):
            return await self.carry(plain)
        if task.claim and await self._disk.run(self._is_emptied, task, _mtime_ns(head)):
            return await self.carry(plain)
        why = "the file holds other content" if wanted.algorithm else "S3 gives nothing to compare the file with"
        raise conflict(task, target.etag, why)

    async def _holds(self, task: Task, wanted: Wanted) -> bool:
        """Whether the file has the bytes that S3 speaks of."""
        if not task.source.size:
            return True
        layout = wanted.layout or Layout(task.source.size, part_bytes=task.source.size)
        return agrees(wanted, layout, await self._disk.run(self._sums_of_file, task, layout, wanted.algorithm))

    def _is_emptied(self, task: Task, mtime_ns: int | None) -> bool:
        """Whether a file that appeared while ours was written bears the very time that ours was given, and holds
        nothing but zeros: what a power cut leaves where nothing is synced. There is nothing of anyone's in it. Blocks.
        """
        with self._target.open_file(task.target_ref, task.target_condition) as file:
            if file.modified_ns != mtime_ns:
                return False
            return not any(any(file.read(at, min(MIB, file.size - at))) for at in range(0, file.size, MIB))

    def _sums_of_file(self, task: Task, layout: Layout, algorithm: str) -> list[str]:
        """The checksum of each of the file's parts. Blocks."""
        sums = []
        buffer = memory(MIB)
        with self._target.open_file(task.target_ref, task.target_condition) as file:
            file.read_in_order()
            for part in layout:
                count = hasher(algorithm)
                for offset in range(part.first, part.last + 1, len(buffer)):
                    window = buffer[: part.last + 1 - offset]
                    file.read_into(window, offset)
                    count.update(window)
                sums.append(count.value())
            file.check_unchanged()
        return sums

    async def _mend(self, task: Task) -> Outcome:
        """The file holds the bytes of the ETag that is listed, and the object was written again, perhaps with other
        properties: what a file does not carry of them is kept as a difference."""
        again = task._replace(mend=False)
        if task.target_condition == ABSENT:
            return await self.carry(again)
        try:
            compared = await compare_properties(
                self._source, self._target, task.route, task.source, task.source_ref, task.target_ref, checksums=True
            )
        except NotFound:
            return await self.carry(again._replace(inspect=True))
        as_listed(task, compared.source, 2)
        if compared.target.etag != task.target_condition:
            raise conflict(task, compared.target.etag, "the file was written to since it was listed")
        wanted, requests = await self._wanted(task, compared.source)
        if not wanted.algorithm or not await self._holds(task, wanted):
            return await self.carry(again)
        method = "found" if task.found else METHOD
        outcome = copied(task, compared.target.etag, "", _by_digest(wanted), method, 1 + requests)
        return outcome._replace(properties=compared.found)

    # --- one GET --------------------------------------------------------------------------------------------

    async def _fetch_whole(self, task: Task) -> Outcome:
        source = task.source
        algorithm, kind, _ = f"{source.checksum}::".split(":", 2)
        by_checksum = kind == "FULL_OBJECT" and algorithm in PARAMETERS
        counted = algorithm if by_checksum else "MD5"
        with await self._buffers.take(source.size) as room:
            sink = MemorySink(room.buffer, [counted])
            request = GetRange(task.source_ref, if_match=source.etag, size=source.size, checksums=True)
            head = (await fetched(self._source, task, request, sink)).head()
            wanted, requests = await self._wanted(task, head)
            layout = wanted.layout or Layout(source.size, part_bytes=source.size)
            sums = [sink.hashers[0].value()]
            if wanted.algorithm and (wanted.algorithm != counted or layout.count > 1):
                sums = [checksum_of(wanted.algorithm, room.buffer()[part.first : part.last + 1]) for part in layout]
            evidence = self._prove(wanted, layout, sums)
            published = await self._written(task, partial(self._put, task, room.buffer(), head))
            return copied(task, published.version, wanted.known, evidence, METHOD, 1 + requests)

    def _put(self, task: Task, data: memoryview, head: ObjectHead) -> Published:
        ref = task.target_ref
        publisher = self._target.publisher(ref.bucket)
        if self._target.manner.links == "keep" and is_link(head.properties):
            return publisher.put_link(ref.key, bytes(data), condition=task.target_condition)
        return publisher.put(
            ref.key, data, condition=task.target_condition, mtime_ns=_mtime_ns(head), mode=_mode(task, head)
        )

    async def _make_empty(self, task: Task) -> Outcome:
        """An empty file, or a directory for a marker. S3's listing has said all there is to know of its bytes."""
        head = await source_now(self._source, task, checksums=True)
        # Bytes under a directory's name are refused there, and nothing is written.
        body = b"\0" if task.source.size else b""
        carried = head.properties._replace(metadata=()) if _takes_no_metadata(task) else head.properties
        put = PutObject(task.target_ref, body, carried, task.target_condition)
        try:
            done = await self._target.put_object(put)
        except PreconditionFailed as error:
            raise await self._conflict_now(task) from error
        return copied(task, done.etag, "", Evidence(Proof.DIGEST, "no bytes"), METHOD, 1)

    # --- ranges ---------------------------------------------------------------------------------------------

    async def _fetch_ranges(self, task: Task) -> Outcome:
        head = await source_now(self._source, task, checksums=True)
        wanted, requests = await self._wanted(task, head)
        # An MD5 of the whole is counted in order, once all is there.
        by_part = wanted if wanted.layout is not None or wanted.checksum is not None else Wanted("CRC64NVME")
        layout = wanted.layout or Layout(task.source.size, part_bytes=range_bytes(task.source.size))
        unfinished, sums = await self._disk.run(self._begin, task, by_part.algorithm, layout)
        try:
            missing = [part for part in layout if part.number not in sums]
            await self._queue.run_parts(
                [partial(self._fetch_part, task, unfinished, part, by_part.algorithm, sums) for part in missing],
                sum(part.size for part in missing),
            )
            requests += 1 + len(missing)
            ordered = [sums[part.number] for part in layout]
            if wanted.algorithm == "MD5" and wanted.layout is None:
                layout = Layout(task.source.size, part_bytes=task.source.size)
                ordered = [await self._disk.run(_md5_of, unfinished)]
            evidence = self._prove(wanted, layout, ordered)
            publish = partial(unfinished.publish, task.target_condition, _mtime_ns(head), _mode(task, head))
            published = await self._written(task, publish)
            return copied(task, published.version, wanted.known, evidence, METHOD, requests)
        except (Drifted, _Different):
            await self._disk.run(unfinished.discard)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await self._disk.run(unfinished.close)

    def _begin(self, task: Task, algorithm: str, layout: Layout) -> tuple[Unfinished, dict[int, str]]:
        """The file, and the checksums of the ranges that an earlier run left, each hashed again. Blocks."""
        ref = task.target_ref
        pin = f"{task.source.etag} {algorithm} {layout.text}"
        unfinished = self._target.publisher(ref.bucket).begin(ref.key, task.source.size, pin)
        try:
            return unfinished, {part.number: part.checksum for part in unfinished.kept(algorithm)}
        except BaseException:
            unfinished.close()
            raise

    async def _fetch_part(
        self, task: Task, unfinished: Unfinished, part: PartRange, algorithm: str, sums: dict[int, str]
    ) -> None:
        sink = FileSink(self._disk, unfinished.descriptor, part.first, [algorithm])
        request = GetRange(task.source_ref, part.first, part.last, task.source.etag, task.source.size)
        with telling(unfinished.path):
            async with self._ranges.one():
                await fetched(self._source, task, request, sink)
        value = sink.hashers[0].value()
        await self._disk.run(unfinished.part_done, Part(part.number, part.first, part.size, value))
        sums[part.number] = value

    # --- what the bytes prove -------------------------------------------------------------------------------

    async def _wanted(self, task: Task, head: ObjectHead) -> tuple[Wanted, int]:
        """What to compare with, and how many requests it took to know."""
        wanted = wanted_of(head, task.source.size)
        if (
            wanted.algorithm
            or task.source.size == 0
            or not parts_of(head.etag)
            or not is_md5(head.properties.encryption)
        ):
            return wanted, 0
        layout, requests = await own_layout(self._source, task.source_ref, head)
        return (Wanted("MD5", etag=head.etag, layout=layout) if layout is not None else wanted), requests

    def _prove(self, wanted: Wanted, layout: Layout, sums: Sequence[str]) -> Evidence:
        """Raises `_Different` where the bytes that came are not those that S3 speaks of."""
        if not wanted.algorithm:
            return Evidence(Proof.SIZE, "size: S3 gives nothing that bytes can be compared with")
        if agrees(wanted, layout, sums):
            return _by_digest(wanted)
        if wanted.layout is not None:  # one that was guessed says nothing where it does not come out
            return Evidence(Proof.SIZE, "size: the parts of the source's upload are not known")
        raise _Different(
            f"the bytes that came differ from what S3 says of them by {named(wanted)}; the next run fetches them again"
        )

    # --- both ends ------------------------------------------------------------------------------------------

    async def _written(self, task: Task, publish: partial[Published]) -> Published:
        # A sync waits for the disk itself: for a thread. All else is as quick as the system's cache.
        do = self._disk.sync if self._target.syncs else self._disk.put
        try:
            return await do(publish)
        except PreconditionFailed as error:
            raise await self._conflict_now(task) from error

    async def _conflict_now(self, task: Task) -> Conflicting:
        target = None
        with suppress(ObjectError):
            target = await head_or_none(self._target, HeadObject(task.target_ref))
        why = "the file was written by someone else while it was being fetched"
        return conflict(task, target.etag if target else "", why)


class _Different(Ended):
    """What came is not what S3 says of the object. Nothing of it is kept."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self._message = message

    def outcome(self, task: Task) -> Outcome:
        return Outcome(task.key, State.FAILED, method=METHOD, code="DigestMismatch", message=self._message)


def _by_digest(wanted: Wanted) -> Evidence:
    return Evidence(Proof.DIGEST, named(wanted))


def range_bytes(size: int) -> int:
    """How long the ranges of an object of `size` bytes are: 16 MiB, and up to 64 where that would be too many."""
    return min(MOST_RANGE_BYTES, max(RANGE_BYTES, -(-size // RANGES // MIB) * MIB))


def _mtime_ns(head: ObjectHead) -> int | None:
    """When the file that an object was made of was written; else when the object was."""
    if head.properties.metadata and (noted := mtime_of(head.properties)) is not None:
        return noted
    return _moment_ns(head.modified)


@functools.lru_cache(maxsize=1024)
def _moment_ns(modified: str) -> int | None:
    """S3's time in nanoseconds; None for what is no time. Neighbours were often written within one second."""
    with suppress(ValueError):
        return int(datetime.fromisoformat(modified).timestamp()) * 1_000_000_000
    return None


def _mode(task: Task, head: ObjectHead) -> int | None:
    """The permissions of the file that an object was made of, unless the route takes no metadata along."""
    return None if _takes_no_metadata(task) else mode_of(head.properties)


def _takes_no_metadata(task: Task) -> bool:
    return task.route.properties.metadata is PropertyRule.DROP


def _md5_of(unfinished: Unfinished) -> str:
    """Of all of the file, in order. Blocks."""
    (found,) = hash_range(unfinished.descriptor, 0, unfinished.size, ["MD5"])
    return found.value()
