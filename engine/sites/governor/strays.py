"""Refusals that have nothing to do with the rate: a host of S3 that restarts, a fault. Pure.

Cutting on each would choke the run, as random loss chokes TCP. In the second after a cut the rate is below what S3 was
seen to accept: what is refused then has another cause, or the limit was measured too high. One more cut tells which: a
share of refusals that it leaves as it was is refused at any rate.
"""

from __future__ import annotations

from enum import Enum
from math import inf

CALM_S = 1.0
ENOUGH = 16
"""Answers that make a measurement."""

PROOF_REFUSED = 3
"""Refusals of which fewer may be chance."""

LEAST_STRAY = 0.001
MOST_STRAY = 0.1

PROOF_SHARE = 0.1
PROOF_ABOVE_STRAY = 0.02
"""A doubted congestion is real if at least `PROOF_REFUSED`, and this share of the answers, were refusals; where a share
is known that is refused at any rate, if it is twice that and two in a hundred more."""


class Calm(Enum):
    """What the second after a cut has shown. CLEAN: nothing is refused at a low rate; STRAY: what is refused is so at
    any rate, and the cut was for nothing; SUSPECT: the limit may have been measured too high."""

    CLEAN = "clean"
    STRAY = "stray"
    SUSPECT = "suspect"


class Strays:
    """`share` is how much this server refuses at any rate, as far as is known. What is sent from `from_s` to `until_s`
    is counted in `ok` and `refused`; both are infinite where no second is watched."""

    __slots__ = ("_suspected", "from_s", "ok", "refused", "share", "until_s")

    def __init__(self) -> None:
        self.share = self._suspected = 0.0
        self.from_s = self.until_s = inf
        self.ok = self.refused = 0

    @property
    def explained(self) -> float:
        """The largest share of refusals that strays may have brought about."""
        return 2.0 * self.share + PROOF_ABOVE_STRAY

    @property
    def proof_share(self) -> float:
        """The share of answers from which refusals are no strays."""
        return self.explained if self.share else PROOF_SHARE

    @property
    def unbroken(self) -> bool:
        """Answers came in the second that was watched, and none was a refusal."""
        return self.ok >= PROOF_REFUSED and not self.refused

    def watch(self, since: float) -> None:
        """Count what is sent in the second after `since`."""
        self.from_s, self.until_s = since, since + CALM_S
        self.ok = self.refused = 0

    def end_calm(self) -> Calm:
        """Count no more, and judge what was counted."""
        self.from_s = self.until_s = inf
        share = self._counted_share()
        if not share:
            self.share = self._suspected = 0.0
            return Calm.CLEAN
        if self.share and share <= self.explained:
            return Calm.STRAY
        if self._suspected and share >= 0.5 * self._suspected:
            self.share, self._suspected = min(share, self._suspected), 0.0
            return Calm.STRAY
        self._suspected = share
        return Calm.SUSPECT

    def _counted_share(self) -> float:
        """The share that was refused; 0 where that is none, or too little to tell."""
        answers = self.ok + self.refused
        if answers < ENOUGH or self.refused < PROOF_REFUSED:
            return 0.0
        share = min(MOST_STRAY, self.refused / answers)
        return share if share >= LEAST_STRAY else 0.0
