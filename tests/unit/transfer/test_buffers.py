"""Memory for what passes is bounded, handed out in turn, made late and used again."""

from __future__ import annotations

import asyncio
import ctypes
import mmap

import pytest

from engine.transfer.buffers import BESIDE_BYTES, STEP_BYTES, Buffers, Room

ONE = STEP_BYTES + BESIDE_BYTES
"""What the shortest buffer takes, with its connection."""


def leave(room: Room) -> None:
    with room:
        pass


async def test_there_is_no_more_room_than_the_limit_and_who_waits_is_served_in_turn() -> None:
    buffers = Buffers(2 * ONE)
    first, second = await buffers.take(10), await buffers.take(STEP_BYTES)
    assert (len(first.buffer()), len(second.buffer())) == (10, STEP_BYTES)
    third, fourth = (asyncio.ensure_future(buffers.take(size)) for size in (2 * STEP_BYTES, 1))
    await asyncio.sleep(0)
    leave(first)
    await asyncio.sleep(0)
    assert (third.done(), fourth.done()) == (False, False)  # the small one would fit, and is not let by
    leave(second)
    leave(await third)
    assert len((await fourth).buffer()) == 1


async def test_a_room_has_one_buffer_which_is_used_again() -> None:
    """A new one would cost a page fault every 4 KiB."""
    buffers = Buffers(ONE)
    with await buffers.take(100) as first:
        memory = first.buffer().obj
        assert first.buffer().obj is memory
        waiting = asyncio.ensure_future(buffers.take(200))
        await asyncio.sleep(0)
    with await waiting as second:
        assert second.buffer().obj is memory
    assert (await buffers.take(300)).buffer().obj is memory


async def test_the_buffer_that_was_used_last_is_used_first() -> None:
    """It lies in the processor's cache. Rooms that have not asked for one yet have none."""
    buffers = Buffers(10 * ONE)
    rooms = [await buffers.take(1) for _ in range(10)]
    used = set()
    for room in rooms:
        with room:
            used.add(ctypes.addressof(ctypes.c_char.from_buffer(room.buffer())))
    assert len(used) == 1


async def test_what_lies_idle_leaves_room_for_what_is_used() -> None:
    buffers = Buffers(2 * ONE)
    rooms = [await buffers.take(1), await buffers.take(1)]
    for room in rooms:
        room.buffer()
    for room in rooms:
        leave(room)
    assert buffers._idle_bytes == 2 * STEP_BYTES
    with await buffers.take(2 * STEP_BYTES) as room:
        room.buffer()
        assert buffers._idle_bytes == 0
        assert buffers._made_bytes == 2 * STEP_BYTES


async def test_each_begins_where_a_page_does() -> None:
    """What does not takes the system longer to copy to and from."""
    buffers = Buffers(4 * ONE)
    for size in (1, STEP_BYTES, 100):
        room = await buffers.take(size)
        assert ctypes.addressof(ctypes.c_char.from_buffer(room.buffer())) % mmap.PAGESIZE == 0


async def test_one_that_is_longer_than_the_limit_goes_alone() -> None:
    buffers = Buffers(ONE)
    assert len((await buffers.take(5 * STEP_BYTES)).buffer()) == 5 * STEP_BYTES
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(buffers.take(1), 0)


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    buffers = Buffers(ONE)
    first = await buffers.take(1)
    waiting = asyncio.ensure_future(buffers.take(1))
    await asyncio.sleep(0)
    leave(first)  # the other's now
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await asyncio.wait_for(buffers.take(1), 60)).size == 1


async def test_who_is_cancelled_while_waiting_takes_nothing_along() -> None:
    buffers = Buffers(ONE)
    first = await buffers.take(1)
    waiting = asyncio.ensure_future(buffers.take(1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    leave(first)
    leave(await asyncio.wait_for(buffers.take(STEP_BYTES), 60))
