"""How long one request is tried: what is sent again, after how long, and when it is given up. Pure.

What is sent again is an explicit table: an attempt that S3 certainly did not carry out always is; one whose outcome is
unknown only where sending it twice is harmless. Everything else surfaces to the caller, who looks at the target first.

Every request ends. All that is spent since its first failure is charged: the wait for S3 to answer fewer requests, and
the wait for S3 to be reached, each with a patience of its own that only a success gives back, so that troubles which
alternate use up both; renewals of credentials are counted; and no attempt begins later than `RetryPolicy.total_s`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from engine.errors import (
    Ambiguous,
    BadCredentials,
    Conflict,
    CredentialsExpired,
    NameNotFound,
    StoreError,
    Throttled,
    Unavailable,
)
from engine.store import Request

RENEWALS = 3
"""How often credentials are renewed for one request before being refused when fresh is believed: a clock that jumps, or
a session that ends by chance just then, refuses once."""

MOST_RENEWALS = 12
"""How often in all. A request may wait its turn for longer than credentials last, but not time after time."""

OTHERWISE = ("UnreadableAnswer", "TooLong")
"""The codes of an answer that is something else than what was asked for, as the object itself."""
ENDED = frozenset({"InvalidAccessKeyId", "InvalidToken", "InvalidTokenId"})
"""Codes of credentials that a server does not know, or no longer: they may have been replaced where they come from,
which is asked once."""

Kind = Request | type[Request]
"""What is asked: the request itself, or its class, which says as much."""

_LEAST_S = 0.001
"""Less patience than this is none: a clock need not tell the end of so short a wait from its beginning."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a run is.

    `attempts` bounds what is tried after unknown outcomes and after 409, `unreadable_attempts` the questions that some
    servers answer with something else, again and again. While S3 is out of reach it is tried for `give_up_after_s`;
    where nothing has answered as S3 does, for no more than `first_answer_s` (it may be mistyped). While S3 answers that
    it wants fewer requests, for `throttled_give_up_after_s`. A delete never waits longer than
    `delete_give_up_after_s`. Delays grow from `base_s` to `cap_s`."""

    base_s: float = 0.1
    cap_s: float = 20.0
    attempts: int = 10
    unreadable_attempts: int = 3
    give_up_after_s: float = 300.0
    first_answer_s: float = 15.0
    throttled_give_up_after_s: float = 3600.0
    delete_give_up_after_s: float = 10.0

    @property
    def total_s(self) -> float:
        """How long after its first failure a request is sent again at the latest, whatever it meets."""
        return self.throttled_give_up_after_s + self.give_up_after_s


class _Kind(Enum):
    THROTTLED = "throttled"
    OUTAGE = "outage"
    """Out of reach, or failing: no answer that says what became of it."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a request has met since its first failure, at `since_s` by the caller's clock.

    `renewals` attempts failed for credentials that had expired, `attempts` for anything else. Of the time up to
    `newest_s`, `throttled_s` and `outage_s` were spent on the two troubles: what follows a failure is charged to it."""

    since_s: float
    newest_s: float
    attempts: int = 0
    renewals: int = 0
    throttled_s: float = 0.0
    outage_s: float = 0.0
    newest: _Kind = _Kind.EXPIRED


class Step(NamedTuple):
    """Send it again after `delay_s`, and `renew` the credentials before."""

    delay_s: float
    renew: bool = False


def next_step(
    policy: RetryPolicy,
    request: Kind,
    trouble: Trouble | None,
    error: StoreError,
    now_s: float,
    jitter: random.Random,
    *,
    answered: bool = True,
    fresh: bool = False,
) -> tuple[Trouble, Step | None]:
    """What to do about an attempt that failed with `error` at `now_s`; no step: give it up and raise the error.

    `trouble` is what this gave after the attempt before, None after the first. `answered`: the endpoint has answered
    before; `fresh`: the attempt was signed with credentials that had been renewed just before."""
    met = _after(trouble, error, now_s)
    left_s = policy.total_s - (now_s - met.since_s)
    if request.deletes:
        left_s = min(left_s, policy.delete_give_up_after_s - (now_s - met.since_s))
    if met.newest is _Kind.EXPIRED:
        most = 1 if error.code in ENDED else RENEWALS if fresh else MOST_RENEWALS
        return met, None if met.renewals > most or left_s < _LEAST_S else Step(0.0, renew=True)
    if met.newest is _Kind.THROTTLED:
        left_s = min(left_s, policy.throttled_give_up_after_s - met.throttled_s)
    elif _may_go_again(policy, request, met.attempts, error):
        patience_s = policy.give_up_after_s
        if not answered and is_nobodys(error):
            patience_s = min(patience_s, policy.first_answer_s)
        left_s = min(left_s, patience_s - met.outage_s)
    else:
        return met, None
    if left_s < _LEAST_S:
        return met, None
    return met, Step(min(left_s, _delay_s(policy, request, met.attempts, error, jitter)))


def renewal_delay_s(
    policy: RetryPolicy, request: Kind, attempts: int, error: BadCredentials, spent_s: float, jitter: random.Random
) -> float | None:
    """How long to wait before the source of credentials is asked again, which failed so many times and for so long
    (`spent_s`) to renew those that it gave before: with the patience of an outage. None: it is given up."""
    patience_s = policy.delete_give_up_after_s if request.deletes else policy.give_up_after_s
    left_s = patience_s - spent_s
    if not error.may_pass or left_s < _LEAST_S:
        return None
    return min(left_s, _delay_s(policy, request, attempts, error, jitter))


def is_out_of_reach(error: StoreError) -> bool:
    """Whether S3 cannot have got the request."""
    return isinstance(error, Unavailable | NameNotFound)


def is_nobodys(error: StoreError) -> bool:
    """Whether what came, if anything did, need not have come from an S3: a connection that was closed, a page of HTML.
    Every answer of S3's bears a request id ("Getting Amazon S3 request IDs")."""
    return is_out_of_reach(error) or (isinstance(error, Ambiguous) and not error.request_id)


def _after(trouble: Trouble | None, error: StoreError, now_s: float) -> Trouble:
    """The trouble with one more failure in it."""
    kind = _kind(error)
    if trouble is None:
        trouble = Trouble(now_s, now_s)
    spent_s = now_s - trouble.newest_s
    return replace(
        trouble,
        newest_s=now_s,
        attempts=trouble.attempts + (kind is not _Kind.EXPIRED),
        renewals=trouble.renewals + (kind is _Kind.EXPIRED),
        throttled_s=trouble.throttled_s + (spent_s if trouble.newest is _Kind.THROTTLED else 0.0),
        outage_s=trouble.outage_s + (spent_s if trouble.newest is _Kind.OUTAGE else 0.0),
        newest=kind,
    )


def are_ended(error: StoreError) -> bool:
    """Whether it tells of credentials that may have been replaced where they come from: nothing was carried out."""
    return isinstance(error, CredentialsExpired) or (isinstance(error, BadCredentials) and error.code in ENDED)


def _kind(error: StoreError) -> _Kind:
    if are_ended(error):
        return _Kind.EXPIRED
    return _Kind.THROTTLED if isinstance(error, Throttled) else _Kind.OUTAGE


def _may_go_again(policy: RetryPolicy, request: Kind, attempts: int, error: StoreError) -> bool:
    """Whether what is neither throttled nor expired may be sent again at all."""
    if is_out_of_reach(error):
        return True
    other = request.answered_otherwise and error.code in OTHERWISE
    return attempts < (policy.unreadable_attempts if other else policy.attempts) and (
        (isinstance(error, Ambiguous) and request.harmless_twice)
        or (isinstance(error, Conflict) and request.again_after_conflict)
    )


def _delay_s(policy: RetryPolicy, request: Kind, attempt: int, error: StoreError, jitter: random.Random) -> float:
    """Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), but never none: that would go round
    without a rest."""
    delay_s = max(
        policy.base_s / 10, jitter.uniform(0, min(policy.cap_s, policy.base_s * 2.0 ** min(max(attempt, 1), 16)))
    )
    if isinstance(error, Throttled) and error.retry_after_s is not None and not request.deletes:
        return min(error.retry_after_s, policy.give_up_after_s) + delay_s  # jitter on top: all were told the same
    return delay_s
