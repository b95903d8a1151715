"""One run at a time on a ledger, by whatever name it is reached; and nothing is written through what others planted."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import LedgerError, LedgerLocked
from engine.finish.deletion_list import DeletionList
from engine.ledger import Ledger, LedgerReader, descriptors
from engine.ledger.descriptors import SIDE_FILES
from engine.ledger.files import writing
from engine.ledger.locking import FileLock
from engine.process import MORE_FILES
from tests.unit.ledger.scene import BINDING, Clock, decision, opened

LINUX = pytest.mark.skipif(not hasattr(fcntl, "F_OFD_SETLK"), reason="the system has no lock of one descriptor alone")


async def made(path: Path) -> Path:
    async with opened(path):
        return path


async def open_again(path: Path) -> None:
    async with await Ledger.open(path, BINDING, now_ms=Clock()):
        raise AssertionError("a second run has begun")


# --- who is at work -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("able", [pytest.param(True, marks=LINUX), False])
async def test_who_is_at_work_is_known_without_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    """`able`: the system can say who has the file's lock. Else the lock file and the process's number have to do."""
    if not able:
        monkeypatch.setattr(descriptors, "_is_locked", lambda descriptor: None)
    path = tmp_path / "p.ledger"
    async with opened(path), await LedgerReader.open_to_read(path) as reader:
        worker = await reader.worker()
        assert worker is not None and worker.pid == os.getpid() and worker.since_s > 0
        with pytest.raises(LedgerLocked):
            await open_again(path)
    ended = subprocess.Popen(["true"])
    ended.wait()
    path.with_name("p.ledger.lock").write_text(f"pid {ended.pid} on {socket.gethostname()}\n")
    async with await LedgerReader.open_to_read(path) as reader:
        assert await reader.worker() is None
        async with await Ledger.open(path, BINDING, now_ms=Clock()):  # and nobody is refused who begins just then
            assert await reader.worker() is not None


@LINUX
async def test_a_lock_file_that_tells_nothing_is_no_lie(tmp_path: Path) -> None:
    path = tmp_path / "p.ledger"
    async with opened(path):
        path.with_name("p.ledger.lock").write_text("what?")
        async with await LedgerReader.open_to_read(path) as reader:
            worker = await reader.worker()
            assert worker is not None and (worker.pid, worker.host) == (0, "")


async def test_a_disk_that_is_full_when_the_lock_is_taken_is_named_with_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await made(tmp_path / "p.ledger")

    def full(descriptor: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "truncate", full)
        with pytest.raises(LedgerError, match=f"{path} cannot be written: No space left on device"):
            await open_again(path)
    async with opened(path):
        pass


async def test_a_ledger_for_which_too_many_files_are_open_is_no_matter_of_its_folder(tmp_path: Path) -> None:
    def refused() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with pytest.raises(LedgerError) as caught, writing(tmp_path / "p.ledger"):
        refused()
    assert caught.value.advice == MORE_FILES


# --- in a process that was forked off -----------------------------------------------------------------------


def test_what_is_given_back_is_free_though_another_process_has_the_file_open(tmp_path: Path) -> None:
    path = tmp_path / "p.ledger"
    path.touch()
    lock = FileLock(path)
    lock.acquire()
    assert lock._file is not None
    inherited = [os.dup(lock._file.fileno()), os.dup(lock.hold()._descriptor)]  # as what is forked inherits them
    lock.release()
    try:
        again = FileLock(path)
        again.acquire()
        again.hold()
        again.release()
    finally:
        for descriptor in inherited:
            os.close(descriptor)


FORKING = """
import os, signal, sys
from pathlib import Path
from engine.ledger.locking import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire()
lock.hold()
if os.fork():
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
print(os.getpid(), flush=True)
signal.pause()
"""
"""A process that has a ledger, and is killed once it is told to; what it has forked off lives on."""


def test_a_process_that_is_killed_leaves_its_ledger_to_none_that_it_forked_off(tmp_path: Path) -> None:
    path = tmp_path / "p.ledger"
    path.touch()
    parent = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None and parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(LedgerLocked, match=f"pid {parent.pid} on "):  # the child has let go, and unlocked nothing
            FileLock(path).acquire()
        parent.stdin.write("go\n")
        parent.stdin.flush()
        assert parent.wait(30) == -signal.SIGKILL
        lock = FileLock(path)
        lock.acquire()
        lock.hold()
        lock.release()
    finally:
        os.kill(child, signal.SIGKILL)
        parent.communicate()


# --- by any name --------------------------------------------------------------------------------------------


async def test_a_run_by_a_link_to_the_ledger_is_a_second_run(tmp_path: Path) -> None:
    path = await made(tmp_path / "p.ledger")
    (tmp_path / "q.ledger").symlink_to("p.ledger")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "r.ledger").symlink_to("../q.ledger")
    (tmp_path / "other").symlink_to(tmp_path, target_is_directory=True)
    async with opened(path):
        for name in ("q.ledger", "folder/r.ledger", "other/p.ledger"):
            with pytest.raises(LedgerLocked, match=f"pid {os.getpid()} on "):
                await open_again(tmp_path / name)
    assert sorted(item.name for item in tmp_path.rglob("*.lock")) == ["p.ledger.lock"]


async def test_a_ledger_with_a_second_name_is_refused_and_read_by_neither(tmp_path: Path) -> None:
    path, other = await made(tmp_path / "p.ledger"), tmp_path / "q.ledger"
    os.link(path, other)
    for name in (path, other):
        with pytest.raises(LedgerError, match="another name beside this one") as refused:
            await open_again(name)
        assert refused.value.advice.startswith("Remove the other name")
        with pytest.raises(LedgerError, match="another name"):
            await LedgerReader.open_to_read(name)
    other.unlink()
    async with opened(path):
        pass


@LINUX
async def test_a_second_name_given_during_a_run_lets_no_second_run_in(tmp_path: Path) -> None:
    path = await made(tmp_path / "p.ledger")
    async with opened(path) as ledger:
        path.rename(tmp_path / "q.ledger")
        with pytest.raises(LedgerLocked):
            await open_again(tmp_path / "q.ledger")
        with pytest.raises(LedgerError, match="was moved, replaced or removed while it was open"):
            await ledger.decide("raw", [decision("a")])
        (tmp_path / "q.ledger").rename(path)
        await ledger.decide("raw", [decision("a")])


@LINUX
async def test_a_lock_file_that_was_removed_lets_no_second_run_in(tmp_path: Path) -> None:
    path = await made(tmp_path / "p.ledger")
    async with opened(path):
        (tmp_path / "p.ledger.lock").unlink()
        with pytest.raises(LedgerLocked, match="another process"):
            await open_again(path)
    async with opened(path):
        pass  # given back at the end


async def test_where_the_lock_file_alone_guards_it_a_run_ends_once_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_set_lock", lambda descriptor, exclusive: None)
    path = await made(tmp_path / "p.ledger")
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        (tmp_path / "p.ledger.lock").unlink()
        async with await Ledger.open(path, BINDING, now_ms=Clock()) as second:
            with pytest.raises(LedgerError, match="was removed while it was held, and another run may have begun"):
                await ledger.decide("raw", [decision("b")])
            await second.decide("raw", [decision("b")])


def test_a_lock_file_that_is_taken_away_while_it_is_taken_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.ledger import locking

    real: Callable[..., bool] = locking._lock
    seen = []

    def remove_first(file: object) -> bool:
        seen.append(file)
        if len(seen) == 1:
            (tmp_path / "p.ledger.lock").unlink()
        return real(file)

    monkeypatch.setattr(locking, "_lock", remove_first)
    first = FileLock(tmp_path / "p.ledger")
    first.acquire()
    with pytest.raises(LedgerLocked):
        FileLock(tmp_path / "p.ledger").acquire()
    first.release()


SQLITE_SHARED = 0x40000002, 510
"""Where SQLite keeps the lock that says that a connection is open (sqlite.org/lockingv3.html)."""


def held_for_others(path: Path) -> bool:
    """Whether another process finds SQLite's lock on the file."""
    script = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'r+b')\n"
        f"try: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, {SQLITE_SHARED[1]}, {SQLITE_SHARED[0]})\n"
        "except OSError: sys.exit(3)"
    )
    return subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 3


async def test_readers_that_come_and_go_in_the_process_of_a_run_leave_sqlites_locks_on_it(tmp_path: Path) -> None:
    path = await made(tmp_path / "p.ledger")
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        assert held_for_others(path)
        async with await LedgerReader.open_to_read(path) as reader:
            assert await reader.knows("raw", "a")
        with pytest.raises(LedgerLocked):
            await open_again(path)
        assert held_for_others(path)
    assert not held_for_others(path)


@LINUX
async def test_a_reader_that_outlives_the_run_does_not_keep_its_lock(tmp_path: Path) -> None:
    path = await made(tmp_path / "p.ledger")
    async with opened(path):
        reader = await LedgerReader.open_to_read(path)
    async with opened(path):
        pass
    await reader.close()


# --- what others planted ------------------------------------------------------------------------------------

VICTIM = b"years of work\n" * 20


def link(at: Path, victim: Path) -> None:
    at.symlink_to(victim)


def hard_link(at: Path, victim: Path) -> None:
    os.link(victim, at)


PLANTS = [link, hard_link]


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("ending", ["", ".lock", ".new", *SIDE_FILES])
@pytest.mark.parametrize("there", [False, True], ids=["a new ledger", "a ledger that is there"])
async def test_nothing_is_written_through_a_planted_link(
    tmp_path: Path, ending: str, plant: Callable[[Path, Path], None], there: bool
) -> None:
    path = tmp_path / "p.ledger"
    if there:
        await made(path)
    (tmp_path / f"p.ledger{ending}").unlink(missing_ok=True)
    victim = tmp_path / "thesis.txt"
    victim.write_bytes(VICTIM)
    victim.chmod(0o644)
    plant(tmp_path / f"p.ledger{ending}", victim)
    try:
        async with await Ledger.open(path, BINDING, now_ms=Clock()) as ledger:
            await ledger.decide("raw", [decision("a")])
    except LedgerError as error:
        assert error.advice
    assert victim.read_bytes() == VICTIM
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("ending", ["", ".lock", *SIDE_FILES])
async def test_a_list_of_deletions_is_not_written_through_a_planted_link_either(
    tmp_path: Path, ending: str, plant: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "thesis.txt"
    victim.write_bytes(VICTIM)
    victim.chmod(0o644)
    plant(tmp_path / f"d.deletion{ending}", victim)
    with pytest.raises(LedgerError):
        await DeletionList.open(tmp_path / "d.deletion", "s3://bucket/x/", "https://s3")
    assert victim.read_bytes() == VICTIM
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


async def test_a_link_that_leads_to_nothing_makes_no_ledger_there(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "p.ledger", tmp_path / "elsewhere"
    path.symlink_to(elsewhere)
    with pytest.raises(LedgerError, match="a link that leads to no ledger"):
        await open_again(path)
    assert not elsewhere.exists()
    elsewhere.write_bytes(b"")
    for opening in (open_again(path), DeletionList.open(path, "s3://bucket/x/", "https://s3")):
        with pytest.raises(LedgerError, match="a link that leads to no ledger"):
            await opening
    assert elsewhere.read_bytes() == b""


@pytest.mark.parametrize("ending", ["", ".lock"])
async def test_a_pipe_is_neither_waited_for_nor_written_to(tmp_path: Path, ending: str) -> None:
    os.mkfifo(tmp_path / f"p.ledger{ending}")
    with pytest.raises(LedgerError, match="is no regular file"):
        await open_again(tmp_path / "p.ledger")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's file")
@pytest.mark.parametrize("ending", ["", ".lock"])
async def test_another_users_file_is_left_to_them(tmp_path: Path, ending: str) -> None:
    path = await made(tmp_path / "p.ledger")
    os.chown(tmp_path / f"p.ledger{ending}", 12_345, -1)
    with pytest.raises(LedgerError, match=r"another user's file \(user id 12345\)") as refused:
        await open_again(path)
    assert "Move" not in refused.value.advice, "their run may be at work"
    assert "go on as that user" in refused.value.advice


async def test_a_ledgers_name_writes_nothing_on_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "p\x1b[2J.ledger"
    async with opened(path):
        with pytest.raises(LedgerLocked) as refused:
            await open_again(path)
    assert refused.value.advice.isprintable() and "$'" in refused.value.advice
