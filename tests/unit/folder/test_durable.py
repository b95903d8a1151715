"""What could not be brought to the disk: a failed sync is told apart from what was not reached, and is remembered."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from threading import Event, Lock, Thread

import pytest

from engine.checksums import checksum_of
from engine.errors import Unwritable
from engine.folder import durable, system
from engine.folder.durable import Synced, Undurable, make_durable
from engine.folder.journal import Part
from engine.folder.publishing import Publisher
from engine.folder.roots import Root
from engine.folder.versions import version_of
from engine.model import ABSENT, Durability


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    """A folder of two files, on a file system that cannot be synced as a whole."""
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"body")
    monkeypatch.setattr(system, "sync_all", lambda descriptor: False)
    return Root(str(tmp_path))


def failing_once(monkeypatch: pytest.MonkeyPatch, module: object, call: str, code: int) -> None:
    real, failing = getattr(module, call), [OSError(code, os.strerror(code))]

    def once(*given: object, **named: object) -> object:
        if failing:
            raise failing.pop()
        return real(*given, **named)

    monkeypatch.setattr(module, call, once)


@pytest.mark.parametrize("mounted", [["fuse.mergerfs", "a:b"], ["fuseblk", "/dev/sdb1"], ["9p", "share"], ["new"], []])
def test_where_one_sync_is_not_known_to_bring_all_each_file_and_directory_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounted: list[str]
) -> None:
    """FUSE says that all is well and asks nothing of the program behind it: what lies in its memory is lost."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/one").write_bytes(b"body")
    brought = list[int]()
    monkeypatch.setattr(system, "mounted_at", lambda descriptor: mounted)
    monkeypatch.setattr(system, "_SYNCFS", lambda descriptor: 0)
    for call in ("hand_over", "sync"):
        monkeypatch.setattr(system, call, lambda descriptor: brought.append(os.fstat(descriptor).st_ino))
    assert make_durable(Root(str(tmp_path)), ["sub/one"], {}, follow=False) == Undurable({}, {})
    assert brought == [path.stat().st_ino for path in (tmp_path / "sub/one", tmp_path / "sub", tmp_path)]


@pytest.mark.skipif(sys.platform != "linux", reason="syncfs is Linux'")
def test_where_one_sync_brings_all_no_file_is_synced_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_bytes(b"body")
    asked = list[int]()

    def sync_all(descriptor: int) -> int:
        asked.append(descriptor)
        return 0

    monkeypatch.setattr(system, "mounted_at", lambda descriptor: ["ext4", "/dev/sda1"])
    monkeypatch.setattr(system, "_SYNCFS", sync_all)
    monkeypatch.setattr(system, "hand_over", lambda descriptor: pytest.fail("a file was synced by itself"))
    assert make_durable(Root(str(tmp_path)), ["one"], {}, follow=False) == Undurable({}, {})
    assert len(asked) == 1


def test_a_directory_that_could_not_be_synced_is_not_believed_later(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: Synced = {}
    failing_once(monkeypatch, system, "sync", errno.EIO)
    assert make_durable(root, ["one"], synced, follow=False).lost.keys() == {"one"}
    assert make_durable(root, ["two"], synced, follow=False).lost.keys() == {"two"}


def test_what_fails_before_the_sync_is_no_failed_sync(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: Synced = {}
    with monkeypatch.context() as patched:
        failing_once(patched, os, "stat", errno.ESTALE)
        found = make_durable(root, ["one", "two"], synced, follow=False)
    assert not found.lost and set(found.unreached) == {"one", "two"}
    failing_once(monkeypatch, system, "hand_over", errno.ENOMEM)
    found = make_durable(root, ["one", "two"], synced, follow=False)
    assert set(found.lost) == {"one"} and not found.unreached


def test_of_two_that_ask_for_one_disk_at_once_both_are_told_that_it_failed(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells of it once: to who asked second all would be well."""
    synced: Synced = {}
    both, found, asked = Event(), dict[str, Undurable](), list[int]()

    class Asking:
        """The lock that there is, which says when somebody waits for it."""

        def __init__(self) -> None:
            self.lock = Lock()

        def __enter__(self) -> None:
            if self.lock.locked():
                both.set()
            self.lock.acquire()

        def __exit__(self, *raised: object) -> None:
            self.lock.release()

    def ask(name: str) -> None:
        found[name] = make_durable(root, [name], synced, follow=False)

    second = Thread(target=ask, args=("two",))

    def failing_once_alone(descriptor: int) -> bool:
        asked.append(descriptor)
        if len(asked) > 1:
            both.set()
            return True
        second.start()
        assert both.wait(30.0)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable, "_ASKING", Asking(), raising=False)
    monkeypatch.setattr(system, "sync_all", failing_once_alone)
    ask("one")
    second.join()
    assert (set(found["one"].lost), set(found["two"].lost), len(asked)) == ({"one"}, {"two"}, 1)


@pytest.mark.parametrize("of", ["a file", "a directory"])
def test_what_has_no_sync_is_not_lost_and_not_known_to_be_on_the_disk(
    root: Root, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """fsync(2): EINVAL says that there is none, as some FUSE and network file systems do of directories."""
    real = os.fsync

    def none_there(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == (of == "a directory"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", none_there)
    for _ in range(2):
        found = make_durable(root, ["one"], {}, follow=False)
        assert (set(found.lost), set(found.unreached)) == (set(), {"one"})
    assert found.unreached["one"].code == "CannotSync"


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_run_that_is_to_be_durable_ends_where_nothing_can_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def none_there(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, call, none_there)
    publisher = Publisher(Root(str(tmp_path)), "object")
    with pytest.raises(Unwritable, match="brings nothing to the disk") as told, publisher.begin("one", 4) as file:
        file.write(b"body", 0)
        file.part_done(Part(1, 0, 4, checksum_of("CRC64NVME", b"body")))
        file.publish(ABSENT)
    assert told.value.code == "CannotSync" and "--durability none" in told.value.advice
    assert not (tmp_path / "one").exists()
    Publisher(Root(str(tmp_path)), "none").put("one", b"body", condition=ABSENT)
    assert (tmp_path / "one").read_bytes() == b"body"


@pytest.mark.parametrize("durability", ["object", "none"])
def test_a_file_system_that_lets_no_time_be_set_takes_files_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    def refused(*of: object, **named: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "utime", refused)
    published = Publisher(Root(str(tmp_path)), durability).put("one", b"body", condition=ABSENT, mtime_ns=1_000)
    status = (tmp_path / "one").stat()
    assert published.version == version_of(status) and status.st_mtime_ns != 1_000
