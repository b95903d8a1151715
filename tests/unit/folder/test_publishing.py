"""A file is written under another name until it is whole; what an interrupted run wrote is hashed before it is used."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.checksums import checksum_of
from engine.errors import Conflict, PreconditionFailed, Rejected, StoreError, Unwritable
from engine.folder import system, unfinished
from engine.folder.journal import Part
from engine.folder.making import SharedSyncs
from engine.folder.publishing import Publisher
from engine.folder.reading import OpenedFile
from engine.folder.roots import Root
from engine.folder.unfinished import temporary_name
from engine.folder.versions import version_of
from engine.model import ABSENT, Durability
from tests.unit.folder.power import Power, PowerCut

PART = 1 << 10
DATA = os.urandom(4 * PART)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(Root(str(tmp_path)), "none")


def part_of(number: int) -> tuple[Part, bytes]:
    data = DATA[(number - 1) * PART : number * PART]
    return Part(number, (number - 1) * PART, PART, checksum_of("CRC64NVME", data)), data


def write_parts(publisher: Publisher, *numbers: int, pin: str = "v1") -> None:
    """A run that is interrupted after these parts."""
    with publisher.begin("d/large", len(DATA), pin) as file:
        file.kept()
        for number in numbers:
            part, data = part_of(number)
            file.write(data, part.offset)
            file.part_done(part)


def kept(publisher: Publisher, pin: str = "v1") -> list[int]:
    with publisher.begin("d/large", len(DATA), pin) as file:
        return [part.number for part in file.kept()]


def temporary(tmp_path: Path, ending: str = "") -> Path:
    return tmp_path / "d" / (os.fsdecode(temporary_name(b"large")) + ending)


# --- resuming -------------------------------------------------------------------------------------------------------


def test_the_next_run_goes_on_with_the_parts_that_are_there(publisher: Publisher, tmp_path: Path) -> None:
    write_parts(publisher, 1, 3)
    assert kept(publisher) == [1, 3]
    with publisher.begin("d/large", len(DATA), "v1") as file:
        assert [part.number for part in file.kept()] == [1, 3]
        for number in (2, 4):
            part, data = part_of(number)
            file.write(data, part.offset)
            file.part_done(part)
        file.publish(ABSENT)
    assert (tmp_path / "d/large").read_bytes() == DATA
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["large"]


def test_what_is_listed_is_hashed_before_it_is_trusted(publisher: Publisher, tmp_path: Path) -> None:
    write_parts(publisher, 1, 2, 3)
    with temporary(tmp_path).open("r+b") as file:
        file.seek(PART + 5)
        file.write(b"bitrot")
    assert kept(publisher) == [1, 3]
    os.truncate(temporary(tmp_path), PART)
    assert kept(publisher) == [1]


def test_another_version_of_the_source_begins_anew(publisher: Publisher, tmp_path: Path) -> None:
    write_parts(publisher, 1, 2)
    assert kept(publisher, pin="v2") == []
    write_parts(publisher, 1, pin="v2")
    assert kept(publisher, pin="v1") == []


def test_a_list_that_is_damaged_loses_what_comes_after_the_damage(publisher: Publisher, tmp_path: Path) -> None:
    write_parts(publisher, 1, 2, 3)
    listing = temporary(tmp_path, ".parts")
    whole = listing.read_bytes()
    for length in range(len(whole)):
        listing.write_bytes(whole[:length])
        with publisher.begin("d/large", len(DATA), "v1") as file:
            numbers = [part.number for part in file.kept()]
        assert numbers == [1, 2, 3][: max(0, whole[:length].count(b"\n") - 1)]
        write_parts(publisher, *({1, 2, 3} - set(numbers)))
    listing.write_bytes(whole.replace(b"\n2 ", b"\n2x "))
    assert kept(publisher) == [1]


def test_parts_that_were_kept_stay_listed_in_the_run_after_the_next(publisher: Publisher) -> None:
    write_parts(publisher, 1)
    write_parts(publisher, 2)
    write_parts(publisher, 4)
    assert kept(publisher) == [1, 2, 4]


def test_a_file_is_written_by_one_process_at_a_time(publisher: Publisher) -> None:
    with publisher.begin("one", 1), pytest.raises(Conflict, match="another process"):
        publisher.begin("one", 1)
    publisher.put("one", b"1")


def test_a_file_is_written_by_one_process_where_all_files_are_shown_as_anothers(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with publisher.begin("one", 1), pytest.raises(Conflict, match="another process"):
        publisher.begin("one", 1)
    write_parts(publisher, 1)
    assert kept(publisher) == [1]


def test_another_users_file_is_not_written_into_and_kept_while_he_writes_it(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(publisher, 1)
    monkeypatch.setattr(unfinished, "is_ours", lambda *of: False)
    theirs = os.open(temporary(tmp_path), os.O_RDWR)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    with pytest.raises(Conflict, match="another process"):
        kept(publisher)
    assert temporary(tmp_path).stat().st_ino == os.fstat(theirs).st_ino
    os.close(theirs)
    assert kept(publisher) == []


def test_where_there_are_no_locks_each_run_writes_a_file_of_its_own_and_the_last_gives_the_name(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*of: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with publisher.begin("one", 1) as first, publisher.begin("one", 1) as second:
        first.write(b"1", 0)
        with pytest.raises(Conflict, match="another process"):
            first.publish()
        first.discard()
        second.write(b"2", 0)
        second.publish()
    assert (tmp_path / "one").read_bytes() == b"2"


def test_a_file_whose_temporary_name_another_took_publishes_nothing(publisher: Publisher, tmp_path: Path) -> None:
    with publisher.begin("d/large", 1) as file, pytest.raises(Conflict, match="another process") as refused:
        file.write(b"1", 0)
        temporary(tmp_path).unlink()
        temporary(tmp_path).write_bytes(b"\0")
        file.publish(ABSENT)
    assert refused.value.code == "BeingWritten"
    assert not (tmp_path / "d/large").exists()


def test_a_name_of_255_bytes_has_room_for_its_temporary_one(publisher: Publisher, tmp_path: Path) -> None:
    publisher.put("x" * 255, b"1")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"1"


@pytest.mark.parametrize("told_of", ["a part", "the end"])
def test_of_a_file_of_which_a_sync_failed_no_part_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_of: str
) -> None:
    """The system tells it once, to one thread of several: for the others, and for the next run, all is well."""
    publisher = Publisher(Root(str(tmp_path)), "object")
    call, failing = "sync_data" if told_of == "a part" else "sync", list[OSError]()
    sync = getattr(system, call)

    def fail_once(descriptor: int) -> None:
        if failing:
            raise failing.pop()
        sync(descriptor)

    monkeypatch.setattr(system, call, fail_once)
    write_parts(publisher, 1)
    with publisher.begin("d/large", len(DATA), "v1") as file:
        assert len(file.kept()) == 1
        for number in (2, 3, 4):
            part, data = part_of(number)
            file.write(data, part.offset)
            if told_of == "a part" and number == 3:
                failing.append(OSError(errno.EIO, os.strerror(errno.EIO)))
            with pytest.raises(StoreError) if told_of == "a part" and number > 2 else contextlib.nullcontext():
                file.part_done(part)
        if told_of == "the end":
            failing.append(OSError(errno.EIO, os.strerror(errno.EIO)))
        for _ in range(2):
            with pytest.raises(StoreError):
                file.publish(ABSENT)
    assert list((tmp_path / "d").iterdir()) == []
    assert kept(publisher) == []


def test_what_a_disk_tells_at_the_close_alone_is_told_of_the_file_and_before_it_has_its_name(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS, SMB and sshfs say there that they had no room. A reader's close is none of anybody's."""
    close = os.close

    def refuse(descriptor: int) -> None:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        close(descriptor)
        if is_file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "source").write_bytes(DATA)
    monkeypatch.setattr(os, "close", refuse)
    with (
        pytest.raises(Unwritable, match=r"the disk is full: .*/one"),
        publisher.begin("one", len(DATA)) as file,
        file.discarded_on_error(),
    ):
        file.write(DATA, 0)
        file.publish(ABSENT)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    with OpenedFile(publisher.root, "source") as source:
        assert source.read(0, len(DATA)) == DATA


def test_what_is_listed_is_read_from_the_disk(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(publisher, 1, 2)

    def forget(descriptor: int, offset: int, length: int) -> None:
        assert (offset, length) == (0, 0)
        os.pwrite(descriptor, bytes(PART), PART)  # memory had what the disk has not

    monkeypatch.setattr(system, "forget", forget)
    assert kept(publisher) == [1]


# --- room -----------------------------------------------------------------------------------------------------------


def test_room_is_taken_before_the_first_byte(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = unfinished.ALLOCATED_FROM
    with publisher.begin("one", size):
        status = (tmp_path / os.fsdecode(temporary_name(b"one"))).stat()
        assert status.st_size == size
        if status.st_blocks * 512 < size:
            pytest.skip("this file system cannot give room beforehand")
    with pytest.raises(Unwritable, match="its disk has"):
        publisher.begin("two", 1 << 60)
    assert [path.name for path in tmp_path.iterdir()] == [os.fsdecode(temporary_name(b"one"))]


def test_what_is_left_of_an_earlier_run_counts_as_room(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(unfinished, "ALLOCATED_FROM", 1)
    write_parts(publisher, 1)
    if temporary(tmp_path).stat().st_blocks * 512 < len(DATA):
        pytest.skip("this file system cannot give room beforehand")
    monkeypatch.setattr(system, "free_bytes", lambda descriptor: 0)
    assert kept(publisher) == [1]


def test_zeros_leave_a_hole_and_are_zeros(publisher: Publisher, tmp_path: Path) -> None:
    size = 8 << 20
    with publisher.begin("sparse", size) as file:
        file.write(b"begin", 0)
        for offset in range(1 << 20, size, 1 << 20):
            file.write(bytes(1 << 20), offset)
        file.write(b"end", size - 3)
        file.publish(ABSENT)
    path = tmp_path / "sparse"
    data = path.read_bytes()
    assert (len(data), data[:5], data[-3:], data.count(0)) == (size, b"begin", b"end", size - 8)
    assert path.stat().st_blocks * 512 <= 3 << 20


def test_zeros_overwrite_what_an_earlier_run_left(publisher: Publisher, tmp_path: Path) -> None:
    size = system.PUNCHED_FROM
    with publisher.begin("d/large", size, "v1") as file:
        file.write(b"x" * size, 0)
        file.part_done(Part(1, 0, size, "0" * 32))
    with publisher.begin("d/large", size, "v1") as file:
        assert file.kept() == []
        file.write(bytes(size), 0)
        file.publish(ABSENT)
    assert (tmp_path / "d/large").read_bytes() == bytes(size)


@pytest.mark.parametrize("missing", ["_FALLOCATE", "_RENAME"])
def test_a_system_without_the_newer_calls_does_the_same(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(system, missing, None)
    test_zeros_overwrite_what_an_earlier_run_left(publisher, tmp_path)
    first = publisher.put("one", bytes(unfinished.ALLOCATED_FROM), condition=ABSENT)
    with pytest.raises(PreconditionFailed):
        publisher.put("one", b"2", condition=ABSENT)
    publisher.put("one", b"2", condition=first.version)
    with pytest.raises(PreconditionFailed):
        publisher.put("one", b"3", condition=first.version)
    assert (tmp_path / "one").read_bytes() == b"2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "one"]


def test_a_file_system_without_links_either_looks_before_it_renames(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*of: object, **how: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what FAT says

    monkeypatch.setattr(system, "_RENAME", None)
    monkeypatch.setattr(os, "link", no_links)
    publisher.put("one", b"1", condition=ABSENT)
    with pytest.raises(PreconditionFailed):
        publisher.put("one", b"2", condition=ABSENT)
    assert (tmp_path / "one").read_bytes() == b"1"


def test_a_file_that_has_its_name_is_written_where_its_first_one_cannot_be_taken_away(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append_only(*of: object, **how: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # of a directory that names are only added to

    monkeypatch.setattr(system, "_RENAME", None)
    with publisher.begin("one", 1) as file:
        file.write(b"1", 0)
        monkeypatch.setattr(os, "unlink", append_only)
        file.publish(ABSENT)
    assert (tmp_path / "one").read_bytes() == b"1"


# --- its name -------------------------------------------------------------------------------------------------------


def test_what_is_written_at_the_last_moment_is_put_back(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the file and the exchange someone else writes to it: not a byte of that is lost."""
    first = publisher.put("one", b"1")
    exchange = system.exchange

    def written_to_just_before(directory: int, one: bytes, other: bytes) -> bool:
        monkeypatch.setattr(system, "exchange", exchange)
        (tmp_path / "one").write_bytes(b"theirs")
        return exchange(directory, one, other)

    monkeypatch.setattr(system, "exchange", written_to_just_before)
    with pytest.raises(PreconditionFailed, match="put back"):
        publisher.put("one", b"ours", condition=first.version)
    assert (tmp_path / "one").read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("what", ["file", "link"])
@pytest.mark.parametrize("how", ["written to again", "disk fails", "nothing can be renamed"])
def test_what_is_written_at_the_last_moment_and_cannot_be_put_back_is_kept_each_time_and_named(
    what: str, how: str, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, named = system.exchange, set[bytes]()

    def save(text: str) -> None:
        (tmp_path / "saved").write_text(text)
        (tmp_path / "saved").replace(tmp_path / "one")

    def fail(*of: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def put_back(directory: int, one: bytes, other: bytes) -> bool:
        if how != "written to again":
            fail()
        save(f"again {len(named)}")
        return exchange(directory, one, other)

    def written_to_just_before(directory: int, one: bytes, other: bytes) -> bool:
        monkeypatch.setattr(system, "exchange", put_back)
        save(f"theirs {len(named)}")
        return exchange(directory, one, other)

    if how == "nothing can be renamed":
        monkeypatch.setattr(system, "rename_to_nothing", fail)
    races = 1 if how == "nothing can be renamed" else 2
    for _ in range(races):
        save("first")
        monkeypatch.setattr(system, "exchange", written_to_just_before)
        put = publisher.put if what == "file" else publisher.put_link
        with pytest.raises(Rejected, match="could not be put back") as raised:
            put("one", b"ours", condition=version_of((tmp_path / "one").lstat()))
        assert raised.value.code == "NotPutBack"
        named |= {item.read_bytes() for item in tmp_path.iterdir() if item.name in raised.value.message.split()}
    assert named == {f"{'again' if how == 'written to again' else 'theirs'} {race}".encode() for race in range(races)}


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_written_at_the_last_moment_outlives_a_kill_at_any_moment_and_the_next_write(
    what: str, tmp_path: Path
) -> None:
    exchange, outcomes = system.exchange, list[str]()
    while "refused" not in outcomes:
        one = tmp_path / str(len(outcomes)) / "one"
        one.parent.mkdir()
        one.write_bytes(b"first")

        def saved_just_before(*of: Any, one: Path = one) -> bool:
            if not one.is_symlink() and one.read_bytes() == b"first":
                one.with_name("saved").write_bytes(b"theirs")
                one.with_name("saved").replace(one)
            return exchange(*of)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(system, "exchange", saved_just_before)
            Power(one.parent, patched, cut_at=len(outcomes))
            publisher = Publisher(Root(str(one.parent)), "none")
            put = publisher.put if what == "file" else publisher.put_link
            try:
                put("one", b"ours", condition=version_of(one.stat()))
            except (PowerCut, PreconditionFailed) as error:
                refused = isinstance(error, PreconditionFailed)
                outcomes.append("refused" if refused else "ours" if one.is_symlink() else one.read_text())
        if outcomes[-1] == "ours":
            again = Publisher(Root(str(one.parent)), "none")
            put = again.put if what == "file" else again.put_link
            put("one", b"ours again", condition=version_of(one.lstat()))
            assert b"theirs" in [path.read_bytes() for path in one.parent.iterdir() if path.is_file()], outcomes
        elif outcomes[-1] != "first":
            assert one.read_bytes() == b"theirs"
    assert {"first", "ours"} <= set(outcomes)


def test_time_and_mode_are_set_before_the_name_is(publisher: Publisher, tmp_path: Path) -> None:
    new = publisher.put("one", b"1", mtime_ns=1_234_567_890_000_000_000)
    status = (tmp_path / "one").stat()
    assert new.modified_ns == status.st_mtime_ns == 1_234_567_890_000_000_000
    (tmp_path / "plain").touch()
    assert status.st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "one").chmod(0o751)
    publisher.put("one", b"2")
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o751


def test_a_file_that_replaces_a_program_is_not_run_as_its_owner(publisher: Publisher, tmp_path: Path) -> None:
    publisher.put("tool", b"1")
    (tmp_path / "tool").chmod(0o6755)
    publisher.put("tool", b"2")
    assert stat.S_IMODE((tmp_path / "tool").stat().st_mode) == 0o755


def test_a_disk_that_says_no_size_of_itself_is_not_full(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in memory without a bound (`mount -t tmpfs -o size=0`, ramfs) has no blocks, and none that are free."""
    monkeypatch.setattr(os, "statvfs", lambda place: os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255)))
    publisher.put("one", b"1")
    assert (tmp_path / "one").read_bytes() == b"1"


@pytest.mark.parametrize(("free", "code"), [(0, "NoInodes"), (1, "DiskFull")])
def test_a_disk_that_can_have_no_more_files_is_not_said_to_be_full(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, free: int, code: str
) -> None:
    def refused(*of: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(system, "create", refused)
    monkeypatch.setattr(os, "statvfs", lambda place: os.statvfs_result((1, 1, 99, 99, 99, 99, free, free, 0, 255)))
    with pytest.raises(Unwritable) as told:
        publisher.put("one", b"1")
    assert told.value.code == code


@pytest.mark.parametrize("mode", [None, 0o640])
def test_nobody_else_can_read_a_file_before_it_has_its_name(
    mode: int | None, publisher: Publisher, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    temporary(tmp_path).touch(0o644)  # as an older Cartage left it
    for _ in range(2):
        with publisher.begin("d/large", 1, "v1") as file:
            file.write(b"1", 0)
            assert stat.S_IMODE(temporary(tmp_path).stat().st_mode) == 0o600
            file.publish(None, mode=mode)
        (tmp_path / "plain").touch()
        ordinary = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
        assert stat.S_IMODE((tmp_path / "d/large").stat().st_mode) == (ordinary if mode is None else mode)
    (tmp_path / "d/large").chmod(0o604)
    publisher.put("d/large", b"2", condition=version_of((tmp_path / "d/large").stat()))
    assert stat.S_IMODE((tmp_path / "d/large").stat().st_mode) == 0o604


@pytest.mark.parametrize("how", ["unnamed", "named"])
def test_a_directorys_default_access_list_says_what_a_new_file_may_have(
    how: str, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "named":
        monkeypatch.setattr(system, "_UNNAMED", 0)
    nobody, anyone = 65534, 0xFFFFFFFF  # user 65534 may read and write, the group read; the mask is rw-, others nothing
    entries = [(1, 7, anyone), (2, 6, nobody), (4, 4, anyone), (16, 6, anyone), (32, 0, anyone)]
    (tmp_path / "d").mkdir()
    try:
        packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        os.setxattr(tmp_path / "d", "system.posix_acl_default", packed)
    except (AttributeError, OSError):
        pytest.skip("this file system has no access lists")
    for mode in (None, 0o600, 0o777):
        with Root(str(tmp_path / "d")).directory([]) as directory:
            os.close(system.create(directory, b"plain", 0o666 if mode is None else mode))
        publisher.put("d/new", b"1", condition=ABSENT, mode=mode)
        plain, new = tmp_path / "d/plain", tmp_path / "d/new"
        assert new.stat().st_mode == plain.stat().st_mode
        assert os.getxattr(new, "system.posix_acl_access") == os.getxattr(plain, "system.posix_acl_access")
        plain.unlink()
        new.unlink()


@pytest.mark.parametrize("text", [b"", b"a\0b", b"a/" * 4096])
def test_a_text_that_can_be_no_links_is_refused(text: bytes, publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(Rejected) as raised:
        publisher.put_link("link", text)
    assert raised.value.code == "LinkRefused"
    assert list(tmp_path.iterdir()) == []


def test_many_threads_make_the_same_directories_at_once(publisher: Publisher, tmp_path: Path) -> None:
    durable = Publisher(Root(str(tmp_path)), "object")
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            durable.put(f"a/b/{number % 2}/{number}", b"1", condition=ABSENT)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len([path for path in (tmp_path / "a/b").rglob("*") if path.is_file()]) == 24


@pytest.mark.parametrize("durability", ["object", "none"])
def test_a_directory_that_is_removed_just_before_its_file_is_made_again(
    durability: Durability, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = "create" if durability == "object" else "give_name"
    make = getattr(system, making)

    def removed_just_before(*of: Any) -> Any:
        monkeypatch.setattr(system, making, make)
        (tmp_path / "d").rmdir()
        return make(*of)

    monkeypatch.setattr(system, making, removed_just_before)
    Publisher(Root(str(tmp_path)), durability).put("d/one", b"1", condition=ABSENT)
    assert (tmp_path / "d/one").read_bytes() == b"1"


# --- a small file that has no name until it is whole -----------------------------------------------------------------


@pytest.fixture(params=["unnamed", "no unnamed files", "no way to name them"])
def system_with(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a system, or a file system, may lack."""
    how: str = request.param
    if how == "no unnamed files":
        monkeypatch.setattr(system, "_UNNAMED", 0)
    elif how == "no way to name them":
        monkeypatch.setattr(system, "give_name", lambda *of: False)
    else:
        need_unnamed(tmp_path)
    return how


def need_unnamed(folder: Path) -> None:
    with Root(str(folder)).directory([]) as directory:
        descriptor = system.create_unnamed(directory, 0o600)
    if descriptor is None:
        pytest.skip("this file system has no unnamed files")
    os.close(descriptor)


def test_a_new_small_file_is_the_same_however_it_got_its_name(
    system_with: str, publisher: Publisher, tmp_path: Path
) -> None:
    for number in range(2):
        new = publisher.put(f"d/{number}", b"1", condition=ABSENT, mtime_ns=1_234_567_890_000_000_000, mode=0o640)
        path = tmp_path / "d" / str(number)
        status = path.stat()
        assert path.read_bytes() == b"1"
        assert (new.modified_ns, new.size) == (1_234_567_890_000_000_000, 1)
        assert (status.st_mtime_ns, status.st_mode & 0o777, status.st_nlink) == (new.modified_ns, 0o640, 1)
        assert new.version == version_of(status)
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["0", "1"]


@pytest.mark.parametrize("name", ["plain", "\u00e4"])
def test_where_an_unnamed_file_cannot_be_named_none_is_made_again(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    need_unnamed(tmp_path)
    made, create = list[int](), system.create_unnamed

    def counted(directory: int, mode: int) -> int | None:
        made.append(directory)
        return create(directory, mode)

    monkeypatch.setattr(system, "create_unnamed", counted)
    monkeypatch.setattr(system, "give_name", lambda *of: False)
    for number in range(2):
        publisher.put(f"{name}-{number}", b"1", condition=ABSENT)
    assert len(made) == 1


def test_a_new_small_file_replaces_nothing(system_with: str, publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "directory").mkdir()
    with pytest.raises(PreconditionFailed, match="a file is there already"):
        publisher.put("file", b"ours", condition=ABSENT)
    for name in ("link", "directory"):
        with pytest.raises(Rejected, match="is there"):
            publisher.put(name, b"ours", condition=ABSENT)
    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "file", "link"]


def test_a_new_small_file_has_no_name_before_it_is_whole(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_unnamed(tmp_path)
    names: list[list[str]] = []
    write = system.write

    def seen(descriptor: int, data: bytes | memoryview, offset: int) -> None:
        names.append([path.name for path in (tmp_path / "d").iterdir()])
        write(descriptor, data, offset)
        names.append([path.name for path in (tmp_path / "d").iterdir()])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(system, "write", seen)
    with pytest.raises(Unwritable, match="the disk is full"):
        publisher.put("d/one", b"1", condition=ABSENT)
    assert names == [[], []]
    assert list((tmp_path / "d").iterdir()) == []


# --- syncs that are shared ------------------------------------------------------------------------------------------


def test_who_asks_while_a_sync_is_under_way_shares_the_next() -> None:
    begun, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []

    def sync(directory: int) -> None:
        syncs.append(directory)
        begun.set()
        go_on.wait()

    shared = SharedSyncs(sync)
    first = threading.Thread(target=shared.sync, args=((1, 1), 7))
    first.start()
    begun.wait()
    others = [threading.Thread(target=shared.sync, args=((1, 1), 8)) for _ in range(5)]
    for thread in others:
        thread.start()
    while shared._turns[1, 1].waiting < 6:
        time.sleep(0)  # yields to them; the lock alone says when they have all asked
    go_on.set()
    for thread in [first, *others]:
        thread.join()
    assert syncs == [7, 8]
    assert shared._turns == {}


def test_a_sync_that_failed_is_told_to_all_who_shared_it() -> None:
    def failing(directory: int) -> None:
        raise OSError(5, "Input/output error")

    shared = SharedSyncs(failing)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            shared.sync((1, 1), 7)
