"""How old knowledge is when something is done upon it: looks are dated, and no act is sent upon an old one.

S3 has no condition on another object: that a target stands is looked at, and then its source is deleted. What lies
between has to be short however slow S3 is, however many retries there were, and also where this process was stopped
or the machine slept in between. So a look bears the moment at which the request that was answered went out (`dated`),
and an act bears the moment after which it may not go out any more (`only_until`). Both are kept by whatever writes a
request's bytes, which calls `sending` just before: nothing waits in between, neither for its turn nor for a retry.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Generic, NamedTuple, TypeVar

from engine.errors import TooLate

Answer = TypeVar("Answer")
Readings = Callable[[], int]

LOOK_LASTS_S = 2.0
"""So long after a look was sent may something be sent upon it."""


class HastyClock:
    """Seconds that never run slower than any of the clocks it is made of, which tell nanoseconds: one of them alone may
    stand still while the machine sleeps, or be set back. Running fast only makes looks older than they are."""

    def __init__(self, *clocks: Readings) -> None:
        self._clocks = clocks
        self._last = [clock() for clock in clocks]
        self._now = self._last[0]

    def __call__(self) -> float:
        now = [clock() for clock in self._clocks]
        self._now += max(0, *(one - before for one, before in zip(now, self._last, strict=True)))
        self._last = now
        return self._now / 1e9


def through_sleep() -> Readings:
    """The system's clock that runs on while the machine sleeps; where there is none, one that may not."""
    # clock_gettime(2) on Linux; on macOS, CLOCK_MONOTONIC "will continue to increment while the system is asleep".
    name = "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME"
    number = getattr(time, name, None)
    if number is not None:
        try:
            time.clock_gettime_ns(number)
        except OSError:
            return time.monotonic_ns
        return lambda: time.clock_gettime_ns(number)
    return time.monotonic_ns


_RUNNING = through_sleep()


def running_s() -> float:
    """Seconds by the system's clock that runs on while the machine sleeps, and is never set."""
    return _RUNNING() / 1e9


now_s: Callable[[], float] = HastyClock(_RUNNING, time.time_ns)
"""What looks are dated by. The calendar's clock beside it tells of a sleep where nothing else does, also of one of the
machine below a virtual one, once that one's clock is set."""


@dataclass(slots=True)
class _Errand:
    """What belongs to the requests of one `dated`: the moment after which they may not go out (`whole`: nor end), and
    that of the first."""

    not_after: float
    whole: bool
    sent_at: float | None = None

    @property
    def ends_apart(self) -> bool:
        """Whether the last bytes of a request have to wait until all before them are on their way."""
        return self.whole and self.not_after < inf


_errand: ContextVar[_Errand | None] = ContextVar("errand", default=None)


class Dated(NamedTuple, Generic[Answer]):
    """An answer, and the moment at which its request was sent: of several, the first. Minus infinity where none was:
    such knowledge is older than anything that may be asked for."""

    answer: Answer
    sent_at: float


async def dated(asking: Awaitable[Answer], *, not_after: float = inf, whole: bool = True) -> Dated[Answer]:
    """The answer with its date. Raises `TooLate` for a request that would go out after `not_after`."""
    outer = _errand.get()
    errand = _Errand(not_after if outer is None else min(not_after, outer.not_after), whole)
    token = _errand.set(errand)
    try:
        answer = await asking
    finally:
        _errand.reset(token)
    return Dated(answer, -inf if errand.sent_at is None else errand.sent_at)


async def only_until(moment: float, sending: Awaitable[Answer], *, whole: bool = True) -> Answer:
    """Have something sent by `moment`, to its last byte, or not at all. Not `whole`: it is enough that it began, as
    where S3 judges itself at the end whether it may be done.

    Raises `TooLate` where it was not sent."""
    return (await dated(sending, not_after=moment, whole=whole)).answer


# --- for stores and their decorators ----------------------------------------------------------------------------


def sending(operation: str, ref: object, *, ending: bool = False) -> bool:
    """Called just before a request's bytes go out, and (`ending`) its last ones, where they go out apart: gives whether
    they have to, as `ends_apart`.

    Raises `TooLate`: then they must not."""
    errand = _errand.get()
    if errand is None:
        return False
    now = now_s()
    if now > errand.not_after and (errand.whole or not ending):
        said = "it was not sent: too much time has passed since the look that it rests on"
        raise TooLate(said, operation=operation, ref=str(ref), code="TooLate")
    if errand.sent_at is None:
        errand.sent_at = now
    return errand.ends_apart


def ends_apart() -> bool:
    """Whether the last bytes of what is sent now have to wait until all before them are on their way."""
    errand = _errand.get()
    return errand is not None and errand.ends_apart


def left_s() -> float:
    """How long what is sent now may still be sent."""
    errand = _errand.get()
    return inf if errand is None else errand.not_after - now_s()


def anew() -> None:
    """What was sent so far was not answered: the next request is the one that counts."""
    errand = _errand.get()
    if errand is not None:
        errand.sent_at = None
