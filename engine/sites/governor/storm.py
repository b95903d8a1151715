"""A limit that falls far below what it was, for a while: what S3 accepted before, and the way back there. Pure.

A limit that fell below `BACK_BELOW` of what it was, with nothing refused for a second, was a storm that has passed: the
rate grows to twice itself and more in a second, up to `BACK_TO` of what was accepted before. Where S3 refuses on that
way `BACK_TRIES` times, the lower limit is the true one. In the storm the rate stays at `FLOOR` of it at first, so that
there are answers to see its end by; each cut there lowers the floor by a tenth.
"""

from __future__ import annotations

BACK_BELOW = 0.3
BACK_TO = 0.9
BACK_PER_S = 2.0
BACK_TRIES = 3
FLOOR = 1 / 32


class Storm:
    """`floor_rps` is what the rate does not fall below, `returning` whether it is on its way back."""

    __slots__ = ("_peak_rps", "_tries", "floor_rps", "returning")

    def __init__(self) -> None:
        self._peak_rps = 0.0  # the most that S3 was seen to answer when the rate was cut
        self._tries = 0
        self.floor_rps = 0.0
        self.returning = False

    def holds(self, limit_rps: float) -> bool:
        """Whether the limit is far below what it was."""
        return limit_rps < BACK_BELOW * self._peak_rps

    def on_cut(self, rate_rps: float, answered_rps: float) -> None:
        """The rate is cut from `rate_rps`, while S3 answered so many."""
        if self.returning:
            self.returning = False
            self._tries += 1
            if self._tries >= BACK_TRIES:
                self._peak_rps, self.floor_rps, self._tries = 0.0, 0.0, 0
        if answered_rps > self._peak_rps:
            self._peak_rps, self.floor_rps = answered_rps, FLOOR * answered_rps
        elif rate_rps < 1.1 * self.floor_rps:
            self.floor_rps *= 0.9

    def rate_back(self, rate_rps: float, step_s: float) -> float:
        """The next rate on the way back, which ends when it is nearly what was accepted before."""
        rate_rps *= 1.0 + BACK_PER_S * step_s
        self.returning = rate_rps < BACK_TO * self._peak_rps
        if not self.returning:
            self._tries, self.floor_rps = 0, FLOOR * self._peak_rps
        return rate_rps
