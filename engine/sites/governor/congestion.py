"""One congestion: from the first request that S3 refused until what was sent before the cut is answered. Pure.

The limit is measured, not guessed: what S3 accepted, per second, of the requests *sent* between the first one that it
refused and the moment we slowed down. This is BBR's delivery rate (draft-ietf-ccwg-bbr) restricted to a time when the
server was surely saturated: a token bucket first gives away its burst, so that all that was accepted earlier says
nothing of its rate. A throttled request sent before the cut belongs to the same congestion.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import NamedTuple

from engine.sites.governor.recent import MASK, TICKS_PER_S, Recent
from engine.sites.governor.strays import PROOF_REFUSED

LEAST_MEASURE_S = 0.032
MEASURE_S = 0.06
MEASURE_REQUESTS = 64
"""How long a congestion is watched before the cut, where its 503 came back faster than that: the longer time, or the
shorter one if so many requests were sent in it. Where 503s take a round trip to arrive, this has passed already."""

GRACE_S = 0.02
"""A request refused that was sent less than this after a cut met the same empty bucket."""

PROOF_ANSWERS = 256
PROOF_S = 1.0
"""A doubted congestion is decided after so many answers, or so long."""


class Phase(Enum):
    """Where the congestion at hand stands. The rate may grow while it is CLEAR or DOUBTED.

    CLEAR -> DOUBTED or WATCHED: a request that was sent after the last cut is refused.
    DOUBTED -> CLEAR: it was a stray refusal; -> SETTLING: one of many, and the rate is cut.
    WATCHED -> SETTLING: enough was sent under congestion to measure the limit, and the rate is cut.
    SETTLING -> CLEAR: what was sent before the cut is answered; -> DOUBTED or WATCHED: refused again.
    Any -> SETTLING: a limit that was measured too high is cut once more.
    """

    CLEAR = "clear"
    DOUBTED = "doubted"
    WATCHED = "watched"
    SETTLING = "settling"


class Cohort(NamedTuple):
    """What was sent under congestion, before the cut; and how long sending it took."""

    sent: int
    accepted: int
    refused: int
    duration_s: float


class Congestion:
    """The congestion at hand, or the last one. `drained_s` is when the first request that it refused was sent, `cut_s`
    when the rate was cut, and `rate_met` what it was then."""

    __slots__ = ("_refusal_s", "_since_s", "cut_s", "drained_s", "phase", "rate_met")

    def __init__(self) -> None:
        self.phase = Phase.CLEAR
        self.drained_s = 0.0
        self.cut_s = -inf
        self.rate_met = 0.0
        self._since_s = -inf  # the cut of the congestion before
        self._refusal_s = 0.0  # how long a refusal takes, smoothed

    @property
    def grows(self) -> bool:
        """Whether the rate may grow in this phase."""
        return self.phase is Phase.CLEAR or self.phase is Phase.DOUBTED

    def on_refused(self, now: float, sent_at: float, *, doubtful: bool) -> bool:
        """A request was refused; whether that is for this congestion to follow. `doubtful`: it may be a stray one."""
        self._refusal_s += (now - sent_at - self._refusal_s) * 0.1
        if sent_at < self.cut_s + GRACE_S:
            if self.phase is Phase.SETTLING and self._since_s <= sent_at < self.drained_s:
                self.drained_s = sent_at
            return False
        if self.phase is Phase.CLEAR or self.phase is Phase.SETTLING:
            self.phase = Phase.DOUBTED if doubtful else Phase.WATCHED
            self._since_s = self.cut_s + GRACE_S
            self.drained_s = sent_at
        elif sent_at < self.drained_s:
            self.drained_s = sent_at
        return True

    def is_ripe(self, now: float, recent: Recent, tick: int) -> bool:
        """WATCHED: whether enough was sent to cut by."""
        watched_s = now - self.drained_s
        if watched_s >= MEASURE_S:
            return True
        return watched_s >= LEAST_MEASURE_S and self._since_drained(recent, tick)[0] >= MEASURE_REQUESTS

    def is_real(self, now: float, recent: Recent, tick: int, latency_s: float, share: float) -> bool | None:
        """DOUBTED: whether the refusal was one of many (at least `share` of the answers), or a stray one; None: too
        early to tell."""
        _, ok, refused = self._since_drained(recent, tick)
        refused -= 1  # without the one that raised the question
        answers = ok + refused
        if answers < PROOF_ANSWERS and now - self.drained_s < max(PROOF_S, 3.0 * latency_s):
            return None
        return refused >= PROOF_REFUSED and refused >= share * answers

    def cut(self, now: float, rate: float) -> None:
        """The rate, `rate` until now, is cut."""
        self.cut_s, self.rate_met = now, rate
        self.phase = Phase.SETTLING

    def cohort(self, recent: Recent, tick: int) -> Cohort:
        """How what was sent under congestion has fared so far."""
        first = int(self.drained_s * TICKS_PER_S) + 1
        last = int(self.cut_s * TICKS_PER_S) - 1
        if last < first:
            first, last = first - 1, last + 1
        first = max(first, tick - MASK)
        ticks = max(1.0, recent.lasting(first, last, tick))
        return Cohort(*recent.counted(first, last, tick), ticks / TICKS_PER_S)

    def accepted_share(self, cohort: Cohort, latency_s: float) -> float:
        """Of the cohort. Those not yet answered will fare like the others; unless refusals come back first: then they
        do not wait for one."""
        if self._refusal_s < 0.5 * latency_s:
            return (cohort.sent - cohort.refused) / max(1, cohort.sent)
        return (cohort.accepted + 1) / (cohort.accepted + cohort.refused + 1)

    def has_settled(self, now: float, cohort: Cohort, latency_s: float) -> bool:
        """SETTLING: whether the cohort is answered, or what is missing will not come."""
        return cohort.accepted + cohort.refused >= cohort.sent or now - self.cut_s > max(0.25, 2.0 * latency_s)

    def _since_drained(self, recent: Recent, tick: int) -> tuple[int, int, int]:
        return recent.counted(int(self.drained_s * TICKS_PER_S), tick, tick)
