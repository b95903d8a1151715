"""What each of several governors may send of what one server gives to them all. Pure: it is told, and answers.

S3 counts by partition, a range of keys, and where those begin and end nobody is told. Each shard has a governor of its
own: where it has a partition to itself, that finds the limit alone. Where several are at one partition, the governors
would fight for it: one gets nearly all, the others starve, and much is refused. So they are told by turns how much each
may send: what all of them were given, by their number, and a little more.

Who shares a partition is found out. Neighbours in key order that are both refused more than a governor alone would be
are held to the same rate, as a trial: if one of the two is then refused nothing while the other is still refused, it
has a partition of its own, and they are let go for a time that doubles with each such trial.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

MORE = 1.02
"""What is shared is so much more than what was accepted: else nobody would see that a server gives more again."""

MOST_MORE = 1.32
"""While nothing is refused, each turn doubles by how much more, up to this: a limit that doubled is found in 15 s."""

REFUSED_TOGETHER = 0.002
FEWEST_REFUSED = 3
"""From this share of its answers, and so many of them, a shard is refused by more than its own doing: one governor at
one partition is refused 0.0013 of them."""

REMEMBERED = 5
"""Turns whose figures count: the most that was accepted in one of them is what the server gives."""

USED = 0.4
"""Who sends less than this part of its rate has not enough to send, and claims no share."""

APART_EXPECTED = 8.0
APART_PART = 0.125
"""Where so many refusals were to be expected, as its neighbour had them, and it had only this part of those, a shard is
at another partition."""

FADING = 0.8
TRIED_AGAIN = 15
"""Turns after which two shards that were found to be apart are tried once more; each time that doubles."""

QUIET = 15
"""After so many turns without a refusal nobody is held any more."""


class Turn(NamedTuple):
    """What a shard's requests came to since the last turn: `duration_s` long, and `rate_rps` is its governor's."""

    duration_s: float
    accepted: int
    refused: int
    rate_rps: float


class Share(NamedTuple):
    """A shard is to send no faster than `most_rps`, and where it is far below, to begin at `least_rps`."""

    most_rps: float
    least_rps: float


class _Member:
    """A shard: what became of its requests in the last turns, newest last."""

    __slots__ = ("held_rps", "quiet", "turns")

    def __init__(self) -> None:
        self.turns: deque[Turn] = deque(maxlen=REMEMBERED)
        self.held_rps = 0.0  # 0: not held
        self.quiet = 0  # turns without a refusal of anyone in its group

    @property
    def is_refused(self) -> bool:
        refused = sum(turn.refused for turn in self.turns)
        answers = refused + sum(turn.accepted for turn in self.turns)
        return refused >= FEWEST_REFUSED and refused >= REFUSED_TOGETHER * answers

    def hear(self, turn: Turn) -> None:
        """In the first turn the rate climbs: what is refused then is its own doing, and what is accepted no measure."""
        self.turns.append(turn if self.turns else Turn(turn.duration_s, 0, 0, turn.rate_rps))

    @property
    def claims(self) -> bool:
        turn = self.turns[-1]
        return turn.accepted + turn.refused > USED * turn.rate_rps * turn.duration_s

    def accepted_rps(self, back: int) -> float:
        """So many turns ago; 0 before it was there."""
        if back >= len(self.turns):
            return 0.0
        turn = self.turns[-1 - back]
        return turn.accepted / max(1e-3, turn.duration_s)


class _Bond:
    """Two neighbours: whether they are held together, and what that has shown."""

    __slots__ = ("_answers", "_patience", "_refused", "_wait", "joined")

    def __init__(self) -> None:
        self.joined = False
        self._wait, self._patience = 0, TRIED_AGAIN
        self._answers = [0.0, 0.0]
        self._refused = [0.0, 0.0]

    def turn(self, left: _Member, right: _Member) -> None:
        if not self.joined:
            self._wait = max(0, self._wait - 1)
            self.joined = not self._wait and left.is_refused and right.is_refused
        elif left.held_rps and right.held_rps:
            for side, member in enumerate((left, right)):
                turn = member.turns[-1]
                self._answers[side] = FADING * self._answers[side] + turn.accepted + turn.refused
                self._refused[side] = FADING * self._refused[side] + turn.refused
            if self._are_apart():
                self.part(self._patience)
                self._patience *= 2

    def part(self, wait: int = 0) -> None:
        """Hold them together no more, for so many turns at least."""
        self.joined, self._wait = False, wait
        self._answers, self._refused = [0.0, 0.0], [0.0, 0.0]

    def _are_apart(self) -> bool:
        """Whether one of the two was hardly refused at all, where its part of the refusals should have been many."""
        refused, answers = sum(self._refused), max(1.0, sum(self._answers))
        for own_refused, own_answers in zip(self._refused, self._answers, strict=True):
            expected = refused * own_answers / answers
            if expected >= APART_EXPECTED and own_refused <= APART_PART * expected:
                return True
        return False


class Sharing:
    """The shards that ask for keys of one bucket in one direction. Told each turn how all fare, in the order of their
    keys, it answers what each may send; who is not named may send what the server lets it."""

    def __init__(self) -> None:
        self._members: dict[int, _Member] = {}
        self._bonds: dict[tuple[int, int], _Bond] = {}

    def turn(self, row: Mapping[int, Turn]) -> dict[int, Share]:
        """A turn has ended. `row` is by shard, in the order of keys."""
        numbers = list(row)
        self._members = {number: self._members.get(number) or _Member() for number in numbers}
        self._bonds = {pair: self._bonds.get(pair) or _Bond() for pair in pairwise(numbers)}
        for number, turn in row.items():
            self._members[number].hear(turn)
        for (left, right), bond in self._bonds.items():
            bond.turn(self._members[left], self._members[right])
        shares: dict[int, Share] = {}
        for group in self._groups(numbers):
            share = self._share_of([self._members[number] for number in group])
            if share is not None:
                shares |= dict.fromkeys(group, share)
            else:
                for pair in pairwise(group):
                    self._bonds[pair].part()
        for number, member in self._members.items():
            member.held_rps = shares[number].most_rps if number in shares else 0.0
        return shares

    def _groups(self, numbers: Sequence[int]) -> list[list[int]]:
        """Who is held together with its neighbours."""
        groups = [[number] for number in numbers[:1]]
        for left, right in pairwise(numbers):
            if self._bonds[left, right].joined:
                groups[-1].append(right)
            else:
                groups.append([right])
        return [group for group in groups if len(group) > 1]

    def _share_of(self, group: Sequence[_Member]) -> Share | None:
        quiet = 0 if any(member.turns[-1].refused for member in group) else min(member.quiet for member in group) + 1
        for member in group:
            member.quiet = quiet
        claimants = [member for member in group if member.claims]
        unheld = not any(member.held_rps for member in group)
        if quiet > QUIET or (unheld and not claimants):  # nobody who wants what there is to share
            return None
        best = max(sum(member.accepted_rps(back) for member in claimants) for back in range(REMEMBERED))
        before = max(member.held_rps for member in group)
        mean = best / len(claimants) if claimants else before
        more = min(MOST_MORE, 1.0 + (MORE - 1.0) * 2.0**quiet) if quiet else MORE
        most = max(mean, before) * more if quiet else mean * more
        tried = all(member.held_rps for member in group)
        return Share(most, mean if tried else 0.0)
