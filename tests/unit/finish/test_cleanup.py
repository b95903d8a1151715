"""Deleting the proven sources: exactly those, only while they are what was proven, and safe to break off anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.errors import AccessDenied, Ambiguous, Throttled, Unreachable
from engine.events import Notice
from engine.finish.cleanup import Cleanup
from engine.finish.deleting import Deleter
from engine.finish.looking import FEW
from engine.finish.sending import Condition, Fate, Item, condition_for
from engine.model import DeleteFailure, DeleteReport, Proof
from engine.plan.lifecycle import State
from engine.s3.request_xml import comes_back
from engine.sites.traits import Answer, Traits
from engine.store import DeleteObjects
from tests.fake_store import FakeStore, everywhere
from tests.unit.finish.scene import DAY_S, PLAN, no_sleep, scene

SOURCE = "s3://bucket/data/raw/"
TARGET = "s3://bucket/project/data/raw/"


async def test_exactly_the_ledgers_keys_go_and_every_target_stays(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=2_500) as s:
        s.store.put("s3://bucket/data/raw2/neighbour.png")
        await s.migrate()
        s.store.put(SOURCE + "zz-arrived-later.png")
        report = await s.delete()
        assert (report.deleted, report.stayed) == (2_500, 0)
        assert s.store.keys(SOURCE) == ["zz-arrived-later.png"]
        assert s.store.keys("s3://bucket/data/raw2/") == ["neighbour.png"]
        assert len(s.store.keys(TARGET)) == 2_500
        assert set((await s.states()).values()) == {"deleted"}
        batches = [request for name, request in s.store.requests if name == "DeleteObjects"]
        assert [len(batch.keys) for batch in batches] == [8, 992, 1_000, 500]
        assert all(etag for batch in batches for _, etag in batch.keys)


async def test_a_source_replaced_after_the_audit_survives_and_is_drifted(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()

        def replace_it(operation: str, request: Any) -> None:
            if operation == "DeleteObjects":
                s.store.put(SOURCE + "00001.png", b"written in the last moment")

        s.store.before = replace_it
        report = await s.delete()
        assert s.store.keys(SOURCE) == ["00001.png"]
        assert report.kept == {"drifted": 1}
        assert (await s.states())["00001.png"] == "drifted"


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE, Condition.NONE])
async def test_a_source_whose_target_is_gone_or_changed_just_before_stays(tmp_path: Path, condition: Condition) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        s.store.remove(TARGET + "00003.png")
        s.store.put(TARGET + "00007.png", b"someone's own")
        report = await s.delete(condition)
        assert s.store.keys(SOURCE) == ["00003.png", "00007.png"]
        assert report.kept == {"damaged": 2}
        states = await s.states()
        assert {states["00003.png"], states["00007.png"]} == {"damaged"}


async def test_what_s3_does_not_confirm_is_looked_at_and_not_assumed(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        s.store.silent = lambda key: key.endswith("00004.png")  # carried out, and not said
        report = await s.delete()
        assert report.deleted == 20
        assert ("HeadObject", "data/raw/00004.png") in [
            (name, request.ref.key) for name, request in s.store.requests if name == "HeadObject"
        ]


async def test_an_answer_that_was_lost_is_settled_by_looking(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        s.store.plan("DeleteObjects", ("before", Ambiguous("reset", operation="DeleteObjects")))
        report = await s.delete()
        assert report.deleted == 20
        assert s.store.keys(SOURCE) == []


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE, Condition.NONE])
async def test_what_was_gone_already_is_told_from_what_was_deleted(tmp_path: Path, condition: Condition) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        for number in (*range(FEW + 1), 15):
            s.store.remove(f"{SOURCE}{number:05}.png")
        left = sum(there.size for (_, key), there in s.store.objects.items() if key.startswith("data/raw/"))
        # One answer of a delete is lost: what is found gone after that is ours.
        s.store.plan("DeleteObjects", ("after", Ambiguous("reset", operation="DeleteObjects")))
        report = await s.delete(condition, gone_in={"raw"})
        assert (report.deleted, report.deleted_bytes, report.gone, report.stayed) == (10, left, 10, 0)
        assert set((await s.states()).values()) == {"deleted"}


async def test_what_was_deleted_before_an_end_that_concerns_everything_is_said(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        s.store.plan("DeleteObjects", ("ok", None), ("before", Unreachable("no network", operation="DeleteObjects")))
        with pytest.raises(Unreachable):
            await s.delete()
        (notice,) = (item for item in s.heard if isinstance(item, Notice))
        assert notice.message.startswith(f"{FEW} objects (56 bytes) were deleted before it ended"), notice


async def test_a_source_of_two_routes_is_deleted_once(tmp_path: Path) -> None:
    again = '[[routes]]\nname = "again"\nfrom = "/data/raw/"\nto = "again/"\n'
    async with scene(tmp_path, objects=20, plan=PLAN + again) as s:
        await s.migrate()
        report = await s.delete()
        assert (report.deleted, report.gone, report.stayed) == (20, 20, 0)
        assert set((await s.states("again")).values()) == {"deleted"}


async def test_two_users_at_once_with_a_ledger_each_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with scene(tmp_path / "one", objects=1_500) as one, scene(tmp_path / "two", objects=1_500) as two:
        two.store = one.store
        await one.migrate()
        await two.migrate()
        one.store.put(SOURCE + "00700.png", b"replaced")
        async with anyio.create_task_group() as group:
            group.start_soon(one.delete)
            group.start_soon(two.delete)
        assert one.store.keys(SOURCE) == ["00700.png"]
        assert len(one.store.keys(TARGET)) == 1_500
        for user in (one, two):
            assert set((await user.states()).values()) == {"deleted", "drifted"}


async def test_access_denied_on_half_of_the_keys_leaves_those_verified_and_told(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=10) as s:
        await s.migrate()
        s.store.denied = lambda key: int(key[-9:-4]) % 2 == 0
        report = await s.delete()
        assert (report.deleted, report.kept) == (5, {"denied": 5})
        records = await s.records()
        stayed = [record for record in records.values() if record.state is State.VERIFIED]
        assert len(stayed) == len(s.store.keys(SOURCE)) == 5
        assert {record.code for record in stayed} == {"AccessDenied"}
        assert all(record.digest_ms for record in stayed)


async def test_a_target_that_may_not_be_looked_at_keeps_its_source(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=3) as s:
        await s.migrate()
        s.store.plan(
            "HeadObject",
            ("before", AccessDenied("no", operation="HeadObject", code="AccessDenied")),
            key="project/data/raw/00001.png",
        )
        report = await s.delete()
        assert report.kept == {"unseen": 1}
        assert s.store.keys(SOURCE) == ["00001.png"]


@pytest.mark.parametrize("killed_at", ["before", "after"])
async def test_killed_between_intent_and_outcome_it_goes_on(tmp_path: Path, killed_at: str) -> None:
    """The process is gone at the delete: before S3 saw it, or after S3 had carried it out."""

    class Killed(BaseException):
        pass

    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        proven = {key: record.digest_ms for key, record in (await s.records()).items()}

        def kill(operation: str, request: Any) -> None:
            if operation == "DeleteObjects" and len(request.keys) > FEW:
                if killed_at == "after":
                    for key, _ in request.keys:
                        s.store.objects.pop(("bucket", key))
                raise Killed

        s.store.before = kill
        with pytest.raises(BaseExceptionGroup):
            await s.delete()
        assert set((await s.states()).values()) == {"deleted", "deleting"}

        s.store.before = None
        s.store.now_s += 10 * DAY_S
        await s.settle()
        assert set((await s.states()).values()) == {"deleted"} | ({"verified"} if killed_at == "before" else set())
        if killed_at == "before":
            assert {key: record.digest_ms for key, record in (await s.records()).items()} == proven
        await s.delete()
        assert s.store.keys(SOURCE) == []
        assert len(s.store.keys(TARGET)) == 20
        assert set((await s.states()).values()) == {"deleted"}


async def test_a_row_left_deleting_whose_source_is_another_counts_as_deleted(tmp_path: Path) -> None:
    """Its copy may be the last of it: whatever is in its place now, no run may write that over the copy."""
    async with scene(tmp_path, objects=12) as s:
        await s.migrate()
        gone = Unreachable("the network is gone", operation="DeleteObjects")
        s.store.plan("DeleteObjects", ("ok", None), ("before", gone))
        with pytest.raises(Unreachable):
            await s.delete()
        s.store.put(SOURCE + "00009.png", b"new")
        s.store.remove(SOURCE + "00010.png")
        await s.settle()
        states = await s.states()
        assert (states["00009.png"], states["00010.png"], states["00011.png"]) == ("deleted", "deleted", "verified")
        assert (await s.records())["00009.png"].code == "SourceReplaced"


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE])
async def test_a_bucket_made_versioned_in_between_stops_it(tmp_path: Path, condition: Condition) -> None:
    async with scene(tmp_path, objects=9_000) as s:
        await s.migrate()
        s.store.versioning = "Enabled"
        report = await s.delete(condition)
        assert report.markers and report.stopped
        assert report.deleted < 9_000
        assert len(s.store.keys(SOURCE)) == 9_000 - report.deleted


async def test_accepted_markers_do_not_stop_it(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=3_000) as s:
        await s.migrate()
        s.store.versioning = "Enabled"
        assert (await s.delete(markers_accepted={"bucket"})).deleted == 3_000


async def test_markers_accepted_for_another_bucket_stop_it(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=9_000) as s:
        await s.migrate()
        s.store.versioning = "Enabled"
        report = await s.delete(markers_accepted={"another"})
        assert (report.markers, report.unaccepted, report.stopped) == (True, ("bucket",), True)
        assert report.deleted < 9_000


async def test_asked_to_stop_it_ends_between_batches_and_goes_on_later(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=9_000) as s:
        await s.migrate()
        cleanup = Cleanup(everywhere(s.store), s.ledger, s.deleters(), s.heard.append, minimum=Proof.DIGEST)
        s.store.before = lambda operation, request: cleanup.stop() if operation == "DeleteObjects" else None
        report = await cleanup.go(s.plan.routes)
        assert 0 < report.deleted < 9_000
        assert set((await s.states()).values()) == {"deleted", "verified"}
        assert (await s.delete()).deleted == 9_000 - report.deleted


@pytest.mark.parametrize("lost", ["also/00001.png", "project/data/raw/00001.png"])
async def test_a_source_of_two_routes_goes_only_while_both_of_its_copies_stand(tmp_path: Path, lost: str) -> None:
    two = PLAN + '[[routes]]\nname = "also"\nfrom = "/data/raw/"\nto = "/also/"\n'
    async with scene(tmp_path, objects=3, plan=two) as s:
        await s.migrate()
        del s.store.objects["bucket", lost]
        report = await s.delete()
        assert s.store.keys(SOURCE) == ["00001.png"]
        assert report.kept == {"barred": 1, "damaged": 1}
        states = [(await s.states(route))["00001.png"] for route in ("raw", "also")]
        assert sorted(states) == ["damaged", "verified"]


async def test_without_conditions_a_source_is_looked_at_just_before() -> None:
    store = FakeStore()
    kept = store.put("s3://b/a", b"as it was").etag
    store.put("s3://b/b", b"as it was too")
    store.put("s3://b/b", b"another")
    ends = await Deleter(store, {"b": Condition.NONE}, sleep=no_sleep).delete(
        "b", [Item("a", kept), Item("b", "0" * 32), Item("c", "1" * 32)]
    )
    assert [ends[key].fate for key in "abc"] == [Fate.GONE, Fate.CHANGED, Fate.GONE]
    assert store.keys("s3://b/") == ["b"]


async def test_keys_that_xml_cannot_carry_go_one_by_one() -> None:
    store = FakeStore()
    keys = ["a\x01b", "line\r\nend", "plain", "tab\tand\nline", "emoji 🐦", "￿"]
    items = [Item(key, store.put(f"s3://b/{key}", key.encode()).etag) for key in sorted(keys)]
    ends = await Deleter(store, {"b": Condition.BATCH}, sleep=no_sleep).delete("b", items)
    assert {end.fate for end in ends.values()} == {Fate.GONE}
    assert store.keys("s3://b/") == []
    batches = [[key for key, _ in r.keys] for name, r in store.requests if name == "DeleteObjects"]
    assert [sorted(batch) for batch in batches] == [["emoji 🐦", "plain", "tab\tand\nline"]]
    assert all(comes_back(key) for batch in batches for key in batch)


async def test_a_key_that_no_batch_carries_stays_where_a_delete_by_itself_ignores_its_condition() -> None:
    store = FakeStore()
    items = [Item("a\x01b", store.put("s3://b/a\x01b").etag), Item("plain", store.put("s3://b/plain").etag)]
    store.put("s3://b/a\x01b", b"written in the last moment")
    assert condition_for(Traits(batch_if_match=Answer.YES), unconditional=False) is Condition.BATCH_ALONE
    ends = await Deleter(store, {"b": Condition.BATCH_ALONE}, sleep=no_sleep).delete("b", items)
    assert [ends[item.key].fate for item in items] == [Fate.LEFT, Fate.GONE]
    assert (store.keys("s3://b/"), store.counts["DeleteObject"]) == (["a\x01b"], 0)


@pytest.mark.parametrize("condition", list(Condition))
async def test_an_object_that_was_listed_without_an_etag_is_never_deleted(condition: Condition) -> None:
    store = FakeStore()
    store.put("s3://b/a")
    for items in ([Item("a", "")], [Item("a", ""), Item("b", store.put("s3://b/b").etag)]):
        ends = await Deleter(store, {"b": condition}, sleep=no_sleep).delete("b", items)
        assert (ends["a"].fate, ends["a"].code) == (Fate.LEFT, "NoETag")
    assert "a" in store.keys("s3://b/")


async def test_a_target_that_goes_while_s3_asks_for_patience_keeps_its_source(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        s.store.plan("DeleteObjects", ("before", Throttled("slow down", operation="DeleteObjects")))

        async def meanwhile(seconds: float) -> None:
            if f"{TARGET}00007.png".removeprefix("s3://bucket/") in {key for _, key in s.store.objects}:
                s.store.remove(TARGET + "00007.png")

        deleter = Deleter(s.store, {"bucket": Condition.BATCH}, sleep=meanwhile)
        s.give(deleter)
        report = await s.delete()
        assert s.store.keys(SOURCE) == ["00007.png"]
        assert (report.deleted, report.kept) == (19, {"damaged": 1})
        assert (await s.states())["00007.png"] == "damaged"


async def test_without_conditions_nothing_is_waited_for_between_the_look_and_the_delete() -> None:
    store = FakeStore()
    etag = store.put("s3://b/a", b"as it was").etag
    store.plan("DeleteObjects", ("before", Throttled("slow down", operation="DeleteObjects")))

    async def replaced_meanwhile(seconds: float) -> None:
        store.put("s3://b/a", b"another")

    ends = await Deleter(store, {"b": Condition.NONE}, sleep=replaced_meanwhile).delete("b", [Item("a", etag)])
    assert (ends["a"].fate, store.keys("s3://b/")) == (Fate.CHANGED, ["a"])


async def test_a_key_that_s3_never_settles_is_left_after_some_passes() -> None:
    store = FakeStore()
    etag = store.put("s3://b/a").etag
    busy = [Ambiguous("500", operation="DeleteObjects") for _ in range(100)]
    store.plan("DeleteObjects", *[("before", error) for error in busy])
    with anyio.fail_after(60):
        ends = await Deleter(store, {"b": Condition.BATCH}, sleep=no_sleep).delete("b", [Item("a", etag)])
    assert ends["a"].fate is Fate.LEFT
    assert store.keys("s3://b/") == ["a"]


async def test_throttling_inside_the_answer_is_waited_for_and_fewer_batches_are_sent_at_once() -> None:
    store = FakeStore()
    items = [Item(key, store.put(f"s3://b/{key}").etag) for key in (f"{number:04}" for number in range(120))]
    delete_objects, waits = store.delete_objects, []
    running = refused = 0
    most: list[int] = []

    async def throttling(request: DeleteObjects) -> DeleteReport:
        nonlocal running, refused
        running += 1
        most.append(running)
        try:
            await anyio.lowlevel.checkpoint()
            if refused == 5:
                return await delete_objects(request)
            refused += 1
            report = await delete_objects(DeleteObjects(request.bucket, request.keys[::2]))
            slow = [DeleteFailure(key, "SlowDown", "Reduce your request rate") for key, _ in request.keys[1::2]]
            return report._replace(failed=tuple(slow))
        finally:
            running -= 1

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    store.delete_objects = throttling  # type: ignore[method-assign]
    deleter = Deleter(store, {"b": Condition.BATCH}, sleep=wait)

    async def delete(batch: list[Item]) -> None:
        assert {end.fate for end in (await deleter.delete("b", batch)).values()} == {Fate.GONE}

    async with anyio.create_task_group() as group:
        for at in range(0, 120, 20):
            group.start_soon(delete, items[at : at + 20])
    assert store.keys("s3://b/") == []
    assert len(waits) == 5
    assert max(most) > 1 and most[-1] == 1


async def test_targets_far_apart_cost_heads_and_not_a_listing_of_everything(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=0) as s:
        for number in range(20):
            s.store.put(f"{SOURCE}{number * 1000:06}.png")
        await s.migrate()
        for number in range(20_000):
            s.store.put(f"{TARGET}{number:06}-other.txt")
        s.store.requests.clear()
        report = await s.delete()
        assert report.deleted == 20
        assert sum(page.prefix.startswith("project/") for page in s.store.made("ListObjectsV2")) <= 3
        assert (
            s.store.counts["HeadObject"] <= 20 + FEW
        )  # the first few are looked at once more after their sources went
