"""The hold: how long each object has stood proven, by the server's clock (`engine.sites.clock`). Pure.

That tells whole seconds, cut off: each side of the comparison is rounded to where the hold becomes longer.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.ledger.reader import Held
from engine.sites.clock import SECOND_MS, time_text

AHEAD_S = 60
"""How far after now a proof may be dated by a clock that is right: by another host of the same server, say."""


class Hold(NamedTuple):
    """The hold of everything that is to be deleted. `now_ms` is the server's clock, None where it sends none;
    `waiting` objects were proven later than `hold_s` ago, the last of them free at `free_ms`; `ahead_ms` is when the
    last was proven, where the clock is not there yet: it was wrong then, or is wrong now (0: it is not)."""

    hold_s: int
    now_ms: int | None
    objects: int
    waiting: int
    undated: int
    free_ms: int
    ahead_ms: int = 0

    @property
    def remaining_s(self) -> int:
        """Seconds until the last object is free; 0 once it is."""
        if self.now_ms is None or self.free_ms <= self.now_ms:
            return 0
        return -(-(self.free_ms - self.now_ms) // SECOND_MS)

    @property
    def passed(self) -> bool:
        """Whether everything may go. With a hold of nothing no clock is needed."""
        if self.undated:
            return False
        return self.hold_s == 0 or (self.now_ms is not None and self.waiting == 0)


def proven_before_ms(now_ms: int | None, hold_s: int) -> int:
    """The latest date of a proof whose hold has passed; before all time where there is no clock."""
    return -1 if now_ms is None else now_ms - hold_s * SECOND_MS


def hold_of(held: list[Held], hold_s: int, now_ms: int | None) -> Hold:
    """The routes' figures together. `held` was asked for at `proven_before_ms`. A proof is dated a second late rather
    than too early, and the clock cut off: no one is told to wait for longer than the hold."""
    last_ms, ahead_ms = max((item.last_ms for item in held), default=0), 0
    if now_ms is not None:
        ahead_ms = last_ms if last_ms > now_ms + AHEAD_S * SECOND_MS else 0
        last_ms = min(last_ms, now_ms)
    return Hold(
        hold_s,
        now_ms,
        sum(item.objects for item in held),
        sum(item.later for item in held),
        sum(item.undated for item in held),
        last_ms + hold_s * SECOND_MS if last_ms else 0,
        ahead_ms,
    )


def ahead_text(ahead_ms: int) -> str:
    """What is said of a proof that the clock has not come to."""
    return (
        f"the last proof is dated {time_text(ahead_ms)}, which is yet to come by the clock that says so: that was "
        "wrong then, or is wrong now. Nothing goes before that date and the hold after it; once the clock is right, a "
        "run and a verification with a new --ledger date what they find anew"
    )
