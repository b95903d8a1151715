"""A ledger in shards is bound, and closed, like any other."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from engine.errors import LedgerCorrupt, LedgerError, LedgerLocked, LedgerMismatch
from engine.ledger.ledger import Ledger
from engine.ledger.shard_places import INDEX, SHARDS, shard_path
from engine.ledger.sharded import ShardedLedger, open_to_read
from engine.model import Proof
from engine.plan.shards import Piece
from tests.unit.ledger.scene import BINDING, RAW, Clock, decision, outcome

ONE_ROUTE = dataclasses.replace(BINDING, routes=(RAW,))


async def begun(path: Path) -> ShardedLedger:
    """Open, with two shards of an object each."""
    ledger = await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())
    await ledger.add_shards([[Piece("raw", None, "m")], [Piece("raw", "m", None)]])
    for key in ("a", "z"):
        await ledger.decide("raw", [decision(key)])
    return ledger


async def test_it_is_not_bound_to_another_plan_whose_objects_its_shards_hold(tmp_path: Path) -> None:
    await (await begun(tmp_path / "l.ledger")).close()
    other = dataclasses.replace(ONE_ROUTE, routes=(RAW._replace(target="s3://bucket/elsewhere/"),))
    with pytest.raises(LedgerMismatch, match="s3://bucket/elsewhere/"):
        await ShardedLedger.open(tmp_path / "l.ledger", other, now_ms=Clock())


async def test_a_shard_whose_closing_fails_leaves_neither_the_others_nor_the_index_locked(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    ledger = await begun(path)
    (path / INDEX).rename(path / "moved")
    with pytest.raises(LedgerError, match="replaced or removed"):
        await ledger.close()
    (path / "moved").rename(path / INDEX)
    ledger = await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())
    try:
        assert sum(tally.objects for tally in await ledger.tallies()) == 2
    finally:
        await ledger.close()


async def test_it_goes_by_its_folder_whichever_of_its_files_is_named(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    async with await begun(path):
        with pytest.raises(LedgerLocked) as locked:
            await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())
        assert locked.value.advice.endswith(f"cartage status --ledger {path}")
        for file in (path / INDEX, next((path / SHARDS).glob("*.ledger"))):
            async with await open_to_read(file) as reader:
                assert reader.path == path
                assert sum(tally.objects for tally in await reader.tallies()) == 2


async def test_a_single_file_may_be_called_like_an_index(tmp_path: Path) -> None:
    await (await Ledger.open(tmp_path / INDEX, ONE_ROUTE, now_ms=Clock())).close()
    async with await open_to_read(tmp_path / INDEX) as reader:
        assert await reader.tallies() == []


@pytest.mark.parametrize("name", ["a.ledger", "000001.ledger"])
async def test_a_single_file_may_lie_in_a_folder_called_like_that_of_shards(tmp_path: Path, name: str) -> None:
    path = tmp_path / SHARDS / name
    path.parent.mkdir()
    await (await Ledger.open(path, ONE_ROUTE, now_ms=Clock())).close()
    async with await open_to_read(path) as reader:
        assert reader.path == path


async def test_what_is_asked_of_a_range_of_keys_is_asked_of_the_shards_that_have_them(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    async with await begun(path) as ledger:
        await ledger.conclude("raw", [outcome("a")])
        for reader in (ledger, await open_to_read(path)):
            assert await reader.last_key("raw", None, None) == "z"
            assert await reader.last_key("raw", None, "q") == "a"
            assert await reader.last_key("raw", "a", "q") is None
            assert await reader.has_undone(Piece("raw")) and await reader.has_undone(Piece("raw", "b"))
            assert not await reader.has_undone(Piece("raw", None, "q"))
        await reader.close()


async def closed(path: Path) -> dict[int, Path]:
    """Two shards of an object each, closed: their files by number."""
    await (await begun(path)).close()
    return {number: shard_path(path, number) for number in (1, 2)}


async def test_a_shard_that_is_missing_is_not_taken_for_one_that_was_never_begun(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    files = await closed(path)
    files[2].unlink()
    for opening in (open_to_read(path), ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())):
        with pytest.raises(LedgerCorrupt, match=r"l\.ledger is damaged \(its file shards/000002\.ledger is missing\)"):
            await opening
    assert not files[2].exists()


async def test_a_shard_that_was_lost_while_it_was_at_work_is_missed_as_well(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    files = await closed(path)
    async with await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
        await ledger.begin(1)
    files[1].unlink()
    with pytest.raises(LedgerCorrupt, match="is missing"):
        await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())


async def test_a_shard_that_vanishes_while_the_ledger_is_open_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    await closed(path)
    async with await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
        file = shard_path(path, 1)
        file.unlink()
        for asking in (
            ledger.decide("raw", [decision("b")]),
            ledger.entries("raw", None, None, 10),
            ledger.last_key("raw", None, "b"),
            ledger.has_undone(Piece("raw")),
            ledger.begin(1),
            ledger.record(1),
        ):
            with pytest.raises(LedgerCorrupt, match="is missing"):
                await asking
        assert not file.exists()


async def test_another_shards_file_is_not_taken_for_a_shard_of_the_same_figures(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    files = await closed(path)
    shutil.copy(files[2], files[1])
    with pytest.raises(LedgerCorrupt, match=r"its file shards/000001\.ledger is not what the index"):
        await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())
    async with await open_to_read(path) as reader:
        with pytest.raises(LedgerCorrupt, match="is not what the index recorded"):
            await reader.entries("raw", None, None, 10)


async def test_an_earlier_file_of_a_shard_is_not_taken_for_what_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    files = await closed(path)
    shutil.copy(files[1], tmp_path / "earlier")
    async with await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
        await ledger.conclude("raw", [outcome("a")])
    shutil.copy(tmp_path / "earlier", files[1])
    with pytest.raises(LedgerCorrupt, match="is not what the index recorded"):
        await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())


async def test_a_shard_that_a_process_of_a_left_run_still_writes_stays_marked_until_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    await closed(path)
    async with await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
        await ledger.begin(1)
    async with await Ledger.open(shard_path(path, 1), ONE_ROUTE, now_ms=Clock()) as shard:
        await (await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())).close()
        await shard.decide("raw", [decision("b")])
    for objects in (3, 3):  # recorded anew, then held against its record
        async with await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
            assert sum(tally.objects for tally in await ledger.tallies()) == objects
            assert not await ledger._rows("SELECT 1 FROM shards WHERE is_open")


async def test_who_reads_beside_a_writer_sees_a_shard_change_without_doubting_it(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    await closed(path)
    async with await open_to_read(path) as reader:
        async with await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
            await ledger.decide("raw", [decision("b")])
            assert await ledger.hand_over(1, [Piece("raw", None, "c")], [[Piece("raw", "c", "m")]]) == [3]
            await ledger.decide("raw", [decision("d")])
            assert sum(tally.objects for tally in await reader.tallies()) == 4
            assert await reader.held(Proof.NONE, 0) == []
        assert await reader.held(Proof.NONE, 0) == []


async def test_a_shard_that_somebody_reads_is_as_durable_as_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite puts the -wal into the file, and that on the disk, only where nobody else has it open."""
    path, synced = tmp_path / "l.ledger", list[int]()
    await closed(path)
    async with await open_to_read(path) as reader, await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock()) as ledger:
        await reader.entries("raw", None, None, 10)
        await ledger.decide("raw", [decision("b")])
        wal = shard_path(path, 1).with_name("000001.ledger-wal")
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
        await ledger.close()
        assert wal.stat().st_size and wal.stat().st_ino in synced
