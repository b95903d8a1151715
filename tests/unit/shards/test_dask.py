"""What is said before Dask's workers are given anything: they share no interpreter, and have this very Cartage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from types import SimpleNamespace
from typing import Any

import pytest

import engine.shards.dask
from engine.errors import UsageError
from engine.events import Event
from engine.shards.dask import Attended, refuse_unfit, warn_of_strangers
from engine.version import __version__

ONE = {"tcp://a": {"nthreads": 1}}


def test_workers_of_one_thread_and_this_version_will_do() -> None:
    assert refuse_unfit({**ONE, "tcp://b": {"nthreads": 1}}, {"tcp://a": __version__, "tcp://b": __version__}) == 2


@pytest.mark.parametrize(
    ("workers", "versions", "said"),
    [
        ({}, {}, "has no worker"),
        ({"tcp://a": {"nthreads": 4}}, {"tcp://a": __version__}, "1 of 1 Dask workers have several threads"),
        (ONE, {"tcp://a": "0.0.1"}, r"tcp://a has 0\.0\.1, and this is"),
        (ONE, {"tcp://a": None}, "has no Cartage"),
    ],
)
def test_others_are_refused(workers: dict[str, dict[str, int]], versions: dict[str, str | None], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        refuse_unfit(workers, versions)


@pytest.mark.parametrize(
    ("scheduler", "warned"),
    [
        ("tcp://10.0.0.7:8786", True),
        ("tcp://scheduler.internal:8786", True),
        ("tls://10.0.0.7:8786", False),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://localhost:8786", False),
    ],
)
def test_a_scheduler_that_others_reach_without_tls_is_said(scheduler: str, warned: bool) -> None:
    heard: list[Event] = []
    warn_of_strangers(scheduler, heard.append)
    assert bool(heard) is warned


class Silent(Executor):
    """Takes calls, and answers none by itself."""

    def __init__(self) -> None:
        self.calls: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append(Future())
        return self.calls[-1]


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Attended, Silent, SimpleNamespace]]:
    monkeypatch.setattr(engine.shards.dask, "LOOKED_EVERY_S", 0.001)
    client, silent = SimpleNamespace(status="connecting"), Silent()
    executor = Attended(client, silent)
    yield executor, silent, client
    executor.shutdown()


def test_calls_that_were_taken_while_the_scheduler_was_looked_for_end_with_the_client(
    attended: tuple[Attended, Silent, SimpleNamespace],
) -> None:
    executor, silent, client = attended
    answered, left = executor.submit(print), executor.submit(print)
    silent.calls[0].set_result(7)
    assert answered.result() == 7
    assert not left.done()
    client.status = "closed"
    with pytest.raises(BrokenExecutor, match="no scheduler any more"):
        left.result(timeout=30)


def test_a_call_that_is_given_up_or_cancelled_is_so_on_both_sides(
    attended: tuple[Attended, Silent, SimpleNamespace],
) -> None:
    executor, silent, _ = attended
    lost, unwanted = executor.submit(print), executor.submit(print)
    silent.calls[0].cancel()
    with pytest.raises(BrokenExecutor):
        lost.result()
    assert unwanted.cancel()
    assert silent.calls[1].cancelled()
