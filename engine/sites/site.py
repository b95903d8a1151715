"""One side of a route: where its objects live, and what is known of that place."""

from __future__ import annotations

from typing import NamedTuple


class Gauges(NamedTuple):
    """What the governor and the retry layer know: requests sent, answers that said SlowDown, rate, in flight."""

    requests: int = 0
    throttled: int = 0
    rate_rps: float = 0.0
    in_flight: int = 0
