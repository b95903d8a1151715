"""Files of one local folder into another (`engine.transfer.into_folder` has what stands there already, and how parts
are put together).

A file is opened anew for each part, by the version that was listed and through no link, and looked at again after the
last byte of it: one that changes while it is read is *drifted*, and nothing of it gets a name. Nobody but this machine
tells what either file holds. So its bytes are hashed as they are read, and what was written is read again and hashed
before it has its name: equal, they prove the copy by digest. That is read as the system has it, mostly out of its
memory; what the disks themselves hold is what a proof by bytes reads (`engine.proof.digest`).
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from engine.bodies import THREADS, Disk
from engine.checksums import hasher
from engine.crc import CRC64NVME
from engine.folder.carried import is_link
from engine.folder.reading import OpenedFile
from engine.folder.refusals import IS_ONE_FILE, ONE_FILE
from engine.folder.store import FolderStore
from engine.folder.unfinished import Published, Unfinished
from engine.folder.versions import same
from engine.model import Checksum, ObjectHead, Proof
from engine.plan.integrity import Evidence, joined_checksum
from engine.plan.lifecycle import State
from engine.plan.parts import Layout, PartRange
from engine.plan.record import Outcome
from engine.transfer.carrier import Differs, Task, copied
from engine.transfer.drift import as_read
from engine.transfer.into_folder import IntoFolder, permissions, sums_of_file, written_ns
from engine.transfer.wanted import Wanted
from engine.transfer.work import WorkQueue

WRITTEN = Evidence(Proof.DIGEST, f"{CRC64NVME} of what was read and of what was written, both counted here")
TEXT = Evidence(Proof.DIGEST, "the link's text, read again")
FOUND = Evidence(Proof.DIGEST, f"{CRC64NVME} of both files, counted here")


class LocalCopy(IntoFolder):
    """The carrier between local folders."""

    method = "local copy"
    requests = 0

    def __init__(self, folders: FolderStore, queue: WorkQueue[Task], disk: Disk) -> None:
        super().__init__(folders, folders, queue, disk)
        self._folders = folders
        # No more parts than threads: what was read is to be synced and listed before the next ones are.
        self._turns = anyio.Semaphore(THREADS)

    # --- what is there already ------------------------------------------------------------------------------

    async def carry(self, task: Task) -> Outcome:
        # Files of one version are one, be it by hard links: nobody has to look at any others.
        are_like = same(task.source.etag, task.target_condition)
        if are_like and await self._folders.is_one(task.source_ref, task.target_ref):
            return Outcome(task.key, State.CONFLICT, code=ONE_FILE, message=IS_ONE_FILE)
        return await super().carry(task)

    async def _wanted(self, task: Task, head: ObjectHead) -> tuple[Wanted, int]:
        if not task.source.size:
            await self._see_empty(task)
            return Wanted(CRC64NVME), 0
        layout = Layout(task.source.size, part_bytes=task.source.size)
        reading = self._disk.run(sums_of_file, self._folders, task.source_ref, task.source.etag, layout, CRC64NVME)
        (value,) = await as_read(self._folders, task, reading)
        return Wanted(CRC64NVME, Checksum(CRC64NVME, "FULL_OBJECT", value)), 0

    def _by_digest(self, wanted: Wanted) -> Evidence:
        return FOUND

    # --- an empty file --------------------------------------------------------------------------------------

    async def _make_empty(self, task: Task) -> Outcome:
        await self._see_empty(task)
        return await super()._make_empty(task)

    async def _see_empty(self, task: Task) -> None:
        """Open an empty file. Raises `Rejected` where it is none."""

        def see() -> None:
            self._folders.open_file(task.source_ref, task.source.etag).close()

        await as_read(self._folders, task, self._disk.get(see))

    # --- a small file ---------------------------------------------------------------------------------------

    async def _carry_whole(self, task: Task) -> Outcome:
        do = self._disk.sync if self._target.syncs else self._disk.get
        copying = as_read(self._folders, task, do(self._copy, task))
        published, evidence, known = await self._placed(task, copying)
        return copied(task, published.version, known, evidence, self.method, 0)

    def _copy(self, task: Task) -> tuple[Published, Evidence, str]:
        """All of a file, or of a link's text, under its name, with what proves it, and its checksum. Blocks."""
        ref, condition = task.target_ref, task.target_condition
        publisher = self._folders.publisher(ref.bucket)
        with self._folders.open_file(task.source_ref, task.source.etag) as file:
            head = file.head()
            if is_link(head.properties):
                return publisher.put_link(ref.key, file.read(0, file.size), condition=condition), TEXT, ""
            with publisher.begin(ref.key, file.size) as unfinished, unfinished.discarded_on_error():
                value = self._copied(file, unfinished, PartRange(1, 0, file.size - 1))
                published = unfinished.publish(condition, written_ns(head), permissions(task, head))
                return published, WRITTEN, str(Checksum(CRC64NVME, "FULL_OBJECT", value))

    # --- a large one, by parts ------------------------------------------------------------------------------

    async def _ahead(self, task: Task, head: ObjectHead) -> tuple[Wanted, int]:
        return Wanted(""), 0

    async def _carry_part(self, task: Task, unfinished: Unfinished, part: PartRange, algorithm: str) -> str:
        async with self._turns:
            self._go_on()
            return await as_read(self._folders, task, self._disk.run(self._copy_part, task, unfinished, part))

    def _copy_part(self, task: Task, unfinished: Unfinished, part: PartRange) -> str:
        with self._folders.open_file(task.source_ref, task.source.etag) as file:
            return self._copied(file, unfinished, part)

    async def _proven(
        self, task: Task, wanted: Wanted, layout: Layout, sums: Sequence[str], unfinished: Unfinished
    ) -> tuple[Evidence, str]:
        """Each part was compared when it was written, or when it was taken up again."""
        pieces = [(part.size, value) for part, value in zip(layout, sums, strict=True)]
        return WRITTEN, str(joined_checksum(CRC64NVME, pieces))

    # --- bytes ----------------------------------------------------------------------------------------------

    def _copied(self, file: OpenedFile, unfinished: Unfinished, part: PartRange) -> str:
        """Write a part of a file at its place; gives its checksum. Blocks. Raises `PreconditionFailed` where the file
        changed meanwhile, `Differs` where other bytes are read again."""
        count = hasher(CRC64NVME)
        for offset, window in file.windows(part.first, part.size):
            count.update(window)
            unfinished.write(window, offset)
        file.check_unchanged()
        if unfinished.checksum(part.first, part.size, CRC64NVME) != count.value():
            said = "what is read of it again is not what was written; the next run copies it anew"
            raise Differs(method=self.method, message=f"{unfinished.path}: {said}")
        return count.value()
