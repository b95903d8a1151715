"""The pool: who gets which connection, how many there are, and what becomes of those that are of no use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.s3.connecting import ConnectFailed
from engine.s3.http import HttpConnection, Owner
from engine.s3.pool import OPENING_AT_ONCE, Pool
from tests.unit.s3.fakes import FakeTransport, http, until

NO = ConnectFailed("no", code="ECONNREFUSED")


class Opener:
    """Opens connections to nowhere: at once, or (`gate`) when it is told to; each failure in `failures` first. With
    `closes` each is closed by then."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.failures: list[Exception] = []
        self.closes = False
        self.opening = 0
        self.most = 0
        self.made: list[HttpConnection] = []
        self.kept: list[HttpConnection] = []

    async def open(self, owner: Owner) -> HttpConnection:
        self.opening += 1
        self.most = max(self.most, self.opening)
        try:
            if self.gate is not None:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.opening -= 1
        if self.failures:
            raise self.failures.pop(0)
        connection = HttpConnection(asyncio.get_running_loop(), owner)
        connection.connection_made(FakeTransport())
        self.made.append(connection)
        if self.closes:
            connection.abort()
        return connection

    def keep_session(self, connection: HttpConnection) -> None:
        self.kept.append(connection)


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
async def pool(opener: Opener) -> AsyncIterator[Pool]:
    pool = Pool(opener, bound=4)
    yield pool
    await pool.aclose()


def use(connection: HttpConnection) -> asyncio.Future[object]:
    return connection.exchange(b"GET", bodiless=False, limit=1000, timeout_s=5, total_s=60)  # type: ignore[return-value]


def answer(*connections: HttpConnection) -> None:
    for connection in connections:
        connection.data_received(http(b"x"))


async def busy(pool: Pool, count: int) -> list[HttpConnection]:
    connections = []
    for _ in range(count):
        connections.append(pool.take() or await pool.wait())
        use(connections[-1])
    return connections


async def test_the_connection_that_became_free_last_is_taken_first(pool: Pool) -> None:
    one, two, three = await busy(pool, 3)
    answer(two, three, one)
    assert [pool.take() for _ in range(4)] == [one, three, two, None]


async def test_no_more_are_opened_than_the_bound(pool: Pool, opener: Opener) -> None:
    waiting = [asyncio.ensure_future(pool.wait()) for _ in range(10)]
    await asyncio.gather(*waiting[:4])
    for _ in range(20):  # whoever else would be served is so by now
        await asyncio.sleep(0)
    done = sum(future.done() for future in waiting)
    assert (done, len(opener.made), pool.opened) == (4, 4, 4)
    for future in waiting[4:]:
        future.cancel()


async def test_those_who_wait_are_served_in_turn(pool: Pool) -> None:
    held = await busy(pool, 4)
    waiting = [asyncio.ensure_future(pool.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    answer(held[2], held[0])
    assert [await waiting[0], await waiting[1]] == [held[2], held[0]]
    assert not waiting[2].done()
    assert pool.take() is None
    answer(held[1])
    assert await waiting[2] is held[1]


async def test_who_gave_up_is_passed_over_and_takes_nothing_along(pool: Pool) -> None:
    held = await busy(pool, 4)
    waiting = [asyncio.ensure_future(pool.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    answer(held[0])
    assert await waiting[1] is held[0]
    late = asyncio.ensure_future(pool.wait())
    await asyncio.sleep(0)
    answer(held[1])
    late.cancel()  # it has been given the connection, and has not run yet
    with pytest.raises(asyncio.CancelledError):
        await late
    assert pool.take() is held[1]


async def test_a_server_that_closes_each_connection_as_soon_as_it_is_open_is_a_failure(
    pool: Pool, opener: Opener
) -> None:
    """As one is that ends TLS and has nobody behind it: whoever waits is told, and it is not asked again and again."""
    opener.closes = True
    with pytest.raises(ConnectFailed, match="closed as soon as it was open"):
        await pool.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(opener.made) == 1


async def test_openings_are_begun_a_few_at_a_time(opener: Opener) -> None:
    pool = Pool(opener, bound=1000)
    await asyncio.gather(*[pool.wait() for _ in range(200)])
    assert (opener.most, pool.opened) == (OPENING_AT_ONCE, 200)
    await pool.aclose()


async def test_each_request_in_line_has_one_opened_for_it_while_others_answer(pool: Pool) -> None:
    held = await busy(pool, 2)
    in_line = [asyncio.ensure_future(pool.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert pool.statistics().opening == 2
    answer(*held)
    assert [await future for future in in_line] == held


async def test_after_a_failed_opening_none_is_tried_before_the_next_sweep(pool: Pool, opener: Opener) -> None:
    await busy(pool, 2)
    opener.failures = [NO]
    in_line = [asyncio.ensure_future(pool.wait())]
    await until(lambda: not opener.failures and pool.statistics().opening == 0)
    in_line.append(asyncio.ensure_future(pool.wait()))
    await asyncio.sleep(0)
    assert (pool.statistics().opening, pool.statistics().waiting) == (0, 2)
    pool.sweep()
    assert pool.statistics().opening == 2
    await asyncio.gather(*in_line)


async def test_a_released_connection_is_not_waited_for_twice(pool: Pool, opener: Opener) -> None:
    (held,) = await busy(pool, 1)
    opener.gate = asyncio.Event()
    waiting = asyncio.ensure_future(pool.wait())
    await asyncio.sleep(0)
    answer(held)
    assert await waiting is held
    opener.gate.set()
    await until(lambda: pool.statistics().opening == 0)
    assert pool.statistics()[:4] == (2, 1, 0, 0)  # the one opened in vain is free for the next


async def test_where_nothing_can_be_opened_all_who_wait_are_told(pool: Pool, opener: Opener) -> None:
    opener.failures = [NO] * 4
    results = await asyncio.gather(*[pool.wait() for _ in range(3)], return_exceptions=True)
    assert [(type(item), getattr(item, "code", "")) for item in results] == [(ConnectFailed, "ECONNREFUSED")] * 3
    assert len({id(item) for item in results}) == 3
    opener.failures = []
    assert (await pool.wait()).open


async def test_while_others_answer_a_failed_opening_is_no_ones_error(pool: Pool, opener: Opener) -> None:
    (held,) = await busy(pool, 1)
    opener.failures = [NO]
    waiting = asyncio.ensure_future(pool.wait())
    await until(lambda: not opener.failures)
    await asyncio.sleep(0)
    assert not waiting.done()
    answer(held)
    assert await waiting is held


async def test_a_final_failure_is_everyones(pool: Pool, opener: Opener) -> None:
    await busy(pool, 1)
    opener.failures = [ConnectFailed("wrong certificate", code="Certificate", final=True)]
    with pytest.raises(ConnectFailed, match="wrong certificate"):
        await pool.wait()


async def test_a_mistake_in_opening_leaves_no_one_waiting(pool: Pool, opener: Opener) -> None:
    opener.failures = [ZeroDivisionError("oh")]
    with pytest.raises(ConnectFailed, match="ZeroDivisionError: oh"):
        await pool.wait()


async def test_what_closed_while_idle_is_not_taken(pool: Pool) -> None:
    one, two = await busy(pool, 2)
    answer(one, two)
    two.connection_lost(None)
    assert (pool.take(), pool.take()) == (one, None)


async def test_a_lost_connection_makes_room(pool: Pool) -> None:
    held = await busy(pool, 4)
    waiting = asyncio.ensure_future(pool.wait())
    await asyncio.sleep(0)
    held[0].abort()
    assert await waiting not in held
    assert pool.statistics().connections == 4


async def test_the_sweep_closes_what_is_idle_and_gives_up_what_is_silent(opener: Opener) -> None:
    pool = Pool(opener, bound=4, idle_s=4)
    silent, old, young = await busy(pool, 3)
    answer(old, young)
    old.active_at -= 5
    silent.active_at -= 6
    pool.sweep()
    assert (silent.open, old.open, young.open) == (False, False, True)
    assert pool.take() is young
    await pool.aclose()


async def test_the_sweep_runs_by_itself_while_there_is_something(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.s3.pool.SWEEP_S", 0.001)
    pool = Pool(opener, bound=4, idle_s=0)
    (held,) = await busy(pool, 1)
    answer(held)
    await until(lambda: not held.open)
    assert pool.statistics()[:4] == (0, 0, 0, 0)


async def test_a_tls_session_is_kept_from_the_first_answer(pool: Pool, opener: Opener) -> None:
    (held,) = await busy(pool, 1)
    answer(held)
    use(held)
    answer(held)
    assert opener.kept == [held]
    held.abort()
    assert opener.kept == [held]


async def test_closing_ends_everything(pool: Pool, opener: Opener) -> None:
    (held,) = await busy(pool, 1)
    opener.gate = asyncio.Event()
    waiting = asyncio.ensure_future(pool.wait())
    await asyncio.sleep(0)
    await pool.aclose()
    with pytest.raises(ConnectFailed, match="closed"):
        await waiting
    assert not held.open
    assert opener.opening == 0
