"""Looks are dated by the attempt that was answered, and nothing is sent upon a look that is too old."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from engine import freshness
from engine.errors import Throttled, TooLate
from engine.freshness import HastyClock, dated, only_until
from engine.model import ObjectRef
from engine.sites.patience import RetryPolicy
from engine.sites.retrying import RetryingStore
from engine.store import DeleteObject, HeadObject
from tests.fake_store import FakeStore


class Hands:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(freshness, "now_s", lambda: self.now)

    async def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def of(readings: list[int]) -> Callable[[], int]:
    return iter(readings).__next__


@pytest.mark.parametrize(
    ("one", "other", "told_ns"),
    [
        ([0, 1, 2, 3], [50, 51, 52, 53], [1, 2, 3]),
        ([0, 1, 1, 2], [50, 51, 90, 91], [1, 40, 41]),  # one stood still while the machine slept
        ([0, 1, 30, 31], [50, 51, 51, 52], [1, 30, 31]),  # the other did
        ([0, 1, 2, 3], [50, 51, 20, 21], [1, 2, 3]),  # the calendar was set back
    ],
)
def test_a_look_is_never_younger_than_one_of_the_clocks_says(
    one: list[int], other: list[int], told_ns: list[int]
) -> None:
    clock = HastyClock(of(one), of(other))
    assert [round(clock() * 1e9) for _ in range(3)] == told_ns


async def test_a_look_is_dated_by_the_attempt_that_was_answered(hands: Hands) -> None:
    store = FakeStore()
    store.put("s3://b/a")
    slow = [("before", Throttled("slow down", operation="HeadObject")) for _ in range(3)]
    store.plan("HeadObject", *slow)
    retrying = RetryingStore(store, RetryPolicy(base_s=8.0), sleep=hands.wait)
    looked = await dated(retrying.head_object(HeadObject(ObjectRef("b", "a"))))
    assert hands.now > 101 and looked.sent_at == hands.now

    store.plan("HeadObject", ("ok", None))
    store.before = lambda operation, request: setattr(hands, "now", hands.now + 5)  # it waits for its turn to be sent
    looked = await dated(retrying.head_object(HeadObject(ObjectRef("b", "a"))))
    assert looked.sent_at == hands.now


async def test_an_answer_that_nobody_was_asked_for_is_older_than_any_limit(hands: Hands) -> None:
    async def remembered() -> str:
        return "from some cache"

    assert await dated(remembered()) == ("from some cache", -inf)


async def test_of_several_requests_the_first_dates_the_answer(hands: Hands) -> None:
    store = FakeStore()
    store.put("s3://b/a")

    async def twice() -> None:
        await store.head_object(HeadObject(ObjectRef("b", "a")))
        hands.now += 7
        await store.head_object(HeadObject(ObjectRef("b", "a")))

    assert (await dated(twice())).sent_at == 100


@pytest.mark.parametrize("late_s", [-0.001, 0.001])
async def test_what_would_be_sent_after_its_moment_is_not_sent(hands: Hands, late_s: float) -> None:
    """As where the process was stopped at any point before: the request looks at the clock itself, last of all."""
    store = FakeStore()
    etag = store.put("s3://b/a").etag
    store.before = lambda operation, request: setattr(hands, "now", 102 + late_s)
    sending = store.delete_object(DeleteObject(ObjectRef("b", "a"), etag))
    if late_s < 0:
        await only_until(102, sending)
    else:
        with pytest.raises(TooLate):
            await only_until(102, sending)
    assert (store.keys("s3://b/") == []) is (late_s < 0)


async def test_no_retry_sends_after_the_moment(hands: Hands) -> None:
    store = FakeStore()
    etag = store.put("s3://b/a").etag
    store.plan("DeleteObject", *[("before", Throttled("slow down", operation="DeleteObject")) for _ in range(50)])
    retrying = RetryingStore(store, RetryPolicy(), sleep=hands.wait, clock=lambda: hands.now)
    with pytest.raises((Throttled, TooLate)):
        await only_until(102, retrying.delete_object(DeleteObject(ObjectRef("b", "a"), etag)))
    assert hands.now <= 102
    assert store.keys("s3://b/") == ["a"]


async def test_a_moment_within_a_moment_keeps_to_both(hands: Hands) -> None:
    store = FakeStore()
    store.put("s3://b/a")
    hands.now = 101
    with pytest.raises(TooLate):
        await only_until(100.5, dated(store.head_object(HeadObject(ObjectRef("b", "a"))), not_after=105))
