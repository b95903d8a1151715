"""The hold: how long each object has stood proven, by the server's clock (`engine.sites.clock`). Pure.

That tells whole seconds, cut off: each side of the comparison is rounded to where the hold becomes longer.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.ledger.reader import Held
from engine.sites.clock import SECOND_MS


class Hold(NamedTuple):
    """The hold of everything that is to be deleted. `now_ms` is the server's clock, None where it sends none;
    `waiting` objects were proven later than `hold_s` ago, the last of them free at `free_ms`."""

    hold_s: int
    now_ms: int | None
    objects: int
    waiting: int
    undated: int
    free_ms: int

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
    last_ms = max((item.last_ms for item in held), default=0)
    if now_ms is not None:
        last_ms = min(last_ms, now_ms)
    return Hold(
        hold_s,
        now_ms,
        sum(item.objects for item in held),
        sum(item.later for item in held),
        sum(item.undated for item in held),
        last_ms + hold_s * SECOND_MS if last_ms else 0,
    )
