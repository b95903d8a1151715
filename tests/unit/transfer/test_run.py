"""A whole run on the fake store and a real ledger: resumed, stopped, cancelled, broken; drift, conflict and damage."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from engine.errors import AccessDenied, Ambiguous, BadCredentials, EngineError, LedgerError, ListingBroken
from engine.events import Event, ObjectAside, Progress, SnapshotClosed
from engine.listing.through import ROUTES_AT_ONCE
from engine.model import MIB, CopyResult, Location, Overwrite, Page, Proof, Properties
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord, Outcome
from engine.plan.route import Route
from engine.plan.shards import Piece
from engine.store import CopyObject, ListPage
from engine.transfer.pipeline import Run
from tests.fake_store import FakeStore, md5
from tests.unit.transfer.scene import ROUTE, assemble, open_ledger, run_once, target, with_policy


def store_of(count: int = 25, page_keys: int = 10) -> FakeStore:
    store = FakeStore()
    store.page_keys = page_keys
    for number in range(count):
        store.put(f"s3://bkt/old/{number:04d}")
    return store


def states(rows: dict[str, ObjectRecord]) -> set[State]:
    return {row.state for row in rows.values()}


def first_error(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


async def test_every_object_is_copied_once_and_a_second_run_copies_nothing(tmp_path: Path) -> None:
    store = store_of()
    events: list[Event] = []
    run, rows = await run_once(store, tmp_path / "l", listener=events.append)
    assert (run.counters.copied, run.counters.listed, len(rows)) == (25, 25, 25)
    assert states(rows) == {State.COPIED}
    assert {row.proof for row in rows.values()} == {Proof.DIGEST}
    assert events[-2:] == [SnapshotClosed("r", 25, 250), run.progress()]
    again, rows = await run_once(store, tmp_path / "l")
    assert (again.counters.copied, again.counters.found) == (0, 0)
    assert len(store.made("CopyObject")) == 25


async def test_targets_that_are_there_already_are_found_and_not_copied(tmp_path: Path) -> None:
    store = store_of(5)
    for number in range(3):
        store.put(f"s3://bkt/new/{number:04d}", etag=md5(f"bkt/old/{number:04d}"))
    run, rows = await run_once(store, tmp_path / "l")
    assert (run.counters.copied, run.counters.found) == (2, 3)
    assert [rows[f"{number:04d}"].found for number in range(5)] == [True] * 3 + [False] * 2


async def test_an_empty_route_closes_its_snapshot(tmp_path: Path) -> None:
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        await assemble(FakeStore(), ledger, ROUTE).go(fresh=True)
        [snapshot] = await ledger.snapshots()
    assert snapshot.closed_ms > 0


async def test_two_routes_run_side_by_side(tmp_path: Path) -> None:
    store = store_of(12)
    store.put("s3://bkt/models/one.tar.gz", 77)
    one = Route("one", Location("bkt", "models/one.tar.gz"), Location("bkt", "kept/v1.tgz"))
    async with await open_ledger(tmp_path / "l", ROUTE, one) as ledger:
        run = assemble(store, ledger, ROUTE, one)
        await run.go(fresh=True)
        assert all(item.closed_ms for item in await ledger.snapshots())
    assert run.counters.copied == 13
    assert store.get("s3://bkt/kept/v1.tgz").size == 77  # type: ignore[union-attr]


# --- drift, conflict, damage --------------------------------------------------------------------------------


async def test_a_source_that_changed_after_its_copy_replaces_what_we_wrote_and_nothing_else(tmp_path: Path) -> None:
    store = store_of(2)
    await run_once(store, tmp_path / "l")
    for number in range(2):
        store.put(f"s3://bkt/old/{number:04d}", etag=md5(f"new {number}"))
    foreign = store.put("s3://bkt/new/0001", etag=md5("foreign"))
    _, rows = await run_once(store, tmp_path / "l")
    assert (rows["0000"].state, rows["0001"].state) == (State.COPIED, State.CONFLICT)
    assert target(store, "0000").etag == md5("new 0")  # type: ignore[union-attr]
    assert target(store, "0001") is foreign


async def test_a_replacement_that_failed_still_knows_which_target_is_ours(tmp_path: Path) -> None:
    store = store_of(1)
    await run_once(store, tmp_path / "l")
    ours = target(store, "0000")
    store.put("s3://bkt/old/0000", etag=md5("new"))
    store.plan("CopyObject", ("before", AccessDenied("not today", operation="CopyObject", code="AccessDenied")))
    _, rows = await run_once(store, tmp_path / "l")
    assert rows["0000"].state is State.FAILED
    assert target(store, "0000") is ours
    _, rows = await run_once(store, tmp_path / "l")
    assert rows["0000"].state is State.COPIED
    assert target(store, "0000").etag == md5("new")  # type: ignore[union-attr]


async def test_a_source_that_changes_between_listing_and_copy_drifts_and_is_planned_again(tmp_path: Path) -> None:
    store = store_of(1)
    store.plan("CopyObject", ("before", lambda: store.put("s3://bkt/old/0000", etag=md5("new"))))
    run, rows = await run_once(store, tmp_path / "l")
    assert (rows["0000"].state, run.counters.aside) == (State.DRIFTED, 1)
    assert md5("bkt/old/0000") in rows["0000"].message
    assert md5("new") in rows["0000"].message
    _, rows = await run_once(store, tmp_path / "l")
    assert rows["0000"].state is State.COPIED


async def test_a_source_written_again_is_mended_also_where_the_first_try_fails(tmp_path: Path) -> None:
    """The failure keeps that what both sides carry was still to be compared."""
    store = store_of(1)
    await run_once(store, tmp_path / "l")
    store.now_s += 5
    owner = Properties(metadata=(("owner", "second"),))
    store.put("s3://bkt/old/0000", properties=owner)
    store.plan("CopyObject", ("before", AccessDenied("no", operation="CopyObject")))
    _, rows = await run_once(store, tmp_path / "l")
    assert states(rows) == {State.FAILED}
    run, rows = await run_once(store, tmp_path / "l")
    there = store.get("s3://bkt/new/0000")
    assert there is not None and there.properties.metadata == owner.metadata
    assert (states(rows), run.counters.copied, rows["0000"].properties) == ({State.COPIED}, 1, "agree")
    again, _ = await run_once(store, tmp_path / "l")
    assert (again.counters.copied, again.counters.found) == (0, 0)


class ForgetfulStore(FakeStore):
    """A server that takes Cache-Control of a copy, and keeps none."""

    def _copy(self, request: CopyObject) -> CopyResult:
        result = super()._copy(request)
        held = self.objects[request.target]
        held.properties = held.properties._replace(cache_control="")
        return result


async def test_what_a_server_does_not_keep_is_not_copied_for_again_and_again(tmp_path: Path) -> None:
    store = ForgetfulStore()
    store.put("s3://bkt/old/k", properties=Properties(cache_control="no-store"))
    await run_once(store, tmp_path / "l")
    found = "cache_control is missing, wanted 'no-store'"
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:  # as a verification of properties does
        row = (await anext(ledger.records()))[0]
        seen = Outcome("k", State.VERIFIED, row.target_etag, proof=Proof.DIGEST, properties=found)
        await ledger.conclude("r", [seen])
        accepted = (await ledger.noted())["properties"].figure
    _, rows = await run_once(store, tmp_path / "l")
    assert rows["k"].properties == f"not kept: {found}"
    assert len(store.made("CopyObject")) == 2, "once for what was found, and seen to be of no use"
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        await ledger.conclude("r", [seen])
        noted = (await ledger.noted())["properties"]
    assert (noted.objects, noted.not_kept, noted.figure) == (1, 1, accepted), "what was accepted stays accepted"
    await run_once(store, tmp_path / "l")
    assert len(store.made("CopyObject")) == 2
    store.now_s += 5
    store.put("s3://bkt/old/k", properties=Properties())  # its owner gave way
    _, rows = await run_once(store, tmp_path / "l")
    assert rows["k"].properties == "agree"


async def test_an_object_of_parts_is_mended_by_its_own_parts_so_that_its_etag_stays(tmp_path: Path) -> None:
    store = FakeStore()
    before = store.put_parts("s3://bkt/old/big", [5 * MIB, 5 * MIB, 7])
    await run_once(store, tmp_path / "l")
    store.now_s += 5
    owner = Properties(metadata=(("owner", "second"),))
    store.put_parts("s3://bkt/old/big", [5 * MIB, 5 * MIB, 7], properties=owner)
    run, rows = await run_once(store, tmp_path / "l")
    there = store.get("s3://bkt/new/big")
    assert there is not None and (there.etag, there.properties.metadata) == (before.etag, owner.metadata)
    assert (rows["big"].proof, rows["big"].properties, run.counters.copied) == (Proof.DIGEST, "agree", 1)


async def test_a_copy_whose_target_vanished_or_was_found_damaged_is_made_again(tmp_path: Path) -> None:
    store = store_of(2)
    await run_once(store, tmp_path / "l")
    del store.objects["bkt", "new/0000"]
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        damaged = Outcome("0001", State.DAMAGED, code="Missing", message="gone")
        await ledger.conclude("r", [damaged])
    del store.objects["bkt", "new/0001"]
    run, rows = await run_once(store, tmp_path / "l")
    assert run.counters.copied == 2
    assert states(rows) == {State.COPIED}


@pytest.mark.parametrize("policy", list(Overwrite))
async def test_foreign_targets_are_treated_as_the_policy_says(tmp_path: Path, policy: Overwrite) -> None:
    store = store_of(3)
    store.put("s3://bkt/new/0000", 99)
    store.put("s3://bkt/new/0001", etag=md5("bkt/old/0001"))  # equal
    run, rows = await run_once(store, tmp_path / "l", route=with_policy(policy))
    if policy is Overwrite.NEVER:
        assert rows["0000"].state is State.CONFLICT
        assert target(store, "0000").size == 99  # type: ignore[union-attr]
    else:
        assert rows["0000"].state is State.COPIED
        assert target(store, "0000").size == 10  # type: ignore[union-attr]
    assert rows["0001"].state is State.COPIED
    copied = {request.source.key for request in store.made("CopyObject")}
    assert ("old/0001" in copied) == (policy is Overwrite.ALWAYS)
    assert run.counters.aside == (1 if policy is Overwrite.NEVER else 0)


async def test_on_a_server_that_pins_no_source_drift_is_found_by_listing_again(tmp_path: Path) -> None:
    store = store_of(3)
    store.honours_source = False
    store.plan("CopyObject", ("before", lambda: store.put("s3://bkt/old/0001", etag=md5("new"))), ("ok", None))
    run, rows = await run_once(store, tmp_path / "l", trusted=False, workers=1)
    assert rows["0001"].state is State.DRIFTED
    assert md5("new") in rows["0001"].message
    assert run.counters.aside == 1
    _, rows = await run_once(store, tmp_path / "l", trusted=False)
    assert states(rows) == {State.COPIED}
    assert target(store, "0001").etag == md5("new")  # type: ignore[union-attr]


async def test_what_a_run_hands_over_is_not_listed_again_by_it_for_drift(tmp_path: Path) -> None:
    store = store_of(300)
    store.honours_source = False
    run, _ = await run_once(store, tmp_path / "l", trusted=False, pieces=[Piece("r")], most=10)
    assert run.rest
    pages = [item for item in store.made("ListObjectsV2") if item.prefix == "old/"]
    assert len(pages) < 30, "a page has ten keys: fewer than are needed to list all of it once"


async def test_a_run_that_is_asked_for_its_rest_finishes_what_it_decided_and_leaves_the_others(tmp_path: Path) -> None:
    store = store_of(300)
    asked: list[Run] = []

    async def asked_at_the_first_copy(run: Run) -> None:
        asked.append(run)

    store.plan("CopyObject", ("before", lambda: asked[0].hand_over()), ("ok", None))
    run, rows = await run_once(
        store, tmp_path / "l", pieces=[Piece("r")], most=1_000_000, before=asked_at_the_first_copy, workers=1
    )
    assert states(rows) == {State.COPIED} and not run.stopped
    assert 0 < len(rows) < 300
    numbers = {f"{number:04}" for number in range(300)}
    assert {key for key in numbers if any(piece.holds(key) for piece in run.rest)} == numbers - rows.keys()


# --- crashes ------------------------------------------------------------------------------------------------


async def test_a_killed_run_is_taken_up_by_looking_at_the_targets(tmp_path: Path) -> None:
    """As if killed between the commit of a page's decisions and the commit of any outcome."""
    store = store_of(20)

    async def forgetful(run: Run) -> None:
        async def conclude(route: str, outcomes: object) -> None:
            return None

        run._recorder._conclude = conclude

    await run_once(store, tmp_path / "l", before=forgetful)
    del store.objects["bkt", "new/0003"]
    run, rows = await run_once(store, tmp_path / "l")
    assert states(rows) == {State.COPIED}
    assert (run.counters.found, run.counters.copied) == (19, 1)
    assert len(store.made("CopyObject")) == 21


async def test_an_upload_in_the_middle_is_taken_up_by_the_next_run(tmp_path: Path) -> None:
    store = FakeStore()
    store.put_parts("s3://bkt/old/large", [8 * MIB] * 5)
    store.plan(
        "UploadPartCopy", ("ok", None), ("ok", None), ("before", BadCredentials("expired", operation="UploadPartCopy"))
    )
    with pytest.raises(BaseExceptionGroup) as caught:
        await run_once(store, tmp_path / "l", workers=1)
    assert isinstance(first_error(caught.value), BadCredentials)
    assert len(store.uploads) == 1
    store.requests.clear()
    _, rows = await run_once(store, tmp_path / "l")
    assert rows["large"].state is State.COPIED
    assert len(store.made("UploadPartCopy")) == 3
    assert store.made("CreateMultipartUpload") == []


async def test_an_upload_of_an_object_that_is_not_wanted_any_more_is_aborted(tmp_path: Path) -> None:
    store = FakeStore()
    store.put_parts("s3://bkt/old/large", [8 * MIB] * 3)
    store.plan("UploadPartCopy", ("before", BadCredentials("expired", operation="UploadPartCopy")))
    with pytest.raises(BaseExceptionGroup):
        await run_once(store, tmp_path / "l")
    del store.objects["bkt", "old/large"]
    _, rows = await run_once(store, tmp_path / "l")
    assert store.uploads == {}
    assert rows["large"].state is State.DRIFTED


def many_routes() -> list[Route]:
    """More than are listed at a time."""
    numbers = range(ROUTES_AT_ONCE + 8)
    return [Route(f"r{at}", Location("bkt", f"old/{at}/"), Location("bkt", f"new/{at}/")) for at in numbers]


async def test_of_many_routes_so_many_are_listed_at_a_time_and_none_counts_as_listed_before_it_is(
    tmp_path: Path,
) -> None:
    """Each that is begun holds pages of both sides: a run's memory does not grow with the number of its routes."""
    routes, store = many_routes(), FakeStore()
    for route in routes:
        store.put(f"{route.source}a")
    begun, most = set[str](), 0
    told: list[Progress] = []
    first_wave = anyio.Event()

    async def see(operation: str, request: object) -> None:
        nonlocal most
        if isinstance(request, ListPage) and request.prefix.startswith("old/"):
            begun.add(request.prefix)
            if len(begun) == ROUTES_AT_ONCE:
                await anyio.wait_all_tasks_blocked()
                most = len(begun)
                told.append(run.progress())
                first_wave.set()
            await first_wave.wait()

    store.before = see
    async with await open_ledger(tmp_path / "l", *routes) as ledger:
        run = assemble(store, ledger, *routes)
        with anyio.fail_after(60):
            await run.go(fresh=True)
        assert all(item.closed_ms for item in await ledger.snapshots())
    assert most == ROUTES_AT_ONCE
    assert [item.listing_done for item in (*told, run.progress())] == [False, True]
    assert run.counters.copied == len(routes)


async def test_a_route_that_a_stopped_run_did_not_come_to_is_open_too(tmp_path: Path) -> None:
    """Nothing is deleted by what an earlier run listed, while a later one is half done."""
    routes, store = many_routes(), FakeStore()
    async with await open_ledger(tmp_path / "l", *routes) as ledger:
        await assemble(store, ledger, *routes).go(fresh=True)
        again = assemble(store, ledger, *routes)

        async def stop(operation: str, request: object) -> None:
            again.stop()
            await anyio.sleep_forever()

        store.before = stop
        with anyio.fail_after(60):
            await again.go(fresh=False)
        assert {item.closed_ms for item in await ledger.snapshots()} == {0}


# --- ends ---------------------------------------------------------------------------------------------------


async def test_a_gentle_stop_finishes_what_is_in_flight_commits_it_and_begins_nothing_new(tmp_path: Path) -> None:
    store = store_of(40)
    running: list[Run] = []

    async def stop_at_the_fifth(operation: str, request: object) -> None:
        if operation == "CopyObject" and len(store.made("CopyObject")) == 5:
            running[0].stop()
        await anyio.lowlevel.checkpoint()

    async def keep(run: Run) -> None:
        running.append(run)

    store.before = stop_at_the_fifth
    run, rows = await run_once(store, tmp_path / "l", before=keep, workers=3)
    copies = len(store.made("CopyObject"))
    assert run.stopped
    assert 5 <= copies <= 8
    assert sum(row.state is State.COPIED for row in rows.values()) == copies == run.counters.copied
    store.before = None
    _, rows = await run_once(store, tmp_path / "l")
    assert states(rows) == {State.COPIED}
    assert len(store.made("CopyObject")) == 40


async def test_a_stop_does_not_wait_for_a_listing_that_hangs(tmp_path: Path) -> None:
    store = store_of(40)
    running: list[Run] = []

    async def hang(operation: str, request: object) -> None:
        if operation == "ListObjectsV2" and getattr(request, "token", None):
            running[0].stop()
            await anyio.sleep_forever()

    async def keep(run: Run) -> None:
        running.append(run)

    store.before = hang
    with anyio.fail_after(60):
        run, _ = await run_once(store, tmp_path / "l", before=keep)
    assert run.stopped
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        assert [item.closed_ms for item in await ledger.snapshots()] == [0]


async def test_a_stop_before_the_beginning_does_nothing(tmp_path: Path) -> None:
    async def stop(run: Run) -> None:
        run.stop()

    store = store_of()
    await run_once(store, tmp_path / "l", before=stop)
    assert store.made("CopyObject") == []


async def test_cancellation_leaves_at_once_and_what_is_known_is_committed(tmp_path: Path) -> None:
    store = store_of(30)
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        run = assemble(store, ledger, ROUTE, workers=4)
        async with anyio.create_task_group() as group:

            async def cancel_at_the_tenth(operation: str, request: object) -> None:
                if operation == "CopyObject" and len(store.made("CopyObject")) > 10:
                    group.cancel_scope.cancel()
                    await anyio.sleep_forever()

            store.before = cancel_at_the_tenth
            group.start_soon(lambda: run.go(fresh=True))
        rows = {record.key: record async for batch in ledger.records() for record in batch}
    assert sum(row.state is State.COPIED for row in rows.values()) == run.counters.copied == 10
    store.before = None
    _, rows = await run_once(store, tmp_path / "l")
    assert states(rows) == {State.COPIED}


async def test_a_ledger_that_cannot_be_written_stops_the_run_and_says_why(tmp_path: Path) -> None:
    store = store_of(60)

    async def full_disk(run: Run) -> None:
        async def conclude(route: str, outcomes: object) -> None:
            raise LedgerError("the disk is full")

        run._recorder._conclude = conclude

    async def slow(operation: str, request: object) -> None:
        if operation == "CopyObject" and len(store.made("CopyObject")) > 20:
            await anyio.sleep_forever()  # so that only the recorder's error can end it

    store.before = slow
    with anyio.fail_after(60), pytest.raises(BaseExceptionGroup) as caught:
        await run_once(store, tmp_path / "l", before=full_disk)
    assert isinstance(first_error(caught.value), LedgerError)


async def test_an_error_of_the_listing_is_never_its_end(tmp_path: Path) -> None:
    store = store_of(40)

    async def break_off(operation: str, request: object) -> None:
        if operation == "ListObjectsV2" and getattr(request, "token", None) == "old/0019":
            raise Ambiguous("cut short", operation="ListObjectsV2")

    store.before = break_off
    with pytest.raises(BaseExceptionGroup) as caught:
        await run_once(store, tmp_path / "l")
    assert isinstance(first_error(caught.value), EngineError)
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        assert [item.closed_ms for item in await ledger.snapshots()] == [0]
    store.before = None
    _, rows = await run_once(store, tmp_path / "l")
    assert len(rows) == 40


async def test_a_listing_whose_keys_do_not_rise_stops_the_run(tmp_path: Path) -> None:
    class Unordered(FakeStore):
        def _list(self, request: ListPage) -> Page:
            page = super()._list(request)
            return page._replace(objects=page.objects[::-1])

    store = Unordered()
    store.put("s3://bkt/old/a")
    store.put("s3://bkt/old/b")
    with pytest.raises(BaseExceptionGroup) as caught:
        await run_once(store, tmp_path / "l")
    assert isinstance(first_error(caught.value), ListingBroken)


# --- telling ------------------------------------------------------------------------------------------------


async def test_objects_set_aside_are_told_one_by_one_and_counted(tmp_path: Path) -> None:
    store = store_of(3)
    store.put("s3://bkt/new/0001", 99)
    events: list[Event] = []
    run, _ = await run_once(store, tmp_path / "l", listener=events.append)
    [aside] = [event for event in events if isinstance(event, ObjectAside)]
    assert (aside.key, aside.state, aside.code) == ("0001", "conflict", "TargetDiffers")
    assert run.counters.first_asides == [aside]
    last = events[-1]
    assert isinstance(last, Progress)
    assert (last.listed, last.done, last.aside, last.listing_done) == (3, 3, 1, True)
