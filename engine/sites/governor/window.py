"""How many requests may be in flight at a server that queues instead of refusing. Pure: time is passed in.

Such a server never says SlowDown. When even the fastest answer of a round takes twice as long as it once did and more
in flight brings no more answers, what is in flight is bound by Little's law to twice what that rate needs (BBR's
cwnd_gain of 2, draft-ietf-ccwg-bbr). The fastest answer, because large objects are slow for reasons of their own.

If the smaller window does not make answers faster, or brings fewer of them, it was no queue, and it is lifted: what a
queue gives does not depend on how many wait in it. Where that cannot be told (the fastest of the few answers of a small
window is no measure for the fastest of many), a wider window is tried now and then, and kept as long as it brings more.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import NamedTuple

FLAT_ROUNDS = 3
FEWER_ROUNDS = 2
FEWER = 0.8
"""Fewer answers than this part of those before, for so many rounds, and it was no queue."""

TRIAL_ROUNDS = 8
TRIAL_STEP = 1.4
TRIAL_GAIN = 0.5
TRIAL_TAKES = 2
"""After so many rounds without a verdict the narrow window is widened by TRIAL_STEP, and where the answers grow by more
than TRIAL_GAIN of that, once more: they grow by all of it where nothing waits, by nothing in a queue. Where they do so
twice, it was no queue. Each step is judged by its second round: in the first, answers are still those of the window
before."""

LEAST_WINDOW = 32
FORGET_S = 30.0
"""The fastest answer is that of the last 30 to 60 s (BBR keeps ten): the work can change."""


class Width(Enum):
    """WIDE: nothing queues, as far as is known. NARROW: the server queued; what has the narrow window brought? TRIED:
    narrow, and a wider one is being tried.

    WIDE -> NARROW: answers were slow and no more of them came, FLAT_ROUNDS in a row.
    NARROW -> TRIED: no verdict in TRIAL_ROUNDS; TRIED -> NARROW: the wider window brought too little.
    NARROW, TRIED -> WIDE: it was no queue, or it is gone.
    """

    WIDE = "wide"
    NARROW = "narrow"
    TRIED = "tried"


class Verdict(NamedTuple):
    """`window` is how many may be in flight, `slower_rps` a rate not to be exceeded for now (0: none)."""

    window: int
    slower_rps: float = 0.0


class Window:
    """Told of each round (a round trip: its fastest answer in seconds, its answers a second), gives the window."""

    __slots__ = (
        "_best_rps", "_cap", "_fastest_old_s", "_fastest_s", "_fewer", "_flat", "_forget_s", "_grown_at",
        "_narrowed_rps", "_narrowed_s", "_steady_rps", "_trial_from", "_trial_rounds", "_width", "_window", "last_rps",
    )  # fmt: skip

    def __init__(self, cap: int) -> None:
        self._cap = self._window = cap
        self._fastest_s = self._fastest_old_s = inf
        self._forget_s = -inf
        self._best_rps = 0.0
        self._flat = self._fewer = 0
        self._width = Width.WIDE
        self._narrowed_s = 0.0  # the fastest answer when the window was narrowed
        self._narrowed_rps = 0.0  # and how many answers there were a second
        self._grown_at = 0  # the round in which the narrow window grew last; 0: not since it was narrowed
        self._steady_rps = 0.0  # answers a second of the narrow window, smoothed
        self._trial_rounds = 0
        self._trial_from = 0  # the window that a wider one is tried against
        self.last_rps = 0.0

    @property
    def fastest_s(self) -> float:
        """The fastest answer that is remembered; infinity before the first."""
        return min(self._fastest_s, self._fastest_old_s)

    def on_round(self, now: float, fastest_s: float, answers_rps: float) -> Verdict:
        """A round has ended: has the server begun to queue, or stopped to?"""
        self.last_rps = answers_rps
        if now >= self._forget_s:
            self._fastest_old_s = self._fastest_s
            self._fastest_s = inf
            self._forget_s = now + FORGET_S
        self._fastest_s = min(self._fastest_s, fastest_s)
        if self._width is not Width.WIDE:
            self._watch(fastest_s, answers_rps)
            return Verdict(self._window)
        queued = fastest_s > 2.0 * self.fastest_s + 0.005
        if not queued or answers_rps >= 1.1 * self._best_rps:
            self._flat = 0
            self._best_rps = answers_rps if not queued else max(self._best_rps, answers_rps)
            return Verdict(self._window)
        self._flat += 1
        if self._flat < FLAT_ROUNDS:
            return Verdict(self._window)
        self._width = Width.NARROW
        self._narrowed_s, self._narrowed_rps = fastest_s, answers_rps
        self._flat = self._fewer = 0
        self._steady_rps = answers_rps
        self._narrow(max(answers_rps, 0.9 * self._best_rps))
        return Verdict(self._window, 1.25 * answers_rps)

    def _watch(self, fastest_s: float, answers_rps: float) -> None:
        """What has the narrow window brought?"""
        self._flat += 1
        self._fewer = self._fewer + 1 if answers_rps < FEWER * self._narrowed_rps else 0
        if self._fewer >= FEWER_ROUNDS:
            self._widen(fastest_s)  # fewer answers: nothing had been waiting in a queue
        elif fastest_s <= 1.5 * self.fastest_s:
            self._grow()
        elif self._width is Width.TRIED:
            self._try_wider(fastest_s, answers_rps)
        elif self._flat >= 2 * FLAT_ROUNDS and fastest_s > 0.7 * self._narrowed_s:
            self._widen(fastest_s)  # as slow as before: the work is slow, not the server
        else:
            self._steady_rps += 0.25 * (answers_rps - self._steady_rps)
            if self._may_try():
                self._width, self._trial_from = Width.TRIED, self._window
                self._step()
            elif fastest_s > 2.0 * self.fastest_s and self._flat > 2 * FLAT_ROUNDS:
                self._narrow(answers_rps)

    def _may_try(self) -> bool:
        """Neither verdict has fallen for a while, and the window has not grown by itself meanwhile."""
        still = self._flat - self._grown_at >= TRIAL_ROUNDS
        return still and self._flat % TRIAL_ROUNDS == 0 and self._window < self._cap

    def _try_wider(self, fastest_s: float, answers_rps: float) -> None:
        """Has the wider window brought more answers?"""
        self._trial_rounds += 1
        if self._trial_rounds < TRIAL_TAKES:
            return
        wider = self._window / self._trial_from
        if answers_rps < self._steady_rps * (1.0 + TRIAL_GAIN * (wider - 1.0)):
            self._width, self._window = Width.NARROW, self._trial_from
        elif wider <= TRIAL_STEP:
            self._step()
        else:
            self._widen(fastest_s)

    def _step(self) -> None:
        self._window = min(self._cap, int(self._window * TRIAL_STEP))
        self._trial_rounds = 0

    def _grow(self) -> None:
        self._window = min(self._cap, int(self._window * 1.25) + 1)
        self._grown_at, self._width = self._flat, Width.NARROW
        if self._window >= self._cap:
            self._width, self._flat = Width.WIDE, 0

    def _narrow(self, answers_rps: float) -> None:
        self._window = min(self._cap, max(LEAST_WINDOW, int(2.0 * answers_rps * self.fastest_s) + 1))
        self._grown_at = 0

    def _widen(self, fastest_s: float) -> None:
        """It was no queue: what is fast is learnt anew."""
        self._fastest_s, self._fastest_old_s = fastest_s, inf
        self._width, self._window = Width.WIDE, self._cap
        self._best_rps = 0.0
        self._flat = 0
