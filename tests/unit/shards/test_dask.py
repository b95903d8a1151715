"""What is said before Dask's workers are given anything: they share no interpreter, and have this very Cartage."""

from __future__ import annotations

import pytest

from engine.errors import UsageError
from engine.events import Event
from engine.shards.dask import refuse_unfit, warn_of_strangers
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
