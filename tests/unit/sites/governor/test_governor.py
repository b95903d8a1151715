"""The governor on simulated servers: it finds the limit, stays just under it, follows it, and keeps to its bounds."""

from __future__ import annotations

from statistics import fmean

import pytest

from engine.sites.governor.governor import START_RPS, Governor
from tests.unit.sites.governor.simulation import (
    Endless,
    FewAtOnce,
    Latency,
    Pauses,
    Pausing,
    Queueing,
    Result,
    Stray,
    TokenBucket,
    Uneven,
    simulate,
)

REFERENCE = 52_994
"""The objects of the reference migration."""

LIMITS = [900, 3_500, 9_000]
REFUSALS = [None, 0.005]
"""A 503 takes as long as any other answer, or comes at once."""


def refused(result: Result) -> float:
    return result.throttled / len(result.sends)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("refusal_s", REFUSALS)
def test_the_whole_work_takes_hardly_longer_than_the_limit_allows(limit: int, refusal_s: float | None) -> None:
    governor = Governor()
    result = simulate(governor, TokenBucket(lambda _: limit, refusal_s=refusal_s), REFERENCE)
    floor_s = (REFERENCE - limit / 10) / limit
    assert result.total_s <= 1.08 * floor_s
    assert refused(result) < 0.01
    assert governor.statistics().limit_rps == pytest.approx(limit, rel=0.05)


@pytest.mark.parametrize("limit", [900, 3_500])
def test_machines_that_pause_do_not_make_the_limit_look_lower(limit: int) -> None:
    """What was sent within 60 ms reaches a machine that pauses within 30, or 90: the limit measured by it is off, and
    the rate must not stay where that was."""
    floor_s = (REFERENCE - limit / 10) / limit
    ratios, shares = [], []
    for seed in range(4):
        server = Pausing(TokenBucket(lambda _: limit, refusal_s=0.002), Pauses(seed))
        result = simulate(Governor(), server, REFERENCE, pauses=Pauses(seed + 100))
        ratios.append(result.total_s / floor_s)
        shares.append(refused(result))
    assert max(ratios) <= 1.08
    assert fmean(ratios) <= 1.03
    assert max(shares) < 0.015
    assert fmean(shares) < 0.01


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_limit_is_reached_within_a_second_and_a_half(limit: int, seed: int) -> None:
    server = TokenBucket(lambda _: limit, latency=Latency(seed=seed))
    result = simulate(Governor(), server, REFERENCE, until_s=4.0)
    assert result.done_rps(1.5, 4.0) >= 0.9 * limit


def test_one_congestion_is_one_cut_however_many_are_refused() -> None:
    governor = Governor()
    result = simulate(governor, TokenBucket(lambda _: 3_500), REFERENCE, until_s=2.0)
    assert result.throttled > 20
    assert governor.statistics().congestions <= 2


def test_a_limit_that_halves_is_followed_down() -> None:
    server = TokenBucket(lambda now: 4_000 if now < 5 else 2_000)
    result = simulate(Governor(), server, 10**9, until_s=15.0)
    assert result.done_rps(6.0, 15.0) >= 0.94 * 2_000
    later = [time for time in result.refusals if time >= 7.0]
    assert len(later) < 0.01 * sum(time >= 7.0 for time in result.sends)


def test_a_limit_that_doubles_is_found_within_ten_seconds() -> None:
    server = TokenBucket(lambda now: 2_000 if now < 5 else 4_000)
    result = simulate(Governor(), server, 10**9, until_s=22.0)
    assert result.done_rps(16.0, 22.0) >= 0.95 * 4_000
    assert refused(result) < 0.01


def test_a_server_that_queues_instead_of_refusing_is_not_buried() -> None:
    result = simulate(Governor(), Queueing(lambda _: 2_000), 10**9, until_s=15.0)
    assert result.done_rps(5.0, 15.0) >= 0.95 * 2_000
    # 200 are at work after 0.1 s at 2,000 a second; what is more only waits there instead of here.
    assert max(count for time, count in result.in_flight if time >= 5.0) <= 3 * 200


def test_work_that_is_slow_for_its_own_reasons_is_not_taken_for_a_queue() -> None:
    class Slower(Endless):
        """Large objects after the first two seconds: every answer takes ten times as long."""

        def arrive(self, now: float) -> tuple[float, bool]:
            latency, _ = super().arrive(now)
            return (latency * 10 if now > 2.0 else latency), False

    result = simulate(Governor(), Slower(Latency(0.05)), 10**9, until_s=20.0, workers=256)
    assert max(count for time, count in result.in_flight if time >= 15.0) == 256


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_machine_that_stalls_does_not_leave_the_window_narrow(seed: int) -> None:
    """Answers that are late because this machine is busy look like a queue; a narrow window must not outlive that."""
    server = Uneven(slowness=lambda now: 8.0 if 2.0 <= now < 3.0 or 6.0 <= now < 6.5 else 1.0, seed=seed)
    result = simulate(Governor(), server, 10**9, until_s=14.0, workers=256, client_rps=5_000)
    assert result.done_rps(4.5, 6.0) >= 0.85 * 5_000
    assert result.done_rps(9.0, 14.0) >= 0.85 * 5_000


@pytest.mark.parametrize("client_rps", [300, 5_000])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.05])
def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_choke_it(share: float, client_rps: int) -> None:
    result = simulate(Governor(), Stray(share), 10**9, until_s=25.0, workers=1_024, client_rps=client_rps)
    assert result.sent_rps(5.0, 25.0) >= 0.7 * client_rps


@pytest.mark.parametrize("limit", [400, 3_500])
def test_full_speed_is_back_soon_after_a_storm(limit: int) -> None:
    """Ten seconds in which nine of ten are refused, whatever their number."""
    storm = Stray(0.9)

    class Stormy(TokenBucket):
        def arrive(self, now: float) -> tuple[float, bool]:
            latency, refused = super().arrive(now)
            return latency, refused or (5.0 <= now < 15.0 and storm.arrive(now)[1])

    result = simulate(Governor(), Stormy(lambda _: limit), 10**9, until_s=35.0)
    assert result.done_rps(22.0, 35.0) >= 0.9 * limit
    late = [time for time in result.refusals if time >= 20.0]
    assert len(late) < 0.02 * sum(time >= 20.0 for time in result.sends)


def test_stray_refusals_do_not_hide_a_limit() -> None:
    class Both(TokenBucket):
        stray = Stray(0.01)

        def arrive(self, now: float) -> tuple[float, bool]:
            latency, refused = super().arrive(now)
            return latency, refused or self.stray.arrive(now)[1]

    result = simulate(Governor(), Both(lambda _: 3_500), 10**9, until_s=20.0)
    assert result.done_rps(2.0, 20.0) >= 0.85 * 3_500
    assert refused(result) < 0.04


def test_without_a_limit_the_workers_are_the_only_bound() -> None:
    governor = Governor()
    result = simulate(governor, Endless(), REFERENCE, workers=1_024)
    assert result.throttled == 0
    assert result.most_in_flight == 1_024
    assert governor.statistics().limit_rps is None


def test_a_rate_that_is_not_used_does_not_grow() -> None:
    governor = Governor()
    simulate(governor, Endless(), 4_000, supply=lambda now: int(now * 500))
    assert governor.statistics().rate_rps == START_RPS


def test_a_server_with_few_places_is_used_and_not_stormed() -> None:
    """It is found out in the first second; then next to nothing is refused."""
    result = simulate(Governor(), FewAtOnce(4), 1_500)
    assert result.done_rps(5.0, result.total_s) >= 0.6 * 40
    late = [time for time in result.refusals if time >= 1.0]
    assert len(late) < 0.04 * sum(time >= 1.0 for time in result.sends)
    assert result.throttled - len(late) < 400


def test_max_rps_is_never_exceeded() -> None:
    result = simulate(Governor(max_rps=500), Endless(), 5_000)
    for start in range(10):
        assert result.sent_rps(start, start + 1) <= 500 * 1.01
    assert result.total_s == pytest.approx(10.0, rel=0.03)


def test_concurrency_is_never_exceeded() -> None:
    result = simulate(Governor(concurrency=32), Endless(), 5_000)
    assert result.most_in_flight == 32


def test_requests_are_paced_and_not_sent_in_bursts() -> None:
    result = simulate(Governor(max_rps=2_000), TokenBucket(lambda _: 10_000), 20_000)
    for window in range(1_000, 9_000, 500):
        assert result.sent_rps(window / 1_000, (window + 10) / 1_000) <= 2_000 * 1.6


def test_a_stall_of_the_sender_does_not_end_in_a_burst() -> None:
    governor = Governor(max_rps=1_000)
    for _ in range(100):
        governor.on_sent(governor.next_send_s(0.0))
    now, sent = 10.0, 0  # ten seconds in which nobody asked
    while governor.next_send_s(now) <= now:
        governor.on_sent(now)
        sent += 1
    assert sent <= 9  # a slot a millisecond


def test_what_was_not_sent_gives_its_slot_and_its_place_back() -> None:
    governor = Governor(concurrency=1)
    governor.on_sent(0.0)
    assert governor.next_send_s(0.0) == float("inf")
    governor.give_back()
    assert governor.next_send_s(0.0) == 0.0
    assert governor.statistics().sent == 0


def test_a_lost_request_frees_its_place_and_says_nothing_of_the_limit() -> None:
    governor = Governor(concurrency=1)
    governor.on_sent(0.0)
    before = governor.statistics()
    governor.on_lost()
    after = governor.statistics()
    assert (before.in_flight, after.in_flight) == (1, 0)
    assert (after.rate_rps, after.answered, after.throttled) == (before.rate_rps, 0, 0)


@pytest.mark.parametrize("values", [{"max_rps": 0.0}, {"max_rps": -1.0}, {"concurrency": 0}])
def test_bounds_that_allow_nothing_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Governor(**values)  # type: ignore[arg-type]
