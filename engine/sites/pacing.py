"""Requests paced by a governor: one for each bucket and direction of the endpoint that the store speaks to.

It sits below the retry layer, so that every attempt is paced and every SlowDown is heard, also one inside a 200. A
request that may go at once costs two synchronous calls. The others wait in one queue for each governor, first come
first served, which a single timer serves: an event loop's timer fires once a millisecond at best, and whatever slots
have come by then are used together.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import NamedTuple, Protocol

from engine.decorator import Method, StoreDecorator
from engine.errors import Ambiguous, StoreError, Throttled, TooLate, Unavailable
from engine.sites.governor.governor import Governor, GovernorStatistics
from engine.sites.governor.sharing import Share
from engine.store import Answered, Asked, ObjectStore

Clock = Callable[[], float]


class Timer(Protocol):
    """What `call_later` gives: an alarm that can be called off."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]

LEAST_WAIT_S = 0.001
"""uvloop's timers count whole milliseconds and take half of one for none: at 3,500 a second the loop would go round
without a rest. What the wait is too long by, the governor lets be used late (CATCH_UP_S)."""


class PacingStatistics(NamedTuple):
    """A snapshot over all governors. `rate_rps` is what writes are paced at, or reads where nothing was written yet."""

    rate_rps: float
    in_flight: int
    waiting: int


class Tally(NamedTuple):
    """What came of the requests of one bucket and direction so far (`reads`: GET and HEAD), and how fast they may go.
    SlowDown is `refused`, all else that was answered `accepted`."""

    bucket: str
    reads: bool
    accepted: int
    refused: int
    rate_rps: float


class Lane:
    """One governor and those who wait for it. All of it runs on the event loop, and none of it waits.

    `try_send`, or `wait` where that gives None; then exactly one of `answered` and `lost` for each request sent."""

    def __init__(self, governor: Governor, clock: Clock, call_later: CallLater | None) -> None:
        self._governor = governor
        self._clock = clock
        self._call_later = call_later
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._timer: Timer | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def statistics(self) -> GovernorStatistics:
        return self._governor.statistics()

    def hold(self, share: Share | None) -> None:
        """As the governor's."""
        self._governor.hold(share)

    def try_send(self) -> float | None:
        """The time of sending, if the request may go now; None where it has to wait."""
        if self._waiting:
            return None
        now = self._clock()
        if self._governor.next_send_s(now) > now:
            return None
        self._governor.on_sent(now)
        return now

    async def wait(self) -> float:
        """Wait for a slot; gives the time of sending. Cancelled, it leaves no trace: a slot that had come already goes
        to the next in line."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._timer is None:
            self._serve()
        try:
            return await future
        except BaseException:
            if future.done() and not future.cancelled():
                self._governor.give_back()
            else:
                with suppress(ValueError):  # _serve may have left it out already
                    self._waiting.remove(future)
            self._serve()
            raise

    def answered(self, sent_at: float, throttled: bool) -> None:
        self._governor.on_answer(self._clock(), sent_at, throttled)
        if self._waiting and self._timer is None:
            self._serve()

    def lost(self) -> None:
        self._governor.on_lost()
        if self._waiting and self._timer is None:
            self._serve()

    def _serve(self) -> None:
        """Let go whoever may, and set the one timer for the next."""
        governor, waiting = self._governor, self._waiting
        now = self._clock()
        while waiting:
            if waiting[0].done():
                waiting.popleft()  # cancelled while it waited, and not removed yet
                continue
            slot = governor.next_send_s(now)
            if slot > now:
                if self._timer is None and slot < inf:  # infinity: an answer has to come first, and will call
                    call_later = self._call_later or asyncio.get_running_loop().call_later
                    self._timer = call_later(max(slot - now, LEAST_WAIT_S), self._on_timer)
                return
            governor.on_sent(now)
            waiting.popleft().set_result(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self._serve()


class PacedStore(StoreDecorator):
    """Sends each request when its governor lets it. `max_rps` and `concurrency` bound each governor from above."""

    def __init__(
        self,
        inner: ObjectStore,
        *,
        max_rps: float | None = None,
        concurrency: int | None = None,
        clock: Clock = time.monotonic,
        call_later: CallLater | None = None,
    ) -> None:
        super().__init__(inner)
        self._max_rps = max_rps
        self._concurrency = concurrency
        self._neighbours = 1
        self._clock = clock
        self._call_later = call_later
        self._met: dict[tuple[str, bool], float] = {}
        self._reads: dict[str, Lane] = {}
        self._writes: dict[str, Lane] = {}

    async def _call(self, method: Method[Asked, Answered], request: Asked) -> Answered:
        # S3 counts GET and HEAD apart from COPY, PUT, POST and DELETE ("Best practices design patterns: optimizing
        # Amazon S3 performance").
        lanes = self._reads if request.reads else self._writes
        bucket = request.bucket
        lane = lanes.get(bucket)
        if lane is None:
            lane = lanes[bucket] = self._new_lane(bucket, reads=request.reads)
        sent_at = lane.try_send()
        if sent_at is None:
            sent_at = await lane.wait()
        try:
            answer = await method(request)
        except (Ambiguous, Unavailable, TooLate):
            lane.lost()  # nothing is known of what S3 thought of it
            raise
        except StoreError as error:
            lane.answered(sent_at, isinstance(error, Throttled))
            raise
        except BaseException:
            lane.lost()
            raise
        lane.answered(sent_at, False)
        return answer

    def begin_beside(self, neighbours: int) -> None:
        """So many, this one included, begin together, perhaps at the same keys: each has its part of the ramp."""
        self._neighbours = neighbours

    def expect(self, bucket: str, met_rps: float, *, reads: bool) -> None:
        """Neighbours met the limit there, at this rate: what was not yet sent to begins no faster."""
        self._met[bucket, reads] = met_rps

    def _new_lane(self, bucket: str, *, reads: bool) -> Lane:
        governor = Governor(
            max_rps=self._max_rps,
            concurrency=self._concurrency,
            neighbours=self._neighbours,
            met_rps=self._met.get((bucket, reads)),
        )
        return Lane(governor, self._clock, self._call_later)

    def tallies(self) -> list[Tally]:
        """Of every bucket and direction that anything was sent to."""
        found = []
        for reads, lanes in ((True, self._reads), (False, self._writes)):
            for bucket, lane in lanes.items():
                said = lane.statistics()
                found.append(Tally(bucket, reads, said.answered, said.throttled, said.rate_rps))
        return found

    def hold(self, bucket: str, share: Share | None, *, reads: bool) -> None:
        """Send no faster there than a share that others leave; None: as fast as the server lets."""
        lane = (self._reads if reads else self._writes).get(bucket)
        if lane is not None:
            lane.hold(share)

    def statistics(self) -> PacingStatistics:
        writes = [lane.statistics() for lane in self._writes.values()]
        reads = [lane.statistics() for lane in self._reads.values()]
        return PacingStatistics(
            sum(item.rate_rps for item in writes or reads),
            sum(item.in_flight for item in [*writes, *reads]),
            sum(lane.waiting for lane in [*self._writes.values(), *self._reads.values()]),
        )
