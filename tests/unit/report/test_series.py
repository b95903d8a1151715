"""What a picture over time is drawn from: differences of a run's moments, runs one after the other."""

from __future__ import annotations

import pytest

from engine.ledger import Moment, RunRecord
from engine.ledger.composition import EDGES, Share
from engine.report.series import Bin, bins_of, series_of


def run(number: int, *moments: Moment, command: str = "run") -> RunRecord:
    return RunRecord(number, command, moments[0].at_ms, 0, "done", moments)


def at(second: float, done: int, throttled: int = 0) -> Moment:
    return Moment(round(second * 1000), done=done, done_bytes=done * 10, throttled=throttled)


def test_runs_are_one_after_the_other_without_the_time_between_them() -> None:
    runs = [run(1, at(100, 0), at(102, 10)), run(2, at(5_000, 0), at(5_001, 4, throttled=2), at(5_003, 4, 2))]
    series = series_of(runs, "run", 100)
    assert series.begins_s == (0.0, 2.0)
    assert [(item.from_s, item.to_s, item.done, item.throttled) for item in series.stretches] == [
        (0.0, 2.0, 10, 0),
        (2.0, 3.0, 4, 2),
        (3.0, 5.0, 0, 0),
    ]
    assert series.stretches[0].objects_s == pytest.approx(5) and series.stretches[0].bytes_s == pytest.approx(50)
    assert series.took_s == 5.0


def test_however_many_rows_the_sums_stay_and_the_picture_is_bounded() -> None:
    moments = [at(second, second * 3, throttled=second // 7) for second in range(1_200)]
    for most in (10, 240, 5_000):
        series = series_of([run(1, *moments)], "run", most)
        assert sum(item.done for item in series.stretches) == moments[-1].done
        assert sum(item.throttled for item in series.stretches) == moments[-1].throttled
        assert len(series.stretches) <= min(most, 1_199) + 1


def test_a_figure_that_falls_is_no_work_undone_and_other_commands_are_left_out() -> None:
    runs = [run(1, at(0, 9), at(1, 3)), run(2, at(0, 0), at(1, 5), command="verify"), run(3, at(9, 0))]
    assert [item.done for item in series_of(runs, "run", 10).stretches] == [0]
    assert [item.done for item in series_of(runs, "verify", 10).stretches] == [5]
    assert series_of(runs, "cleanup", 10).took_s == 0.0


def test_bins_are_those_between_the_least_and_the_greatest_and_that_of_empty_objects() -> None:
    assert bins_of({}) == []
    place = EDGES.index(1_000)
    found = bins_of({0: Share(2, 0), place: Share(1, 1_500), place + 2: Share(1, 5_000)})
    assert found == [
        Bin(0, 1, Share(2, 0)),
        Bin(1_000, 2_000, Share(1, 1_500)),
        Bin(2_000, 5_000, Share()),
        Bin(5_000, 10_000, Share(1, 5_000)),
    ]
