"""Orders of a run that was left: its executor may have taken them already, and begins with one whenever it likes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.errors import EngineError, LedgerLocked
from engine.events import ignore
from engine.ledger import Ledger, ShardedLedger
from engine.ledger.index import Closing
from engine.ledger.sharded import closing_of
from engine.plan.shards import Piece
from engine.shards import working
from engine.shards.order import Order
from engine.sites.sites import Sites
from tests.unit.ledger.scene import BINDING, RAW, Clock, decision

ONE_ROUTE = dataclasses.replace(BINDING, routes=(RAW,))


async def opened(path: Path) -> ShardedLedger:
    return await ShardedLedger.open(path, ONE_ROUTE, now_ms=Clock())


def ordered(path: Path, run: str = "left") -> Order:
    """An order for the first shard."""
    return cast(Order, SimpleNamespace(state=None, folder=path, number=1, binding=ONE_ROUTE, run=run))


def open_for(order: Order) -> Any:
    return working._open_ledger(order, cast(Sites, None), ignore)


async def begun(path: Path, *, with_object: bool = True) -> Closing:
    """A ledger whose first shard was given to a process by a run that was left since; what the shard holds."""
    async with await opened(path) as ledger:
        await ledger.add_shards([[Piece("raw")]])
        await ledger.begin_orders("left")
        await ledger.begin(1)
    if not with_object:
        return Closing([], {}, 0, [])
    async with open_for(ordered(path)) as shard:
        await shard.decide("raw", [decision("a")])
        return await closing_of(shard)


class Late:
    """An order that begins, once it `is_near`, right before its shard is recorded as closed, and writes right after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, order: Order) -> None:
        self._order, self._keep = order, ShardedLedger._keep
        self._tried, self._is_recorded = asyncio.Event(), asyncio.Event()
        self.is_near = False
        self.carried: asyncio.Task[None] | None = None
        monkeypatch.setattr(working, "Ledger", SimpleNamespace(open=self._try))
        monkeypatch.setattr(working, "LOOKED_EVERY_S", 0)
        late = self

        async def keep(self: ShardedLedger, number: int, closing: Closing, *, still_open: bool = False) -> None:
            if late.is_near and late.carried is None:
                late.carried = asyncio.create_task(late._carry())
                await late._tried.wait()
            await late._keep(self, number, closing, still_open=still_open)

        monkeypatch.setattr(ShardedLedger, "_keep", keep)

    async def _try(self, *arguments: Any, **named: Any) -> Ledger:
        try:
            return await Ledger.open(*arguments, **named)
        except LedgerLocked:
            self._tried.set()
            raise

    async def _carry(self) -> None:
        try:
            async with open_for(self._order) as shard:
                self._tried.set()
                await self._is_recorded.wait()
                await shard.decide("raw", [decision("late")])
        finally:
            self._tried.set()

    async def end(self) -> None:
        """Raises what the order raises."""
        self._is_recorded.set()
        assert self.carried is not None
        await self.carried


async def record_when_opened(path: Path, said: Closing, late: Late) -> None:
    late.is_near = True
    await (await opened(path)).close()


async def record_what_its_process_said(path: Path, said: Closing, late: Late) -> None:
    async with await opened(path) as ledger:
        await ledger.begin(1)
        late.is_near = True
        await ledger.record(1, closing=said)


async def record_what_is_changed_here(path: Path, said: Closing, late: Late) -> None:
    async with await opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        late.is_near = True


async def rows(path: Path) -> list[str]:
    """The keys that the ledger has, opened to write; each shard is held against its record then."""
    async with await opened(path) as ledger:
        assert not [item for item in await ledger.shards() if item.is_open]
    async with await opened(path) as ledger:
        return [entry.key for entry in await ledger.entries("raw", None, None, 9)]


@pytest.mark.parametrize("with_object", [True, False], ids=["begun", "never-begun"])
@pytest.mark.parametrize(
    "record",
    [record_when_opened, record_what_its_process_said, record_what_is_changed_here],
    ids=["opened", "said", "changed-here"],
)
async def test_one_that_begins_while_its_shard_is_recorded_as_closed_is_not_carried(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record: Callable[[Path, Closing, Late], Awaitable[None]],
    with_object: bool,
) -> None:
    path = tmp_path / "l.ledger"
    said = await begun(path, with_object=with_object)
    late = Late(monkeypatch, ordered(path))
    await record(path, said, late)
    with pytest.raises(EngineError, match="the run that asked for it has ended"):
        await late.end()
    expected = ["a"] if with_object or record is record_what_is_changed_here else []
    assert await rows(path) == expected


async def test_one_that_began_before_keeps_its_shard_marked_until_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    said = await begun(path)
    async with open_for(ordered(path)) as shard:
        async with await opened(path) as ledger:
            await ledger.record(1, closing=said)
        await shard.decide("raw", [decision("late")])
    assert await rows(path) == ["a", "late"]


async def test_what_one_wrote_after_its_shard_was_answered_for_is_recorded_with_it(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    said = await begun(path)
    async with open_for(ordered(path)) as shard:
        await shard.decide("raw", [decision("late")])
    async with await opened(path) as ledger:
        await ledger.record(1, closing=said)
    assert await rows(path) == ["a", "late"]


async def test_one_is_not_carried_in_the_place_of_a_new_runs(tmp_path: Path) -> None:
    path = tmp_path / "l.ledger"
    await begun(path)
    async with await opened(path) as ledger:
        await ledger.begin_orders("new")
        await ledger.begin(1)
        with pytest.raises(EngineError, match="the run that asked for it has ended"):
            async with open_for(ordered(path)):
                pass
        async with open_for(ordered(path, "new")):
            pass
