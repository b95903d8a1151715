"""S3's manners: how long a call takes, how fast bytes move, and how many requests a prefix takes a second.

Time is passed in; nothing here waits.
"""

from __future__ import annotations

import heapq
import math
import random
from functools import lru_cache

from engine.sandbox.settings import READS_PER_WRITE, SandboxSettings

MIB = 1 << 20
_SAMPLES = 4096

READS = frozenset({"GET", "HEAD"})


class Latency:
    """Delays around a median, by turns from a table made once from the seed."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._factors = _factors(settings.seed, settings.latency_spread, settings.uniform)
        self._median_s = settings.latency_ms / 1000
        self._listing_s = None if settings.list_latency_ms is None else settings.list_latency_ms / 1000
        self._turn = 0
        self.is_none = not (self._median_s or self._listing_s)

    def next_s(self, operation: str) -> float:
        """How long the next call of this operation takes."""
        if self._listing_s is not None and operation.startswith("List"):
            return self._listing_s
        self._turn = (self._turn + 1) % _SAMPLES
        return self._median_s * self._factors[self._turn]


@lru_cache(maxsize=8)
def _factors(seed: int, spread: float, uniform: bool) -> list[float]:
    source = random.Random(seed)
    if uniform:
        return [1 + source.uniform(-spread, spread) for _ in range(_SAMPLES)]
    return [math.exp(spread * source.gauss(0, 1)) for _ in range(_SAMPLES)]


class Bandwidth:
    """How long a copy takes for its bytes. Of one upload's parts only so many move at once; others wait their turn."""

    def __init__(self, bytes_a_second: float, part_slots: int) -> None:
        self._rate = bytes_a_second
        self._slots = part_slots
        self._busy: dict[str, list[float]] = {}

    def delay_s(self, moved_bytes: int, upload_id: str, now_s: float) -> float:
        """How long to hold the answer of a copy that moved so many bytes; `upload_id` is empty for a whole object."""
        if not self._rate or not moved_bytes:
            return 0.0
        takes_s = moved_bytes / self._rate
        if not upload_id or not self._slots:
            return takes_s
        busy = self._busy.setdefault(upload_id, [])
        while busy and busy[0] <= now_s:
            heapq.heappop(busy)
        begins_s = now_s
        if len(busy) >= self._slots:
            begins_s = heapq.heappop(busy)
        heapq.heappush(busy, begins_s + takes_s)
        return begins_s + takes_s - now_s

    def forget(self, upload_id: str) -> None:
        """The upload is complete or aborted."""
        self._busy.pop(upload_id, None)


class RateLimit:
    """A token bucket for each bucket, prefix family and direction."""

    def __init__(self, settings: SandboxSettings) -> None:
        writes = settings.rate_rps
        reads = writes * READS_PER_WRITE if settings.read_rate_rps is None else settings.read_rate_rps
        self._rates = (reads, writes)
        self._bursts = tuple(
            max(1.0, rate / 10 if settings.rate_burst is None else settings.rate_burst) for rate in self._rates
        )
        self._depth = settings.family_depth
        self._tokens: dict[tuple[str, str, bool], tuple[float, float]] = {}
        self.is_none = not (reads or writes)

    def admit(self, bucket: str, key: str, is_write: bool, now_s: float) -> bool:
        """Take one token; False: 503 SlowDown."""
        rate = self._rates[is_write]
        if not rate:
            return True
        burst = self._bursts[is_write]
        family = (bucket, family_of(key, self._depth), is_write)
        tokens, since_s = self._tokens.get(family, (burst, now_s))
        tokens = min(burst, tokens + (now_s - since_s) * rate)
        admitted = tokens >= 1.0
        self._tokens[family] = (tokens - 1.0 if admitted else tokens, now_s)
        return admitted


def family_of(key: str, depth: int = 1) -> str:
    """The levels of a key that share one budget: `data/` of `data/raw/1.png`."""
    position = 0
    for _ in range(depth):
        found = key.find("/", position)
        if found < 0:
            break
        position = found + 1
    return key[:position]
