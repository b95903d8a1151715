"""Several senders at one server or at several, each with a governor of its own, in simulated time.

Leaner than `simulation`: every sender always has work, and what was sent in one millisecond is answered together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.sites.governor.governor import Governor
from tests.unit.sites.governor.simulation import WAKE_S

LATENCY_S = 0.1
SPREAD = 0.4
WORKERS = 512
"""Requests in flight of a sender at most."""


@dataclass
class Partition:
    """`limit_rps` requests a second with a burst of a tenth of one, then 503 (as `TokenBucket`)."""

    limit_rps: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = 0.1 * self.limit_rps  # nobody has asked it yet

    def accepts(self, now: float) -> bool:
        self.tokens = min(0.1 * self.limit_rps, self.tokens + (now - self.at) * self.limit_rps)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass
class Sender:
    """Sends to one partition, whenever its governor lets it."""

    server: Partition
    seed: int
    begins_s: float = 0.0
    governor: Governor = field(default_factory=Governor)
    answered: int = 0
    refused: int = 0
    in_flight: int = 0
    coming: dict[int, list[tuple[float, int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def wake(self, wake: int) -> None:
        """Hear what has come by now, and send what may go."""
        now = wake * WAKE_S
        if now < self.begins_s:
            return
        governor = self.governor
        for sent_at, ok, refused in self.coming.pop(wake, ()):
            for _ in range(ok):
                governor.on_answer(now, sent_at, False)
            for _ in range(refused):
                governor.on_answer(now, sent_at, True)
            self.answered += ok
            self.refused += refused
            self.in_flight -= ok + refused
        sent = ok = 0
        while self.in_flight + sent < WORKERS and governor.next_send_s(now) <= now:
            governor.on_sent(now)
            ok += self.server.accepts(now)
            sent += 1
        if sent:
            self.in_flight += sent
            latency_s = LATENCY_S * (1 + SPREAD * (2 * self._random.random() - 1))
            self.coming.setdefault(wake + max(1, round(latency_s / WAKE_S)), []).append((now, ok, sent - ok))


def run(
    senders: Sequence[Sender], from_s: float, until_s: float, tell: Callable[[float], None], every_s: float
) -> None:
    """Let them send; `tell` is called every so often."""
    rhythm = round(every_s / WAKE_S)
    for wake in range(round(from_s / WAKE_S), round(until_s / WAKE_S)):
        if wake and wake % rhythm == 0:
            tell(wake * WAKE_S)
        first = wake % len(senders)  # nobody is always the first to come
        for sender in (*senders[first:], *senders[:first]):
            sender.wake(wake)
