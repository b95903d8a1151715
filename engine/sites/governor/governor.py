"""How fast to send: a calculator that finds the highest rate S3 answers without SlowDown, and stays just under it.

It does no I/O and reads no clock: the time is passed in, as seconds of one monotonic clock. One governor serves one
endpoint, bucket and direction, because S3 counts reads and writes apart. S3's own limit is not written here: it differs
between servers, and on S3 it moves ("Amazon S3 automatically scales ... configure your application to gradually
increase the request rate", AWS re:Post Knowledge Center, "503 Slow Down errors ... within the supported request rate").

How the rate grows is a `Course`; what stops it has a module each:

- `congestion`: SlowDown came. Which phase is it in, and what does it say of the limit?
- `strays`: refusals that come at any rate, and are not to slow anything down.
- `storm`: a limit that fell far below what it was, and the way back.
- `window`: a server that queues instead of refusing never says SlowDown; what is in flight there is bounded.
- `sharing`: several governors at one server, each of a process of its own.
- `recent`: what was sent in the last two seconds, and how it fared.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import NamedTuple

from engine.sites.governor.congestion import GRACE_S, Congestion, Phase
from engine.sites.governor.recent import MASK, RING, TICKS_PER_S, Recent
from engine.sites.governor.sharing import Share
from engine.sites.governor.storm import Storm
from engine.sites.governor.strays import ENOUGH, Calm, Strays
from engine.sites.governor.window import Window

START_RPS = 2500.0
"""Where the ramp begins. A server that allows less refuses about as many requests, until its first 503 comes back, as
one whose limit the ramp crosses later."""

RAMP_RPS_PER_S = 27_000.0
"""The ramp's slope. With answers after 0.1 s it adds 270 requests in flight each round trip. Steeper costs more refused
requests, flatter costs time; both sides are measured in tests/unit/sites/governor/test_governor.py."""

TOGETHER_S = 0.5
DOUBLES_S = 0.25
"""Of the ramp each neighbour takes its part, as if all of them were at one partition. Then the limit is met in less
than TOGETHER_S; after that they are not all at one, and the part doubles every DOUBLES_S while nothing is refused."""

ALONE = 0.5
"""Whose part was smaller when it met the limit met it on a flat slope, and perhaps with others, who were cut as well:
what it was given is the limit. If all of them hurried from there, they would meet it again at once."""

RAMP_ROUND_S = 0.1
"""Where even the fastest answer takes longer than this, feedback is later, and the slope flatter in proportion."""

UNHEARD = 256
"""Requests in flight at most until the first one is answered: nothing is known of the server before."""

CATCH_UP_S = 0.0075
"""Send slots missed by less than this may be used late; older ones are gone, so that no stall ends in a burst. (In the
stall the server's bucket filled up as well; but on the ramp what is made up for is refused.)"""

UNUSED = 0.4
"""Below this part of the rate, what was sent is not what pacing let through."""

DEEPEST_CUT = 8.0
"""One congestion divides the rate by no more than this: a blip in which everything is refused measures nothing."""

CUBIC = 0.002
CUT = 0.01
"""The probing curve, relative to the limit L, u seconds after a congestion: L * (1 + CUBIC * (u - PLATEAU_S) ** 3). It
starts CUT below the limit and reaches twice the limit after 9.6 s. A bucket of a tenth of a second is drained after
5.5 s, at a tenth over the limit: 503s are then about one in a thousand."""
PLATEAU_S: float = (CUT / CUBIC) ** (1 / 3)

HURRY_PER_S = 0.6
SURE = 2.0
"""A cut from more than SURE times the limit as known, as at the end of the ramp, does not measure it: it was watched
for less than a tenth of a second by a sender that was opening connections, and was seen a half off."""

DISPROVEN = 1.2
"""So far above the limit as measured, and nothing refused: it is no limit any more (it has doubled, a storm has
passed)."""

STARVED = 0.5
"""Whose rate is below this part of what its neighbours let it have is helped up."""

LONGEST_STEP_S = 0.05
SHORTEST_ROUND_S = 0.02
LEAST_RPS = 1.0


class Course(Enum):
    """How the rate grows, while pacing is what holds the sender back (RFC 7661: an unused rate proves nothing).

    RAMP: the limit was never met. A constant slope: TCP's slow start (RFC 5681) doubles each round trip; here that is
    too coarse: answers take about 0.1 s, a doubling rate would be at two to three times the limit when the first 503
    arrives, and thousands of requests with it. On a slope about the same small number is refused at any limit.
    PROBE: as CUBIC (RFC 9438): quickly back to the measured limit, flat around it, then ever faster, so that a limit
    that was confirmed is hardly exceeded and one that doubled is found in about ten seconds.
    HURRY: the limit is not as it was measured. The rate grows by HURRY_PER_S of itself a second, without a plateau,
    until the next congestion: that is met slowly, and measures well.
    RETURN: a storm has passed (`storm`).
    """

    RAMP = "ramp"
    PROBE = "probe"
    HURRY = "hurry"
    RETURN = "return"


class GovernorStatistics(NamedTuple):
    """A snapshot. `rate_rps` is what is being paced, `limit_rps` S3's limit as measured (None: never met), `window`
    how many may be in flight, `congestions` how often the rate was cut."""

    rate_rps: float
    limit_rps: float | None
    in_flight: int
    window: int
    sent: int
    answered: int
    throttled: int
    congestions: int


class Uncut(NamedTuple):
    """What a cut is taken back to: the rate and the limit before it."""

    rate: float
    limit: float | None


class Governor:
    """When the next request may be sent, learnt from how the earlier ones were answered.

    Ask `next_send_s`; when it gives a time that has come, send and call `on_sent`; later, once for each request sent,
    `on_answer` or `on_lost`. `max_rps` and `concurrency` are upper bounds; without them only the server is. `hold` sets
    one more, for as long as others want their part of what the server gives, and where so many `neighbours` begin
    together, each has its part of the ramp. `met_rps` is where they met the limit: no ramp begins there.
    """

    __slots__ = (
        "_advanced_s", "_answered", "_cap", "_clock_s", "_congestion", "_congestions", "_cut_share", "_in_flight",
        "_interval_s", "_latency_s", "_limit", "_max_rps", "_next_s", "_paced", "_queue", "_ramp", "_rate", "_recent",
        "_round_answers", "_round_fastest_s", "_round_s", "_sent", "_share_rps", "_storm", "_strays",
        "_throttled", "_tick", "_uncut", "_unsure", "_window",
    )  # fmt: skip

    def __init__(
        self,
        *,
        max_rps: float | None = None,
        concurrency: int | None = None,
        neighbours: int = 1,
        met_rps: float | None = None,
    ) -> None:
        if max_rps is not None and max_rps <= 0:
            raise ValueError("max_rps must be above 0")
        if concurrency is not None and concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._max_rps = inf if max_rps is None else max_rps
        self._share_rps = inf
        self._cap = 1 << 30 if concurrency is None else concurrency
        self._ramp = 1.0 / neighbours
        self._set_rate(min(START_RPS * self._ramp, met_rps or inf))
        self._limit = None if met_rps is None else self._rate
        self._unsure = met_rps is not None  # the limit was measured by a cut from far above it, or by others
        self._next_s = -inf
        self._window = min(self._cap, UNHEARD)
        self._in_flight = self._sent = self._answered = self._throttled = self._congestions = 0
        self._tick = -1
        self._advanced_s = 0.0
        self._paced = False  # pacing held the sender back since the last tick
        self._clock_s = 0.0  # time spent paced since the last congestion: the u of the probing curve
        self._uncut = Uncut(0.0, None)
        self._cut_share = 0.0  # how much of what the congestion met was refused
        # Rounds: from one moment until a request sent after it is answered.
        self._latency_s = 0.0
        self._round_s = self._round_fastest_s = inf
        self._round_answers = 0
        self._recent, self._congestion, self._strays, self._storm = Recent(), Congestion(), Strays(), Storm()
        self._queue = Window(self._cap)

    # --- what the sender calls ------------------------------------------------------------------------------

    def next_send_s(self, now: float) -> float:
        """When the next request may go: `now`, a later time, or infinity (an answer has to come first)."""
        if self._in_flight >= self._window:
            return inf
        slot = self._next_s
        if slot <= now:
            return now
        self._paced = True
        return slot

    def on_sent(self, now: float) -> None:
        """A request goes out now, in the next slot."""
        tick = int(now * TICKS_PER_S)
        if tick != self._tick:
            self._advance(now, tick)
        earliest = now - CATCH_UP_S
        slot = self._next_s
        self._next_s = (slot if slot > earliest else earliest) + self._interval_s
        self._in_flight += 1
        self._sent += 1
        self._recent.sent[tick & MASK] += 1

    def on_answer(self, now: float, sent_at: float, throttled: bool) -> None:
        """The request sent at `sent_at` was answered: by SlowDown (`throttled`) or by anything else S3 says of it."""
        self._in_flight -= 1
        tick = int(sent_at * TICKS_PER_S)
        recent = self._tick - tick < RING
        if throttled:
            self._throttled += 1
            if recent:
                self._recent.refused[tick & MASK] += 1
            if self._strays.from_s <= sent_at < self._strays.until_s:
                self._strays.refused += 1
            self._on_refused(now, sent_at)
            return
        self._answered += 1
        if recent:
            self._recent.ok[tick & MASK] += 1
        if self._strays.from_s <= sent_at < self._strays.until_s:
            self._strays.ok += 1
        latency = now - sent_at
        self._latency_s += (latency - self._latency_s) * 0.05
        if latency < self._round_fastest_s:
            self._round_fastest_s = latency
        self._round_answers += 1
        if sent_at >= self._round_s and now - self._round_s >= SHORTEST_ROUND_S and self._round_answers >= ENOUGH:
            self._end_round(now)

    def on_lost(self) -> None:
        """The request was never answered (connection lost, cancelled): it says nothing of the limit."""
        self._in_flight -= 1

    def give_back(self) -> None:
        """The request was not sent after all: its slot goes to the next."""
        self._in_flight -= 1
        self._sent -= 1
        self._next_s -= self._interval_s

    def hold(self, share: Share | None) -> None:
        """Send no faster than a share of what neighbours are given together, until it is said anew; None: as fast as
        the server lets. Who was pushed far below it goes on from there, as it is kept free. Else what was learnt of the
        server stays, and is gone on with."""
        self._share_rps = inf if share is None else max(LEAST_RPS, share.most_rps)
        if share is not None and self._limit is not None and self._rate < STARVED * share.least_rps:
            self._limit, self._clock_s, self._unsure, self._storm = share.least_rps, 0.0, False, Storm()
            self._set_rate(self._limit * (1.0 - CUT))
        else:
            self._set_rate(self._rate)

    def statistics(self) -> GovernorStatistics:
        return GovernorStatistics(
            rate_rps=self._rate,
            limit_rps=self._limit,
            in_flight=self._in_flight,
            window=self._window,
            sent=self._sent,
            answered=self._answered,
            throttled=self._throttled,
            congestions=self._congestions,
        )

    # --- time passes ----------------------------------------------------------------------------------------

    def _set_rate(self, rate: float) -> None:
        self._rate = rate = min(self._max_rps, self._share_rps, max(LEAST_RPS, rate))
        self._interval_s = 1.0 / rate

    def _advance(self, now: float, tick: int) -> None:
        """A new tick: forget what left the ring, then follow a congestion, or grow if pacing was the limit."""
        if self._tick < 0:
            self._tick = tick
            self._advanced_s = now
            self._round_s = now
        self._recent.forget(self._tick, tick)
        step_s = min(now - self._advanced_s, LONGEST_STEP_S + self._interval_s)
        self._tick = tick
        self._advanced_s = now
        if now > self._strays.until_s + 2.0 * self._latency_s:
            self._end_calm(now)
        if self._congestion.phase is not Phase.CLEAR:
            self._follow(now)
        if self._paced and self._congestion.grows and self._rate < self._share_rps:
            self._grow(step_s)
        self._paced = False

    @property
    def course(self) -> Course:
        """How the rate grows now."""
        if self._limit is None:
            return Course.RAMP
        if self._storm.returning:
            return Course.RETURN
        return Course.HURRY if self._unsure or self._rate > DISPROVEN * self._limit else Course.PROBE

    def _grow(self, step_s: float) -> None:
        course, limit = self.course, self._limit or 0.0
        if course is Course.RAMP:
            fastest = self._queue.fastest_s
            late = RAMP_ROUND_S / fastest if RAMP_ROUND_S < fastest < inf else 1.0
            self._clock_s += step_s
            if self._clock_s > TOGETHER_S:
                self._ramp = min(1.0, self._ramp * 2.0 ** (step_s / DOUBLES_S))
            self._set_rate(self._rate + RAMP_RPS_PER_S * self._ramp * step_s * late)
        elif course is Course.RETURN:
            self._limit, self._clock_s = self._storm.rate_back(self._rate, step_s), 0.0
            self._set_rate(self._limit)
        else:
            self._clock_s += step_s
            rate = limit * (1.0 + CUBIC * (self._clock_s - PLATEAU_S) ** 3)
            self._set_rate(max(rate, self._rate * (1.0 + HURRY_PER_S * step_s)) if course is Course.HURRY else rate)

    # --- congestion -----------------------------------------------------------------------------------------

    def _on_refused(self, now: float, sent_at: float) -> None:
        doubtful = sent_at >= self._strays.from_s or self._strays.share > 0.0
        if self._congestion.on_refused(now, sent_at, doubtful=doubtful):
            self._follow(now)

    def _follow(self, now: float) -> None:
        """Cut once enough was sent under congestion; then set the rate by what was accepted, as answers come."""
        congestion, recent, tick = self._congestion, self._recent, self._tick
        if congestion.phase is Phase.WATCHED:
            if congestion.is_ripe(now, recent, tick):
                self._cut(now)
        elif congestion.phase is Phase.DOUBTED:
            real = congestion.is_real(now, recent, tick, self._latency_s, self._strays.proof_share)
            if real:
                self._cut(now)
            elif real is not None:
                congestion.phase = Phase.CLEAR
        else:
            self._measure(now)

    def _measure(self, now: float) -> None:
        """The limit by what was accepted so far of what was sent under congestion."""
        congestion = self._congestion
        cohort = congestion.cohort(self._recent, self._tick)
        answers = cohort.accepted + cohort.refused
        self._cut_share = cohort.refused / max(ENOUGH, answers)
        if answers >= ENOUGH:
            sent_rps = cohort.sent / cohort.duration_s
            if sent_rps < UNUSED * congestion.rate_met:
                sent_rps = congestion.rate_met  # the sender had less to send: what was accepted is no bound
            accepted_rps = sent_rps * congestion.accepted_share(cohort, self._latency_s) / (1.0 - self._strays.share)
            before = self._uncut.rate
            self._limit = min(before, max(before / DEEPEST_CUT, accepted_rps, self._storm.floor_rps))
        if self._limit is not None:
            self._set_rate(self._limit * (1.0 - CUT))
        if congestion.has_settled(now, cohort, self._latency_s):
            congestion.phase = Phase.CLEAR

    def _end_calm(self, now: float) -> None:
        """What share was refused although the rate was low enough? The limit may have been measured too high: then one
        more cut ends it. A share that a further cut leaves as it is has another cause, and the cuts are taken back."""
        strays, began_s = self._strays, self._strays.from_s
        match strays.end_calm():
            case Calm.CLEAN:
                if self._limit is not None and self._storm.holds(self._limit):
                    self._storm.returning = strays.unbroken
                    if not strays.unbroken:
                        strays.watch(now)
            case Calm.STRAY:
                if self._cut_share <= strays.explained:
                    self._limit = self._uncut.limit
                    self._clock_s = PLATEAU_S
                    self._set_rate(max(self._rate, self._uncut.rate))
            case Calm.SUSPECT:
                self._congestion.drained_s = began_s
                uncut = self._uncut
                self._cut(now)
                self._uncut = uncut

    def _cut(self, now: float) -> None:
        self._congestions += 1
        answered_rps = self._queue.last_rps
        self._storm.on_cut(self._rate, answered_rps)
        self._uncut = Uncut(self._rate, self._limit)
        self._strays.watch(now + GRACE_S)
        self._clock_s = 0.0
        # Until the measurement is in. On the ramp the limit was passed a while ago, by an unknown distance.
        near = self._limit is not None and self._rate < SURE * self._limit
        self._unsure = not near and not self._unsure and self._ramp >= ALONE
        guess = 0.9 if near else min(0.9, max(0.5, 0.85 * answered_rps / self._rate))
        self._congestion.cut(now, self._rate)
        self._limit = guess * self._rate
        self._set_rate(self._limit)
        self._next_s = max(self._next_s, now)

    # --- rounds ---------------------------------------------------------------------------------------------

    def _end_round(self, now: float) -> None:
        """Once a round trip: how fast were answers, and how many?"""
        answers_rps = self._round_answers / (now - self._round_s)
        self._window, slower_rps = self._queue.on_round(now, self._round_fastest_s, answers_rps)
        if slower_rps:
            self._set_rate(min(self._rate, slower_rps))
        self._round_s = now
        self._round_fastest_s = inf
        self._round_answers = 0
