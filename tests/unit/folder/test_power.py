"""What was said to be durable is there after a power cut at any moment, and the next run ends what was begun."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.checksums import checksum_of
from engine.folder import making, system, unfinished
from engine.folder.journal import Part
from engine.folder.publishing import Publisher
from engine.folder.roots import Root
from engine.folder.store import FolderStore
from engine.model import ABSENT, Durability, ObjectRef
from engine.store import DeleteObject, PutObject
from tests.unit.folder.power import Power, PowerCut, draws

PART = 64
LARGE = os.urandom(PART * 3 + 10)
OLD, NEW = b"old bytes", b"the new bytes"


@dataclass
class Said:
    """What a run was told is safe, and what the next one found kept."""

    published: dict[str, bytes] = field(default_factory=dict)
    parts: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)


def run(folder: Path, said: Said, durability: Durability = "object") -> None:
    """A download of some files: small ones in new directories, one that replaces another, and one in parts."""
    root = Root(str(folder))
    publisher = Publisher(root, durability)
    try:
        for key in ("a/b/one", "a/two"):
            if not (folder / key).exists():
                publisher.put(key, key.encode(), condition=ABSENT, mtime_ns=1)
            said.published[key] = key.encode()
        old = folder / "replaced"
        if old.read_bytes() == OLD:
            with publisher.begin("replaced", len(NEW)) as file:
                file.write(NEW, 0)
                file.publish(None)
        said.published["replaced"] = NEW
        if not (folder / "a/large").exists():
            _parts(publisher, said)
        said.published["a/large"] = LARGE
        publisher.make_directory("markers/empty/")
        said.published["markers/empty/"] = b""
    finally:
        root.close()


def _parts(publisher: Publisher, said: Said) -> None:
    with publisher.begin("a/large", len(LARGE), "version 1") as file:
        kept = {part.number for part in file.kept()}
        said.kept |= kept
        for number, offset in enumerate(range(0, len(LARGE), PART), 1):
            if number in kept:
                continue
            data = LARGE[offset : offset + PART]
            file.write(data, offset)
            file.part_done(Part(number, offset, len(data), checksum_of("CRC64NVME", data)))
            said.parts.add(number)
        file.publish(ABSENT)


def whole(folder: Path, key: str, data: bytes) -> bool:
    path = folder / key
    return path.is_dir() if key.endswith("/") else path.is_file() and path.read_bytes() == data


def carried_on(folder: Path, moment: int | None, durability: Durability = "object") -> tuple[bool, Said, Power]:
    """Run until so many operations are done. Whether it came to its end, what it was told, and the disk."""
    said = Said()
    with pytest.MonkeyPatch.context() as patched:
        power = Power(folder, patched, moment)
        try:
            run(folder, said, durability)
        except PowerCut:
            return False, said, power
        return True, said, power


def cut_at(moment: int | None, tmp_path: Path, durability: Durability = "object") -> tuple[bool, Said, Power]:
    """The same in a new folder."""
    folder = tmp_path / f"run {moment} {durability}"
    folder.mkdir()
    (folder / "replaced").write_bytes(OLD)
    return carried_on(folder, moment, durability)


def test_nothing_that_was_said_to_be_durable_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "ALLOCATED_FROM", PART)
    ended, moment = False, 0
    while not ended:
        ended, said, power = cut_at(moment, tmp_path)
        for name, draw in draws().items():
            where = f"cut at {moment}, of what was not synced {name} kept"
            disk = tmp_path / f"after {moment} {name}"
            power.after(disk, draw)
            for key, data in said.published.items():
                assert whole(disk, key, data), f"{where}: {key}"
            assert (disk / "replaced").read_bytes() in (OLD, NEW), where
            for key, data in (("a/b/one", b"a/b/one"), ("a/two", b"a/two"), ("a/large", LARGE)):
                assert not (disk / key).exists() or whole(disk, key, data), f"{where}: {key} in part"
            to_go_on = not (disk / "a/large").exists()
            again = Said()
            run(disk, again)
            assert all(whole(disk, key, data) for key, data in again.published.items()), where
            assert not to_go_on or said.parts <= again.kept, f"{where}: a part that was synced is written again"
        moment += 1
    assert moment > 40  # each of its operations


def test_parts_that_were_safe_stay_so_through_one_cut_after_another(tmp_path: Path) -> None:
    moment, parts = 0, 0
    while parts < 2:  # the first run: until two parts are safe
        moment += 1
        _, first, power = cut_at(moment, tmp_path)
        parts = len(first.parts)
    ended, second_moment = False, 0
    while not ended:
        for name in ("nothing", "all"):
            place = tmp_path / f"second {second_moment} {name}"
            power.after(place, lambda: False)
            ended, second, again = carried_on(place, second_moment)
            assert first.parts <= second.kept or not second.parts
            third = tmp_path / f"third {second_moment} {name}"
            again.after(third, draws()[name])
            if not (third / "a/large").exists():
                _, last, _ = carried_on(third, None)
                assert first.parts | second.parts <= last.kept, f"cut at {second_moment}, {name} kept"
        second_moment += 1


async def test_a_directory_that_was_removed_and_made_again_is_durable_again(tmp_path: Path) -> None:
    """Its number may be that of the one before: here they all have one."""
    folder = tmp_path / "run"
    folder.mkdir()
    ref = ObjectRef(str(folder), "d/one")
    store = FolderStore()
    with pytest.MonkeyPatch.context() as patched:
        power = Power(folder, patched)
        patched.setattr(os, "rmdir", power.recorded_rmdir(os.rmdir))
        numbered = SimpleNamespace(st_dev=1, st_ino=1)
        patched.setattr(making, "os", SimpleNamespace(**{**vars(os), "fstat": lambda descriptor: numbered}))
        for _ in range(3):
            await store.put_object(PutObject(ref, b"1"))
            await store.delete_object(DeleteObject(ref))
            system.sync(store.root(ref.bucket).descriptor())  # as the system does by itself, sooner or later
        await store.put_object(PutObject(ref, b"1"))
    power.after(tmp_path / "after", lambda: False)
    assert whole(tmp_path / "after", "d/one", b"1")
    store.close()


def test_the_harness_sees_what_is_not_synced(tmp_path: Path) -> None:
    """Without durability a power cut loses what was published: or this file would prove nothing."""
    ended, said, power = cut_at(None, tmp_path, "none")
    assert ended
    power.after(tmp_path / "after", lambda: False)
    assert not any(whole(tmp_path / "after", key, data) for key, data in said.published.items())


@pytest.mark.parametrize("left_out", ["sync", "sync_data", "directories"])
def test_each_of_the_syncs_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: str) -> None:
    if left_out == "directories":
        monkeypatch.setattr("engine.folder.making.Directories.sync", lambda self, directory: None)
    with pytest.raises(AssertionError):
        _without(left_out, tmp_path, monkeypatch)


def _without(left_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the test above, on a disk that takes no notice of one kind of sync."""
    if left_out != "directories":
        monkeypatch.setattr(Power, f"_{left_out}", lambda self, *of: None)
    test_nothing_that_was_said_to_be_durable_is_lost(tmp_path, monkeypatch)


def test_without_durability_a_crash_of_the_process_loses_nothing(tmp_path: Path) -> None:
    ended, said, power = cut_at(None, tmp_path, "none")
    assert ended
    power.after(tmp_path / "after", lambda: True)
    assert all(whole(tmp_path / "after", key, data) for key, data in said.published.items())
