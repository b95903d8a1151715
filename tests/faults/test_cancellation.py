"""A run, a verification and a deletion cancelled at any await: nothing is lost, and no task is left behind.

Every task of the event loop is stepped through a counter; at the n-th suspension of any of them the whole call is
cancelled, as a second Ctrl-C does. The same call again has to end as if nothing had been. The event loop is in its
debug mode meanwhile, and a coroutine that nobody awaited is an error (pyproject.toml).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.api.cleanup import cleanup
from engine.api.run import migrate
from engine.api.verify import verify
from engine.sandbox.launch import Sandbox
from tests.faults import invariants
from tests.faults.amount import amount
from tests.faults.conftest import Record
from tests.faults.scene import Scene

MOMENTS = amount(4, 60, 1_000)
"""At how many suspensions, evenly spread over the call's own number of them (all where there are fewer)."""

Call = Callable[[Scene], Awaitable[Any]]


class Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that tells of each suspension."""

    def __init__(self, inner: Coroutine[Any, Any, Any], suspended: Callable[[], None]) -> None:
        self._inner = inner
        self._suspended = suspended
        self.__name__ = getattr(inner, "__name__", "stepped")
        self.__qualname__ = getattr(inner, "__qualname__", "stepped")

    def send(self, value: Any) -> Any:
        waits_for = self._inner.send(value)
        self._suspended()
        return waits_for

    def throw(self, *error: Any) -> Any:
        waits_for = self._inner.throw(*error)
        self._suspended()
        return waits_for

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # cr_running and its kin, by which anyio tells whether a task has begun


@contextmanager
def stepping(suspended: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **more: asyncio.Task(Stepped(coro, suspended), loop=loop, **more))
    loop.slow_callback_duration = 60.0
    loop.set_debug(True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Where each future and callback was made is written down in that mode, which takes a third of the time.
            patch.setattr(traceback, "walk_stack", lambda frame: iter(()))
            yield
    finally:
        loop.set_debug(False)
        loop.set_task_factory(None)


async def suspensions(call: Call, scene: Scene) -> int:
    """How many suspensions an undisturbed call has."""
    count = 0

    def suspended() -> None:
        nonlocal count
        count += 1

    with stepping(suspended):
        await call(scene)
    return count


async def cancelled_at(number: int, call: Call, scene: Scene) -> bool:
    """Cancel the call at that suspension; whether it was still under way."""
    count = 0
    scope = anyio.CancelScope()

    def suspended() -> None:
        nonlocal count
        count += 1
        if count == number:
            scope.cancel()

    with stepping(suspended), scope:
        await call(scene)
    return scope.cancelled_caught


async def run(scene: Scene) -> None:
    await migrate(scene.plan, scene.options(concurrency=4))


async def check(scene: Scene) -> None:
    await verify(scene.plan, scene.options())


async def delete(scene: Scene) -> None:
    await cleanup(scene.plan, scene.options(), delete=True)


CALLS: dict[str, list[Call]] = {"run": [run], "verify": [run, check], "cleanup": [run, check, delete]}
"""Each call to be cancelled, after those that come before it."""


@pytest.mark.parametrize("name", CALLS)
async def test_cancelled_at_any_await(
    name: str, signed_in: Sandbox, tmp_path: Path, record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    *before, call = CALLS[name]

    made = Scene(signed_in, tmp_path / "made", scale=0.00001, legacy=True, without=frozenset({"teacher"}))
    for earlier in before:
        await earlier(made)
    made.keep()
    total = await suspensions(call, made.again(tmp_path / "counted"))
    assert total > 20
    hits = 0
    for number in sorted({1 + total * part // MOMENTS for part in range(MOMENTS)}):
        scene = made.again(tmp_path / str(number))
        hits += await cancelled_at(number, call, scene)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks are left behind"
        if scene.ledger.exists():
            invariants.claims(scene)
        for again in (run, check) if name != "cleanup" else (delete,):
            await again(scene)
        invariants.ended(scene, deleted=name == "cleanup")
    assert hits
    assert [entry.getMessage() for entry in caplog.records if entry.name == "asyncio"] == []
    record("cancelled at an await", name, hits, "complete and proven when called again", moments=total)
