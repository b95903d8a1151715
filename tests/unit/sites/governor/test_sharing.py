"""Several governors at one server's partitions: they share what it gives, and leave each other alone where they do not
meet. Eight at one partition without sharing are refused 4.4 % after a minute, and one of them gets twice what another
does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from engine.sites.governor.governor import START_RPS, Governor
from engine.sites.governor.sharing import QUIET, Share, Sharing, Turn
from tests.unit.sites.governor.fleet import Partition, Sender, run

LIMIT_RPS = 3_500
EVERY_S = 2.0


class Outcome(NamedTuple):
    """What senders came to: the part of what the servers would have given, the part that was refused, and how evenly
    it was had (Jain's index: 1 is alike, 1/n one alone)."""

    used: float
    refused: float
    jain: float


class Fleet:
    """As many senders as are said at each partition, in the order of keys, told every two seconds what they share. What
    became of a sender's requests is the difference of two tellings, as in `engine.shards.rates`: nothing at its first.
    """

    def __init__(self, *at: int, shared: bool = True) -> None:
        self.partitions = [Partition(LIMIT_RPS) for _ in at]
        self.senders = [
            Sender(partition, seed=100 * number + count, governor=Governor(neighbours=min(16, sum(at))))
            for number, (partition, senders) in enumerate(zip(self.partitions, at, strict=True))
            for count in range(senders)
        ]
        self.shares: dict[int, Share] = {}
        self._sharing = Sharing() if shared else None
        self._told: list[tuple[int, int] | None] = [None] * len(self.senders)
        self._now = 0.0

    def join(self, sender: Sender) -> None:
        """One more, after all others."""
        self.senders.append(sender)
        self._told.append(None)

    def _figures(self) -> list[tuple[int, int]]:
        return [(sender.answered, sender.refused) for sender in self.senders]

    def _tell(self, _now: float) -> None:
        if self._sharing is None:
            return
        before, told = self._told, self._figures()
        self._told = [*told]
        row = {
            number: Turn(EVERY_S, new[0] - old[0], new[1] - old[1], sender.governor.statistics().rate_rps)
            for number, (sender, old, new) in enumerate(zip(self.senders, before, told, strict=True))
            if old is not None
        }
        self.shares = self._sharing.turn(row)
        for number, sender in enumerate(self.senders):
            sender.governor.hold(self.shares.get(number))

    def go(self, until_s: float) -> Outcome:
        """Send until then; what it came to since the last time."""
        before = self._figures()
        run(self.senders, self._now, until_s, self._tell, EVERY_S)
        gained = [(new[0] - old[0], new[1] - old[1]) for old, new in zip(before, self._figures(), strict=True)]
        self.accepted: list[int] = [accepted for accepted, _ in gained]
        could = sum(partition.limit_rps for partition in self.partitions) * (until_s - self._now)
        self._now = until_s
        return _outcome(self.accepted, sum(refused for _, refused in gained), could)


def _outcome(accepted: Sequence[int], refused: int, could: float) -> Outcome:
    total = sum(accepted)
    jain = total**2 / (len(accepted) * sum(one**2 for one in accepted))
    return Outcome(total / could, refused / (total + refused), jain)


def test_eight_at_one_partition_use_it_all_alike_and_are_hardly_refused() -> None:
    """From the first request on."""
    fleet = Fleet(8)
    outcome = fleet.go(40.0)
    assert outcome.used >= 0.97
    assert outcome.refused < 0.01
    assert outcome.jain >= 0.95
    settled = fleet.go(50.0)
    assert settled.used >= 0.99
    assert settled.refused < 0.005


def test_without_sharing_they_fight() -> None:
    """What it is for: after a minute of it one gets what another lacks."""
    fleet = Fleet(8, shared=False)
    fleet.go(60.0)
    outcome = fleet.go(70.0)
    assert outcome.refused > 0.03
    assert max(fleet.accepted) > 1.5 * min(fleet.accepted)


def test_twelve_partitions_with_unevenly_many_are_found_within_the_first_seconds_and_used() -> None:
    """Who has a partition to itself takes a neighbour's part of the ramp only until it is clear that it is alone, and
    nobody is held for long to what others have at a partition of their own."""
    fleet = Fleet(1, 3, 1, 2, 5, 1, 1, 4, 2, 1, 2, 1)
    found = fleet.go(16.0)
    assert found.used >= 0.95
    assert found.refused < 0.01  # the ends of the ramps, mostly
    settled = fleet.go(26.0)
    assert settled.used >= 0.95
    assert settled.refused < 0.01


def test_one_alone_is_never_held() -> None:
    shared, alone = Fleet(1), Fleet(1, shared=False)
    assert shared.go(20.0) == alone.go(20.0)
    assert not shared.shares


def test_a_partition_that_gives_more_again_is_used_within_half_a_minute() -> None:
    fleet = Fleet(4)
    fleet.go(10.0)
    fleet.partitions[0].limit_rps *= 2
    fleet.go(36.0)
    outcome = fleet.go(42.0)
    assert outcome.used >= 0.9
    assert outcome.jain >= 0.95


def test_who_begins_beside_others_at_a_full_partition_does_not_ramp_into_it() -> None:
    fleet = Fleet(7)
    fleet.go(16.0)
    met_rps = fleet.senders[0].governor.statistics().rate_rps
    fleet.join(Sender(fleet.partitions[0], seed=99, begins_s=16.0, governor=Governor(neighbours=8, met_rps=met_rps)))
    outcome = fleet.go(26.0)
    assert outcome.used >= 0.97
    assert outcome.refused < 0.02
    assert fleet.go(32.0).jain >= 0.95


def test_who_begins_where_others_met_a_limit_finds_its_own() -> None:
    """It is at another partition, and not slowed down for long."""
    fleet = Fleet(0)
    fleet.join(Sender(fleet.partitions[0], seed=1, governor=Governor(neighbours=8, met_rps=300.0)))
    fleet.go(12.0)
    assert fleet.go(16.0).used >= 0.95


# --- by turns -----------------------------------------------------------------------------------------------


def turns(accepted: Sequence[float], refused: Sequence[int]) -> dict[int, Turn]:
    return {
        number: Turn(EVERY_S, round(rps * EVERY_S), count, rps)
        for number, (rps, count) in enumerate(zip(accepted, refused, strict=True))
    }


def held_together(*accepted: float) -> Sharing:
    """Shards that were refused a lot, and are held to the same rate now."""
    sharing = Sharing()
    for _ in range(2):
        shares = sharing.turn(turns(accepted, [60] * len(accepted)))
    assert len(shares) == len(accepted)
    return sharing


def test_each_may_send_the_mean_and_a_little_more() -> None:
    sharing = Sharing()
    assert not sharing.turn(turns([3_000, 500], [60, 60]))  # the end of the ramp
    shares = sharing.turn(turns([3_000, 500], [60, 60]))
    assert shares[0] == shares[1]
    assert shares[0].most_rps == pytest.approx(1.02 * 1_750)
    assert shares[0].least_rps == 0.0  # only when the others have made room
    assert sharing.turn(turns([1_750, 500], [20, 20]))[1].least_rps > 0


def test_who_is_no_longer_refused_while_its_neighbour_is_has_a_partition_of_its_own() -> None:
    sharing = held_together(3_500, 900)
    assert not sharing.turn(turns([2_200, 900], [0, 80]))
    for _ in range(10):  # nor are they tried again soon
        assert not sharing.turn(turns([3_500, 900], [60, 60]))


def test_only_neighbours_share() -> None:
    """Between the two lies one that is not refused: S3's partitions are ranges of keys."""
    sharing = Sharing()
    for _ in range(4):
        assert not sharing.turn(turns([1_000, 3_000, 1_000], [60, 0, 60]))


def test_who_has_little_to_send_leaves_its_part_to_the_others() -> None:
    sharing = held_together(1_000, 1_000, 1_000)
    for _ in range(5):
        row = turns([1_400, 1_400, 200], [20, 20, 1])
        shares = sharing.turn(row | {2: row[2]._replace(rate_rps=1_000)})
    assert shares[0].most_rps == pytest.approx(1.02 * 1_400)


def test_who_does_not_use_its_rate_is_not_held_for_a_few_stray_refusals() -> None:
    """Large objects, say: there is nothing to share out, and a share of nothing would stop both."""
    sharing, slow = Sharing(), Turn(EVERY_S, 995, 5, 5_000.0)
    assert not any(sharing.turn({1: slow, 2: slow}) for _ in range(8))


def test_nobody_is_held_where_nothing_is_refused_any_more() -> None:
    sharing = held_together(1_000, 1_000)
    before = 0.0
    for _ in range(QUIET):
        shares = sharing.turn(turns([1_000, 1_000], [0, 0]))
        assert shares[0].most_rps > before
        before = shares[0].most_rps
    assert not sharing.turn(turns([1_000, 1_000], [0, 0]))


# --- a governor that is held --------------------------------------------------------------------------------


def test_a_share_bounds_the_rate_and_is_let_go_of() -> None:
    fleet = Fleet(1, shared=False)
    (sender,) = fleet.senders
    fleet.go(3.0)
    sender.governor.hold(Share(500.0, 0.0))
    fleet.go(6.0)
    assert fleet.accepted[0] <= 3 * 500 * 1.1 + LIMIT_RPS * 0.15  # what was under way came in as well
    sender.governor.hold(None)
    fleet.go(8.0)
    assert fleet.accepted[0] >= 2 * 0.85 * LIMIT_RPS  # what it had learnt of the limit was not lost


def test_of_those_that_begin_together_each_has_its_part_of_the_ramp() -> None:
    assert Governor(neighbours=8).statistics().rate_rps == START_RPS / 8
    assert Governor().statistics().rate_rps == START_RPS
