"""Pacing holds each request to its governor, in order, with one timer, and leaves no trace of what was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec
import pytest

from engine.decorator import StoreDecorator
from engine.errors import AccessDenied, Ambiguous, StoreError, Throttled, Unavailable
from engine.model import CopyResult, ObjectRef, Page, UploadRef
from engine.sites.governor.governor import START_RPS, Governor
from engine.sites.governor.sharing import Share
from engine.sites.pacing import Lane, PacedStore, Tally
from engine.store import CopyObject, ListPage, Request


class World:
    """A clock that only `advance` moves, and the alarms set on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alarms: list[Alarm] = []
        self.most_alarms = 0

    def clock(self) -> float:
        return self.now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(self, self.now + delay_s, callback)
        self.alarms.append(alarm)
        self.most_alarms = max(self.most_alarms, len(self.alarms))
        return alarm

    async def advance(self, seconds: float, step_s: float = 0.001) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + step_s)
            for alarm in [item for item in self.alarms if item.at <= self.now]:
                self.alarms.remove(alarm)
                alarm.callback()
            await settle()


class Alarm:
    def __init__(self, world: World, at: float, callback: Callable[[], None]) -> None:
        self.world, self.at, self.callback = world, at, callback

    def cancel(self) -> None:
        if self in self.world.alarms:
            self.world.alarms.remove(self)


class Answering:
    """A store that answers when told to, with what it is told."""

    def __init__(self) -> None:
        self.open: list[asyncio.Future[Any]] = []
        self.sent: list[str] = []

    async def copy_object(self, request: CopyObject) -> CopyResult:
        self.sent.append(request.source.key)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.open.append(future)
        await future
        return CopyResult("e")

    async def list_page(self, request: ListPage) -> Page:
        self.sent.append("list")
        return Page([])


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def copy(key: str = "k", bucket: str = "b") -> CopyObject:
    return CopyObject(ObjectRef("src", key), ObjectRef(bucket, key))


def paced(world: World, inner: Answering, **bounds: Any) -> PacedStore:
    return PacedStore(inner, clock=world.clock, call_later=world.call_later, **bounds)  # type: ignore[arg-type]


async def test_a_request_that_may_go_goes_at_once_and_sets_no_timer() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner)
    task = asyncio.create_task(store.copy_object(copy()))
    await settle()
    assert inner.sent == ["k"]
    assert world.most_alarms == 0
    inner.open[0].set_result(None)
    assert (await task).etag == "e"
    assert store.statistics().in_flight == 0


async def test_those_who_wait_go_in_order_at_the_rate_by_one_timer() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner, max_rps=100.0)
    tasks = [asyncio.create_task(store.copy_object(copy(str(number)))) for number in range(60)]
    await settle()
    await world.advance(0.25)
    assert 24 <= len(inner.sent) <= 27
    await world.advance(0.5)
    assert inner.sent == [str(number) for number in range(60)]
    assert world.most_alarms == 1
    assert world.alarms == []
    for future in inner.open:
        future.set_result(None)
    await asyncio.gather(*tasks)
    assert store.statistics().in_flight == 0


async def test_slots_that_came_between_two_ticks_of_the_timer_are_used_together() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner, max_rps=800.0)
    tasks = [asyncio.create_task(store.copy_object(copy(str(number)))) for number in range(100)]
    await settle()
    await world.advance(0.1, step_s=0.004)  # a coarse loop: three slots a tick
    assert 78 <= len(inner.sent) <= 87
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_bucket_is_held_in_one_direction_alone_and_its_requests_are_counted() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner)
    tasks = [asyncio.create_task(store.copy_object(copy()))]
    await settle()
    store.hold("b", Share(100.0, 0.0), reads=False)
    store.hold("b", Share(1.0, 0.0), reads=True)  # nothing was read there
    tasks += [asyncio.create_task(store.copy_object(copy())) for _ in range(60)]
    await settle()
    await world.advance(0.25)
    assert 24 <= len(inner.sent) <= 27
    store.hold("b", None, reads=False)
    assert store.tallies() == [Tally("b", False, 0, 0, 100.0)]  # it grows from there, as the server answers
    for future in inner.open:
        future.set_result(None)
    await settle()
    assert store.tallies()[0].accepted == len(inner.open)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_bucket_where_neighbours_met_a_limit_begins_no_faster() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner)
    store.begin_beside(4)
    store.expect("b", 100.0, reads=False)
    tasks = [asyncio.create_task(store.copy_object(copy(bucket=bucket))) for bucket in ("b", "other")]
    await settle()
    assert [tally.rate_rps for tally in store.tallies()] == [100.0, START_RPS / 4]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_cap_on_what_is_in_flight_lets_the_next_go_with_each_answer() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner, concurrency=2)
    tasks = [asyncio.create_task(store.copy_object(copy(str(number)))) for number in range(4)]
    await settle()
    await world.advance(1.0)
    assert inner.sent == ["0", "1"]
    assert store.statistics() == (store.statistics().rate_rps, 2, 2)
    inner.open[0].set_result(None)
    await settle()
    await world.advance(0.01)
    assert inner.sent == ["0", "1", "2"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert store.statistics()[1:] == (0, 0)


async def test_one_that_is_cancelled_while_it_waits_leaves_the_line() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner, concurrency=1)
    tasks = [asyncio.create_task(store.copy_object(copy(str(number)))) for number in range(3)]
    await settle()
    tasks[1].cancel()
    await settle()
    assert store.statistics().waiting == 1
    inner.open[0].set_result(None)
    await settle()
    await world.advance(0.01)
    assert inner.sent == ["0", "2"]
    inner.open[1].set_result(None)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert store.statistics()[1:] == (0, 0)


async def test_one_that_is_cancelled_just_as_its_turn_comes_gives_the_turn_to_the_next() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner, concurrency=1)
    tasks = [asyncio.create_task(store.copy_object(copy(str(number)))) for number in range(3)]
    await settle()
    await world.advance(0.01)
    inner.open[0].set_result(None)
    await asyncio.sleep(0)  # the first task wakes and, as it ends, lets the second go
    await asyncio.sleep(0)
    tasks[1].cancel()
    await settle()
    await world.advance(0.01)
    assert inner.sent in (["0", "2"], ["0", "1", "2"])
    assert store.statistics().in_flight == 1
    inner.open[-1].set_result(None)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert store.statistics()[1:] == (0, 0)


async def test_a_lane_gives_a_slot_back_when_its_owner_was_cancelled_after_the_grant() -> None:
    world = World()
    lane = Lane(Governor(concurrency=1), world.clock, world.call_later)
    assert lane.try_send() == 0.0
    first = asyncio.create_task(lane.wait())
    second = asyncio.create_task(lane.wait())
    await settle()
    world.now = 1.0
    lane.answered(0.0, False)  # grants the slot to `first`, which has not run yet
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await world.advance(0.01)
    assert await second == pytest.approx(1.0, abs=0.02)
    lane.lost()
    statistics = lane.statistics()
    assert (statistics.in_flight, statistics.sent, lane.waiting) == (0, 2, 0)


async def test_cancelled_in_flight_it_counts_as_lost() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner)
    task = asyncio.create_task(store.copy_object(copy()))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.statistics().in_flight == 0


@pytest.mark.parametrize(
    ("error", "answered", "throttled"),
    [
        (Throttled("slow down", operation="CopyObject"), 0, 1),
        (AccessDenied("no", operation="CopyObject"), 1, 0),
        (Ambiguous("reset", operation="CopyObject"), 0, 0),
        (Unavailable("refused", operation="CopyObject"), 0, 0),
    ],
)
async def test_each_end_of_a_request_is_counted_once_for_what_it_is(
    error: StoreError, answered: int, throttled: int
) -> None:
    world, inner = World(), Answering()
    store = paced(world, inner)
    task = asyncio.create_task(store.copy_object(copy()))
    await settle()
    inner.open[0].set_exception(error)
    with pytest.raises(type(error)):
        await task
    statistics = store._writes["b"].statistics()
    assert (statistics.in_flight, statistics.answered, statistics.throttled) == (0, answered, throttled)


async def test_reads_and_writes_and_buckets_are_paced_apart() -> None:
    world, inner = World(), Answering()
    store = paced(world, inner, concurrency=1)
    tasks = [asyncio.create_task(store.copy_object(copy("1", "one"))) for _ in range(2)]
    tasks.append(asyncio.create_task(store.copy_object(copy("2", "two"))))
    await settle()
    await store.list_page(ListPage("one"))
    assert sorted(inner.sent) == ["1", "2", "list"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_every_request_of_the_store_says_what_it_is_and_where_it_goes() -> None:
    ref = ObjectRef("one", "key")
    fields = {"ref": ref, "target": ref, "upload": UploadRef(ref, "id"), "bucket": "one"}
    kinds: list[type[Request]] = [
        get_type_hints(method)["request"]
        for name, method in vars(StoreDecorator).items()
        if not name.startswith("_") and name not in ("fetch_into", "send_from")  # the same requests, other ways
    ]
    assert len({kind.operation for kind in kinds}) == len(kinds) > 16
    for kind in kinds:
        asked = kind(**{item.name: fields.get(item.name) for item in msgspec.structs.fields(kind) if item.required})
        assert asked.bucket == "one"
        assert kind.harmless_twice or not kind.reads
