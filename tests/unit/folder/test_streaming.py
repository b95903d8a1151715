"""Large bodies go between a folder and a sink or source window by window, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest

from engine.bodies import Disk, FileSink, MemorySink, MemorySource
from engine.checksums import checksum_of
from engine.errors import PreconditionFailed, Rejected, Unsupported
from engine.folder import reading, system
from engine.folder.journal import Part
from engine.model import ABSENT, Checksum, Properties, UploadRef
from engine.store import GetRange, PutObject, UploadPart
from engine.windows import WINDOW_BYTES
from tests.unit.folder.scene import Scene

LARGE = os.urandom(2 * WINDOW_BYTES + 10)


class Short(MemorySource):
    """Says that it has more than it gives."""

    def __init__(self, data: bytes, more: int) -> None:
        super().__init__(data)
        self.length += more


def sink_for(kept: bytearray) -> MemorySink:
    return MemorySink(lambda: memoryview(kept))


async def test_a_range_is_poured_in_windows(scene: Scene) -> None:
    scene.write("large", LARGE)
    etag = (await scene.head("large")).etag
    for first, last in ((None, None), (0, 0), (5, WINDOW_BYTES + 5), (len(LARGE) - 3, len(LARGE) + 99)):
        sink = sink_for(kept := bytearray(len(LARGE)))
        fetched = await scene.store.fetch_into(GetRange(scene.ref("large"), first, last, etag, len(LARGE)), sink)
        end = len(LARGE) if last is None else last + 1
        assert bytes(kept[: sink.written]) == LARGE[first or 0 : end]
        assert (fetched.etag, fetched.size) == (etag, len(LARGE))
    assert fetched.head().properties == (await scene.head("large")).properties
    with pytest.raises(PreconditionFailed):
        await scene.store.fetch_into(GetRange(scene.ref("large"), if_match="1-2-3-4"), sink)


async def test_a_file_that_changes_while_it_is_poured_is_drift(scene: Scene) -> None:
    path = scene.write("large", LARGE)

    class Changing(MemorySink):
        async def write(self, window: memoryview) -> None:
            await super().write(window)
            path.touch()

    with pytest.raises(PreconditionFailed, match="written to while it was read"):
        await scene.store.fetch_into(GetRange(scene.ref("large")), Changing(lambda: memoryview(bytearray(len(LARGE)))))


async def test_what_is_read_from_the_store_comes_from_the_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof by bytes is of what is there, not of what the system remembers to have written."""
    scene.write("one", b"0123456789")
    done: list[tuple[object, ...]] = []
    monkeypatch.setattr(reading, "sync", lambda descriptor: done.append(("sync",)))
    monkeypatch.setattr(reading, "forget", lambda descriptor, *span: done.append(span))
    await scene.get("one", first=2, last=5)
    assert done == [("sync",), (2, 4)]
    done.clear()
    monkeypatch.setattr(reading, "WRITTEN_BACK_NS", -(1 << 62))  # it was written long ago
    await scene.store.fetch_into(GetRange(scene.ref("one")), sink_for(bytearray(10)))
    assert done == [(0, 10)]


async def test_a_source_is_written_window_by_window_and_only_whole(scene: Scene) -> None:
    properties = Properties(metadata=(("mtime", "1700000000"),))
    for name, data in (("large", LARGE), ("small", b"12"), ("empty", b"")):
        request = PutObject(scene.ref(f"d/{name}"), properties=properties, target_condition=ABSENT)
        put = await scene.store.send_from(request, MemorySource(data))
        got = await scene.get(f"d/{name}", if_match=put.etag)
        assert (got.data, put.modified) == (data, "2023-11-14T22:13:20.000Z")
        with pytest.raises(PreconditionFailed):
            await scene.store.send_from(request, MemorySource(data))
        with pytest.raises(Rejected) as refused:
            await scene.store.send_from(PutObject(scene.ref("short")), Short(data, 1))
        assert refused.value.code == "ShortSource"
    await scene.store.send_from(PutObject(scene.ref("marker/")), MemorySource(b""))
    assert await scene.keys() == ["d/empty", "d/large", "d/small", "marker/"]
    assert scene.on_disk() == ["d/", "d/empty", "d/large", "d/small", "marker/"]


@pytest.mark.parametrize("data", [b"12", LARGE], ids=["small", "large"])
async def test_bytes_are_held_to_the_checksums_that_were_said(scene: Scene, data: bytes) -> None:
    right = Checksum("CRC64NVME", "FULL_OBJECT", checksum_of("CRC64NVME", data))
    wrong = right._replace(value=checksum_of("CRC64NVME", data + b"1"))
    md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
    await scene.store.send_from(PutObject(scene.ref("one"), checksum=right, content_md5=md5), MemorySource(data))
    await scene.put("two", data, checksum=right)
    for request in (
        PutObject(scene.ref("three"), checksum=wrong),
        PutObject(scene.ref("three"), content_md5=base64.b64encode(bytes(16)).decode()),
    ):
        with pytest.raises(Rejected) as refused:
            await scene.store.send_from(request, MemorySource(data))
        assert refused.value.code == "BadDigest"
        with pytest.raises(Rejected):
            await scene.store.put_object(request._replace(body=data))
    assert await scene.keys() == ["one", "two"]
    assert scene.on_disk() == ["one", "two"]


async def test_a_folder_takes_no_part_of_an_upload(scene: Scene) -> None:
    part = UploadPart(UploadRef(scene.ref("one"), "id"), 1)
    with pytest.raises(Unsupported):
        await scene.store.send_from(part, MemorySource(b"1"))


async def test_a_file_in_parts_is_written_by_sinks_through_its_descriptor(scene: Scene) -> None:
    """As a download does it: each part by a sink of its own, and what was hashed on the way is what is listed."""
    disk = Disk(2)
    publisher = scene.store.publisher(str(scene.folder))
    half = len(LARGE) // 2
    for run in range(2):
        with publisher.begin("large", len(LARGE), "version") as file:
            kept = file.kept("CRC64NVME")
            assert [part.number for part in kept] == [1][:run]
            offset, end = (half, len(LARGE)) if run else (0, half)
            sink = FileSink(disk, file.write, offset, ("CRC64NVME",))
            sink.restart()
            await sink.write(memoryview(LARGE)[offset:end])
            file.part_done(Part(run + 1, offset, end - offset, sink.hashers[0].value()))
            if run:
                system.sync(file.descriptor)
                file.publish(ABSENT)
    disk.close()
    assert (await scene.get("large")).data == LARGE
    assert scene.on_disk() == ["large"]
