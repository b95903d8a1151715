"""The hold: how long each object has stood proven, by the server's clock. Pure.

A machine's own clock may be set forward, or back. So proof is dated, and the hold is judged, by the Date header of
the server: read once, and carried on with a clock that only runs forward. Header times are whole seconds, cut off;
each side of the comparison is rounded to where the hold becomes longer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from engine.freshness import running_s
from engine.ledger.reader import Held

SECOND_MS = 1_000


def server_ms(date: str) -> int | None:
    """Epoch milliseconds of a Date header; None where there is none that can be read."""
    try:
        read = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()) * SECOND_MS


def dating_clock(date: str, came_s: float, monotonic_s: Callable[[], float] = running_s) -> Callable[[], int] | None:
    """A clock that dates what happens from now on by the server's time, never too early; None without a date. `came_s`
    is what `monotonic_s` said when the date came: it may have taken a while until now."""
    began_ms = server_ms(date)
    if began_ms is None:
        return None
    return lambda: began_ms + SECOND_MS + int((monotonic_s() - came_s) * 1000)


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
    """The routes' figures together. `held` was asked for at `proven_before_ms`."""
    last_ms = max((item.last_ms for item in held), default=0)
    return Hold(
        hold_s,
        now_ms,
        sum(item.objects for item in held),
        sum(item.later for item in held),
        sum(item.undated for item in held),
        last_ms + hold_s * SECOND_MS if last_ms else 0,
    )
