"""The one retry layer: it sends again what `engine.sites.patience` decides to send again."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

import anyio

from engine import freshness
from engine.decorator import Method, StoreDecorator
from engine.errors import BadCredentials, StoreError, Throttled, TooLate, Unavailable, Unreachable, WrongRegion
from engine.sites.patience import (
    RetryPolicy,
    Step,
    Trouble,
    are_ended,
    is_nobodys,
    is_out_of_reach,
    next_step,
    renewal_delay_s,
)
from engine.store import Answered, Asked, DeleteObject, DeleteObjects, ObjectStore, Request

Observer = Callable[[StoreError], None]
"""Told of each retry, and why."""

REGION_REFUSED = ("AuthorizationHeaderMalformed", "400")
"""How a request is refused that was signed for another region: the second is what is left of it where there is no body.
"""

NEVER_ANSWERED = "It has never answered as S3 does: check the endpoint, the network, a proxy or sign-in page on the way"

FRESH_S = 10.0
"""How old credentials are that were refused when fresh. A request may wait its turn for longer than they last, so that
being refused once more says nothing by itself."""


class RetryingStore(StoreDecorator):
    """Sends again what may be sent again.

    `refresh` looks for fresh credentials once S3 says that those used have expired, or does not know them: once for all
    who wait for it.
    `follow` has requests to a bucket signed for the region that the server names: each request is sent so once more.
    `observe` is told of each retry; `outage` for how long S3 has been out of reach, and why, and 0 when it no longer
    is. `site` is the site's name, which errors say. Clock, sleep and randomness can be given. `requests` counts every
    attempt, `throttled` those that S3 answered with a wish for fewer, `retried` what was sent again."""

    def __init__(
        self,
        inner: ObjectStore,
        policy: RetryPolicy,
        *,
        refresh: Callable[[], Awaitable[None]] | None = None,
        follow: Callable[[str, str], object] | None = None,
        observe: Observer = lambda error: None,
        outage: Callable[[float, str], object] = lambda since_s, why: None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
        site: str = "",
    ) -> None:
        super().__init__(inner)
        self._site = site
        self._policy = policy
        self._refresh = refresh
        self._follow = follow
        self._moved: dict[str, WrongRegion] = {}
        self._observe = observe
        self._outage = outage
        self._lost_at: float | None = None
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._answered = False
        self._credentials_generation = 0
        self._renewed_at = 0.0
        self._refreshing = anyio.Lock()
        self.requests = 0
        self.throttled = 0
        self.retried = 0

    async def _call(self, method: Method[Asked, Answered], request: Asked) -> Answered:
        self.requests += 1
        generation = self._credentials_generation
        try:
            answer = await method(request)
        except TooLate:
            raise
        except StoreError as error:
            try:
                return await self._again(method, request, error, generation)
            except StoreError as ended:
                ended.site = self._site
                raise
        self._answered = True
        if self._lost_at is not None:
            self._reached()
        return answer

    async def _again(
        self, method: Method[Asked, Answered], request: Asked, error: StoreError, generation: int
    ) -> Answered:
        """Everything after a first attempt that failed. Where the server said that the bucket is elsewhere, it is sent
        once more, signed for there; what was said first is told if that does not help."""
        try:
            elsewhere = self._is_elsewhere(request, error) and freshness.left_s() > 0
            trouble: Trouble | None = None
            while True:
                step = Step(0.0)
                if elsewhere:
                    self._move(request, error)
                elif _is_unconditional_delete(request) and not are_ended(error):
                    raise error
                else:
                    trouble, step = self._next(request, trouble, error, generation)
                if step.renew and self._refresh is not None:
                    await self._renew(self._refresh, generation, request)
                if freshness.left_s() <= step.delay_s:
                    raise error  # by then it may not be sent any more: whoever rests it on a look looks again
                self.retried += 1
                self._observe(error)
                if not elsewhere:
                    await self._sleep(step.delay_s)
                self.requests += 1
                generation = self._credentials_generation
                freshness.anew()
                try:
                    answer = await method(request)
                except TooLate:
                    raise
                except StoreError as again:
                    if elsewhere and self._is_elsewhere(request, again):
                        raise self._moved[request.bucket] from None
                    error, elsewhere = again, False
                else:
                    self._answered = True
                    self._reached()
                    return answer
        finally:
            del error  # else it and this frame would hold each other, and the answer that it is about

    def _is_elsewhere(self, request: Request, error: StoreError) -> bool:
        """Whether a request was refused unread for the region that it was signed for. One that was under way while its
        bucket was moved is refused in words of its own."""
        if self._follow is None:
            return False
        if request.bucket in self._moved:
            return isinstance(error, WrongRegion) or error.code in REGION_REFUSED
        return isinstance(error, WrongRegion) and bool(error.region)

    def _move(self, request: Request, error: StoreError) -> None:
        """Have all requests to the bucket signed for where the server said that it is."""
        if request.bucket not in self._moved:
            assert isinstance(error, WrongRegion) and self._follow is not None
            self._moved[request.bucket] = error
            self._follow(request.bucket, error.region)

    def _next(
        self, request: Request, trouble: Trouble | None, error: StoreError, generation: int
    ) -> tuple[Trouble, Step]:
        """What to do next, or the error to end with."""
        self.throttled += isinstance(error, Throttled)
        now = self._clock()
        if is_out_of_reach(error):
            self._missed(now, error)
        elif error.operation != "Sign":
            self._answered = self._answered or not is_nobodys(error)
            self._reached()
        fresh = generation == self._credentials_generation and now - self._renewed_at < FRESH_S
        trouble, step = next_step(
            self._policy, request, trouble, error, now, self._jitter, answered=self._answered, fresh=fresh
        )
        if step is not None and not (step.renew and self._refresh is None):
            return trouble, step
        try:
            if isinstance(error, Unavailable) and not request.deletes:
                raise _out_of_reach(error, trouble.outage_s, self._answered) from error
            if is_nobodys(error) and not self._answered:
                error.advice = error.advice or f"{NEVER_ANSWERED}."
            raise error
        finally:
            del error  # as above

    def _missed(self, now: float, error: StoreError) -> None:
        if self._lost_at is None:
            self._lost_at = now
        self._outage(now - self._lost_at, error.message)

    def _reached(self) -> None:
        if self._lost_at is not None:
            self._outage(0.0, "")
        self._lost_at = None

    async def _renew(self, refresh: Callable[[], Awaitable[None]], generation: int, request: Request) -> None:
        """Fresh credentials for everyone whose request was signed with those of `generation`. A source that fails for
        a while is asked again."""
        async with self._refreshing:
            since_s, attempts = self._clock(), 0
            while self._credentials_generation == generation:
                try:
                    await refresh()
                except BadCredentials as error:
                    attempts += 1
                    spent_s = self._clock() - since_s
                    delay_s = renewal_delay_s(self._policy, request, attempts, error, spent_s, self._jitter)
                    if delay_s is None or freshness.left_s() <= delay_s:
                        raise
                    self._outage(spent_s, error.message)
                    self._lost_at = self._lost_at if self._lost_at is not None else since_s
                    await self._sleep(delay_s)
                    continue
                self._credentials_generation += 1
                self._renewed_at = self._clock()


def _is_unconditional_delete(request: object) -> bool:
    if isinstance(request, DeleteObject):
        return request.if_match is None
    return isinstance(request, DeleteObjects) and any(etag is None for _, etag in request.keys)


def _out_of_reach(error: Unavailable, elapsed_s: float, answered: bool) -> Unreachable:
    again = "then run the same command again"
    if answered:
        advice = f"Check the network and the endpoint, {again}: what has a ledger goes on from there."
    else:
        advice = f"{NEVER_ANSWERED}, {again}."
    return Unreachable(
        f"S3 has been out of reach for {elapsed_s:.0f} s: {error.message}",
        operation=error.operation,
        ref=error.ref,
        code=error.code,
        request_id=error.request_id,
        advice=f"{advice} --give-up-after says how long to wait.",
    )
