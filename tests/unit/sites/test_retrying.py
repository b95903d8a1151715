"""The one retry layer: what is sent again, how long it waits, and when it gives up."""

from __future__ import annotations

import gc
import pickle
import random
import weakref
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.cli.ending import error_values
from engine.decorator import Method, StoreDecorator
from engine.errors import (
    AccessDenied,
    Ambiguous,
    BadCredentials,
    Conflict,
    CredentialsExpired,
    StoreError,
    Throttled,
    Unavailable,
    Unreachable,
)
from engine.model import ObjectRef
from engine.sites.patience import ENDED, MOST_RENEWALS, RENEWALS, RetryPolicy, next_step
from engine.sites.retrying import RetryingStore
from engine.store import (
    Answered,
    Asked,
    CompleteUpload,
    CopyObject,
    CreateUpload,
    DeleteObject,
    HeadObject,
    ListPage,
    PutObject,
    Request,
)
from tests.fake_store import FakeStore

POLICY = RetryPolicy()
COPY = CopyObject(ObjectRef("bkt", "a"), ObjectRef("bkt", "b"))
HEAD = HeadObject(ObjectRef("bkt", "a"))


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def retrying(store: FakeStore, time: Time, **more: Any) -> RetryingStore:
    store.put("s3://bkt/a")
    return RetryingStore(
        store, more.pop("policy", POLICY), sleep=time.sleep, clock=time.clock, jitter=random.Random(1), **more
    )


def failing(error: StoreError, times: int) -> list[tuple[str, Exception]]:
    return [("before", error)] * times


async def test_throttling_is_waited_out_and_counted() -> None:
    store, time = FakeStore(), Time()
    store.plan("CopyObject", *failing(Throttled("slow down", operation="CopyObject"), 5))
    inner = retrying(store, time)
    await inner.copy_object(COPY)
    assert (inner.requests, inner.throttled, inner.retried) == (6, 5, 5)
    assert len(time.slept) == 5


@pytest.mark.parametrize(
    ("site", "ref", "said"),
    [
        ("other", "s3://bkt", "HeadObject other:s3://bkt: no [x]"),
        ("other", "", 'HeadObject at the site "other": no [x]'),
        ("", "s3://bkt", "HeadObject s3://bkt: no [x]"),
        ("", "", "HeadObject: no [x]"),
    ],
)
async def test_an_error_says_of_which_site_it_is(site: str, ref: str, said: str) -> None:
    """Two may have a bucket of one name, and credentials are about none."""
    store = FakeStore()
    store.plan("HeadObject", *failing(AccessDenied("no", operation="HeadObject", ref=ref, code="x"), 1))
    with pytest.raises(AccessDenied) as caught:
        await retrying(store, Time(), site=site).head_object(HEAD)
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value))) == said
    assert error_values(caught.value)["ref"] == said.partition(" ")[2].partition(": ")[0] * bool(ref)


async def test_a_copy_with_an_unknown_outcome_is_never_sent_again_by_this_layer() -> None:
    store, time = FakeStore(), Time()
    store.plan("CopyObject", *failing(Ambiguous("reset", operation="CopyObject"), 1))
    with pytest.raises(Ambiguous):
        await retrying(store, time).copy_object(COPY)
    assert len(store.made("CopyObject")) == 1


async def test_a_delete_that_waits_goes_back_soon_so_that_its_object_is_looked_at_again() -> None:
    store, time = FakeStore(), Time()
    store.plan("DeleteObject", *failing(Throttled("slow down", operation="DeleteObject", retry_after_s=600.0), 1_000))
    with pytest.raises(Throttled):
        await retrying(store, time).delete_object(DeleteObject(ObjectRef("bkt", "a"), "e" * 32))
    assert POLICY.delete_give_up_after_s <= time.now <= POLICY.delete_give_up_after_s + POLICY.cap_s


@pytest.mark.parametrize("error", [Throttled("slow down", operation="x"), Unavailable("no", operation="x")])
async def test_a_delete_that_carries_no_etag_is_never_sent_again_by_this_layer(error: StoreError) -> None:
    store, time = FakeStore(), Time()
    store.plan("DeleteObject", *failing(error, 1))
    with pytest.raises(type(error)):
        await retrying(store, time).delete_object(DeleteObject(ObjectRef("bkt", "a")))
    assert (time.slept, ("bkt", "a") in store.objects) == ([], True)


async def test_a_read_with_an_unknown_outcome_is_sent_again() -> None:
    store, time = FakeStore(), Time()
    store.plan("HeadObject", *failing(Ambiguous("reset", operation="HeadObject"), 3))
    assert (await retrying(store, time).head_object(HEAD)).size == 10
    assert len(store.made("HeadObject")) == 4


@pytest.mark.parametrize("error", [AccessDenied("no", operation="X"), BadCredentials("no", operation="X")])
async def test_a_clear_no_is_not_asked_again(error: StoreError) -> None:
    store, time = FakeStore(), Time()
    store.plan("HeadObject", *failing(error, 1))
    with pytest.raises(type(error)):
        await retrying(store, time).head_object(HEAD)
    assert time.slept == []


async def test_an_outage_is_waited_out_for_as_long_as_the_policy_says_once_S3_has_answered() -> None:
    store, time = FakeStore(), Time()
    inner = retrying(store, time)
    await inner.head_object(HEAD)
    store.plan("HeadObject", *failing(Unavailable("refused", operation="HeadObject"), 10_000))
    with pytest.raises(Unreachable, match="out of reach"):
        await inner.head_object(HEAD)
    assert POLICY.give_up_after_s <= time.now <= POLICY.give_up_after_s + POLICY.cap_s


async def test_it_is_told_for_how_long_S3_has_been_out_of_reach_and_when_it_no_longer_is() -> None:
    store, time = FakeStore(), Time()
    told: list[tuple[float, str]] = []
    inner = retrying(store, time, outage=lambda since_s, why: told.append((since_s, why)))
    store.plan("HeadObject", *failing(Unavailable("refused", operation="HeadObject"), 3))
    await inner.head_object(HEAD)
    await inner.head_object(HEAD)
    waited = [sum(time.slept[:tries]) for tries in range(3)]
    assert told == [*((pytest.approx(since_s), "refused") for since_s in waited), (0.0, "")]
    store.plan("HeadObject", *failing(Throttled("slow down", operation="HeadObject"), 2))
    await inner.head_object(HEAD)
    assert len(told) == 4, "who asks for fewer requests is there"


async def test_an_endpoint_that_never_answered_is_given_up_soon() -> None:
    store, time = FakeStore(), Time()
    store.plan("HeadObject", *failing(Unavailable("refused", operation="HeadObject"), 10_000))
    with pytest.raises(Unreachable) as gave_up:
        await retrying(store, time).head_object(HEAD)
    assert time.now <= POLICY.first_answer_s + POLICY.cap_s
    assert gave_up.value.advice.startswith("It has never answered as S3 does: check the endpoint")


async def test_expired_credentials_are_refreshed_once_for_all_who_met_them() -> None:
    store, time = FakeStore(), Time()
    refreshed: list[None] = []
    expired = CredentialsExpired("expired", operation="HeadObject")

    async def refresh() -> None:
        await anyio.lowlevel.checkpoint()
        refreshed.append(None)

    inner = retrying(store, time, refresh=refresh)
    store.plan("HeadObject", *failing(expired, 3))
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(inner.head_object, HEAD)
    assert refreshed == [None]
    assert len(store.made("HeadObject")) == 6


async def test_credentials_that_are_refused_when_fresh_end_it() -> None:
    store, time = FakeStore(), Time()

    async def refresh() -> None:
        return None

    store.plan("HeadObject", *failing(CredentialsExpired("expired", operation="HeadObject"), 9))
    with pytest.raises(BadCredentials):
        await retrying(store, time, refresh=refresh).head_object(HEAD)
    assert len(store.made("HeadObject")) == 1 + RENEWALS


def failed(*, may_pass: bool) -> BadCredentials:
    error = BadCredentials("the program gives no credentials", operation="Sign")
    error.may_pass = may_pass
    return error


async def test_a_source_of_credentials_that_fails_for_a_while_is_asked_again() -> None:
    store, time = FakeStore(), Time()
    told: list[tuple[float, str]] = []
    asked: list[float] = []

    async def refresh() -> None:
        asked.append(time.now)
        if len(asked) < 4:
            raise failed(may_pass=True)

    store.plan("HeadObject", *failing(CredentialsExpired("expired", operation="HeadObject"), 1))
    inner = retrying(store, time, refresh=refresh, outage=lambda since_s, why: told.append((since_s, why)))
    await inner.head_object(HEAD)
    assert len(asked) == 4 and len(time.slept) >= 3 and len(store.made("HeadObject")) == 2
    assert told[0] == (0.0, "the program gives no credentials") and told[-1] == (0.0, "")


@pytest.mark.parametrize(
    ("may_pass", "asked", "most_s"),
    [
        (False, HEAD, 0.0),
        (True, HEAD, POLICY.give_up_after_s),
        (True, DeleteObject(ObjectRef("bkt", "a"), "etag"), POLICY.delete_give_up_after_s),
    ],
)
async def test_a_source_of_credentials_that_goes_on_failing_ends_it(may_pass: bool, asked: Any, most_s: float) -> None:
    store, time = FakeStore(), Time()

    async def refresh() -> None:
        raise failed(may_pass=may_pass)

    expired = CredentialsExpired("expired", operation=asked.operation, code="ExpiredToken")
    store.plan(asked.operation, *failing(expired, 9))
    inner = retrying(store, time, refresh=refresh)
    with pytest.raises(BadCredentials, match="gives no credentials"):
        await (inner.head_object(HEAD) if asked is HEAD else inner.delete_object(asked))
    assert time.now == pytest.approx(most_s)


@pytest.mark.parametrize("code", sorted(ENDED))
async def test_keys_that_a_server_does_not_know_any_more_are_looked_for_once(code: str) -> None:
    """They may have been replaced where they come from, before their time."""
    store, time = FakeStore(), Time()
    refreshed: list[None] = []

    async def refresh() -> None:
        refreshed.append(None)
        time.now += 60.0  # however long that takes

    unknown = BadCredentials("no", operation="HeadObject", code=code)
    store.plan("HeadObject", *failing(unknown, 1))
    inner = retrying(store, time, refresh=refresh)
    await inner.head_object(HEAD)
    assert len(refreshed) == 1
    store.plan("HeadObject", *failing(unknown, 9))
    with pytest.raises(BadCredentials):
        await inner.head_object(HEAD)
    assert len(refreshed) == 2 and len(store.made("HeadObject")) == 4


async def test_credentials_that_expire_again_while_a_request_waits_its_turn_are_renewed_again() -> None:
    store, time = FakeStore(), Time()
    renewals: list[float] = []

    async def refresh() -> None:
        renewals.append(time.now)

    def too_late() -> None:
        time.now += 60.0
        raise CredentialsExpired("expired", operation="HeadObject")

    store.plan("HeadObject", *[("before", too_late)] * 3)
    await retrying(store, time, refresh=refresh).head_object(HEAD)
    assert renewals == [60.0, 120.0, 180.0]


async def test_credentials_that_expire_again_and_again_end_it_however_slowly_S3_answers() -> None:
    store, time = FakeStore(), Time()

    async def refresh() -> None:
        return None

    def too_late() -> None:
        time.now += 60.0  # never refused when fresh
        raise CredentialsExpired("expired", operation="HeadObject")

    store.plan("HeadObject", *[("before", too_late)] * 1_000)
    with pytest.raises(BadCredentials):
        await retrying(store, time, refresh=refresh).head_object(HEAD)
    assert len(store.made("HeadObject")) == 1 + MOST_RENEWALS


@pytest.mark.parametrize("code", ["Closed", "UnreadableAnswer"])
async def test_what_never_answered_as_s3_does_is_not_tried_for_long(code: str) -> None:
    """A port that speaks TLS, a page of HTML where somebody has to sign in first."""
    store, time = FakeStore(), Time()
    inner = retrying(store, time)

    def nobody() -> Ambiguous:
        return Ambiguous("the connection was closed", operation="HeadObject", code=code)

    store.plan("HeadObject", *[("before", nobody()) for _ in range(100)])
    with pytest.raises(Ambiguous) as gave_up:
        await inner.head_object(HEAD)
    assert time.now <= POLICY.first_answer_s
    assert "a proxy or sign-in page on the way" in gave_up.value.advice
    await inner.list_page(ListPage("bkt"))
    before = len(store.made("HeadObject"))
    with pytest.raises(Ambiguous) as gave_up:
        await inner.head_object(HEAD)
    assert len(store.made("HeadObject")) - before == POLICY.attempts and not gave_up.value.advice


async def test_troubles_that_alternate_use_up_the_patience_with_both() -> None:
    store, time = FakeStore(), Time()
    inner = retrying(store, time)
    await inner.head_object(HEAD)
    both = [Throttled("slow down", operation="HeadObject"), Unavailable("refused", operation="HeadObject")]
    store.plan("HeadObject", *[("before", error) for _ in range(10_000) for error in both])
    with pytest.raises(Unreachable, match="out of reach for 300 s"):
        await inner.head_object(HEAD)
    assert time.now <= POLICY.total_s


@pytest.mark.parametrize("code", sorted(ENDED))
async def test_an_unconditional_delete_whose_keys_are_not_known_any_more_was_not_carried_out(code: str) -> None:
    store, time = FakeStore(), Time()

    async def refresh() -> None:
        return None

    store.plan("DeleteObject", ("before", BadCredentials("no", operation="DeleteObject", code=code)))
    await retrying(store, time, refresh=refresh).delete_object(DeleteObject(ObjectRef("bkt", "a")))
    assert len(store.made("DeleteObject")) == 2


async def test_an_unconditional_delete_is_not_sent_again_after_its_credentials_were_renewed_either() -> None:
    store, time = FakeStore(), Time()

    async def refresh() -> None:
        return None

    store.plan(
        "DeleteObject",
        ("before", CredentialsExpired("expired", operation="DeleteObject", code="ExpiredToken")),
        ("before", Throttled("slow down", operation="DeleteObject")),
    )
    with pytest.raises(Throttled):
        await retrying(store, time, refresh=refresh).delete_object(DeleteObject(ObjectRef("bkt", "a")))
    assert len(store.made("DeleteObject")) == 2


def delay(request: type[Request], attempt: int, error: StoreError, jitter: random.Random) -> float | None:
    """How long is waited after so many like failures, if at all."""
    trouble = None
    for _ in range(attempt):
        trouble, step = next_step(POLICY, request, trouble, error, 0.0, jitter)
    return None if step is None else step.delay_s


def test_the_delay_is_full_jitter_under_a_growing_cap() -> None:
    error = Throttled("slow down", operation="CopyObject")
    jitter = random.Random(2)
    for attempt in range(1, 30):
        delays = [delay(CopyObject, attempt, error, jitter) for _ in range(200)]
        cap = min(POLICY.cap_s, POLICY.base_s * 2.0**attempt)
        assert all(item is not None and 0 < item <= cap for item in delays)
        assert max(item or 0 for item in delays) > 0.9 * cap


def test_a_servers_own_wish_is_kept_to() -> None:
    error = Throttled("slow down", operation="CopyObject", retry_after_s=7.0)
    wait_s = delay(CopyObject, 1, error, random.Random(1))
    assert wait_s is not None and wait_s >= 7.0


@pytest.mark.parametrize("request_class", [CopyObject, CompleteUpload, CreateUpload, PutObject])
def test_no_write_is_among_what_may_be_done_twice(request_class: type[Request]) -> None:
    assert not request_class.harmless_twice


def test_409_on_a_copy_is_sent_again_and_on_complete_is_not() -> None:
    error = Conflict("409", operation="X", code="ConditionalRequestConflict")
    assert delay(CopyObject, 1, error, random.Random(1)) is not None
    assert delay(CompleteUpload, 1, error, random.Random(1)) is None
    assert delay(CopyObject, POLICY.attempts, error, random.Random(1)) is None


class Unreadable(StoreDecorator):
    """A server that answers with what cannot be read, the first so many times."""

    def __init__(self, inner: FakeStore, times: int) -> None:
        super().__init__(inner)
        self._left = times
        self.told: list[weakref.ref[StoreError]] = []

    async def _call(self, method: Method[Asked, Answered], request: Asked) -> Answered:
        if self._left:
            self._left -= 1
            raise self._error()
        return await method(request)

    def _error(self) -> StoreError:
        error = Ambiguous("a megabyte of nonsense", operation="HeadObject", code="UnreadableAnswer", request_id="1")
        self.told.append(weakref.ref(error))
        return error


@pytest.mark.parametrize("times", [1, 3, 99])
async def test_what_came_for_a_request_is_gone_with_it(times: int) -> None:
    """An error's traceback holds the answer that it is about: kept for the collector they were a megabyte each."""
    time, memory = Time(), FakeStore()
    memory.put("s3://bkt/a")
    unreadable = Unreadable(memory, times)
    store = RetryingStore(unreadable, POLICY, sleep=time.sleep, clock=time.clock, jitter=random.Random(1))
    gc.disable()  # nothing of it is to wait for the collector
    try:
        with suppress(Ambiguous):
            await store.head_object(HEAD)
        assert len(unreadable.told) == min(times, POLICY.attempts)
        assert [error for error in unreadable.told if error() is not None] == []
    finally:
        gc.enable()
