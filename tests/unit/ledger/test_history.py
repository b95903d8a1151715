"""How the runs went, as the ledger keeps it: in detail while it is new, and never more than so much."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.api import history as api_history
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.events import Doing, Looking, Progress
from engine.ledger import LedgerReader, Moment, SlowObject, history
from engine.sites.site import Gauges
from tests.unit.ledger.scene import change, decision, opened, query


async def test_a_run_is_kept_with_its_moments_and_its_end(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        run = await ledger.begin_run("run", 1_000)
        assert not await ledger.add_moment(run, Moment(2_000, done=5, done_bytes=50, throttled=1))
        await ledger.end_run(run, "done", 3_000)
        (kept,) = (await ledger.history()).runs
    assert (kept.command, kept.began_ms, kept.ended_ms, kept.ended) == ("run", 1_000, 3_000, "done")
    assert kept.moments == (Moment(1_000), Moment(2_000, done=5, done_bytes=50, throttled=1))
    assert (kept.last.done, kept.took_ms) == (5, 2_000)


async def test_a_run_that_was_killed_has_no_end_and_took_as_long_as_is_known(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        await ledger.add_moment(await ledger.begin_run("run", 1_000), Moment(9_000, done=5))
        (kept,) = (await ledger.history()).runs
    assert (kept.ended, kept.ended_ms, kept.took_ms) == ("", 0, 8_000)


async def test_a_weeks_run_stays_under_its_bound_and_keeps_its_first_and_last_row(tmp_path: Path) -> None:
    """Rows come half as often each time that every second of them was taken out: as `engine.api.history` does it."""
    path, at_ms, every_ms, week_ms = tmp_path / "x.ledger", 0, 1_000, 7 * 86_400_000
    async with opened(path) as ledger:
        run = await ledger.begin_run("run", at_ms)
        while at_ms < week_ms:
            at_ms += every_ms
            if await ledger.add_moment(run, Moment(at_ms, done=at_ms // 1_000)):
                every_ms *= 2
            if every_ms < 4_000:
                assert len(query(path, "SELECT 1 FROM moments")) <= history.MOMENTS_A_RUN
        moments = (await ledger.history()).runs[0].moments
    assert history.MOMENTS_A_RUN // 2 <= len(moments) <= history.MOMENTS_A_RUN
    assert (moments[0].at_ms, moments[-1].at_ms) == (0, at_ms)
    assert all(earlier.done < later.done for earlier, later in itertools.pairwise(moments))


async def test_a_calendar_that_is_set_back_meanwhile_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar, running = [10_000_000], [50.0]
    monkeypatch.setattr(api_history, "now_ms", lambda: calendar[0])
    monkeypatch.setattr(api_history, "running_s", lambda: running[0])
    sites: Any = SimpleNamespace(gauges=lambda: Gauges())
    async with opened(tmp_path / "x.ledger") as ledger:
        async with api_history.remembered(sites, ledger, "verify", Options(), StopSignal()) as options:
            assert options.listener is not None
            options.listener(Progress(done=7))
            calendar[0] -= 3_600_000
            running[0] += 60.0
        (kept,) = (await ledger.history()).runs
    assert (kept.began_ms, kept.ended_ms, kept.took_ms) == (10_000_000, 10_060_000, 60_000)
    assert kept.last.done == 7


async def test_a_stage_that_comes_further_than_the_one_before_is_added_to_it_and_a_look_is_none(tmp_path: Path) -> None:
    sites: Any = SimpleNamespace(gauges=lambda: Gauges())
    async with opened(tmp_path / "x.ledger") as ledger:
        async with api_history.remembered(sites, ledger, "verify", Options(), StopSignal()) as options:
            assert options.listener is not None
            for event in (
                Progress(listed=9, done=7),
                Progress(listed=8, done=8),  # fewer are listed
                Looking(listed=50, done=50),
                Doing("verifying"),
                Progress(listed=8, done=8),
                Doing("waiting", goes_on=True),
                Progress(listed=9, done=9),
            ):
                options.listener(event)
        (kept,) = (await ledger.history()).runs
    assert kept.last.done == 7 + 8 + 9


async def test_older_runs_keep_their_last_row_and_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "RUNS", 5)
    monkeypatch.setattr(history, "RUNS_IN_DETAIL", 2)
    async with opened(tmp_path / "x.ledger") as ledger:
        for number in range(8):
            run = await ledger.begin_run("run", number * 1_000)
            for second in (1, 2):
                await ledger.add_moment(run, Moment(number * 1_000 + second, done=second))
        runs = (await ledger.history()).runs
    assert [item.number for item in runs] == [4, 5, 6, 7, 8]
    assert [len(item.moments) for item in runs] == [1, 1, 1, 3, 3]
    assert {item.last.done for item in runs} == {2}


async def test_the_slowest_objects_are_a_few_and_the_slowest(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.ledger") as ledger:
        run = await ledger.begin_run("run", 0)
        await ledger.add_moment(run, Moment(1), [SlowObject("raw", f"k{n}", n, 1_000 + n) for n in range(30)])
        await ledger.add_moment(run, Moment(2), [SlowObject("raw", "k29", 29, 7)])  # tried again, and quick
        slowest = (await ledger.history()).slowest
    assert [item.took_ms for item in slowest] == [1_000 + number for number in range(28, 9, -1)] + [7]


async def test_a_ledger_from_before_has_no_history(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
    later = ("former", "slowest", "moments", "runs")
    change(path, *(f"DROP TABLE {name}" for name in later), "PRAGMA user_version = 6")
    async with await LedgerReader.open_to_read(path) as reader:
        assert await reader.history() == history.History()
