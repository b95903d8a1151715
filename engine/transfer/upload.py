"""Files of a local folder into a bucket: the source of what passes.

A file is opened anew for each piece that is read, by the version that was listed, and looked at again after the last
byte of it: one that changes while it is read is *drifted*, and what was begun of it is aborted. What an earlier run
left of an upload is trusted once the file's range has been hashed, and is what the server says of the part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from engine.bodies import THREADS, Disk
from engine.checksums import hasher
from engine.crc import CRC64NVME
from engine.errors import one_error
from engine.folder.store import FolderStore
from engine.model import Checksum, ObjectHead, UploadedPart
from engine.plan.integrity import (
    OTHER_PARTS,
    Agreement,
    Compares,
    Evidence,
    differ_in_parts,
    evidence_of_heads,
    evidence_told,
    is_md5,
    is_plain,
    multipart_etag,
    parts_of,
    same_etag,
)
from engine.plan.parts import Layout, OwnParts, PartRange, part_layout
from engine.store import ObjectStore
from engine.transfer.carrier import Ended, Task
from engine.transfer.drift import as_read, source_now
from engine.transfer.origin import Way
from engine.transfer.server_parts import own_parts, told_whole
from engine.transfer.sums import MD5, Counted, countable, counted, joined
from engine.windows import WINDOW_BYTES

AT_ONCE_BYTES = 1 << 20
"""A file up to this size is read where it is asked for, without waking a thread, while files are in memory: the system
gives and hashes it in a tenth of a millisecond."""


class Files:
    """The files of folders as an `Origin`. What blocks is done by the threads of `disk`."""

    method = "upload"
    requests = 0

    def __init__(self, store: FolderStore, disk: Disk) -> None:
        self._store = store
        self._disk = disk

    async def head(self, task: Task) -> ObjectHead:
        return await source_now(self._store, task, 0)

    async def whole(
        self, task: Task, buffer: Callable[[], memoryview], algorithms: Sequence[str]
    ) -> tuple[ObjectHead, Counted]:
        do = self._disk.get if task.source.size <= AT_ONCE_BYTES else self._disk.run
        return await as_read(self._store, task, do(self._fill, task, 0, buffer(), algorithms))

    async def fetch(self, task: Task, first: int, buffer: memoryview, algorithms: Sequence[str]) -> Counted:
        return (await as_read(self._store, task, self._disk.run(self._fill, task, first, buffer, algorithms)))[1]

    async def ahead(self, task: Task, part: PartRange, algorithms: Sequence[str]) -> Counted | None:
        (sums,) = await as_read(self._store, task, self._disk.run(self._hash, task, [part], algorithms))
        return sums

    async def way(self, task: Task, head: ObjectHead, summed: bool) -> tuple[Way, int]:
        return Way(part_layout(task.source.size), Checksum(CRC64NVME, "FULL_OBJECT", "")), 0

    def claims(self, head: ObjectHead, passed: ObjectHead) -> ObjectHead:
        return passed

    async def kept(
        self, task: Task, layout: Layout, parts: dict[int, UploadedPart], algorithm: str, compares: Compares
    ) -> dict[int, tuple[UploadedPart, Counted]]:
        found: dict[int, tuple[UploadedPart, Counted]] = {}
        waiting = iter([place for place in layout if place.number in parts])
        ended: list[Ended] = []

        async def compare() -> None:
            for place in waiting:
                part = parts[place.number]
                said = next((item.value for item in part.checksums if item.algorithm == algorithm), "")
                is_told = bool(said) and compares(algorithm)
                algorithms = [name for name in (algorithm, "" if is_told else MD5) if name]
                try:
                    (sums,) = await as_read(self._store, task, self._disk.run(self._hash, task, [place], algorithms))
                except Ended as error:
                    ended.append(error)
                    return
                same = sums.values[algorithm] == said if said else same_etag(sums.md5, part.etag)
                if same and (is_told or not is_plain(part.etag) or same_etag(sums.md5, part.etag)):
                    found[place.number] = part, sums

        async with one_error(), anyio.create_task_group() as comparing:
            for _ in range(THREADS):
                comparing.start_soon(compare)
        if ended:
            raise ended[0]
        return found

    async def evidence(
        self, task: Task, source: ObjectHead, target: ObjectHead, store: ObjectStore, compares: Compares
    ) -> tuple[Agreement, Evidence]:
        nothing = "the target's server says nothing that bytes can be compared with"
        bare = ObjectHead(task.source.size, "", "")
        if target.size != task.source.size:
            return evidence_of_heads(bare, target, nothing)
        if not target.size:  # opened all the same: one that gives bytes has no size, and is refused
            await as_read(self._store, task, self._disk.run(self._hash, task, [], []))
            return evidence_of_heads(bare, target, nothing)
        told = countable(target.checksums)
        algorithms = [told.algorithm] if told is not None else []
        own: OwnParts | None = None
        if told is None or not compares(told.algorithm):
            algorithms.append(MD5)
            if parts_of(target.etag) and is_md5(target.properties.encryption):
                own, _ = await own_parts(store, task.target_ref, target)
        if own is None and (told is not None or is_plain(target.etag)):
            own = OwnParts(Layout(target.size, part_bytes=target.size), 1)
        if own is None:
            return evidence_of_heads(bare, target, nothing)
        sums = await as_read(self._store, task, self._disk.run(self._hash, task, list(own.layout), algorithms))
        here = bare
        if told is not None:
            whole = joined(told.algorithm, zip(own.layout, sums, strict=True))
            here = bare._replace(checksums=(whole,) if whole is not None else ())
        if MD5 in algorithms:
            digests = [item.md5 for item in sums]
            here = here._replace(etag=multipart_etag(digests) if parts_of(target.etag) else digests[0])
        if differ_in_parts(here, target) and await told_whole(store, task.target_ref, own):
            return Agreement.DIFFERENT, OTHER_PARTS
        return evidence_told(here, target, compares, nothing)

    # --- in a thread ----------------------------------------------------------------------------------------

    def _fill(
        self, task: Task, first: int, buffer: memoryview, algorithms: Sequence[str]
    ) -> tuple[ObjectHead, Counted]:
        with self._store.open_file(task.source_ref, task.source.etag) as file:
            hashers = [hasher(name) for name in algorithms]
            for start in range(0, len(buffer), WINDOW_BYTES):
                window = buffer[start : start + WINDOW_BYTES]
                file.read_into(window, first + start)
                for item in hashers:
                    item.update(window)
            file.check_unchanged()
            return file.head(), counted(hashers)

    def _hash(self, task: Task, places: Sequence[PartRange], algorithms: Sequence[str]) -> list[Counted]:
        """The checksums of ranges that follow each other."""
        with self._store.open_file(task.source_ref, task.source.etag) as file:
            file.read_in_order()
            found = [counted(file.hashed(place.first, place.size, algorithms)) for place in places]
            file.check_unchanged()
        return found
