"""The audit: both sides looked at again, the hold by the server's clock, and what closes the gate in the world."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import pytest

from engine.errors import Ambiguous, BadCredentials
from engine.finish.gate import closed
from engine.finish.holding import hold_of, proven_before_ms
from engine.freshness import running_s
from engine.ledger.reader import Held
from engine.listing.sources import Sources
from engine.plan.document import Plan
from engine.plan.sizes import server_ms
from engine.proof.audit import audit
from engine.sites.clock import dating_clock
from tests.fake_store import everywhere
from tests.unit.finish.scene import DAY_S, PLAN, Scene, scene

SOURCE = "s3://bucket/data/raw/"
TARGET = "s3://bucket/project/data/raw/"


async def found(s: Scene) -> dict[str, int]:
    (report,) = await audit(everywhere(s.store), Sources(), s.plan.routes, s.ledger, s.heard.append)
    return {kind.value: count for kind, count in report.counts.items()}


async def test_a_week_without_mishap_opens_the_gate(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        assert await s.closed() == ["hold"]
        s.store.now_s += DAY_S - 2
        assert await s.closed() == ["hold"]
        s.store.now_s += 2
        assert await s.closed() == []


async def test_a_source_that_changed_closes_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.put(SOURCE + "00001.png", b"drifted")
        assert await found(s) == {"ok": 2, "drifted": 1}
        assert await s.closed(hold_s=0) == ["audit"]


async def test_a_new_arrival_closes_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.put(SOURCE + "late.png")
        assert await found(s) == {"ok": 3, "new": 1}
        assert await s.closed(hold_s=0) == ["audit"]


async def test_a_target_missing_or_changed_closes_it_and_an_extra_one_does_not(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.put(TARGET + "extra.png")
        assert await s.closed(hold_s=0) == []
        s.store.remove(TARGET + "00000.png")
        s.store.put(TARGET + "00001.png", b"another")
        assert await found(s) == {"missing": 1, "damaged": 1, "ok": 1}
        assert await s.closed(hold_s=0) == ["audit"]


async def test_a_source_that_someone_deleted_is_told_and_closes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.remove(SOURCE + "00000.png")
        assert await found(s) == {"source gone": 1, "ok": 2}
        assert await s.closed(hold_s=0) == []


async def test_a_listing_that_fails_on_page_30_closes_it(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=90) as s:
        await s.migrate()
        s.store.page_keys = 2
        pages = 0

        def fail_late(operation: str, request: object) -> None:
            nonlocal pages
            if operation == "ListObjectsV2" and getattr(request, "prefix", "") == "data/raw/":
                pages += 1
                if pages == 30:
                    raise Ambiguous("reset by peer", operation="ListObjectsV2", ref=SOURCE)

        s.store.before = fail_late
        reasons = closed(await s.reasons(hold_s=0))
        assert [reason.name for reason in reasons] == ["audit"]
        assert "reset by peer" in reasons[0].sentence


async def test_bad_credentials_are_no_finding(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.plan("ListObjectsV2", ("before", BadCredentials("expired", operation="ListObjectsV2")), key="data/raw/")
        with pytest.raises(BaseExceptionGroup) as caught:
            await found(s)
        assert caught.group_contains(BadCredentials)


async def test_it_writes_nothing_into_the_ledger(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        before = await s.records()
        s.store.put(SOURCE + "00001.png", b"drifted")
        s.store.remove(TARGET + "00000.png")
        await found(s)
        assert await s.records() == before


async def test_filters_leave_others_alone_but_not_what_was_taken_once(tmp_path: Path) -> None:
    plan = PLAN + 'exclude = ["*.tmp"]\nmax_size = "1 kB"\n'
    async with scene(tmp_path, plan=plan) as s:
        await s.migrate()
        s.store.put(SOURCE + "scratch.tmp")
        assert await found(s) == {"ok": 3}
        s.store.put(SOURCE + "00001.png", b"x" * 2_000)  # too large for the route now
        assert await found(s) == {"ok": 2, "drifted": 1}


async def test_a_new_object_under_the_key_of_a_deleted_one_is_an_arrival(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        await s.delete()
        assert await found(s) == {}
        s.store.put(SOURCE + "00001.png", b"new")
        assert await found(s) == {"new": 1}


async def test_verifying_again_does_not_restart_the_hold_and_a_change_does(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.now_s += DAY_S + 2
        records = await s.records()
        from engine.plan.lifecycle import State
        from engine.plan.record import Outcome

        def again(key: str, etag: str) -> Outcome:
            return Outcome(key, State.VERIFIED, etag, proof=records[key].proof, compared="etag")

        await s.ledger.conclude("raw", [again(key, record.target_etag) for key, record in records.items()])
        assert await s.closed() == []
        await s.ledger.conclude("raw", [again("00001.png", "another-etag")])
        assert "hold" in await s.closed()


# --- the server's clock ---------------------------------------------------------------------------------------------


def test_proof_is_dated_by_the_server_and_never_too_early() -> None:
    elapsed_s = 0.0
    date = formatdate(1_900_000_000, usegmt=True)
    clock = dating_clock(date, 0.0, lambda: elapsed_s)
    assert clock is not None
    assert clock() == 1_900_000_001_000  # the header cut up to a second off
    elapsed_s = 12.5
    assert clock() == 1_900_000_013_500
    late = dating_clock(date, 2.5, lambda: elapsed_s)  # the date came ten seconds before the clock was made
    assert late is not None and late() == 1_900_000_011_000
    assert dating_clock("", 0.0) is None


@pytest.mark.parametrize("text", ["", "yesterday", "Wed, 99 Nov 2026 10:00:00 GMT"])
def test_what_is_no_date_is_no_clock(text: str) -> None:
    assert server_ms(text) is None


def test_a_local_clock_set_forward_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that judges a hold is handed in: the ledger's dates and the server's."""
    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
    monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000 * 10**9)
    held = [Held("raw", 3, 0, 1_900_000_000_000, 3)]
    hold = hold_of(held, DAY_S, server_ms(formatdate(1_900_000_100, usegmt=True)))
    assert not hold.passed
    assert hold.remaining_s == DAY_S - 100


def test_without_a_clock_nothing_was_proven_before() -> None:
    assert proven_before_ms(None, 0) < 0
    assert proven_before_ms(1_000_000, 10) == 990_000


def test_a_plan_with_two_routes_waits_for_the_later_one() -> None:
    hold = hold_of([Held("a", 1, 0, 1_000, 0), Held("b", 2, 0, 90_000, 1)], 60, 100_000)
    assert (hold.objects, hold.waiting, hold.remaining_s, hold.passed) == (3, 1, 50, False)


def test_what_was_proven_just_now_is_free_after_the_hold_and_no_second_later() -> None:
    hold = hold_of([Held("a", 1, 0, 100_900, 1)], 60, 100_000)  # dated a second late, by a clock that is cut off
    assert (hold.waiting, hold.remaining_s, hold.free_ms, hold.passed) == (1, 60, 160_000, False)


def test_a_proof_that_the_clock_has_not_come_to_is_said_to_be_that_and_never_free_in_a_moment() -> None:
    hold = hold_of([Held("a", 2, 0, 500_000, 2)], 60, 100_000)
    assert (hold.ahead_ms, hold.passed) == (500_000, False)
    assert hold_of([Held("a", 2, 0, 500_000, 0)], 60, 560_000).passed, "once it has come"
    assert hold_of([Held("a", 2, 0, 101_000, 2)], 60, 100_000).ahead_ms == 0


def test_the_plan_of_these_tests_is_one_that_a_user_could_write() -> None:
    assert Plan.parse(PLAN).routes[0].target.key == "project/data/raw/"


def test_proof_is_dated_by_a_clock_that_runs_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s = 0.0
    asked = time.clock_gettime_ns

    def clock_gettime_ns(which: int) -> int:
        return asked(which) + int(slept_s * 1e9 if which != time.CLOCK_REALTIME else 0)

    monkeypatch.setattr(time, "clock_gettime_ns", clock_gettime_ns)
    clock = dating_clock(formatdate(1_900_000_000, usegmt=True), running_s())
    assert clock is not None
    before_ms = clock()
    slept_s = 36_000.0
    assert clock() - before_ms >= 36_000_000
