"""What may be in flight at a server that never says SlowDown: narrowed for a queue, lifted where there was none."""

from __future__ import annotations

import pytest

from engine.sites.governor.window import Window

CAP = 1024
WORK_S, CAN_RPS = 0.2, 5_000
"""At a server without a queue an answer takes WORK_S on average, and more in flight brings more answers, to CAN_RPS."""


def narrowed() -> tuple[Window, int]:
    """A window after a stall: answers took eight times as long, and more in flight brought no more of them."""
    window, now = Window(CAP), 0.0
    for _ in range(10):
        now += 0.1
        window.on_round(now, 0.1, 900.0)
    for _ in range(3):
        now += 0.8
        verdict = window.on_round(now, 0.8, 700.0)
    assert verdict.window < CAP
    return window, verdict.window


def rounds(window: Window, fastest_s: float, answers_rps: float | None, count: int, start: int) -> list[int]:
    """The windows of so many rounds; `answers_rps` None: as many answers as a server without a queue gives."""
    found, now, current = [], 10.0, start
    for _ in range(count):
        now += fastest_s
        rate = answers_rps if answers_rps is not None else min(current / WORK_S, CAN_RPS)
        current = window.on_round(now, fastest_s, rate).window
        found.append(current)
    return found


@pytest.mark.parametrize("fast_rounds", [0, 1, 2])
@pytest.mark.parametrize("fastest_s", [0.17, 0.19, 0.21, 0.3])
def test_where_more_in_flight_brings_more_answers_the_window_is_lifted(fast_rounds: int, fastest_s: float) -> None:
    """The fastest of few answers is slower than the fastest of many, so that it looks like a queue for ever."""
    window, start = narrowed()
    grown = rounds(window, 0.149, 800.0, fast_rounds, start)[-1:] or [start]
    assert CAP in rounds(window, fastest_s, None, 24, grown[0])


def test_in_a_queue_a_wider_window_is_tried_and_taken_back() -> None:
    window, start = narrowed()
    found = rounds(window, 0.21, 700.0, 60, start)
    assert max(found) <= 1.5 * start
    assert found[-1] <= start
    assert len({width for width in found if width > start}) > 0  # it was tried


def test_a_window_at_the_bound_of_the_user_is_not_tried_wider() -> None:
    window = Window(40)
    for number in range(30):
        verdict = window.on_round(number * 0.8, 0.1 if number < 10 else 0.8, 700.0)
        assert verdict.window <= 40
