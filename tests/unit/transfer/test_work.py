"""The one queue: bounded, fair between objects and parts, and exact when workers are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from engine.errors import Unavailable
from engine.transfer.carrier import Interrupted
from engine.transfer.staff import FEW, SOME, Held, hiring
from engine.transfer.work import WorkQueue


def part(log: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        log.append(name)

    return run


async def settle() -> None:
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


async def test_objects_come_in_order_and_the_end_comes_after_the_last() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    await queue.put(["a", "b"])
    queue.close()
    assert [await queue.take(), await queue.take()] == ["a", "b"]
    queue.object_done()
    queue.object_done()
    assert await queue.take() is None


async def test_a_second_batch_waits_for_room() -> None:
    queue: WorkQueue[int] = WorkQueue(2)
    done: list[str] = []

    async def produce() -> None:
        for name in ("first", "second"):
            await queue.put([1, 2])
            done.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        await settle()
        assert done == ["first"]
        await queue.take()
        await settle()
        assert done == ["first", "second"]
    assert [await queue.take() for _ in range(3)] == [2, 1, 2]


async def test_workers_are_begun_for_what_waits_and_never_more_than_allowed() -> None:
    queue: WorkQueue[int] = WorkQueue(100)
    taken: list[int] = []
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        while (job := await queue.take()) is not None:
            assert isinstance(job, int)
            taken.append(job)
            queue.object_done()

    async with anyio.create_task_group() as group:
        queue.staff(hiring(group, work), 4)
        await queue.put([1, 2])
        await settle()
        assert (taken, begun) == ([1, 2], 2)
        await queue.put([3])
        await settle()
        assert (taken, begun) == ([1, 2, 3], 2), "idle workers come first"
        await queue.put([4, 5, 6, 7, 8, 9])
        await settle()
        assert (taken, begun) == ([1, 2, 3, 4, 5, 6, 7, 8, 9], 4)
        queue.close()


async def test_no_worker_begins_while_the_others_are_being_ended() -> None:
    """After the last of them nobody would end it: the run would never be over."""
    queue: WorkQueue[int] = WorkQueue(1_000)
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun <= FEW:
            try:
                await anyio.sleep_forever()
            finally:
                asyncio.get_running_loop().call_soon(look)  # as its timer may do at any moment

    async with anyio.create_task_group() as group:
        look = queue.staff(hiring(group, work), 1_000).look
        await queue.put(range(500))
        await settle()
        group.cancel_scope.cancel()
    assert begun == FEW
    queue.enough()


class Staff:
    """Workers that never end a job. `look` is what is done after a while."""

    def __init__(self, most: int) -> None:
        self.queue: WorkQueue[int] = WorkQueue(10_000)
        self.begun = 0
        self.held = Held()
        self.most = most

    async def __aenter__(self) -> Staff:
        self._group = await anyio.create_task_group().__aenter__()
        self.look = self.queue.staff(self._hire, self.most, lambda: self.held).look
        await self.queue.put(range(5_000))
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.queue.enough()
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)

    def _hire(self) -> None:
        self.begun += 1
        self._group.start_soon(self._work)

    async def _work(self) -> None:
        await anyio.sleep_forever()


async def test_a_few_workers_begin_at_once_and_twice_as_many_while_nothing_holds_them_back() -> None:
    async with Staff(most=200) as staff:
        seen = [staff.begun]
        for _ in range(4):
            staff.look()
            seen.append(staff.begun)
    assert seen == [FEW, 2 * FEW, 4 * FEW, 200, 200]


async def test_while_some_wait_until_they_may_send_none_begin_and_one_ends() -> None:
    async with Staff(most=200) as staff:
        staff.look()
        staff.held = Held(to_send=1)
        staff.look()
        assert staff.begun == 2 * FEW
        assert [await staff.queue.take() for _ in range(2)] == [None, 0]


async def test_where_many_wait_until_they_may_send_half_of_those_end_and_growth_is_slow_from_then_on() -> None:
    async with Staff(most=1_000) as staff:
        staff.look()
        staff.look()
        assert staff.begun == 4 * FEW
        staff.held = Held(to_send=2 * FEW)
        staff.look()
        given = [await staff.queue.take() for _ in range(FEW + 2)]
        assert given == [None] * FEW + [0, 1]
        staff.held = Held()
        staff.look()
        assert staff.begun == 4 * FEW + 3 * FEW // SOME


async def test_none_begin_while_some_wait_for_a_connection_and_none_end_for_it() -> None:
    async with Staff(most=200) as staff:
        staff.look()
        staff.held = Held(to_connect=2 * FEW)
        staff.look()
        assert staff.begun == 2 * FEW
        assert await staff.queue.take() == 0
        staff.held = Held()
        staff.look()
        assert staff.begun == 4 * FEW


async def test_a_few_workers_stay_however_many_wait() -> None:
    async with Staff(most=1_000) as staff:
        staff.held = Held(to_send=FEW)
        staff.look()
        assert await staff.queue.take() == 0


async def test_nobody_is_begun_once_there_are_enough() -> None:
    async with Staff(most=1_000) as staff:
        staff.queue.enough()
        staff.look()
        await staff.queue.put([1])
        assert staff.begun == FEW


async def test_while_both_wait_parts_get_half_of_the_workers() -> None:
    queue: WorkQueue[str] = WorkQueue(100)
    log: list[str] = []
    await queue.put([f"object {number}" for number in range(20)])
    queue.put_parts([part(log, f"part {number}") for number in range(20)])
    taken = [await queue.take() for _ in range(10)]
    assert sum(isinstance(job, str) for job in taken) == 5


async def test_parts_use_every_worker_where_no_object_waits() -> None:
    queue: WorkQueue[str] = WorkQueue(100)
    queue.put_parts([part([], str(number)) for number in range(8)])
    with anyio.fail_after(60):
        assert all([await queue.take() for _ in range(8)])


async def test_objects_use_every_worker_where_no_part_waits() -> None:
    queue: WorkQueue[int] = WorkQueue(100)
    await queue.put(range(8))
    with anyio.fail_after(60):
        assert [await queue.take() for _ in range(8)] == list(range(8))


async def test_workers_stay_while_an_object_may_still_become_parts() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    log: list[str] = []
    await queue.put(["large"])
    queue.close()
    assert await queue.take() == "large"
    ended: list[object] = []

    async def second_worker() -> None:
        while (job := await queue.take()) is not None:
            assert not isinstance(job, str)
            await job()
            queue.part_done()
        ended.append(None)

    async with anyio.create_task_group() as group:
        group.start_soon(second_worker)
        await settle()
        assert ended == []
        queue.put_parts([part(log, "1"), part(log, "2")])
        await settle()
        assert log == ["1", "2"]
        queue.object_done()
    assert ended == [None]


async def test_abandoning_forgets_objects_and_lets_parts_see_that_it_stops() -> None:
    queue: WorkQueue[str] = WorkQueue(1)
    log: list[str] = []
    await queue.put(["a"])
    async with anyio.create_task_group() as group:
        group.start_soon(queue.put, ["b"])
        await settle()
        queue.put_parts([part(log, "1")])
        queue.abandon()
    assert queue.stopping
    job = await queue.take()
    assert job is not None and not isinstance(job, str)  # the object that waited is forgotten
    queue.part_done()
    assert await queue.take() is None


async def test_a_worker_cancelled_as_it_was_woken_leaves_the_job_to_the_next() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    taken: list[object] = []
    scopes = [anyio.CancelScope(), anyio.CancelScope()]

    async def worker(scope: anyio.CancelScope) -> None:
        with scope:
            taken.append(await queue.take())

    async with anyio.create_task_group() as group:
        for scope in scopes:
            group.start_soon(worker, scope)
        await settle()
        await queue.put(["only"])  # wakes the first
        scopes[0].cancel()
        await settle()
        assert taken == ["only"]
        queue.object_done()
        queue.close()
    assert taken == ["only", None]


async def test_a_worker_cancelled_while_it_waits_is_not_woken_later() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    taken: list[object] = []
    scope = anyio.CancelScope()

    async def worker(scope: anyio.CancelScope) -> None:
        with scope:
            taken.append(await queue.take())

    async with anyio.create_task_group() as group:
        group.start_soon(worker, scope)
        await settle()
        scope.cancel()
        await settle()
        group.start_soon(worker, anyio.CancelScope())
        await settle()
        await queue.put(["only"])
    assert taken == ["only"]


async def test_parts_of_one_object_are_carried_by_whoever_is_free_and_by_the_one_that_waits() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    met = anyio.Event()

    async def meet() -> None:
        met.set()

    async with anyio.create_task_group() as group:
        group.start_soon(queue.run_parts, [met.wait, meet])  # the first waits for the second, which another carries
        job = await queue.take()
        assert job is not None and not isinstance(job, str)
        await job()
        queue.part_done()
    assert met.is_set()


async def test_the_first_part_that_fails_keeps_the_rest_from_beginning_and_waits_for_those_that_have() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    log: list[str] = []
    begun, go_on = anyio.Event(), anyio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()
        log.append("slow")

    async def failing() -> None:
        raise Unavailable("no answer", operation="UploadPart")

    async def carry() -> None:
        with pytest.raises(Unavailable):
            await queue.run_parts([slow, failing, part(log, "never")])
        log.append("told")

    async with anyio.create_task_group() as group:
        group.start_soon(carry)
        await begun.wait()
        while (job := queue.take_part_nowait()) is not None:
            await job()
            queue.part_done()
        go_on.set()
    assert log == ["slow", "told"]


async def test_one_that_is_cancelled_waits_for_the_parts_that_others_have_begun() -> None:
    """What they write to is closed next."""
    queue: WorkQueue[str] = WorkQueue(10)
    log: list[str] = []
    begun, go_on = anyio.Event(), anyio.Event()

    async def written_by_a_thread() -> None:
        begun.set()
        with anyio.CancelScope(shield=True):
            await go_on.wait()
        log.append("written")

    async def carry() -> None:
        try:
            await queue.run_parts([anyio.sleep_forever, written_by_a_thread, part(log, "never")])
        finally:
            log.append("closed")

    async def help_out() -> None:
        job = await queue.take()
        assert job is not None and not isinstance(job, str)
        await job()

    async with anyio.create_task_group() as group:
        group.start_soon(carry)
        await settle()
        group.start_soon(help_out)
        await begun.wait()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await settle()
            go_on.set()
    assert log == ["written", "closed"]


async def test_parts_of_a_queue_that_is_abandoned_interrupt_their_object() -> None:
    queue: WorkQueue[str] = WorkQueue(10)
    log: list[str] = []
    queue.abandon()
    with pytest.raises(Interrupted):
        await queue.run_parts([part(log, "1")])
    assert log == []
