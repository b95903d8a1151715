"""One deletion at a time in a bucket: a claim is held, met, renewed, lost, left behind and taken over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import anyio
import pytest

from engine import freshness
from engine.errors import AccessDenied, Ambiguous, ClaimLost, GateClosed, PreconditionFailed
from engine.events import Notice
from engine.finish.claim import RENEW_S, SAFE_S, STALE_S, Holder
from engine.finish.claim_taking import Asked, claimed, held_by_another
from engine.model import ABSENT, ObjectRef
from engine.plan.own import CLAIM
from engine.store import DeleteObjects, ObjectStore
from tests.fake_store import FakeStore

CLEANUP = Holder("1" * 32, "ann@here", "cleanup", "moving", "2026-01-31 10:00:00 UTC", "this boot:1:2")
REVERT = Holder("2" * 32, "bob@there", "revert", "moving", "2026-01-31 10:00:05 UTC", "that boot:1:2")
BATCH = DeleteObjects("bucket", (("data", None),))


class World:
    """A bucket with one object, and two who would delete it. `running` is the time of a clock that runs on."""

    running: ClassVar[float] = 0.0

    def __init__(self, store: FakeStore | None = None) -> None:
        self.store = store or FakeStore()
        self.store.put("s3://bucket/data")
        self.store.put("s3://other/data")
        self.heard: list[Notice] = []
        self._due = anyio.Event()

    def pass_time(self, seconds: float) -> None:
        World.running += seconds
        self.store.now_s += seconds

    async def renew(self) -> None:
        """Let the renewal that is due happen."""
        due, self._due = self._due, anyio.Event()
        due.set()
        await anyio.wait_all_tasks_blocked()

    async def _sleep(self, seconds: float) -> None:
        assert seconds == RENEW_S
        await self._due.wait()

    @asynccontextmanager
    async def claimed(
        self, holder: Holder = CLEANUP, *buckets: str, trusted: bool = False, unconditional: bool = False
    ) -> AsyncIterator[ObjectStore]:
        asked = Asked(holder, trusted, unconditional, self.heard.append)  # type: ignore[arg-type]
        try:
            async with claimed(self.store, buckets or ("bucket",), asked, sleep=self._sleep) as store:
                yield store
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def refused(self, holder: Holder = REVERT, *buckets: str, **how: bool) -> str:
        with pytest.raises(GateClosed) as refusal:
            async with self.claimed(holder, *buckets, **how):
                pass
        (sentence,) = refusal.value.reasons
        return sentence

    @property
    def codes(self) -> list[str]:
        return [notice.code for notice in self.heard]

    def holder(self, bucket: str = "bucket") -> Holder | None:
        held = self.store.get(f"s3://{bucket}/{CLAIM}")
        return None if held is None or held.body is None else Holder.from_body(held.body)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that looks and renewals are dated by is moved by `World.pass_time` alone."""
    World.running = 0.0
    monkeypatch.setattr(freshness, "now_s", lambda: World.running)


@pytest.mark.parametrize("trusted", [False, True])
async def test_who_comes_second_is_refused_and_told_by_whom(world: World, trusted: bool) -> None:
    async with world.claimed(CLEANUP, trusted=trusted):
        world.pass_time(12)
        said = await world.refused(REVERT, trusted=trusted)
        assert 'cartage cleanup of "moving" by ann@here, since 2026-01-31 10:00:00 UTC' in said
        assert "12 s ago, by the server's clock" in said and f"for {STALE_S} s is taken over" in said
        assert await held_by_another(world.store, ["other", "bucket"], REVERT.ledger) == said
    assert world.holder() is None
    async with world.claimed(REVERT, trusted=trusted) as store:
        await store.delete_objects(BATCH)
    assert world.store.keys("s3://bucket/") == [] and world.heard == []


async def test_the_one_refused_leaves_the_others_claim_alone(world: World) -> None:
    async with world.claimed(CLEANUP) as store:
        await world.refused(REVERT)
        await store.delete_objects(BATCH)


async def test_a_claim_is_held_in_every_bucket_or_in_none(world: World) -> None:
    async with world.claimed(CLEANUP, "other"):
        await world.refused(REVERT, "bucket", "other")
        assert world.holder("bucket") is None and world.holder("other") is not None


async def test_a_claim_that_is_renewed_never_grows_stale(world: World) -> None:
    async with world.claimed(CLEANUP) as store:
        for _ in range(10):
            world.pass_time(RENEW_S)
            await world.renew()
        assert "last renewed 0 s ago" in await world.refused()
        await store.delete_objects(BATCH)


async def test_a_claim_that_was_left_is_taken_over_after_its_time_and_not_before(world: World) -> None:
    world.store.put(f"s3://bucket/{CLAIM}", CLEANUP.as_body())
    world.pass_time(STALE_S - 1)
    await world.refused()
    world.pass_time(1)
    assert await held_by_another(world.store, ["bucket"], REVERT.ledger) == ""
    async with world.claimed(REVERT):
        found = world.holder()
        assert found is not None and found.who == "bob@there"
    assert world.codes == ["ClaimTakenOver"] and "ann@here" in world.heard[0].message


async def test_without_a_server_clock_nobody_can_say_that_it_was_left(world: World) -> None:
    world.store.sends_date = False
    world.store.put(f"s3://bucket/{CLAIM}", CLEANUP.as_body())
    world.pass_time(10 * STALE_S)
    assert "the server sends no date" in await world.refused()


async def test_whoever_has_the_very_ledger_locked_need_not_wait(world: World) -> None:
    world.store.put(f"s3://bucket/{CLAIM}", CLEANUP.as_body())
    async with world.claimed(replace(CLEANUP, token="3" * 32)) as store:
        await store.delete_objects(BATCH)
    assert world.codes == ["ClaimTakenOver"]


async def test_a_ledger_that_cannot_be_told_proves_nothing(world: World) -> None:
    world.store.put(f"s3://bucket/{CLAIM}", replace(CLEANUP, ledger="").as_body())
    await world.refused(replace(CLEANUP, token="3" * 32, ledger=""))


async def test_who_was_stopped_for_too_long_finds_out_before_anything_is_deleted(world: World) -> None:
    with pytest.raises(ClaimLost) as lost:
        async with world.claimed(CLEANUP) as store:
            world.pass_time(STALE_S)  # stopped: not even a renewal went out
            async with world.claimed(REVERT):
                await store.delete_objects(BATCH)
    assert "bob@there" in str(lost.value)
    assert world.store.made("DeleteObjects") == []
    assert world.store.keys("s3://bucket/") == ["data"]


async def test_who_was_stopped_renews_before_anything_is_deleted(world: World) -> None:
    async with world.claimed(CLEANUP) as store:
        world.pass_time(SAFE_S + 1)
        await store.delete_objects(BATCH)
        assert "last renewed 0 s ago" in await world.refused()


async def test_a_claim_that_somebody_removed_is_lost(world: World) -> None:
    with pytest.raises(ClaimLost, match="stands nothing"):
        async with world.claimed(CLEANUP) as store:
            world.store.remove(f"s3://bucket/{CLAIM}")
            world.pass_time(1)
            await store.delete_objects(BATCH)
    assert world.store.keys("s3://bucket/") == ["data"]


async def test_it_is_released_whatever_ends_the_deletion(world: World) -> None:
    with pytest.raises(RuntimeError):
        async with world.claimed(CLEANUP):
            raise RuntimeError
    assert world.holder() is None
    with anyio.CancelScope() as scope:
        async with world.claimed(CLEANUP):
            scope.cancel()
            await anyio.sleep_forever()
    assert world.holder() is None


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_answer_that_was_lost_is_found_out(world: World, when: str) -> None:
    lost = Ambiguous("no answer", operation="PutObject", code="Lost")
    world.store.plan("PutObject", (when, lost), (when, lost), (when, lost), ("ok", None), (when, lost))
    async with world.claimed(CLEANUP) as store:
        await store.delete_objects(BATCH)
    assert world.store.keys("s3://bucket/") == [] and world.heard == []


async def test_a_renewal_whose_answer_was_lost_is_ours(world: World) -> None:
    async with world.claimed(CLEANUP) as store:
        world.store.plan("PutObject", ("after", Ambiguous("no answer", operation="PutObject", code="Lost")))
        await world.renew()
        world.pass_time(1)
        await store.delete_objects(BATCH)
    assert world.holder() is None


async def test_what_is_no_claim_is_not_overwritten(world: World) -> None:
    world.store.put(f"s3://bucket/{CLAIM}", b"somebody's notes")
    world.pass_time(10 * STALE_S)
    assert "is no claim of Cartage" in await world.refused(unconditional=True)
    held = world.store.get(f"s3://bucket/{CLAIM}")
    assert held is not None and held.body == b"somebody's notes"


# --- servers that do not keep the condition -----------------------------------------------------------------


class Loose(FakeStore):
    """`absent`: so many writes with If-None-Match are let through; `matches`: If-Match is ignored."""

    absent = 0
    matches = False

    def _check_target(self, operation: str, ref: ObjectRef, condition: str | None) -> None:
        if condition == ABSENT and self.absent:
            self.absent -= 1
        elif condition in (None, ABSENT) or not self.matches:
            super()._check_target(operation, ref, condition)


def loose(*, absent: int = 0, matches: bool = False) -> World:
    store = Loose()
    store.absent, store.matches = absent, matches
    return World(store)


@pytest.mark.parametrize(
    ("how", "why"),
    [({"absent": 99, "matches": True}, "two writers"), ({"absent": 2}, "two writers"), ({"matches": True}, "If-Match")],
    ids=["ignores both", "lets two racers through", "ignores If-Match"],
)
async def test_a_server_that_keeps_no_two_apart_is_said_and_needs_consent(how: dict[str, Any], why: str) -> None:
    said = await loose(**how).refused()
    assert why in said and "--unconditional" in said
    world = loose(**how)
    async with world.claimed(CLEANUP, unconditional=True) as store:
        assert world.codes == ["ClaimNotKept"] and why in world.heard[0].message
        assert "ann@here" in await world.refused(REVERT, unconditional=True)
        world.pass_time(RENEW_S)
        await world.renew()
        await store.delete_objects(BATCH)
    assert world.store.keys("s3://bucket/") == []


async def test_a_refusal_leaves_no_claim_behind() -> None:
    world = loose(matches=True)
    await world.refused()
    assert world.holder() is None


class RefusesETags(FakeStore):
    """Every write with an If-Match is refused, as Ceph's gateway does it."""

    def _check_target(self, operation: str, ref: ObjectRef, condition: str | None) -> None:
        if condition not in (None, ABSENT):
            raise PreconditionFailed("it changed", operation=operation, ref=str(ref))
        super()._check_target(operation, ref, condition)


async def test_a_server_that_does_not_write_by_etag_needs_consent_and_is_then_written_without() -> None:
    assert "does not write by ETag" in await World(RefusesETags()).refused()
    world = World(RefusesETags())
    world.store.put(f"s3://bucket/{CLAIM}", REVERT.as_body())
    world.pass_time(STALE_S)
    async with world.claimed(CLEANUP, unconditional=True) as store:
        world.pass_time(SAFE_S + 1)
        await store.delete_objects(BATCH)
        assert "last renewed 0 s ago" in await world.refused(REVERT, unconditional=True)


async def test_who_may_not_write_a_claim_needs_consent() -> None:
    def deny(operation: str, request: Any) -> None:
        if operation == "PutObject":
            raise AccessDenied("not allowed", operation=operation, code="AccessDenied")

    world = World()
    world.store.before = deny
    said = await world.refused()
    assert f"s3://bucket/{CLAIM} cannot be taken" in said and "--unconditional" in said
    async with world.claimed(CLEANUP, unconditional=True) as store:
        await store.delete_objects(BATCH)
    assert world.codes == ["Unclaimed"]


# --- two buckets that are one, or hold copies of each other -------------------------------------------------


class TwoNames(FakeStore):
    """ "other" is a second name of "bucket"."""

    async def _do(self, operation: str, request: Any, key: str, effect: Any) -> Any:
        if hasattr(request, "ref"):
            request = request._replace(ref=ObjectRef("bucket", request.ref.key))
        return await super()._do(operation, request, key, effect)


@pytest.mark.parametrize("trusted", [False, True])
async def test_two_names_of_one_bucket_are_found_out(trusted: bool) -> None:
    world = World(TwoNames())
    said = await world.refused(CLEANUP, "bucket", "other", trusted=trusted, unconditional=True)
    assert said.startswith("bucket and other are two names of one bucket")
    assert world.holder() is None


class Replicated(FakeStore):
    """What is put into "bucket" is in "other" as well, `lag` requests later."""

    lag: int
    waiting: dict[int, Any]

    async def _do(self, operation: str, request: Any, key: str, effect: Any) -> Any:
        answer = await super()._do(operation, request, key, effect)
        if operation == "PutObject" and request.ref.bucket == "bucket":
            self.waiting[len(self.requests) + self.lag] = request
        if (copied := self.waiting.pop(len(self.requests), None)) is not None:
            self.put(f"s3://other/{copied.ref.key}", copied.body)
        return answer


@pytest.mark.parametrize("lag", [5, 8, 12, 15, 20])
async def test_a_claim_that_is_replicated_into_the_other_bucket_stays_ours(lag: int) -> None:
    store = Replicated()
    store.lag, store.waiting = lag, {}
    world = World(store)
    async with world.claimed(CLEANUP, "bucket", "other") as claimed:
        world.pass_time(RENEW_S)
        await world.renew()
        world.pass_time(1)
        await claimed.delete_objects(BATCH)
    assert world.holder("bucket") is None
