"""How fast to send: a calculator that finds the highest rate S3 answers without SlowDown, and stays just under it.

It does no I/O and reads no clock: the time is passed in, as seconds of one monotonic clock. One governor serves one
endpoint, bucket and direction, because S3 counts reads and writes apart. S3's own limit is not written here: it differs
between servers, and on S3 it moves ("Amazon S3 automatically scales ... configure your application to gradually
increase the request rate", AWS re:Post Knowledge Center, "503 Slow Down errors ... within the supported request rate").

Five parts, each with its source:

- **Ramp.** From a small start the rate rises by a constant slope until the first SlowDown or until the sender itself is
  the limit. TCP's slow start (RFC 5681) doubles each round trip; here that is too coarse: answers take about 0.1 s, a
  doubling rate would be at two to three times the limit when the first 503 arrives, and thousands of requests with it.
  On a constant slope the number of requests refused is about the same small number at any limit.
- **Estimate.** The limit is measured, not guessed: what S3 accepted, per second, of the requests *sent* between the
  first one it refused and the moment we slowed down. This is BBR's delivery rate (draft-ietf-ccwg-bbr) restricted to a
  time when the server was surely saturated: a token bucket first gives away its burst, so that all that was accepted
  earlier says nothing of its rate. A throttled request sent before the cut belongs to the same congestion.
- **Probing.** After a congestion the rate follows CUBIC (RFC 9438): quickly back to the measured limit, flat around
  it, then ever faster, so that a limit that was confirmed is hardly exceeded and one that doubled is found in about
  ten seconds. A cut from far above, as at the end of the ramp, measures badly: from there the rate grows at once, until
  a congestion that it meets slowly. It grows only while pacing is what holds the sender back (RFC 7661: an unused rate
  proves nothing).
- **Doubt.** Some refusals have nothing to do with the rate (a host of S3 that restarts, a fault). Cutting on each would
  choke the run, as random loss chokes TCP. A refusal is doubted where the rate was cut a moment ago to what S3 was
  seen to accept, or where such refusals are known: then it counts only with others, as a share of what was sent.
- **Window.** A server that queues instead of refusing never says SlowDown: `window` bounds what is in flight there.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from engine.sites.governor.calm import ENOUGH, PROOF_REFUSED, Calm
from engine.sites.governor.recent import MASK, RING, TICKS_PER_S, Recent
from engine.sites.governor.window import Window

START_RPS = 2500.0
"""Where the ramp begins. A server that allows less refuses about as many requests, until its first 503 comes back, as
one whose limit the ramp crosses later."""

RAMP_RPS_PER_S = 27_000.0
"""The ramp's slope. With answers after 0.1 s it adds 270 requests in flight each round trip. Steeper costs more refused
requests, flatter costs time; both sides are measured in tests/unit/sites/governor/test_governor.py."""

RAMP_ROUND_S = 0.1
"""Where even the fastest answer takes longer than this, feedback is later, and the slope flatter in proportion."""

UNHEARD = 256
"""Requests in flight at most until the first one is answered: nothing is known of the server before."""

CATCH_UP_S = 0.0075
"""Send slots missed by less than this may be used late; older ones are gone, so that no stall ends in a burst. (In the
stall the server's bucket filled up as well; but on the ramp what is made up for is refused.)"""

LEAST_MEASURE_S = 0.032
MEASURE_S = 0.06
MEASURE_REQUESTS = 64
"""How long a congestion is watched before the cut, where its 503 came back faster than that: the longer time, or the
shorter one if so many requests were sent in it. Where 503s take a round trip to arrive, this has passed already."""

GRACE_S = 0.02
"""A request refused that was sent less than this after a cut met the same empty bucket."""

PROOF_ANSWERS = 256
PROOF_S = 1.0
"""A doubted congestion is decided after so many answers, or so long."""

PROOF_SHARE = 0.1
PROOF_ABOVE_STRAY = 0.02
"""It is real if at least `PROOF_REFUSED`, and this share of the answers, were refusals; where a share is known that is
refused at any rate, if it is twice that and two in a hundred more."""

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
"""Where the limit is not as it was measured, the rate grows by so much of itself a second, without a plateau, until the
next congestion: that is met slowly, and measures well."""

SURE = 2.0
"""A cut from more than SURE times the limit as known, as at the end of the ramp, does not measure it: it was watched
for less than a tenth of a second by a sender that was opening connections, and was seen a half off."""

DISPROVEN = 1.2
"""So far above the limit as measured, and nothing refused: it is no limit any more (it has doubled, a storm has
passed)."""

BACK_BELOW = 0.3
BACK_TO = 0.9
BACK_PER_S = 2.0
BACK_TRIES = 3
FLOOR = 1 / 32
"""A limit that fell below this part of what it was, with nothing refused for a second, was a storm that has passed: the
rate grows to twice itself and more in a second, up to `BACK_TO` of what was accepted before. Where S3 refuses on that
way so many times, the lower limit is the true one. In the storm the rate stays at `FLOOR` of it at first, so that there
are answers to see its end by; each cut there lowers the floor by a tenth."""

LONGEST_STEP_S = 0.05
SHORTEST_ROUND_S = 0.02
LEAST_RPS = 1.0


class GovernorStatistics(NamedTuple):
    """A snapshot. `rate_rps` is what is being paced, `limit_rps` S3's limit as measured (None: never met), `window`
    how many may be in flight, `congestions` how often the rate was cut, `latency_s` the smoothed time to an answer."""

    rate_rps: float
    limit_rps: float | None
    in_flight: int
    window: int
    sent: int
    answered: int
    throttled: int
    congestions: int
    latency_s: float


class Governor:
    """When the next request may be sent, learnt from how the earlier ones were answered.

    Ask `next_send_s`; when it gives a time that has come, send and call `on_sent`; later, once for each request sent,
    `on_answer` or `on_lost`. `max_rps` and `concurrency` are upper bounds; without them only the server is.
    """

    __slots__ = (
        "_advanced_s", "_answered", "_before", "_calm",
        "_cap", "_clock_s", "_coming_back", "_congestions", "_cut_s", "_cut_share", "_doubted", "_drained_s",
        "_floor_rps", "_in_flight", "_interval_s", "_latency_s", "_limit", "_limit_before", "_max_rps",
        "_measuring", "_next_s", "_paced", "_peak_rps", "_queue", "_rate", "_rate_met", "_recent",
        "_refusal_s", "_round_answers", "_round_fastest_s", "_round_s", "_sent", "_settling", "_since_s",
        "_stray", "_suspected", "_throttled", "_tick", "_tries", "_unsure", "_window",
    )  # fmt: skip

    def __init__(self, *, max_rps: float | None = None, concurrency: int | None = None) -> None:
        if max_rps is not None and max_rps <= 0:
            raise ValueError("max_rps must be above 0")
        if concurrency is not None and concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._max_rps = inf if max_rps is None else max_rps
        self._cap = 1 << 30 if concurrency is None else concurrency
        self._set_rate(START_RPS)
        self._limit: float | None = None
        self._next_s = -inf
        self._window = min(self._cap, UNHEARD)
        self._in_flight = self._sent = self._answered = self._throttled = self._congestions = 0
        self._recent = Recent()
        self._calm = Calm()
        self._tick = -1
        self._advanced_s = 0.0
        self._paced = False  # pacing held the sender back since the last tick
        self._clock_s = 0.0  # time spent paced since the last congestion: the u of the probing curve
        self._unsure = False
        # The congestion at hand.
        self._measuring = self._settling = False
        self._drained_s = 0.0  # when the first request that it refused was sent
        self._since_s = -inf  # the cut of the congestion before
        self._cut_s = -inf
        self._before = self._rate_met = 0.0  # the rate before the cut
        self._limit_before: float | None = None
        self._peak_rps = 0.0  # the most that S3 was seen to answer when the rate was cut
        self._floor_rps = 0.0
        self._coming_back = False
        self._tries = 0
        self._cut_share = 0.0  # how much of what it met was refused
        self._doubted = False
        self._stray = self._suspected = 0.0  # the share that is refused at any rate
        # Rounds: from one moment until a request sent after it is answered.
        self._latency_s = self._refusal_s = 0.0
        self._round_s = inf
        self._round_fastest_s = inf
        self._round_answers = 0
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
            if self._calm.from_s <= sent_at < self._calm.until_s:
                self._calm.refused += 1
            self._on_refused(now, sent_at)
            return
        self._answered += 1
        if recent:
            self._recent.ok[tick & MASK] += 1
        if self._calm.from_s <= sent_at < self._calm.until_s:
            self._calm.ok += 1
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
            latency_s=self._latency_s,
        )

    # --- time passes ----------------------------------------------------------------------------------------

    def _set_rate(self, rate: float) -> None:
        self._rate = rate = min(self._max_rps, max(LEAST_RPS, rate))
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
        if now > self._calm.until_s + 2.0 * self._latency_s:
            self._end_calm(now)
        if self._measuring or self._settling:
            self._follow(now)
        if self._paced and not self._settling and (self._doubted or not self._measuring):
            self._grow(step_s)
        self._paced = False

    def _grow(self, step_s: float) -> None:
        if self._limit is None:
            fastest = self._queue.fastest_s
            late = RAMP_ROUND_S / fastest if RAMP_ROUND_S < fastest < inf else 1.0
            self._set_rate(self._rate + RAMP_RPS_PER_S * step_s * late)
        else:
            self._clock_s += step_s
            rate = self._limit * (1.0 + CUBIC * (self._clock_s - PLATEAU_S) ** 3)
            if self._coming_back:
                rate = self._rate * (1.0 + BACK_PER_S * step_s)
                self._coming_back = rate < BACK_TO * self._peak_rps
                if not self._coming_back:
                    self._tries, self._floor_rps = 0, FLOOR * self._peak_rps
                self._limit, self._clock_s = rate, 0.0
            elif self._unsure or self._rate > DISPROVEN * self._limit:
                rate = max(rate, self._rate * (1.0 + HURRY_PER_S * step_s))
            self._set_rate(rate)

    # --- congestion -----------------------------------------------------------------------------------------

    def _on_refused(self, now: float, sent_at: float) -> None:
        self._refusal_s += (now - sent_at - self._refusal_s) * 0.1
        if sent_at >= self._cut_s + GRACE_S:
            if not self._measuring:
                self._measuring = True
                self._settling = False
                self._doubted = sent_at >= self._calm.from_s or self._stray > 0.0
                self._since_s = self._cut_s + GRACE_S
                self._drained_s = sent_at
            elif sent_at < self._drained_s:
                self._drained_s = sent_at
            self._follow(now)
        elif self._settling and self._since_s <= sent_at < self._drained_s:
            self._drained_s = sent_at

    def _follow(self, now: float) -> None:
        """Cut once enough was sent under congestion; then set the rate by what was accepted, as answers come."""
        if self._measuring:
            watched_s = now - self._drained_s
            if self._doubted:
                self._decide_doubt(now, watched_s)
                return
            if watched_s >= MEASURE_S or (
                watched_s >= LEAST_MEASURE_S and self._sent_since_drained() >= MEASURE_REQUESTS
            ):
                self._cut(now)
            return
        sent, ok, refused, duration_s = self._cohort()
        self._cut_share = refused / max(ENOUGH, ok + refused)
        if ok + refused >= ENOUGH:
            # Those not yet answered will fare like the others; unless refusals come back first: then they do not wait
            # for one.
            quick = self._refusal_s < 0.5 * self._latency_s
            share = (sent - refused) / max(1, sent) if quick else (ok + 1) / (ok + refused + 1)
            sent_rps = sent / duration_s
            if sent_rps < UNUSED * self._rate_met:
                sent_rps = self._rate_met  # the sender had less to send: what was accepted is no bound
            accepted_rps = sent_rps * share / (1.0 - self._stray)
            self._limit = min(self._before, max(self._before / DEEPEST_CUT, accepted_rps, self._floor_rps))
        if self._limit is not None:
            self._set_rate(self._limit * (1.0 - CUT))
        if ok + refused >= sent or now - self._cut_s > max(0.25, 2.0 * self._latency_s):
            self._settling = False

    def _decide_doubt(self, now: float, watched_s: float) -> None:
        """Is a refusal that was not to be expected one of many, or a stray one?"""
        _, ok, refused = self._recent.counted(int(self._drained_s * TICKS_PER_S), self._tick, self._tick)
        refused -= 1  # without the one that raised the question
        answers = ok + refused
        if answers < PROOF_ANSWERS and watched_s < max(PROOF_S, 3.0 * self._latency_s):
            return
        share = self._explained() if self._stray else PROOF_SHARE
        self._doubted = False
        if refused >= PROOF_REFUSED and refused >= share * answers:
            self._cut(now)
        else:
            self._measuring = False

    def _end_calm(self, now: float) -> None:
        """What share was refused although the rate was low enough? The limit may have been measured too high: then one
        more cut ends it. A share that a further cut leaves as it is has another cause, and the cuts are taken back."""
        calm, share = self._calm, self._calm.stray
        began_s = calm.from_s
        calm.end()
        if not share:
            self._stray = self._suspected = 0.0
            if self._limit is not None and self._limit < BACK_BELOW * self._peak_rps:
                self._coming_back = calm.unbroken
                if not calm.unbroken:
                    calm.watch(now)
        elif self._stray and share <= self._explained():
            self._take_back()
        elif self._suspected and share >= 0.5 * self._suspected:
            self._stray, self._suspected = min(share, self._suspected), 0.0
            self._take_back()
        else:
            self._suspected = share
            before, limit_before = self._before, self._limit_before
            self._drained_s = began_s
            self._cut(now)
            self._before, self._limit_before = before, limit_before

    def _explained(self) -> float:
        """The largest share of refusals that strays may have brought about."""
        return 2.0 * self._stray + PROOF_ABOVE_STRAY

    def _take_back(self) -> None:
        if self._cut_share <= self._explained():
            self._limit = self._limit_before
            self._clock_s = PLATEAU_S
            self._set_rate(max(self._rate, self._before))

    def _cut(self, now: float) -> None:
        self._congestions += 1
        if self._coming_back:
            self._coming_back = False
            self._tries += 1
            if self._tries >= BACK_TRIES:
                self._peak_rps, self._floor_rps, self._tries = 0.0, 0.0, 0
        if self._queue.last_rps > self._peak_rps:
            self._peak_rps, self._floor_rps = self._queue.last_rps, FLOOR * self._queue.last_rps
        elif self._rate < 1.1 * self._floor_rps:
            self._floor_rps *= 0.9
        self._limit_before = self._limit
        self._calm.watch(now + GRACE_S)
        self._before = self._rate_met = self._rate
        self._cut_s = now
        self._clock_s = 0.0
        # Until the measurement is in. On the ramp the limit was passed a while ago, by an unknown distance.
        near = self._limit is not None and self._rate < SURE * self._limit
        self._unsure = not near and not self._unsure
        guess = 0.9 if near else min(0.9, max(0.5, 0.85 * self._queue.last_rps / self._rate))
        self._limit = guess * self._rate
        self._set_rate(self._limit)
        self._next_s = max(self._next_s, now)
        self._measuring = False
        self._settling = True

    def _sent_since_drained(self) -> int:
        return self._recent.counted(int(self._drained_s * TICKS_PER_S), self._tick, self._tick)[0]

    def _cohort(self) -> tuple[int, int, int, float]:
        """Sent, accepted and refused of what was sent under congestion, before the cut; and how long sending took."""
        first = int(self._drained_s * TICKS_PER_S) + 1
        last = int(self._cut_s * TICKS_PER_S) - 1
        if last < first:
            first, last = first - 1, last + 1
        first = max(first, self._tick - MASK)
        ticks = max(1.0, self._recent.lasting(first, last, self._tick))
        return *self._recent.counted(first, last, self._tick), ticks / TICKS_PER_S

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
