"""`engine.sync`: every call without `await`, also where a loop is running already, as in a notebook."""

from __future__ import annotations

import ast
import asyncio
import contextvars
import inspect
import signal
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

import anyio
import pytest

import engine
from engine.api.blocking import blocking
from tests.library.conftest import OBJECTS

SOURCE = Path(engine.sync.__file__).read_text(encoding="utf-8")
"""Read when the module is imported, as `engine` was: what lies on the disk may be another commit's a minute later."""

caller = contextvars.ContextVar("caller", default="")


def ctrl_c() -> None:
    """As the terminal, or a notebook's stop button, sends it."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


async def test_a_week_where_a_loop_is_running(plan: engine.Plan) -> None:
    heard: list[tuple[str, str]] = []

    def hear(event: engine.Event) -> None:
        heard.append((threading.current_thread().name, caller.get()))

    caller.set("a notebook")
    options = engine.Options(listener=hear)
    result = engine.sync.migrate(plan, options)
    assert_type(result, engine.MigrationResult)
    assert result.complete and result.copied == OBJECTS
    assert engine.sync.verify(plan, options).agrees
    rows = [row.target_key for batch in engine.sync.export(result.ledger) for row in batch]
    assert len(rows) == OBJECTS
    assert engine.sync.status(path=result.ledger).snapshots == result.snapshots
    assert set(heard) == {("cartage migrate", "a notebook"), ("cartage verify", "a notebook")}
    assert asyncio.get_running_loop().is_running()


async def test_a_plan_and_options_that_are_none_are_refused(plan: engine.Plan) -> None:
    """It would do its work by others than were asked for."""
    with pytest.raises(TypeError, match=r"migrate\(\) takes engine\.Plan as its plan, and not str: engine\.load_plan"):
        engine.sync.migrate("plan.toml")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"migrate\(\) takes engine\.Options as its options, and not dict"):
        engine.sync.migrate(plan, {"ledger": "mine.ledger"})  # type: ignore[arg-type]


async def test_a_call_installs_nothing_for_the_process(plan: engine.Plan) -> None:
    def installed() -> tuple[object, ...]:
        return (
            *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)),
            getattr(asyncio.events, "_event_loop_policy", None),
        )

    before = installed()
    during: list[tuple[object, ...]] = []
    options = engine.Options(listener=lambda _: during.append(installed()))
    await engine.migrate(plan, options)
    engine.sync.verify(plan, options)
    assert {*during, installed()} == {before}


def test_where_none_is(plan: engine.Plan) -> None:
    assert engine.sync.survey(plan).routes[0].objects == OBJECTS


def test_each_call_has_its_twin_and_checkers_see_it() -> None:
    calls = {name: getattr(engine, name) for name in engine.__all__}
    wanted = {
        name for name, call in calls.items() if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
    }
    (block,) = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.If)]
    seen = {ast.unparse(item) for item in block.body}
    assert seen == {f"{name} = blocking(engine.{name})" for name in wanted}
    assert set(dir(engine.sync)) == wanted
    for name in wanted:
        twin = getattr(engine.sync, name)
        assert inspect.signature(twin) == inspect.signature(calls[name])
        assert twin.__doc__ == calls[name].__doc__
        assert not inspect.iscoroutinefunction(twin)
    assert not hasattr(engine.sync, "load_plan")


def test_errors_and_warnings_come_through(tmp_path: Path) -> None:
    with pytest.raises(engine.LedgerMissing):
        engine.sync.status(tmp_path / "none.ledger")
    with pytest.raises(engine.LedgerMissing):
        next(assert_type(engine.sync.export(tmp_path / "none.ledger"), Iterator[list[engine.ExportRow]]))
    with pytest.raises(TypeError, match="unexpected keyword"):
        engine.sync.status("x", wrong=True)  # type: ignore[call-arg]

    async def warn() -> int:
        warnings.warn("seen by the caller", stacklevel=1)
        return 7

    with pytest.warns(UserWarning, match="seen by the caller"):
        assert blocking(warn)() == 7


def test_ctrl_c_ends_a_call_gently_and_raises_once_it_ended() -> None:
    course: list[str] = []

    async def call(*, stop: engine.StopSignal | None = None) -> None:
        asked = asyncio.Event()
        assert stop is not None
        stop.listen(asked.set)
        ctrl_c()
        await asked.wait()
        course.append("committed")

    with pytest.raises(KeyboardInterrupt):
        blocking(call)()
    assert course == ["committed"]


def test_ctrl_c_again_ends_it_at_once_and_what_is_known_is_committed_all_the_same() -> None:
    course: list[str] = []

    async def call(*, stop: engine.StopSignal | None = None) -> None:
        assert stop is not None
        stop.listen(ctrl_c)
        ctrl_c()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                course.append("committed")

    with pytest.raises(KeyboardInterrupt):
        blocking(call)()
    assert course == ["committed"]


def test_ctrl_c_ends_at_once_what_has_nothing_to_end_gently() -> None:
    async def call() -> None:
        ctrl_c()
        await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        blocking(call)()


def test_a_stopped_migration_goes_on(plan: engine.Plan) -> None:
    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.RunStarted):
            ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        engine.sync.migrate(plan, engine.Options(listener=hear))
    assert engine.sync.migrate(plan).complete


async def test_a_stop_may_be_asked_for_from_any_thread(plan: engine.Plan) -> None:
    stop = engine.StopSignal()

    def hear(event: engine.Event) -> None:
        if isinstance(event, engine.RunStarted):
            stop.listen(lambda: seen.append(threading.current_thread()))
            asking = threading.Thread(target=stop.request)
            asking.start()
            asking.join()

    seen: list[threading.Thread] = []
    result = await engine.migrate(plan, engine.Options(listener=hear), stop=stop)
    assert result.stopped
    assert seen == [threading.current_thread()]


def test_batches_are_made_as_they_are_asked_for_and_may_be_left() -> None:
    course: list[str] = []

    async def batches() -> AsyncIterator[int]:
        try:
            for number in range(3):
                course.append(f"made {number}")
                yield number
        finally:
            course.append("closed")

    for number in blocking(batches)():
        course.append(f"had {number}")
        if number == 1:
            break
    assert course == ["made 0", "had 0", "made 1", "had 1", "closed"]
    assert list(blocking(batches)()) == [0, 1, 2]
