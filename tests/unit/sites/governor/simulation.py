"""Simulated S3 servers and a sender, in simulated time: what a `Governor` would bring about, in a second of real time.

A server answers `arrive(now)` with the latency and whether the request was refused. The sender has as many workers as
`concurrency`, wakes at most once a millisecond as the real one does, and sends a refused request again after the retry
layer's jittered delay. Both may be on a machine that pauses (`Pauses`).
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from engine.sites.governor.governor import Governor

WAKE_S = 0.001


class Server(Protocol):
    def arrive(self, now: float) -> tuple[float, bool]:
        """Latency in seconds, and whether the request is refused."""


@dataclass
class Latency:
    """Uniformly `median_s` plus or minus `spread`, as a fraction."""

    median_s: float = 0.1
    spread: float = 0.4
    seed: int = 1

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def draw(self) -> float:
        return self.median_s * (1 + self.spread * (2 * self._random.random() - 1))


@dataclass
class TokenBucket:
    """`limit(now)` requests a second with a burst, then 503; a 503 takes `refusal_s`, or as long as other answers."""

    limit: Callable[[float], float]
    burst_s: float = 0.1
    latency: Latency = field(default_factory=Latency)
    refusal_s: float | None = None
    _tokens: float = -1.0
    _at: float = 0.0

    def arrive(self, now: float) -> tuple[float, bool]:
        rate = self.limit(now)
        burst = max(1.0, rate * self.burst_s)
        self._tokens = burst if self._tokens < 0 else min(burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return self.latency.draw(), False
        return (self.latency.draw() if self.refusal_s is None else self.refusal_s), True


@dataclass
class Pauses:
    """When a busy machine does nothing: for 3 to 30 ms at a time, often in the first second (connections are opened,
    listings read), then now and then. To be asked with times that do not decrease."""

    seed: int
    begins_s: float = 0.0
    ends_s: float = 0.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def over(self, now: float) -> float:
        """`now`, or the end of the pause that it falls into."""
        while now >= self.ends_s:
            early = self.ends_s < 1.0
            self.begins_s = self.ends_s + self._random.expovariate(30.0 if early else 4.0)
            self.ends_s = self.begins_s + self._random.uniform(0.003, 0.03 if early else 0.015)
        return self.ends_s if now >= self.begins_s else now


@dataclass
class Pausing:
    """A server on a machine that pauses: what arrives meanwhile is seen afterwards, all at once."""

    inner: Server
    pauses: Pauses

    def arrive(self, now: float) -> tuple[float, bool]:
        seen = self.pauses.over(now)
        latency, refused = self.inner.arrive(seen)
        return latency + seen - now, refused


@dataclass
class Queueing:
    """Serves `rate` requests a second in order and never refuses: what is too much waits."""

    rate: Callable[[float], float]
    latency: Latency = field(default_factory=Latency)
    _free_at: float = 0.0

    def arrive(self, now: float) -> tuple[float, bool]:
        self._free_at = max(now, self._free_at) + 1 / self.rate(now)
        return self._free_at - now + self.latency.draw(), False


@dataclass
class Endless:
    """Answers everything, after `latency`."""

    latency: Latency = field(default_factory=Latency)

    def arrive(self, now: float) -> tuple[float, bool]:
        return self.latency.draw(), False


@dataclass
class Uneven:
    """Answers everything. Latency is log-normal, as on real networks, and `slowness(now)` times that."""

    median_s: float = 0.03
    sigma: float = 0.4
    slowness: Callable[[float], float] = lambda now: 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def arrive(self, now: float) -> tuple[float, bool]:
        return self.median_s * self._random.lognormvariate(0, self.sigma) * self.slowness(now), False


@dataclass
class Stray:
    """Refuses a fixed share of what comes, however much that is."""

    share: float = 0.02
    latency: Latency = field(default_factory=Latency)
    seed: int = 1

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def arrive(self, now: float) -> tuple[float, bool]:
        return self.latency.draw(), self._random.random() < self.share


@dataclass
class FewAtOnce:
    """Works on `places` requests at once and refuses the rest, at once (RGW's rgw_max_concurrent_requests)."""

    places: int = 4
    latency: Latency = field(default_factory=Latency)
    _ends: list[float] = field(default_factory=list)

    def arrive(self, now: float) -> tuple[float, bool]:
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= self.places:
            return 0.002, True
        latency = self.latency.draw()
        heapq.heappush(self._ends, now + latency)
        return latency, False


@dataclass
class Result:
    """What happened. `sends` and `dones` are the times of sending and of success."""

    total_s: float = 0.0
    throttled: int = 0
    most_in_flight: int = 0
    sends: list[float] = field(default_factory=list)
    dones: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    in_flight: list[tuple[float, int]] = field(default_factory=list)

    def sent_rps(self, start: float, end: float) -> float:
        return sum(start <= time < end for time in self.sends) / (end - start)

    def done_rps(self, start: float, end: float) -> float:
        return sum(start <= time < end for time in self.dones) / (end - start)


def simulate(
    governor: Governor,
    server: Server,
    requests: int,
    *,
    workers: int = 1024,
    until_s: float = 1e9,
    client_rps: float = 1e9,
    supply: Callable[[float], int] | None = None,
    pauses: Pauses | None = None,
) -> Result:
    """Send `requests` requests, or go on until `until_s`. `client_rps` is what the sender itself can do at most,
    `supply(now)` how many requests exist by then (all at once where it is None), `pauses` when it does nothing."""
    jitter = random.Random(7)
    result = Result()
    answers: list[tuple[float, float, bool]] = []
    retries: list[tuple[float, int]] = []  # (when, attempt)
    ready: deque[int] = deque()
    attempts: dict[tuple[float, float, bool], list[int]] = {}
    begun = done = 0
    busy_until = now = 0.0
    while done < requests and now < until_s:
        while answers and answers[0][0] <= now:
            at, sent_at, refused = answer = heapq.heappop(answers)
            attempt = attempts[answer].pop()
            if not attempts[answer]:
                del attempts[answer]
            governor.on_answer(at if pauses is None else now, sent_at, refused)
            if refused:
                result.throttled += 1
                result.refusals.append(sent_at)
                heapq.heappush(retries, (at + jitter.uniform(0, min(20, 0.1 * 2**attempt)), attempt + 1))
            else:
                done += 1
                result.dones.append(at)
        while retries and retries[0][0] <= now:
            ready.append(heapq.heappop(retries)[1])
        available = requests if supply is None else min(requests, supply(now))
        while True:
            # A request waiting to be retried keeps its worker.
            free = workers - len(answers) - len(retries) - len(ready)
            if not ready and (begun >= available or free <= 0):
                break
            if governor.next_send_s(now) > now or busy_until > now:
                break
            if ready:
                attempt = ready.popleft()
            else:
                attempt = 1
                begun += 1
            governor.on_sent(now)
            latency, refused = server.arrive(now)
            answer = (now + latency, now, refused)
            heapq.heappush(answers, answer)
            attempts.setdefault(answer, []).append(attempt)
            result.sends.append(now)
            result.most_in_flight = max(result.most_in_flight, len(answers))
            busy_until = max(busy_until, now - WAKE_S) + 1 / client_rps
        result.in_flight.append((now, len(answers)))
        # The next wake: a whole millisecond, as an event loop's timer.
        now = (round(now / WAKE_S) + 1) * WAKE_S
        if pauses is not None:
            now = pauses.over(now)
    result.total_s = result.dones[-1] if result.dones else now
    return result
