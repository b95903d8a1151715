"""What a ledger is bound to is in its journal: a machine that comes with something else is refused, whatever it has of
the ledger's files."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LedgerMismatch
from engine.journal.journal import Journal
from engine.journal.segments import Segment
from engine.journal.views import Journals
from engine.ledger import Binding, ShardedLedger
from engine.ledger.commands import Command
from engine.ledger.shard_places import index_path
from engine.ledger.sharded import follow
from engine.model import Location
from engine.plan.shards import Piece
from tests.fake_store import FakeStore
from tests.unit.ledger.scene import BINDING, MODEL, RAW, Clock, decision

PLACE = Location("state", "cartage/moving/")
CUT = [[Piece("raw", None, "m"), Piece("model")], [Piece("raw", "m", None)]]
MOVED = dataclasses.replace(BINDING, routes=(RAW._replace(target="s3://bucket/mine/"), MODEL))


async def opened(path: Path, store: FakeStore, binding: Binding = BINDING) -> ShardedLedger:
    return await ShardedLedger.open(path, binding, now_ms=Clock(), journals=Journals(store, PLACE))


async def bring_up(path: Path, store: FakeStore, binding: Binding = BINDING) -> int:
    return len(await follow(path, binding, Journals(store, PLACE), now_ms=Clock(), rows=True))


async def carried(path: Path, store: FakeStore, binding: Binding = BINDING) -> None:
    async with await opened(path, store, binding) as ledger:
        await ledger.add_shards(CUT)
        await ledger.decide("raw", [decision("a"), decision("z")])
        await ledger.decide("model", [decision("")])


@pytest.mark.parametrize("with_files", [False, True], ids=["elsewhere", "with its files"])
async def test_another_target_is_refused_and_nothing_is_claimed(tmp_path: Path, *, with_files: bool) -> None:
    store = FakeStore()
    await carried(tmp_path / "here", store)
    path, there = tmp_path / ("here" if with_files else "there"), dict(store.objects)
    for attempt in (opened, bring_up):
        with pytest.raises(LedgerMismatch, match=r'the target of "raw" was .*, and is s3://bucket/mine/') as refused:
            await attempt(path, store, MOVED)
        assert "another --state" in refused.value.advice
    assert store.objects == there


async def test_who_only_looks_makes_no_ledger_where_nothing_was_begun(tmp_path: Path) -> None:
    store = FakeStore()
    assert await bring_up(tmp_path / "looks", store) == 0
    assert list(tmp_path.iterdir()) == []
    await (await opened(tmp_path / "here", store)).close()
    assert await bring_up(tmp_path / "looks", store) == 0
    assert (tmp_path / "looks").is_dir(), "something is kept there, and known here from now on"


async def test_routes_in_another_order_are_the_same_routes(tmp_path: Path) -> None:
    store = FakeStore()
    await carried(tmp_path / "here", store)
    other = dataclasses.replace(BINDING, routes=(MODEL, RAW))
    assert await bring_up(tmp_path / "looks", store, other) == 2
    async with await opened(tmp_path / "there", store, other) as ledger:
        found = {(row[0], row[1]) async for batch in ledger.records() for row in batch}
        assert found == {("raw", "a"), ("raw", "z"), ("model", "")}
        await ledger.open_snapshot("model")
        assert {item.route: bool(item.opened_ms) for item in await ledger.snapshots()} == {"raw": False, "model": True}


async def test_what_a_list_said_is_known_elsewhere(tmp_path: Path) -> None:
    """By it a list that names a key less is found out (`api.lists`)."""
    store = FakeStore()
    await carried(tmp_path / "here", store, dataclasses.replace(BINDING, lists=(("raw", "of twenty keys"),)))
    async with await opened(
        tmp_path / "there", store, dataclasses.replace(BINDING, lists=(("raw", "of eight"),))
    ) as ledger:
        assert (await ledger.binding()).lists == (("raw", "of twenty keys"),)


async def test_what_is_learned_later_is_known_elsewhere(tmp_path: Path) -> None:
    store = FakeStore()
    await carried(tmp_path / "here", store)
    owned = dataclasses.replace(BINDING, buckets=(("bucket", "111122223333"),))
    await (await opened(tmp_path / "here", store, owned)).close()
    stranger = dataclasses.replace(BINDING, buckets=(("bucket", "444455556666"),))
    with pytest.raises(LedgerMismatch, match="belonged to 111122223333"):
        await opened(tmp_path / "there", store, stranger)


async def test_what_holds_nothing_is_bound_anew_in_every_view(tmp_path: Path) -> None:
    store = FakeStore()
    async with await opened(tmp_path / "here", store) as ledger:
        await ledger.set_note("traits", {"of": "what it was"})
    await carried(tmp_path / "there", store, MOVED)
    async with await opened(tmp_path / "here", store, MOVED) as ledger:
        assert (await ledger.binding()).routes == MOVED.routes
        assert await ledger.note("traits") is None
    with pytest.raises(LedgerMismatch, match='the target of "raw"'):
        await opened(tmp_path / "third", store)


@pytest.mark.parametrize("with_files", [False, True], ids=["elsewhere", "with its files"])
async def test_a_journal_that_does_not_say_what_it_is_bound_to_is_not_trusted(
    tmp_path: Path, *, with_files: bool
) -> None:
    """As one of format 2: what the machine that comes first wants is not what was carried."""
    store, path = FakeStore(), tmp_path / "there"
    if with_files:
        await carried(path, store)
        with closing(sqlite3.connect(index_path(path))) as connection, connection:
            connection.execute("DELETE FROM meta WHERE key = 'bound'")
    else:
        journal = Journal(store, Location(PLACE.bucket, f"{PLACE.key}index/"))
        await journal.claim()
        await journal.append(Segment(journal.epoch, "a", (Command("add_shards", (CUT,)),)))
    there = dict(store.objects)
    attempts: list[Any] = [opened, bring_up]
    for attempt in attempts:
        with pytest.raises(LedgerMismatch, match="does not say what it is bound to: an older Cartage"):
            await attempt(path, store)
    assert store.objects == there
