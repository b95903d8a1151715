"""The one retry layer: what is sent again, after how long, and when it is given up.

The delay is a pure function (full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter"). What is sent again
is an explicit table: an attempt that S3 certainly did not carry out always is; one whose outcome is unknown only where
sending it twice is harmless. Everything else surfaces to the caller, who looks at the target first.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio

from engine.errors import Ambiguous, Conflict, StoreError, Throttled, Unavailable, Unreachable
from engine.s3.boto_errors import NAME_NOT_FOUND
from engine.s3.classify import is_expired
from engine.store import HARMLESS_TWICE, DeleteObject, DeleteObjects, ObjectStore, StoreDecorator

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Observer = Callable[[str, StoreError, float], None]
"""Told of each retry: the operation, why, and after how many seconds it is sent again."""

FRESH_S = 10.0
"""How old credentials are that were refused when fresh. A request may wait its turn for longer than they last, so that
being refused once more says nothing by itself."""

RENEWALS = 3
"""How often credentials are renewed for one request before being refused when fresh is believed: a clock that jumps, or
a session that ends by chance just then, refuses once."""


RESTS_ON_A_LOOK = frozenset({"DeleteObject", "DeleteObjects"})
"""What was looked at before a delete must not grow old while it waits here: it goes back to the caller soon, who looks
again. One that carries no ETag goes back at once: then the look is all that protects the object."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a run is.

    `attempts` bounds what is tried after unknown outcomes and after 409. While S3 is out of reach it is tried for
    `give_up_after_s`, but only for `first_answer_s` where it has never answered (a mistyped endpoint). While S3
    answers that it wants fewer requests, for `throttled_give_up_after_s`. A delete never waits longer than
    `delete_give_up_after_s`."""

    base_s: float = 0.1
    cap_s: float = 20.0
    attempts: int = 10
    give_up_after_s: float = 300.0
    first_answer_s: float = 15.0
    throttled_give_up_after_s: float = 3600.0
    delete_give_up_after_s: float = 10.0


def next_delay_s(
    policy: RetryPolicy,
    operation: str,
    attempt: int,
    elapsed_s: float,
    error: StoreError,
    jitter: random.Random,
    *,
    answered: bool = True,
) -> float | None:
    """How long to wait before attempt `attempt + 1` (`attempt` counts from 1), or None: give up and raise.

    `elapsed_s` is how long it has gone on like this (see `same_trouble`); `answered`: the endpoint has answered before.
    """
    if isinstance(error, Throttled):
        patience_s = policy.throttled_give_up_after_s
    elif isinstance(error, Unavailable) or _name_not_found(error):
        patience_s = policy.give_up_after_s if answered else min(policy.first_answer_s, policy.give_up_after_s)
    elif attempt < policy.attempts and (
        (isinstance(error, Ambiguous) and operation in HARMLESS_TWICE)
        or (isinstance(error, Conflict) and operation == "CopyObject")
    ):
        patience_s = policy.give_up_after_s
    else:
        return None
    if operation in RESTS_ON_A_LOOK:
        patience_s = min(patience_s, policy.delete_give_up_after_s)
    if elapsed_s >= patience_s:
        return None
    delay_s = jitter.uniform(0, min(policy.cap_s, policy.base_s * 2.0 ** min(attempt, 16)))
    if isinstance(error, Throttled) and error.retry_after_s is not None and operation not in RESTS_ON_A_LOOK:
        return min(error.retry_after_s, policy.give_up_after_s) + delay_s  # jitter on top: all were told the same
    return delay_s


def same_trouble(one: StoreError, other: StoreError) -> bool:
    """Whether patience with the one is used up by the other: S3 asking for less is no outage, nor the reverse."""
    return isinstance(one, Throttled) == isinstance(other, Throttled)


class RetryingStore(StoreDecorator):
    """Sends again what may be sent again.

    `refresh` looks for fresh credentials once S3 says that those used have expired: once for all who wait for it.
    `observe` is told of each retry. Clock, sleep and randomness can be given. `requests` counts every attempt,
    `throttled` those that S3 answered with a wish for fewer, `retried` what was sent again."""

    def __init__(
        self,
        inner: ObjectStore,
        policy: RetryPolicy,
        *,
        refresh: Callable[[], Awaitable[None]] | None = None,
        observe: Observer | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        super().__init__(inner)
        self._policy = policy
        self._refresh = refresh
        self._observe = observe
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._answered = False
        self._credentials_generation = 0
        self._renewed_at = 0.0
        self._refreshing: anyio.Lock | None = None
        self.requests = 0
        self.throttled = 0
        self.retried = 0

    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        self.requests += 1
        generation = self._credentials_generation
        try:
            answer = await method(request)
        except StoreError as error:
            if _is_unconditional_delete(request) and not is_expired(error):
                raise
            return await self._again(operation, method, request, error, generation)
        self._answered = True
        return answer

    async def _again(
        self,
        operation: str,
        method: Callable[[Request], Awaitable[Answer]],
        request: Request,
        error: StoreError,
        generation: int,
    ) -> Answer:
        """Everything after a first attempt that failed."""
        since = self._clock()
        attempt = 1
        renewals = 0
        while True:
            delay_s = 0.0
            if is_expired(error):
                fresh = generation == self._credentials_generation and self._clock() - self._renewed_at < FRESH_S
                if self._refresh is None or (fresh and renewals >= RENEWALS):
                    raise error  # refused when fresh: it would be refused again
                await self._renew(self._refresh, generation)
                renewals += 1
            else:
                renewals = 0
                delay_s = self._delay_s(operation, attempt, since, error)
                attempt += 1
            self.retried += 1
            if self._observe is not None:
                self._observe(operation, error, delay_s)
            await self._sleep(delay_s)
            self.requests += 1
            generation = self._credentials_generation
            try:
                answer = await method(request)
            except StoreError as again:
                if not same_trouble(error, again):
                    since = self._clock()
                error = again
            else:
                self._answered = True
                return answer

    def _delay_s(self, operation: str, attempt: int, since: float, error: StoreError) -> float:
        """How long to wait, or the error to end with."""
        out_of_reach = isinstance(error, Unavailable) or _name_not_found(error)
        if isinstance(error, Throttled):
            self.throttled += 1
        if not out_of_reach and error.operation != "Sign":
            self._answered = True
        elapsed_s = self._clock() - since
        delay_s = next_delay_s(
            self._policy, operation, attempt, elapsed_s, error, self._jitter, answered=self._answered
        )
        if delay_s is not None:
            return delay_s
        if isinstance(error, Unavailable) and operation not in RESTS_ON_A_LOOK:
            raise _out_of_reach(error, elapsed_s) from error
        raise error

    async def _renew(self, refresh: Callable[[], Awaitable[None]], generation: int) -> None:
        """Fresh credentials for everyone whose request was signed with those of `generation`."""
        if self._refreshing is None:
            self._refreshing = anyio.Lock()
        async with self._refreshing:
            if self._credentials_generation == generation:
                await refresh()
                self._credentials_generation += 1
                self._renewed_at = self._clock()


def _is_unconditional_delete(request: object) -> bool:
    if isinstance(request, DeleteObject):
        return request.if_match is None
    return isinstance(request, DeleteObjects) and any(etag is None for _, etag in request.keys)


def _name_not_found(error: StoreError) -> bool:
    return isinstance(error, Unreachable) and error.code == NAME_NOT_FOUND


def _out_of_reach(error: Unavailable, elapsed_s: float) -> Unreachable:
    return Unreachable(
        f"S3 has been out of reach for {elapsed_s:.0f} s: {error.message}",
        operation=error.operation,
        ref=error.ref,
        code=error.code,
        request_id=error.request_id,
        advice="Check the network and the endpoint, then run the same command: it goes on from there. "
        "--give-up-after says how long to wait.",
    )
