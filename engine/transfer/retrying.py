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

from engine.errors import Ambiguous, BadCredentials, Conflict, StoreError, Throttled, Unavailable, Unreachable
from engine.store import ObjectStore, StoreDecorator

Request = TypeVar("Request")
Answer = TypeVar("Answer")

HARMLESS_TWICE = frozenset(
    {
        "ListObjectsV2",
        "HeadObject",
        "GetObject",
        "GetObjectTagging",
        "ListParts",
        "ListMultipartUploads",
        "GetBucketLocation",
        "UploadPartCopy",
        "UploadPart",
        "AbortMultipartUpload",
        "PutObjectTagging",
    }
)
"""Reads, and writes that give the same when carried out twice. Copies, Complete, Create, Put and deletes are not here:
after an unknown outcome the caller looks at what is there."""

EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` bounds what is tried after unknown outcomes and 409; what S3 did not carry out is tried until
    `give_up_after_s` has passed since the first attempt."""

    base_s: float = 0.1
    cap_s: float = 20.0
    attempts: int = 8
    give_up_after_s: float = 300.0


def next_delay_s(
    policy: RetryPolicy, operation: str, attempt: int, elapsed_s: float, error: StoreError, jitter: random.Random
) -> float | None:
    """How long to wait before attempt `attempt + 1` (`attempt` counts from 1), or None: give up and raise."""
    if isinstance(error, (Throttled, Unavailable)):
        if elapsed_s >= policy.give_up_after_s:
            return None
    elif isinstance(error, Ambiguous):
        if operation not in HARMLESS_TWICE or attempt >= policy.attempts or elapsed_s >= policy.give_up_after_s:
            return None
    elif isinstance(error, Conflict):
        if operation != "CopyObject" or attempt >= policy.attempts:
            return None
    else:
        return None
    asked = error.retry_after_s if isinstance(error, Throttled) else None
    delay = jitter.uniform(0, min(policy.cap_s, policy.base_s * 2.0 ** min(attempt, 16)))
    return max(delay, min(asked, policy.cap_s)) if asked is not None else delay


class RetryingStore(StoreDecorator):
    """Sends again what may be sent again. `refresh` fetches fresh credentials; clock and sleep can be given.

    `requests` counts every attempt, `throttled` those that were answered SlowDown."""

    def __init__(
        self,
        inner: ObjectStore,
        policy: RetryPolicy,
        *,
        refresh: Callable[[], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
    ) -> None:
        super().__init__(inner)
        self._policy = policy
        self._refresh = refresh
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter or random.Random()
        self.requests = 0
        self.throttled = 0

    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        self.requests += 1
        try:
            return await method(request)
        except StoreError as error:
            return await self._again(operation, method, request, error)

    async def _again(
        self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request, error: StoreError
    ) -> Answer:
        """Everything after a first attempt that failed."""
        began = self._clock()
        refreshed = False
        attempt = 1
        while True:
            if isinstance(error, BadCredentials):
                # Once: credentials that are refused when fresh will be refused again.
                if refreshed or self._refresh is None or error.code not in EXPIRED_CODES:
                    raise error
                await self._refresh()
                refreshed = True
            else:
                elapsed_s = self._clock() - began
                self.throttled += isinstance(error, Throttled)
                delay_s = next_delay_s(self._policy, operation, attempt, elapsed_s, error, self._jitter)
                if delay_s is None:
                    if isinstance(error, Unavailable):
                        raise _out_of_reach(error, elapsed_s) from error
                    raise error
                await self._sleep(delay_s)
                attempt += 1
            self.requests += 1
            try:
                return await method(request)
            except StoreError as again:
                error = again


def _out_of_reach(error: Unavailable, elapsed_s: float) -> Unreachable:
    return Unreachable(
        f"S3 has been out of reach for {elapsed_s:.0f} s ({error.message}).",
        operation=error.operation,
        ref=error.ref,
        code=error.code,
        advice="Check the network and the endpoint, then run again: it goes on from there. --give-up-after sets how "
        "long to wait.",
    )
