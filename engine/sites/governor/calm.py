"""The second after a cut: the rate is below what S3 was seen to accept, and what is refused has another cause. Pure."""

from __future__ import annotations

from math import inf

CALM_S = 1.0
ENOUGH = 16
"""Answers that make a measurement."""

PROOF_REFUSED = 3
"""Refusals of which fewer may be chance."""

LEAST_STRAY = 0.001
MOST_STRAY = 0.1


class Calm:
    """What was sent in that second, from `from_s` to `until_s`, and how it fared; both are infinite where none is
    watched."""

    __slots__ = ("from_s", "ok", "refused", "until_s")

    def __init__(self) -> None:
        self.from_s = self.until_s = inf
        self.ok = self.refused = 0

    def watch(self, since: float) -> None:
        """Count what is sent in the second after `since`."""
        self.from_s, self.until_s = since, since + CALM_S
        self.ok = self.refused = 0

    def end(self) -> None:
        """Count no more; what was counted stays."""
        self.from_s = self.until_s = inf

    @property
    def stray(self) -> float:
        """The share that this server refuses at any rate; 0 where that is none, or too little to tell."""
        answers = self.ok + self.refused
        if answers < ENOUGH or self.refused < PROOF_REFUSED:
            return 0.0
        share = min(MOST_STRAY, self.refused / answers)
        return share if share >= LEAST_STRAY else 0.0

    @property
    def unbroken(self) -> bool:
        """Answers came, and none was a refusal."""
        return self.ok >= PROOF_REFUSED and not self.refused
