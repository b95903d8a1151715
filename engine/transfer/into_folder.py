"""What two carriers into local folders share: what they do about a file that is there already, a large object by parts,
and what a file bears. Where the bytes come from is the carrier's own: `download` out of S3, `local_copy` out of another
folder.

Parts are written by every worker, into a file that has its full length from the start, and a run that was cut short
goes on with those that are synced, once they have been hashed again. The file has its name once all of it was compared;
it is on the disk when its outcome is known (`engine.folder.publishing`).
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio

from engine.bodies import Disk
from engine.crc import CRC64NVME
from engine.errors import AttemptError, ObjectError, PreconditionFailed
from engine.folder.carried import MTIME, is_link, mode_of, mtime_of, mtime_text, other_kind
from engine.folder.journal import Part
from engine.folder.publishing import no_link
from engine.folder.store import FolderStore
from engine.folder.system import umask
from engine.folder.unfinished import Unfinished
from engine.model import ABSENT, MIB, ObjectHead, ObjectRef, Proof
from engine.plan.integrity import Evidence
from engine.plan.parts import WHOLE_BYTES, Layout, PartRange, range_bytes
from engine.plan.record import Outcome, UploadRecord
from engine.plan.route import PropertyRule
from engine.plan.sizes import moment_of
from engine.store import HeadObject, ObjectStore, PutObject, head_or_none
from engine.transfer.carrier import Differs, Drifted, Ended, Interrupted, Task, copied, outcome_of
from engine.transfer.drift import source_now
from engine.transfer.existing import WRITTEN, compared_now, conflict
from engine.transfer.wanted import Wanted, agrees, named
from engine.transfer.work import WorkQueue

Done = TypeVar("Done")


class IntoFolder(ABC):
    """A carrier into local folders. `disk` has the threads that files are read and written by; `method` is what the
    ledger calls it, `requests` what a look at its source costs. `links_as_text` counts the objects that are symbolic
    links by their metadata and became files, as links are not kept."""

    unpinned: Collection[str] = ()
    """None: whatever is read of a source says which version it is of."""

    method: str
    requests: int

    def __init__(self, source: ObjectStore, target: FolderStore, queue: WorkQueue[Task], disk: Disk) -> None:
        self._source = source
        self._target = target
        self._queue = queue
        self._disk = disk
        self.links_as_text = 0

    @property
    def _keeps_links(self) -> bool:
        return self._target.manner.links == "keep"

    async def discard(self, upload: UploadRecord) -> None:
        """As `Carrier.discard`."""
        return  # what is written into a folder begins no upload

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
                return await self._carry_whole(task)
            return await self._carry_parts(task)
        except (Ended, ObjectError, AttemptError) as error:
            return outcome_of(task, error)

    # --- how the bytes come ---------------------------------------------------------------------------------

    @abstractmethod
    async def _carry_whole(self, task: Task) -> Outcome:
        """A small object at one go."""

    @abstractmethod
    async def _carry_part(self, task: Task, unfinished: Unfinished, part: PartRange, algorithm: str) -> str:
        """The bytes of one part at their place, and their checksum as they came."""

    @abstractmethod
    async def _ahead(self, task: Task, head: ObjectHead) -> tuple[Wanted, int]:
        """What the bytes that come are compared with, and how many requests it took to know."""

    @abstractmethod
    async def _proven(
        self, task: Task, wanted: Wanted, layout: Layout, sums: Sequence[str], unfinished: Unfinished
    ) -> tuple[Evidence, str]:
        """What the parts' checksums prove, and that of the whole. Raises `Differs` where it is not what it should."""

    async def _wanted(self, task: Task, head: ObjectHead) -> tuple[Wanted, int]:
        """What the bytes of a file that is there are compared with, as `_ahead`."""
        return await self._ahead(task, head)

    def _by_digest(self, wanted: Wanted) -> Evidence:
        return Evidence(Proof.DIGEST, named(wanted))

    # --- what is there already ------------------------------------------------------------------------------

    async def _inspect(self, task: Task) -> Outcome:
        """A file of the same length was there before us, or appeared while an earlier run was writing it: read it, and
        compare."""
        head = await source_now(self._source, task, self.requests, checksums=True)
        target = await head_or_none(self._target, HeadObject(task.target_ref))
        plain = task._replace(inspect=False, claim=False, ours=False)
        if target is None:
            return await self.carry(plain._replace(target_condition=ABSENT))
        if target.etag != task.target_condition:
            raise conflict(task, target.etag, WRITTEN + "listed")
        if kind := self._other_kind(task, head, target):
            if task.route.overwrites_different:
                return await self.carry(plain)
            raise conflict(task, target.etag, f"the target {kind}")
        wanted, requests = await self._wanted(task, head)
        equal = target.size == task.source.size and wanted.algorithm and await self._holds(task, wanted)
        if equal:
            method = self.method if task.claim else "" if task.ours else "found"  # empty: nothing was written
            return copied(task, target.etag, wanted.known, self._by_digest(wanted), method, self.requests + requests)
        # Ours, as far as can be told, is carried again: a layout that was guessed proves no difference.
        untold = not wanted.algorithm or (wanted.parts is not None and not wanted.parts.is_certain)
        if task.route.overwrites_different or (task.claim and untold and target.size == task.source.size):
            return await self.carry(plain)
        if task.claim and await self._disk.run(self._is_emptied, task, written_ns(head)):
            return await self.carry(plain)
        why = "the file holds other content" if wanted.algorithm else "S3 gives nothing to compare the file with"
        raise conflict(task, target.etag, why)

    async def _holds(self, task: Task, wanted: Wanted) -> bool:
        """Whether the file has the bytes that are wanted."""
        if not task.source.size:
            return True
        layout = wanted.layout or Layout(task.source.size, part_bytes=task.source.size)
        sums = partial(sums_of_file, self._target, task.target_ref, task.target_condition, layout, wanted.algorithm)
        return agrees(wanted, layout, await self._disk.run(sums))

    def _is_emptied(self, task: Task, mtime_ns: int | None) -> bool:
        """Whether a file that appeared while ours was written bears the very time that ours was given, and holds
        nothing but zeros: what a power cut leaves where nothing is synced. There is nothing of anyone's in it. Blocks.
        """
        with self._target.open_file(task.target_ref, task.target_condition) as file:
            if file.modified_ns != mtime_ns:
                return False
            return not any(any(file.read(at, min(MIB, file.size - at))) for at in range(0, file.size, MIB))

    async def _mend(self, task: Task) -> Outcome:
        """The file holds the bytes of the ETag that is listed, and the object was written again, perhaps with other
        properties. A file of ours that is to have another time or other permissions now is copied again: once, whatever
        its file system makes of them. What no file carries is kept as a difference."""
        again = task._replace(mend=False)
        if task.target_condition == ABSENT:
            return await self.carry(again)
        compared = await compared_now(self._source, self._target, task, 2)
        if compared is None:
            return await self.carry(again._replace(inspect=True))
        kind = self._other_kind(task, compared.source, compared.target)
        if kind and task.found and not task.route.overwrites_different:
            raise conflict(task, compared.target.etag, f"the target {kind}")
        if kind or (not task.found and self._is_other(task, compared.source, compared.target)):
            return await self.carry(again)
        wanted, requests = await self._wanted(task, compared.source)
        if not wanted.algorithm or not await self._holds(task, wanted):
            return await self.carry(again)
        method = "found" if task.found else ""  # nothing was written
        outcome = copied(task, compared.target.etag, "", self._by_digest(wanted), method, self.requests + requests)
        return outcome._replace(properties=compared.found)

    def _other_kind(self, task: Task, source: ObjectHead, target: ObjectHead) -> str:
        """As `other_kind`, which bytes do not tell, where links are kept. A marker is neither, whatever it says."""
        if not self._keeps_links or task.target_ref.key.endswith("/"):
            return ""
        return other_kind(source.properties, target.properties)

    def _is_other(self, task: Task, source: ObjectHead, target: ObjectHead) -> bool:
        """Whether an object says another time or other permissions than its file has. One that says no time leaves the
        file the one that it was given first. A directory keeps neither, nor does a link."""
        if task.target_ref.key.endswith("/") or is_link(target.properties):
            return False
        time_ns, mode = mtime_of(source.properties), permissions(task, source)
        return time_ns not in (None, mtime_of(target.properties)) or (
            mode is not None and mode & ~umask() != mode_of(target.properties)
        )

    # --- an object ------------------------------------------------------------------------------------------

    async def _make_empty(self, task: Task) -> Outcome:
        """An empty file, or a directory for a marker. The listing has said all there is to know of its bytes."""
        head = await source_now(self._source, task, self.requests, checksums=True)
        # Bytes under a directory's name are refused there, and nothing is written.
        body = b"\0" if task.source.size else b""
        carried = {} if _takes_no_metadata(task) else dict(head.properties.metadata)
        if (written := written_ns(head)) is not None:
            carried[MTIME] = mtime_text(written)
        properties = head.properties._replace(metadata=tuple(carried.items()))
        put = PutObject(task.target_ref, body, properties, task.target_condition)
        done = await self._placed(task, self._target.put_object(put))
        self._count(task, head)
        return copied(task, done.etag, "", Evidence(Proof.DIGEST, "no bytes"), self.method, self.requests)

    async def _carry_parts(self, task: Task) -> Outcome:
        head = await source_now(self._source, task, self.requests, checksums=True)
        if self._keeps_links and is_link(head.properties):  # so long a text is no path anywhere
            raise no_link(self._target.root(task.target_ref.bucket).shown(task.target_ref.key))
        wanted, requests = await self._ahead(task, head)
        # An MD5 of the whole is counted in order, once all is there.
        algorithm = wanted.algorithm if wanted.layout is not None or wanted.checksum is not None else CRC64NVME
        layout = wanted.layout or Layout(task.source.size, part_bytes=range_bytes(task.source.size))
        begun: list[Unfinished] = []  # at most one, also where cancellation throws away what the thread gives
        try:
            sums = await self._disk.run(self._begin, task, algorithm, layout, begun)
            unfinished = begun[0]
            missing = [part for part in layout if part.number not in sums]
            await self._queue.run_parts(
                [partial(self._add_part, task, unfinished, part, algorithm, sums) for part in missing],
                sum(part.size for part in missing),
            )
            requests += self.requests * (1 + len(missing))
            ordered = [sums[part.number] for part in layout]
            evidence, known = await self._proven(task, wanted, layout, ordered, unfinished)
            publish = partial(unfinished.publish, task.target_condition, written_ns(head), permissions(task, head))
            published = await self._placed(task, self._at_the_end(publish))
            self._count(task, head)
            return copied(task, published.version, known, evidence, self.method, requests)
        except (Drifted, Differs):
            await self._disk.run(begun[0].discard)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                for unfinished in begun:
                    await self._disk.run(unfinished.close)

    def _begin(self, task: Task, algorithm: str, layout: Layout, begun: list[Unfinished]) -> dict[int, str]:
        """Put the file into `begun`. Gives the checksums of the parts that an earlier run left, each hashed again.
        Blocks."""
        ref = task.target_ref
        pin = f"{task.source.etag} {algorithm} {layout.text}"
        begun.append(self._target.publisher(ref.bucket).begin(ref.key, task.source.size, pin))
        return {part.number: part.checksum for part in begun[0].kept(algorithm)}

    def _go_on(self) -> None:
        """For a part whose turn has come. Raises `Interrupted` where the run was told to stop while it waited."""
        if self._queue.stopping:
            raise Interrupted

    async def _add_part(
        self, task: Task, unfinished: Unfinished, part: PartRange, algorithm: str, sums: dict[int, str]
    ) -> None:
        value = await self._carry_part(task, unfinished, part, algorithm)
        await self._disk.run(unfinished.part_done, Part(part.number, part.first, part.size, value))
        sums[part.number] = value

    def _count(self, task: Task, head: ObjectHead) -> None:
        """Count what was written as text and says that it is a link."""
        if not self._keeps_links and is_link(head.properties) and not task.target_ref.key.endswith("/"):
            self.links_as_text += 1

    # --- its end --------------------------------------------------------------------------------------------

    async def _at_the_end(self, publish: partial[Done]) -> Done:
        # A sync waits for the disk itself: for a thread. All else is as quick as the system's cache.
        return await (self._disk.sync if self._target.syncs else self._disk.put)(publish)

    async def _placed(self, task: Task, placing: Awaitable[Done]) -> Done:
        """What gives a file its name. Raises `Conflicting` where something stands there that may not be replaced."""
        try:
            return await placing
        except PreconditionFailed as error:
            target = None
            with suppress(ObjectError):
                target = await head_or_none(self._target, HeadObject(task.target_ref))
            why = "the file was written by someone else while it was on its way"
            raise conflict(task, target.etag if target else "", why) from error


def sums_of_file(store: FolderStore, ref: ObjectRef, version: str, layout: Layout, algorithm: str) -> list[str]:
    """The checksum of each part of a file, read from its beginning to its end. Blocks; raises as `OpenedFile`."""
    with store.open_file(ref, version) as file:
        file.read_in_order()
        sums = [file.hashed(part.first, part.size, [algorithm])[0].value() for part in layout]
        file.check_unchanged()
    return sums


def written_ns(head: ObjectHead) -> int | None:
    """When the file that an object was made of was written; else when the object was."""
    if head.properties.metadata and (noted := mtime_of(head.properties)) is not None:
        return noted
    return _moment_ns(head.modified)


@functools.lru_cache(maxsize=1024)
def _moment_ns(modified: str) -> int | None:
    """S3's time in nanoseconds; None for what is no time. Neighbours were often written within one second."""
    moment = moment_of(modified)
    return int(moment.timestamp()) * 1_000_000_000 if moment is not None else None


def permissions(task: Task, head: ObjectHead) -> int | None:
    """The permissions of the file that an object was made of, unless the route takes no metadata along."""
    return None if _takes_no_metadata(task) else mode_of(head.properties)


def _takes_no_metadata(task: Task) -> bool:
    return task.route.properties.metadata is PropertyRule.DROP
