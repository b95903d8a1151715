"""Ranges that are fetched at once: as many as keep the process busy, within bounds."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from engine.transfer import ranges as ranges_module
from engine.transfer.ranges import LEAST, MOST, Ranges


class Clock:
    """A process that is busy for `share` of the time that passes."""

    def __init__(self) -> None:
        self.now = self.busy = 0.0

    def passes(self, seconds: float, share: float) -> None:
        self.now += seconds
        self.busy += seconds * share


async def one_more(ranges: Ranges, clock: Clock, share: float) -> None:
    async with ranges.one():
        clock.passes(1.0, share)


async def taken_at_once(ranges: Ranges) -> int:
    """How many of a hundred get their turn while none ends."""
    begun, over = 0, anyio.Event()

    async def hold() -> None:
        nonlocal begun
        async with ranges.one():
            begun += 1
            await over.wait()

    async with anyio.create_task_group() as holding:
        for _ in range(100):
            holding.start_soon(hold)
        await anyio.wait_all_tasks_blocked()
        found = begun
        holding.cancel_scope.cancel()
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ranges(clock: Clock) -> Ranges:
    return Ranges(lambda: clock.busy, lambda: clock.now)


async def test_they_begin_with_few(ranges: Ranges) -> None:
    assert await taken_at_once(ranges) == LEAST == 8


async def test_a_process_with_time_to_spare_takes_more_up_to_what_memory_is_meant_for(
    ranges: Ranges, clock: Clock
) -> None:
    for number in range(1, 50):
        await one_more(ranges, clock, share=0.2)
        assert ranges.at_once == min(MOST, LEAST + number)
    assert await taken_at_once(ranges) == MOST == 32


async def test_one_that_is_busy_goes_back_to_few(ranges: Ranges, clock: Clock) -> None:
    for _ in range(10):
        await one_more(ranges, clock, share=0.2)
    for _ in range(7):
        await one_more(ranges, clock, share=1.0)
    assert await taken_at_once(ranges) == LEAST + 3


async def test_one_that_is_busy_takes_no_fewer_than_the_least(ranges: Ranges, clock: Clock) -> None:
    for _ in range(20):
        await one_more(ranges, clock, share=1.0)
    assert await taken_at_once(ranges) == LEAST


async def test_a_range_that_fails_gives_its_turn_back(ranges: Ranges, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(OSError, match="full"):
            async with ranges.one():
                clock.passes(1.0, 1.0)
                raise OSError("full")
    assert await taken_at_once(ranges) == LEAST


def test_a_thread_that_stands_in_line_for_a_processor_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "schedstat"
    monkeypatch.setattr(ranges_module, "_RAN", told)
    told.write_text("2000000000 500000000 7\n")
    assert ranges_module.busy_s() == 2.5


def test_where_the_system_does_not_say_so_the_time_of_the_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges_module, "_RAN", tmp_path / "nothing")
    before = time.process_time()
    assert before <= ranges_module.busy_s() <= time.process_time()
