"""The same work on many things at once: as many at a time as may be, answers in order, and no task that only waits."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from engine.at_once import each


@pytest.mark.parametrize("places", [1, 3, 50])
async def test_no_more_tasks_are_made_than_there_are_places(places: int) -> None:
    before, tasks, under_way, most = len(asyncio.all_tasks()), 0, 0, 0

    async def work(item: int) -> int:
        nonlocal tasks, under_way, most
        under_way += 1
        most, tasks = max(most, under_way), max(tasks, len(asyncio.all_tasks()) - before)
        await anyio.lowlevel.checkpoint()
        under_way -= 1
        return item * item

    assert await each(range(20), work, anyio.CapacityLimiter(places)) == [item * item for item in range(20)]
    assert (tasks, most) == (min(places, 20), min(places, 20))


async def test_without_a_limit_all_are_under_way_at_once() -> None:
    begun = 0
    all_begun = anyio.Event()

    async def work(item: int) -> int:
        nonlocal begun
        begun += 1
        if begun == 20:
            all_begun.set()
        await all_begun.wait()
        return item

    assert await each(iter(range(20)), work) == list(range(20))


async def test_two_share_the_places_of_one_limit() -> None:
    under_way = most = 0

    async def work(_: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.lowlevel.checkpoint()
        under_way -= 1

    limit = anyio.CapacityLimiter(3)
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(each, range(20), work, limit)
    assert most == 3


async def test_where_one_fails_no_other_is_begun() -> None:
    begun: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        await anyio.lowlevel.checkpoint()
        if item == 2:
            raise ValueError(item)

    with pytest.raises(ExceptionGroup) as raised:
        await each(range(20), work, anyio.CapacityLimiter(2))
    assert [str(error) for error in raised.value.exceptions] == ["2"]
    assert len(begun) < 6


async def test_nothing_is_done_with_nothing() -> None:
    async def work(_: int) -> None:
        raise AssertionError

    assert await each([], work, anyio.CapacityLimiter(2)) == []
