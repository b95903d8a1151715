"""The ledger as a file: private, locked, whole or not there, never on a network disk, and honest when it is damaged."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.errors import LedgerCorrupt, LedgerError, LedgerLocked, LedgerMissing
from engine.ledger import Ledger, LedgerReader, locking, network
from engine.ledger.leaving import Leaving
from engine.ledger.locking import FileLock
from engine.ledger.network import network_type, refuse_network
from engine.plan.lifecycle import State
from tests.unit.ledger.scene import BINDING, Clock, change, decision, opened, outcome, query

POSIX = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def fill(path: Path, count: int = 2_000) -> None:
    async with opened(path) as ledger:
        keys = [f"images/{number:06}.png" for number in range(count)]
        for at in range(0, count, 500):
            await ledger.decide("raw", [decision(key) for key in keys[at : at + 500]])
            await ledger.conclude("raw", [outcome(key) for key in keys[at : at + 500]])


# --- private ------------------------------------------------------------------------------------------------


async def test_no_file_of_a_ledger_is_readable_by_others_even_where_the_umask_allows_it(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    before = os.umask(0)
    try:
        async with opened(path) as ledger:
            await ledger.decide("raw", [decision("a")])
            names = sorted(item.name for item in tmp_path.iterdir())
            modes = {item.name: mode(item) for item in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert names == ["moving.ledger", "moving.ledger-shm", "moving.ledger-wal", "moving.ledger.lock"]
    assert set(modes.values()) == {0o600}


async def test_an_sqlite_without_strict_tables_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(tmp_path / "moving.ledger", 1)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    for path in (tmp_path / "new.ledger", tmp_path / "moving.ledger"):
        with pytest.raises(LedgerError, match=r"SQLite is .*, and a ledger needs"):
            await fill(path, 1)
    with pytest.raises(LedgerError, match=r"SQLite is .*, and a ledger needs"):
        await LedgerReader.open_to_read(tmp_path / "moving.ledger")


async def test_a_ledger_that_was_opened_to_others_is_made_private_again(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path, 1)
    path.chmod(0o644)
    async with opened(path):
        assert mode(path) == 0o600


async def test_after_a_clean_end_the_ledger_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["moving.ledger", "moving.ledger.lock"]
    moved = tmp_path / "elsewhere.ledger"
    shutil.copy(path, moved)
    assert query(moved, "SELECT count(*) FROM objects WHERE state = 'copied'") == [(2_000,)]


# --- one run at a time --------------------------------------------------------------------------------------


async def test_a_second_run_is_refused_and_told_who_holds_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path):
        with pytest.raises(LedgerLocked, match=rf"another run is at work .*pid {os.getpid()} on ") as refused:
            await Ledger.open(path, BINDING, now_ms=Clock())
        assert refused.value.advice.endswith(f"cartage status --ledger {path}")
    async with opened(path):
        pass  # given back at the end


async def test_the_lock_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from engine.ledger.locking import FileLock;"
            "lock = FileLock(pathlib.Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(LedgerLocked, match=f"pid {holder.pid} on "):
            await Ledger.open(path, BINDING, now_ms=Clock())
    finally:
        holder.kill()
        holder.communicate()
    async with opened(path) as ledger:
        assert ledger.fresh


def test_a_disk_without_locks_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: object) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locking, "_lock", no_locks)
    with pytest.raises(LedgerError, match="cannot be taken here: No locks available"):
        FileLock(tmp_path / "moving.ledger").acquire()


async def test_a_run_that_was_refused_leaves_the_lock_to_others(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    path.write_bytes(b"not a database at all, and longer than a header is " * 4)
    for _ in range(2):
        with pytest.raises(LedgerCorrupt):
            await Ledger.open(path, BINDING, now_ms=Clock())


# --- where it may be ----------------------------------------------------------------------------------------

MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/export /srv/data nfs4 rw 0 0
/dev/sdb1 /srv/data/local\\040disk ext4 rw 0 0
//server/share /mnt/Bücher cifs rw 0 0
bucket /mnt/bucket fuse.mount-s3 rw 0 0
tmpfs /tmp tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/users/me/project", ""),
        ("/srv/data", "nfs4"),
        ("/srv/data/project", "nfs4"),
        ("/srv/database", ""),
        ("/srv/data/local disk/project", ""),
        ("/mnt/Bücher/project", "cifs"),
        ("/mnt/bucket", "fuse.mount-s3"),
        ("/tmp/x", ""),
    ],
)
def test_the_innermost_mount_says_whether_a_folder_is_on_a_network(path: str, kind: str) -> None:
    assert network_type(path, MOUNTS) == kind


@pytest.mark.parametrize(
    "kind",
    [
        *("nfs4", "cifs", "ceph", "9p", "virtiofs", "ocfs2", "gfs2", "lustre", "vboxsf"),
        *("fuse.glusterfs", "fuse.juicefs", "fuse.ceph", "fuse.ceph-fuse", "fuse.sshfs", "fuse.s3fs", "fuse.rclone"),
        *("fuse.mount-s3", "fuse.gcsfuse", "fuse.moosefs", "fuse.vmhgfs-fuse", "fuse", "fuse.nobody-knows-it"),
    ],
)
def test_network_and_cluster_file_systems_are_known_also_where_they_are_fuse(kind: str) -> None:
    assert network_type("/data/x", f"where /data {kind} rw 0 0") == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.gocryptfs"])
def test_what_keeps_its_files_on_this_machine_is_no_network(kind: str) -> None:
    assert network_type("/data/x", f"where /data {kind} rw 0 0") == ""


def test_a_network_file_system_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "network_type", lambda path, mounts: "nfs4")
    with pytest.raises(LedgerError, match=r"network file system \(nfs4\), where SQLite cannot keep it safe") as refused:
        refuse_network(tmp_path / "moving.ledger")
    assert refused.value.advice == "Name a local place with --ledger."
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="No such file or directory"):
        await Ledger.open(tmp_path / "nowhere" / "moving.ledger", BINDING, now_ms=Clock())


async def test_a_folder_as_a_ledger_is_said(tmp_path: Path) -> None:
    (tmp_path / "moving.ledger").mkdir()
    with pytest.raises(LedgerError, match="is a folder; it is left as it is"):
        await Ledger.open(tmp_path / "moving.ledger", BINDING, now_ms=Clock())


async def test_a_missing_ledger_is_said_to_those_who_need_one(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    with pytest.raises(LedgerMissing, match=re.escape(f"there is no ledger at {path}.")):
        await Ledger.open(path, BINDING, now_ms=Clock(), create=False)
    with pytest.raises(LedgerMissing):
        await LedgerReader.open_to_read(path)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def without_root() -> Iterator[Path]:
    """A folder of root's, mode 0755, for the rest of the test as a user who may not write there."""
    folder = Path(tempfile.mkdtemp(prefix="cartage-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@POSIX
async def test_a_read_only_folder_is_said_to_a_run_and_is_no_hindrance_to_status() -> None:
    with without_root() as folder:
        path = folder / "moving.ledger"
        await fill(path, 3)
        path.chmod(0o644)
        (folder / "moving.ledger.lock").unlink()
        folder.chmod(0o555)
        try:
            with as_nobody():
                with pytest.raises(LedgerError, match="Permission denied") as refused:
                    await Ledger.open(path, BINDING, now_ms=Clock())
                async with await LedgerReader.open_to_read(path) as reader:
                    assert [(tally.state, tally.objects) for tally in await reader.tallies()] == [(State.COPIED, 3)]
        finally:
            folder.chmod(0o755)
    assert "--ledger" in refused.value.advice


# --- whole or not there -------------------------------------------------------------------------------------


async def test_a_crash_while_a_ledger_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "moving.ledger"

    def crash(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            Ledger._open(path, BINDING, Clock(), True, Leaving())
    assert not path.exists()
    assert (tmp_path / "moving.ledger.new").exists()
    async with opened(path) as ledger:
        assert ledger.fresh
        assert await ledger.binding() == BINDING
    assert not (tmp_path / "moving.ledger.new").exists()


async def test_a_wal_whose_ledger_was_moved_away_is_not_laid_over_a_new_one(tmp_path: Path) -> None:
    path, wal = tmp_path / "moving.ledger", tmp_path / "moving.ledger-wal"
    wal.write_bytes(b"commits of a ledger that is elsewhere")
    with pytest.raises(LedgerError, match="that it belongs to is not") as refused:
        await Ledger.open(path, BINDING, now_ms=Clock())
    assert "Put the two together again" in refused.value.advice
    assert wal.read_bytes() == b"commits of a ledger that is elsewhere"
    assert not path.exists()


# --- damaged ------------------------------------------------------------------------------------------------


def cut(path: Path, share: float) -> None:
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))


def scribble(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


async def refused_as_damaged(path: Path) -> str:
    before = path.read_bytes()
    with pytest.raises(LedgerCorrupt) as refused:
        await Ledger.open(path, BINDING, now_ms=Clock())
    assert refused.value.advice
    assert path.read_bytes() == before, "a ledger that is not trusted is left as it is"
    return refused.value.message


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
async def test_a_truncated_ledger_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path)
    cut(path, share)
    assert "damaged" in await refused_as_damaged(path)


async def test_a_ledger_that_was_cut_to_nothing_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path, 10)
    cut(path, 0)
    assert "is empty: it was cut short" in await refused_as_damaged(path)
    with pytest.raises(LedgerCorrupt):
        await LedgerReader.open_to_read(path)


async def test_every_page_of_a_ledger_that_is_overwritten_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path)
    pages = path.stat().st_size // 4096
    used = {int(str(page)) for (page,) in query(path, "SELECT pageno FROM dbstat")}
    assert len(used) > 50
    for page in sorted(used)[:: len(used) // 25]:
        damaged = tmp_path / f"page-{page}.ledger"
        shutil.copy(path, damaged)
        scribble(damaged, (page - 1) * 4096, b"\xa5" * 4096)
        await refused_as_damaged(damaged)
    assert pages >= len(used)


async def test_a_single_state_that_was_changed_behind_the_ledgers_back_is_noticed(tmp_path: Path) -> None:
    """SQLite keeps no checksum of its pages: a flipped bit inside a text passes its own check."""
    path = tmp_path / "moving.ledger"
    await fill(path, 20)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    data = path.read_bytes()
    at = data.rindex(b"copied", 0, data.rindex(b"images/000007.png") + 200)
    scribble(path, at, b"copiee")
    assert query(path, "PRAGMA quick_check") == [("ok",)]
    with pytest.raises(LedgerCorrupt, match="do not add up to its totals"):
        await Ledger.open(path, BINDING, now_ms=Clock())
    async with await LedgerReader.open_to_read(path) as reader:
        with pytest.raises(LedgerCorrupt, match="'copiee' is no value of its column"):
            _ = [batch async for batch in reader.records()]


async def test_a_size_that_was_changed_behind_the_ledgers_back_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path, 20)
    change(path, "UPDATE objects SET size = 11 WHERE key = 'images/000003.png'")
    with pytest.raises(LedgerCorrupt, match="do not add up to its totals"):
        await Ledger.open(path, BINDING, now_ms=Clock())


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"plan": "moving"}'])
async def test_a_binding_that_cannot_be_read_is_damage(tmp_path: Path, text: str) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path, 1)
    change(path, f"UPDATE meta SET value = '{text}' WHERE key = 'binding'")
    with pytest.raises(LedgerCorrupt, match="its binding cannot be read"):
        await Ledger.open(path, BINDING, now_ms=Clock())
    async with await LedgerReader.open_to_read(path) as reader:
        with pytest.raises(LedgerCorrupt):
            await reader.binding()


async def test_a_lost_binding_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    await fill(path, 1)
    change(path, "DELETE FROM meta")
    with pytest.raises(LedgerCorrupt, match="has no binding"):
        await Ledger.open(path, BINDING, now_ms=Clock())


@pytest.mark.parametrize(
    "content", [b"name = 'a plan, named by mistake'\n", b"\x00" * 5000, b"SQLite format 3\0" * 300]
)
async def test_a_file_that_is_no_ledger_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    path.chmod(0o644)
    assert "is not a ledger of Cartage" in await refused_as_damaged(path)
    assert mode(path) == 0o644
    with pytest.raises(LedgerCorrupt):
        await LedgerReader.open_to_read(path)


async def test_the_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    change(path, "CREATE TABLE visits (url TEXT)", "INSERT INTO visits VALUES ('x')")
    assert "is not a ledger of Cartage" in await refused_as_damaged(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["places.sqlite", "places.sqlite.lock"]
