"""Memory for what passes is bounded, handed out in turn, and used again."""

from __future__ import annotations

import asyncio
import ctypes
import mmap

import pytest

from engine.transfer.buffers import BESIDE_BYTES, STEP_BYTES, Buffers

ONE = STEP_BYTES + BESIDE_BYTES
"""What the shortest buffer takes, with its connection."""


async def test_no_more_is_out_than_the_limit_and_who_waits_is_served_in_turn() -> None:
    buffers = Buffers(2 * ONE)
    first, second = await buffers.take(10), await buffers.take(STEP_BYTES)
    assert (len(first), len(second)) == (10, STEP_BYTES)
    third, fourth = (asyncio.ensure_future(buffers.take(size)) for size in (2 * STEP_BYTES, 1))
    await asyncio.sleep(0)
    buffers.give(first)
    await asyncio.sleep(0)
    assert (third.done(), fourth.done()) == (False, False)  # the small one would fit, and is not let by
    buffers.give(second)
    buffers.give(await third)
    assert len(await fourth) == 1


async def test_what_is_given_back_is_handed_on_as_it_is() -> None:
    """A new one would cost a page fault every 4 KiB."""
    buffers = Buffers(ONE)
    first = await buffers.take(100)
    waiting = asyncio.ensure_future(buffers.take(200))
    await asyncio.sleep(0)
    buffers.give(first)
    second = await waiting
    assert second.obj is first.obj
    buffers.give(second)
    assert (await buffers.take(300)).obj is first.obj


async def test_each_begins_where_a_page_does() -> None:
    """What does not takes the system longer to copy to and from."""
    buffers = Buffers(3 * ONE)
    for size in (1, STEP_BYTES, 100):
        assert ctypes.addressof(ctypes.c_char.from_buffer(await buffers.take(size))) % mmap.PAGESIZE == 0


async def test_one_that_is_longer_than_the_limit_goes_alone() -> None:
    buffers = Buffers(ONE)
    assert len(await buffers.take(5 * STEP_BYTES)) == 5 * STEP_BYTES
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(buffers.take(1), 0)


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    buffers = Buffers(ONE)
    first = await buffers.take(1)
    waiting = asyncio.ensure_future(buffers.take(1))
    await asyncio.sleep(0)
    buffers.give(first)  # the other's now
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert len(await asyncio.wait_for(buffers.take(1), 1)) == 1


async def test_who_is_cancelled_while_waiting_takes_nothing_along() -> None:
    buffers = Buffers(ONE)
    first = await buffers.take(1)
    waiting = asyncio.ensure_future(buffers.take(1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    buffers.give(first)
    buffers.give(await asyncio.wait_for(buffers.take(STEP_BYTES), 1))
