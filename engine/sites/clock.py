"""The server's clock, which proof and holds are dated by: a machine's own may be set forward, or back.

It is the Date header of an answer, read once and carried on with a clock that only runs forward. Header times are whole
seconds, cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from engine.freshness import running_s
from engine.plan.sizes import server_ms

SECOND_MS = 1_000


def dating_clock(date: str, came_s: float, monotonic_s: Callable[[], float] = running_s) -> Callable[[], int] | None:
    """A clock that dates what happens from now on by the server's time, never too early; None without a date. `came_s`
    is what `monotonic_s` said when the date came: it may have taken a while until now."""
    began_ms = server_ms(date)
    if began_ms is None:
        return None
    return lambda: began_ms + SECOND_MS + int((monotonic_s() - came_s) * 1000)


def time_text(at_ms: int) -> str:
    """ISO 8601 in UTC of epoch milliseconds; empty for 0, which means never."""
    if at_ms <= 0:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_ms() -> int:
    """Epoch milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000
