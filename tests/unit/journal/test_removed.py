"""A journal that was removed, in whole or in part, or removed and begun anew: a view that is left over from it says so,
is kept, and never writes behind a gap."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import LedgerCorrupt, LedgerMismatch
from engine.journal.views import Journals
from engine.ledger import Ledger, ShardedLedger
from engine.ledger.rebinding import LAST
from engine.ledger.sharded import follow
from engine.model import Location
from engine.plan.shards import Piece
from tests.fake_store import FakeStore
from tests.unit.ledger.scene import BINDING, Clock, decision

PLACE = Location("state", "cartage/moving/")
CUT = [[Piece("raw", None, "m"), Piece("model")], [Piece("raw", "m", None)]]


async def opened(path: Path, store: FakeStore) -> ShardedLedger:
    return await ShardedLedger.open(path, BINDING, now_ms=Clock(), journals=Journals(store, PLACE))


async def looked_at(path: Path, store: FakeStore) -> None:
    await follow(path, BINDING, Journals(store, PLACE), now_ms=Clock(), rows=True)


async def carried(path: Path, store: FakeStore, keys: str = "az") -> None:
    async with await opened(path, store) as ledger:
        if not await ledger.shards():
            await ledger.add_shards(CUT)
        await ledger.decide("raw", [decision(key) for key in keys])


async def keys_of(path: Path, store: FakeStore) -> list[str]:
    async with await opened(path, store) as ledger:
        return [row[1] async for batch in ledger.records() for row in batch]


def remove(store: FakeStore, which: Callable[[str], bool]) -> None:
    for ref in [ref for ref in store.objects if which(ref[1])]:
        del store.objects[ref]


def files_of(folder: Path) -> dict[str, int]:
    """How many rows of objects each file has."""
    found = {}
    for path in sorted(folder.rglob("*.ledger")):
        with closing(sqlite3.connect(path)) as connection:
            (found[path.name],) = connection.execute("SELECT count(*) FROM objects").fetchone()
    return found


@pytest.mark.parametrize("others", ["az", "abcdefz"], ids=["the same", "more"])
async def test_a_view_of_one_that_was_there_before_changes_nothing_in_the_new_one(tmp_path: Path, others: str) -> None:
    store = FakeStore()
    await carried(tmp_path / "old", store, "ac")
    await carried(tmp_path / "old", store, "xz")
    held = files_of(tmp_path / "old")
    remove(store, lambda key: True)
    await carried(tmp_path / "new", store, others)
    there = dict(store.objects)
    for attempt in (opened, looked_at):
        with pytest.raises(LedgerMismatch, match="is not the one that") as refused:
            await attempt(tmp_path / "old", store)
        assert f"move {tmp_path / 'old'} away" in refused.value.advice
    assert store.objects == there
    assert files_of(tmp_path / "old") == held, "the record of what was done before"
    assert await keys_of(tmp_path / "new", store) == list(others)


@pytest.mark.parametrize(
    "gone",
    [
        lambda key: True,
        lambda key: "/index/" in key,
        lambda key: "/shards/" in key,
        lambda key: "/shards/000002/" in key,
        lambda key: key.endswith("/000000000000"),
    ],
    ids=["all of it", "the index", "the shards", "one shard", "what is oldest, as by a rule"],
)
async def test_nobody_goes_on_where_a_part_is_gone(tmp_path: Path, gone: Callable[[str], bool]) -> None:
    store = FakeStore()
    await carried(tmp_path / "old", store)
    held = files_of(tmp_path / "old")
    remove(store, gone)
    with pytest.raises(LedgerMismatch, match="that was removed, or a part of it") as refused:
        await looked_at(tmp_path / "old", store)
    assert "may be the only record of it: keep it" in refused.value.advice
    with pytest.raises(LedgerMismatch, match="that was removed, or a part of it"):
        await keys_of(tmp_path / "old", store)
    assert files_of(tmp_path / "old") == held


async def test_a_machine_that_never_saw_it_takes_no_shard_for_empty_whose_journal_is_gone(
    tmp_path: Path,
) -> None:
    store = FakeStore()
    await carried(tmp_path / "old", store)
    remove(store, lambda key: "/shards/000002/" in key)
    with pytest.raises(LedgerCorrupt, match="of a shard that had objects"):
        await looked_at(tmp_path / "one", store)
    with pytest.raises(LedgerCorrupt, match="of a shard that had objects"):
        await keys_of(tmp_path / "other", store)


async def test_shards_that_are_there_without_their_index_are_not_those_of_a_new_one(tmp_path: Path) -> None:
    store = FakeStore()
    await carried(tmp_path / "old", store)
    remove(store, lambda key: "/index/" in key)
    with pytest.raises(LedgerCorrupt, match=r"index/ is damaged \(it is not there, and those of its shards are\)"):
        await carried(tmp_path / "new", store, "bx")
    assert not [key for _, key in store.objects if "/shards/000003/" in key]


async def test_a_view_that_does_not_say_which_journal_it_knows_is_made_anew(tmp_path: Path) -> None:
    """An older Cartage made it."""
    store, path = FakeStore(), tmp_path / "x.ledger"
    journals = Journals(store, PLACE)
    async with await Ledger.open(path, BINDING, now_ms=Clock()) as ledger:
        await journals.join(ledger, "shards/000001")
        await ledger.decide("raw", [decision("a")])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM meta WHERE key = ?", (LAST,))
        connection.execute("UPDATE objects SET source_etag = 'another'")
    async with await Ledger.open(path, BINDING, now_ms=Clock()) as ledger:
        await journals.follow(ledger, "shards/000001")
        assert await ledger.meta(LAST) is not None
        assert [row.source_etag async for batch in ledger.records() for row in batch] == [decision("a").source_etag]
