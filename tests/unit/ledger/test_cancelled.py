"""asyncio's own cancellation (a task's `cancel`, asyncio.timeout, a sibling that failed, Ctrl-C under asyncio.run), at
every moment at which a ledger is opened or closed: it is open to the next one, and no file of it stays open."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.finish.deletion_list import DeletionList
from engine.ledger import Ledger, LedgerReader, ShardedLedger, open_to_read, reader
from engine.ledger.locking import FileLock
from engine.plan.shards import Piece
from engine.to_the_end import to_the_end
from tests.unit.ledger.scene import BINDING, Clock, decision

LIMIT_S = 20


class Gate:
    """Stands in a function: tells the loop that a thread has come, and has it wait until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.come, self._open = asyncio.Event(), threading.Event()
        loop, inner = asyncio.get_running_loop(), getattr(owner, name)

        def held(*arguments: Any, **named: Any) -> Any:
            loop.call_soon_threadsafe(self.come.set)
            assert self._open.wait(LIMIT_S)
            return inner(*arguments, **named)

        monkeypatch.setattr(owner, name, held)

    async def cancel(self, work: Awaitable[Any]) -> None:
        """Cancel the work while its thread is held, twice, let that go on, and see that it was waited for."""
        async with asyncio.timeout(LIMIT_S):
            task = asyncio.ensure_future(work)
            await self.come.wait()
            for _ in range(2):
                task.cancel()
                for _ in range(5):
                    await asyncio.sleep(0)
                assert not task.done()
            self._open.set()
            with pytest.raises(asyncio.CancelledError):
                await task


class LongQuery:
    """Two queries of seconds each: sets `begun` once it is asked, and `ended` are those that came to their end."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), list[int]()
        self._loop = asyncio.get_running_loop()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000000) SELECT count(*) FROM n"
        for number in 1, 2:
            with suppress(sqlite3.OperationalError):
                connection.execute(rows).fetchall()
                self.ended.append(number)


async def open_once(path: Path) -> None:
    async with await Ledger.open(path, BINDING, now_ms=Clock()):
        pass


def descriptors() -> list[str]:
    """The files of ledgers that this process has open, where the system tells."""
    found = []
    for descriptor in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if ".ledger" in name]


async def test_a_ledger_whose_opening_is_cancelled_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.ledger"
    with monkeypatch.context() as patch:
        await Gate(patch, FileLock, "acquire").cancel(Ledger.open(path, BINDING, now_ms=Clock()))
    assert not descriptors()
    await open_once(path)


async def test_a_ledger_whose_closing_is_cancelled_is_given_back_when_its_writer_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.ledger"
    ledger = await Ledger.open(path, BINDING, now_ms=Clock())
    with monkeypatch.context() as patch:
        await Gate(patch, ledger._writer._thread, "join").cancel(ledger.close())
    assert not descriptors() and not ledger._writer._thread.is_alive()
    await open_once(path)


async def test_a_change_that_is_cancelled_while_it_is_made_is_waited_for_so_that_what_is_closed_then_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.ledger"
    async with await ShardedLedger.open(path, BINDING, now_ms=Clock()) as ledger:
        await ledger.add_shards([[Piece("raw"), Piece("model")]])
        await ledger.decide("raw", [decision("a")])
        async with ledger._files.use(1) as shard:
            with monkeypatch.context() as patch:
                await Gate(patch, shard.writer, "_check").cancel(ledger.decide("raw", [decision("b")]))
    async with await ShardedLedger.open(path, BINDING, now_ms=Clock()) as ledger:  # held against its record
        assert len(await ledger.entries("raw", None, None, 9)) == 2


async def test_a_reader_whose_opening_is_cancelled_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.ledger"
    await open_once(path)
    with monkeypatch.context() as patch:
        await Gate(patch, reader, "connect_to_read").cancel(LedgerReader.open_to_read(path))
    assert not descriptors()


async def test_closing_a_reader_waits_for_no_query_that_nobody_waits_for(tmp_path: Path) -> None:
    path = tmp_path / "p.ledger"
    await open_once(path)
    query = LongQuery()
    reading = await LedgerReader.open_to_read(path)
    task = asyncio.ensure_future(reading._read(query))
    await query.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reading.close()
    assert query.ended == [] and not descriptors()


def leftovers(path: Path) -> list[Path]:
    """What SQLite leaves beside a file that it could not close as it should."""
    return [*path.parent.glob(f"{path.name}-*")]


def cancel_task(opening: asyncio.Task[Any], scope: anyio.CancelScope) -> None:
    opening.cancel()


def cancel_scope(opening: asyncio.Task[Any], scope: anyio.CancelScope) -> None:
    scope.cancel()


@pytest.mark.parametrize("cancel", [cancel_task, cancel_scope])
async def test_the_checks_of_a_ledger_end_where_its_opening_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancel: Callable[[asyncio.Task[Any], anyio.CancelScope], None]
) -> None:
    path, check, scope = tmp_path / "p.ledger", LongQuery(), anyio.CancelScope()
    await open_once(path)

    async def opening() -> None:
        with scope:
            await open_once(path)

    with monkeypatch.context() as patch:
        patch.setattr("engine.ledger.opening._check", lambda path, connection: check(connection))
        task = asyncio.ensure_future(opening())
        await check.begun.wait()
        cancel(task, scope)
        with suppress(asyncio.CancelledError):  # a scope keeps its own
            await task
        assert task.cancelled() or scope.cancelled_caught
    assert check.ended == [] and not descriptors() and not leftovers(path)
    await open_once(path)


async def test_a_deletion_list_whose_opening_or_closing_is_cancelled_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opening() -> Awaitable[DeletionList]:
        return DeletionList.open(tmp_path / "p.ledger", "s3://bucket/p/", "")

    with monkeypatch.context() as patch:
        await Gate(patch, FileLock, "acquire").cancel(opening())
    assert not descriptors()
    listed = await opening()
    with monkeypatch.context() as patch:
        await Gate(patch, listed._writer._thread, "join").cancel(listed.close())
    assert not descriptors()


class Cancelled:
    """Awaits `work`, and has its task cancelled where that waits for the time of this number."""

    def __init__(self, work: Coroutine[Any, Any, Any], at: int) -> None:
        self._work, self._at = work, at
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        task = asyncio.current_task()
        assert task is not None
        step = partial(steps.send, None)
        while True:
            try:
                waiting = step()
            except StopIteration:
                return
            self.waits += 1
            if self.waits == self._at:
                task.cancel()
            try:
                given = yield waiting
                step = partial(steps.send, given)
            except BaseException as error:
                step = partial(steps.throw, error)


async def use(path: Path) -> None:
    """Open a ledger in shards, write into two of them, read them and close it."""
    async with await ShardedLedger.open(path, BINDING, now_ms=Clock()) as ledger:
        if not await ledger.shards():
            await ledger.add_shards([[Piece("raw", None, "m"), Piece("model", None, None)], [Piece("raw", "m", None)]])
        await ledger.decide("raw", [decision("a"), decision("z")])
        assert len(await ledger.entries("raw", None, None, 9)) == 2
    async with await open_to_read(path) as reading:
        assert sum([tally.objects for tally in await reading.tallies()]) == 2
        assert len(await reading.entries("raw", None, None, 9)) == 2


async def test_a_ledger_in_shards_is_given_back_wherever_it_is_cancelled(tmp_path: Path) -> None:
    async def cancelled(at: int) -> int:
        path = tmp_path / f"{at}.ledger"
        counted = Cancelled(use(path), at)
        with suppress(asyncio.CancelledError):
            await asyncio.create_task(awaiting(counted))
        assert not descriptors(), at  # nor a lock, then
        return counted.waits

    async def awaiting(counted: Cancelled) -> None:
        await counted

    waits = await cancelled(-1)
    assert waits > 20
    for at in range(1, waits + 1):
        await cancelled(at)


async def test_what_a_thread_raises_comes_out_unless_it_is_cancelled() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await to_the_end(fail)
    task = asyncio.ensure_future(to_the_end(fail))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
