"""The rate of a run in shards: each process has governors of its own, and those at one of S3's partitions share.

The coordinator hears of each process what came of its requests (`Rates`), and writes to the board who is to send no
faster than what; each process reads that, and holds its governors to it (`Holding`). While nobody has to share, nothing
is written. How it is shared is `engine.sites.governor.sharing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from engine.model import Location
from engine.plan.document import Plan
from engine.plan.shards import Piece
from engine.shards.board import Held, Pace, Shares, Told
from engine.sites.governor.sharing import Share, Sharing, Turn
from engine.sites.sites import Sites

SHARED_EVERY_S = 2.0
FORGOTTEN_AFTER_S = 30.0
"""Shares that are not written anew for so long are nobody's: who wrote them is gone."""


class _Lane(NamedTuple):
    """A bucket's requests in one direction: S3 counts reads and writes apart."""

    where: Location
    reads: bool


class Met(NamedTuple):
    """At how many requests a second a process meets the limit of a bucket in one direction."""

    where: Location
    reads: bool
    rps: float


class Rates:
    """One run's, where it is coordinated."""

    def __init__(self, plan: Plan) -> None:
        self._routes = {route.name: route for route in plan.routes}
        self._before: dict[int, Told] = {}
        self._sharing: dict[_Lane, Sharing] = {}
        self._met: dict[_Lane, float] = {}
        self._turn = 0
        self._held = False

    def met(self, told: Mapping[int, Told]) -> tuple[Met, ...]:
        """Where the processes at work met a limit, by what they told last, and how fast each goes there: one that
        begins now is to begin no faster, as a ramp into what is full already is mostly refused."""
        found: dict[_Lane, list[float]] = {}
        for said in told.values():
            for pace in said.paces:
                if pace.refused:
                    found.setdefault(_lane(pace), []).append(pace.rate_rps)
        self._met |= {lane: fmean(rates) for lane, rates in found.items()}
        return tuple(Met(lane.where, lane.reads, rps) for lane, rps in self._met.items())

    def turn(self, told: Mapping[int, Told], pieces: Mapping[int, Sequence[Piece]]) -> Shares | None:
        """What the processes at work told last, by shard, and what keys they have: who is to be held to what. None
        where that is nobody, as before."""
        rows: dict[_Lane, dict[int, Turn]] = {}
        for number in told:
            for lane, turn in self._turns(number, told[number]).items():
                rows.setdefault(lane, {})[number] = turn
        self._before = dict(told)
        held: list[Held] = []
        for lane, row in rows.items():
            ordered = sorted(row, key=lambda number: self._first_key(lane.where, pieces[number]))
            shares = self._sharing.setdefault(lane, Sharing()).turn({number: row[number] for number in ordered})
            held += [Held(number, lane.where.site, lane.where.bucket, lane.reads, *shares[number]) for number in shares]
        if not held and not self._held:
            return None
        self._turn, self._held = self._turn + 1, bool(held)
        return Shares(self._turn, tuple(held))

    def _turns(self, number: int, told: Told) -> dict[_Lane, Turn]:
        """What came of a shard's requests since it told before; nothing of a process that is heard for the first
        time."""
        before = self._before.get(number)
        if before is None or before.pid != told.pid:
            return {}
        counted = {_lane(pace): pace for pace in before.paces}
        found = {}
        for pace in told.paces:
            lane = _lane(pace)
            old = counted.get(lane)
            accepted, refused = (old.accepted, old.refused) if old is not None else (0, 0)
            duration_s = told.at_s - before.at_s
            found[lane] = Turn(duration_s, pace.accepted - accepted, pace.refused - refused, pace.rate_rps)
        return found

    def _first_key(self, bucket: Location, pieces: Sequence[Piece]) -> str:
        """Where in a bucket a shard's keys begin; past all others where none of them is there."""
        found = [
            place.key + (piece.after or "")
            for piece in pieces
            for place in (self._routes[piece.route].source, self._routes[piece.route].target)
            if place.whole_bucket == bucket
        ]
        return min(found, default="\U0010ffff")


class Holding:
    """One process's."""

    def __init__(self, number: int, opened: Sites) -> None:
        self._number = number
        self._opened = opened
        self._turn = 0
        self._heard_s = 0.0
        self._held: set[_Lane] = set()

    def paces(self) -> tuple[Pace, ...]:
        """What is told: of every site, bucket and direction."""
        return tuple(Pace(site, *tally) for site, tallies in self._opened.tallies().items() for tally in tallies)

    def hear(self, now: float, shares: Shares | None) -> None:
        """Hold the governors to what the board says, and let go of those it does not name."""
        if shares is None or shares.turn == self._turn:
            if not self._held or now - self._heard_s < FORGOTTEN_AFTER_S:
                return
            shares = Shares(self._turn)
        self._turn, self._heard_s = shares.turn, now
        named = {_lane(item): item for item in shares.held if item.number == self._number}
        for lane in self._held - set(named):
            self._opened.hold(lane.where, None, reads=lane.reads)
        for lane, item in named.items():
            self._opened.hold(lane.where, Share(item.most_rps, item.least_rps), reads=lane.reads)
        self._held = set(named)


def _lane(said: Pace | Held) -> _Lane:
    return _Lane(Location(said.bucket, "", said.site), said.reads)
