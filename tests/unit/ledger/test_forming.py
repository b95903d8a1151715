"""A ledger is one file until it is known that several processes carry its plan, and takes what it knows along."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import LedgerError, LedgerLocked, UsageError
from engine.ledger import form_shards, forming, is_one_file, is_there, open_to_read, open_to_write
from engine.ledger.files import beside
from engine.ledger.opening import connect
from engine.ledger.shard_places import INDEX, SHARDS
from tests.unit.ledger.scene import BINDING, decision, opened


async def made(path: Path) -> Path:
    async with opened(path) as ledger:
        await ledger.accept("expected objects", "3", "counted by hand")
    return path


async def test_one_that_holds_no_object_becomes_the_index_with_what_was_accepted(tmp_path: Path) -> None:
    path = await made(tmp_path / "l.ledger")
    assert not is_one_file(path)
    form_shards(path)
    form_shards(path)
    assert (path / INDEX).is_file() and path.stat().st_mode & 0o777 == 0o700
    async with await open_to_read(path) as reader:
        assert [item.because for item in await reader.acceptances()] == ["counted by hand"]
    assert not is_one_file(path)


async def test_one_that_holds_an_object_stays_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
    assert is_one_file(path)


async def test_one_that_somebody_works_on_is_left(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    async with opened(path):
        with pytest.raises(LedgerLocked):
            form_shards(path)
    assert path.is_file()


async def test_one_that_another_program_reads_is_left_with_all_that_was_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    monkeypatch.setattr(forming, "connect", impatient)
    path = tmp_path / "l.ledger"
    async with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN")
        shell.execute("SELECT * FROM routes").fetchall()
        await made(path)
        with pytest.raises(LedgerError, match="another program reads the ledger"):
            form_shards(path)
        assert path.is_file()
    form_shards(path)
    async with await open_to_read(path) as reader:
        assert await reader.accepted() == {("expected objects", "3")}


@pytest.mark.parametrize("by", ["several processes", "one"])
async def test_it_goes_on_where_it_was_killed_in_between(tmp_path: Path, by: str) -> None:
    """Whatever comes next: a new ledger in its place would forget what was accepted."""
    path = await made(tmp_path / "l.ledger")
    folder = beside(path, ".folder")
    folder.mkdir()
    path.rename(folder / INDEX)
    assert is_there(path)
    async with await open_to_read(path) as reader:  # who only reads leaves it there
        assert await reader.accepted() == {("expected objects", "3")} and reader.path == path
    if by == "several processes":
        form_shards(path)
    async with await open_to_write(path, BINDING, now_ms=lambda: 1) as ledger:
        assert await ledger.accepted() == {("expected objects", "3")}
    assert not folder.exists()


def test_where_there_is_nothing_nothing_is_made_and_a_folder_alone_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    form_shards(path)
    assert not path.exists() and not is_there(path)
    path.mkdir()
    assert not is_there(path)


@pytest.mark.parametrize("inside", ["letter.txt", "shards/letter.txt"])
async def test_a_folder_that_is_no_ledger_is_refused_and_left_as_it_is(tmp_path: Path, inside: str) -> None:
    path = tmp_path / "l.ledger"
    path.mkdir(mode=0o755)
    (path / inside).parent.mkdir(exist_ok=True)
    (path / inside).write_text("hello")
    (path / "notes").mkdir()
    path.chmod(0o755)
    held = sorted(path.rglob("*"))
    with pytest.raises(UsageError, match="is a folder without a ledger"):
        await open_to_write(path, BINDING, now_ms=lambda: 1)
    assert sorted(path.rglob("*")) == held and path.stat().st_mode & 0o777 == 0o755


async def test_a_folder_in_the_way_of_the_move_is_no_ledger_either(tmp_path: Path) -> None:
    path = await made(tmp_path / "l.ledger")
    folder = beside(path, ".folder")
    folder.mkdir()
    (folder / "letter.txt").write_text("hello")
    with pytest.raises(UsageError, match="is a folder without a ledger"):
        form_shards(path)
    assert path.is_file() and [item.name for item in folder.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("begun", ["l.ledger", "l.ledger/shards", "l.ledger/at-work"])
async def test_one_in_shards_that_was_cut_short_is_made_to_its_end(tmp_path: Path, begun: str) -> None:
    path = tmp_path / "l.ledger"
    (tmp_path / begun).mkdir(parents=True)
    form_shards(path)
    async with await open_to_write(path, BINDING, now_ms=lambda: 1, in_shards=True):
        pass
    assert is_there(path) and (path / SHARDS).is_dir()


async def test_the_mode_of_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    for mode in (0o700, 0o750):
        async with await open_to_write(path, BINDING, now_ms=lambda: 1, in_shards=True):
            pass
        assert path.stat().st_mode & 0o777 == mode
        path.chmod(0o750)
