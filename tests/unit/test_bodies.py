"""Sinks and sources: bytes at their place, hashed as they pass, and never touched after a transfer was given up."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from engine import bodies
from engine.bodies import Disk, FileSink, MemorySink, MemorySource, hash_range
from engine.checksums import checksum_of
from engine.folder import system
from engine.windows import WINDOW_BYTES, Source

DATA = bytes(range(251)) * 4000
ALGORITHMS = ("CRC64NVME", "MD5")


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.pwrite(descriptor, DATA, 0)
    yield descriptor
    os.close(descriptor)


def every_write_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write counts as one that found the disk busy."""
    monkeypatch.setattr(bodies, "SLOW_S", -1.0)
    monkeypatch.setattr(bodies, "_waits", itertools.count().__next__)


async def all_of(source: Source) -> bytes:
    found = b""
    while window := await source.read():
        assert len(window) <= WINDOW_BYTES
        found += window
    return found


@pytest.mark.parametrize("busy", [False, True])
async def test_a_file_is_written_at_its_place_and_hashed(
    disk: Disk, file: int, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if busy:
        every_write_waits(monkeypatch)
    sink = FileSink(disk, partial(system.write, file), 1000, ALGORITHMS)
    await sink.write(memoryview(b"what an attempt wrote that did not end"))
    sink.restart()
    for start in range(0, 700_000, WINDOW_BYTES):
        await sink.write(memoryview(DATA[::-1])[start : min(start + WINDOW_BYTES, 700_000)])
    new = DATA[::-1][:700_000]
    assert os.pread(file, len(DATA), 0) == DATA[:1000] + new + DATA[701_000:]
    assert sink.written == len(new)
    assert [item.value() for item in sink.hashers] == [checksum_of(name, new) for name in ALGORITHMS]


async def test_a_disk_that_is_busy_is_written_to_by_threads(
    disk: Disk, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote_in = []

    def note() -> None:
        wrote_in.append(threading.current_thread().name.startswith("cartage-disk"))

    await disk.put(note)
    every_write_waits(monkeypatch)
    await disk.put(note)
    await disk.put(note)
    assert wrote_in == [False, False, True]


async def test_a_window_is_written_at_once_unless_the_disk_is_busy(
    disk: Disk, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(disk, partial(system.write, file), 0)
    every_write_waits(monkeypatch)
    assert sink.write_now(memoryview(b"found it busy"))
    assert not sink.write_now(memoryview(b"!"))
    await sink.write(memoryview(b", and had to wait"))
    assert (os.pread(file, 30, 0), sink.written) == (b"found it busy, and had to wait", 30)


async def test_a_write_that_took_long_without_waiting_says_nothing_of_the_disk(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SLOW_S", -1.0)  # every write takes long: the processors are busy
    monkeypatch.setattr(bodies, "_waits", lambda: 7)
    wrote_in = []
    for _ in range(3):
        await disk.put(lambda: wrote_in.append(threading.current_thread()))
    assert set(wrote_in) == {threading.current_thread()}


async def test_what_lies_in_memory_is_read_at_once_and_what_waits_for_the_disk_by_threads(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in = []

    def note() -> int:
        read_in.append(threading.current_thread().name.startswith("cartage-disk"))
        return len(read_in)

    monkeypatch.setattr(bodies, "COLD_S", -1.0)  # every read takes long
    monkeypatch.setattr(bodies, "_waits", lambda: 7)  # of the processor alone
    assert [await disk.get(note), await disk.get(note)] == [1, 2]
    monkeypatch.setattr(bodies, "_waits", itertools.count().__next__)
    assert [await disk.get(note), await disk.get(note), await disk.get(note)] == [3, 4, 5]
    assert read_in == [False, False, False, False, True], "one alone may have waited for another thread"


async def test_what_was_put_is_given_back(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    every_write_waits(monkeypatch)
    assert [await disk.put(divmod, 7, 2), await disk.put(divmod, 9, 2)] == [(3, 1), (4, 1)]


async def test_what_a_thread_writes_from_is_not_given_up_before_it_has_ended(disk: Disk) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def write() -> None:
        begun.set()
        go_on.wait(5)
        ended.append(True)

    writing = asyncio.create_task(disk.run(write))
    await asyncio.to_thread(begun.wait, 5)
    writing.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ended == [True]


async def test_what_a_disk_says_reaches_whoever_writes(disk: Disk, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "readable", os.O_RDONLY | os.O_CREAT)
    sink = FileSink(disk, partial(system.write, descriptor), 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        await sink.write(memoryview(b"x"))
    assert sink.written == 0
    os.close(descriptor)


def test_a_file_that_became_shorter_gives_what_there_is(file: int) -> None:
    assert [item.length for item in hash_range(file, len(DATA) - 10, 100, ALGORITHMS)] == [10, 10]


def test_a_part_of_a_file_is_hashed(file: int) -> None:
    found = hash_range(file, 7, 600_000, ALGORITHMS)
    assert [item.value() for item in found] == [checksum_of(name, DATA[7:600_007]) for name in ALGORITHMS]


async def test_buffers_are_sinks_and_sources_too() -> None:
    kept = memoryview(bytearray(len(DATA)))
    sink = MemorySink(lambda: kept, ALGORITHMS)
    source = MemorySource(DATA)
    for _ in range(2):
        sink.restart()
        source.restart()
        while window := await source.read():
            await sink.write(window)
    assert (bytes(kept), sink.written) == (DATA, len(DATA))
    assert sink.hashers[0].value() == checksum_of("CRC64NVME", DATA)
    with pytest.raises(ValueError, match="different"):
        await sink.write(memoryview(b"one more"))
