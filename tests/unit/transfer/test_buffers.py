"""The memory of what passes through: bounded, in turn, and given back whatever happens."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from engine.transfer.buffers import KEPT_FROM, Buffers


async def test_who_does_not_fit_waits_for_its_turn_and_nobody_overtakes() -> None:
    buffers = Buffers(100)
    first = await buffers.take(80)
    came: list[int] = []

    async def want(size: int) -> None:
        buffer = await buffers.take(size)
        came.append(len(buffer))
        buffers.give(buffer)

    async with anyio.create_task_group() as group:
        group.start_soon(want, 60)
        await anyio.lowlevel.checkpoint()
        group.start_soon(want, 10)  # it would fit, but came later
        await anyio.lowlevel.checkpoint()
        assert came == []
        buffers.give(first)
    assert came == [60, 10]


async def test_one_that_is_longer_than_the_bound_goes_alone() -> None:
    buffers = Buffers(100)
    assert len(await buffers.take(500)) == 500


async def test_who_is_cancelled_while_waiting_takes_nothing_along() -> None:
    buffers = Buffers(100)
    first = await buffers.take(100)
    async with anyio.create_task_group() as group:
        group.start_soon(buffers.take, 50)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    buffers.give(first)
    with anyio.fail_after(1):
        buffers.give(await buffers.take(100))


async def test_a_long_one_is_used_again_and_a_short_one_never_takes_its_room() -> None:
    buffers = Buffers(2 * KEPT_FROM)
    first = await buffers.take(KEPT_FROM)
    whole = first.obj
    buffers.give(first)
    assert (await buffers.take(KEPT_FROM)).obj is whole
