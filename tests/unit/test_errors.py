"""Errors go from one process to another as they are."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import anyio
import pytest

import engine.errors
from engine.errors import EngineError, StoreError, UsageError, one_error

KINDS: list[Any] = [
    kind for _, kind in inspect.getmembers(engine.errors, inspect.isclass) if issubclass(kind, EngineError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_comes_out_of_another_process_as_it_went_in(kind: Any) -> None:
    named = dict(inspect.signature(kind).parameters)
    if named.pop("about", None):  # what every error of a store takes
        named |= inspect.signature(StoreError).parameters
    lists = {"problems", "reasons"}
    given = {name: ["it is so"] if name in lists else f"the {name}" for name in named if not name.endswith("_s")}
    error = kind(**given)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


async def test_an_error_of_a_task_comes_out_of_a_dask_worker_as_it_went_in() -> None:
    """Dask sends what led to an error as well, which was the group of which it is one."""
    sending = pytest.importorskip("distributed.protocol.pickle")

    async def fail() -> None:
        raise UsageError("it is so", advice="do so")

    with pytest.raises(UsageError) as caught:
        async with one_error(), anyio.create_task_group() as group:
            group.start_soon(fail)
    error = sending.loads(sending.dumps(caught.value))
    assert type(error) is UsageError
    assert error.advised == "it is so. do so"


async def test_an_error_that_is_none_of_ours_comes_out_alone_as_it_was() -> None:
    """As what a listener raises, which is told from within groups of tasks."""

    async def fail() -> None:
        try:
            raise KeyError("before it")
        except KeyError as before:
            raise ValueError("a listener's own") from before

    with pytest.raises(ValueError, match="a listener's own") as caught:
        async with one_error(), anyio.create_task_group() as outer, anyio.create_task_group() as inner:
            outer.start_soon(anyio.sleep_forever)
            inner.start_soon(fail)
    assert isinstance(caught.value.__cause__, KeyError) and caught.value.__context__ is caught.value.__cause__


@pytest.mark.parametrize("errors", [[ValueError("one"), TypeError("another")], [KeyboardInterrupt()]])
async def test_several_that_are_none_of_ours_or_what_ends_a_program_stay_a_group(errors: list[BaseException]) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with one_error():
            raise BaseExceptionGroup("of tasks", errors)
    assert list(caught.value.exceptions) == errors
