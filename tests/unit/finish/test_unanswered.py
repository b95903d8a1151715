"""Deletes whose answer was lost: what they may have done is never taken for undone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import CleanupResult
from engine.errors import AccessDenied, Ambiguous, StoreError, Throttled
from engine.events import ignore
from engine.finish.deleting import Deleter
from engine.finish.deletion_list import DeletionList
from engine.finish.project_deletion import ProjectDeletion, look_at_the_rest, take_snapshot
from engine.finish.revert import Revert
from engine.finish.sending import Condition
from engine.listing.ranges import listed_under
from engine.model import Location, Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.report.cleanup import cleaned_page
from tests.fake_store import FakeStore, everywhere, sites_of
from tests.unit.finish.scene import PLAN, scene

SOURCE = "s3://bucket/data/raw/"


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE, Condition.NONE])
async def test_what_took_the_place_of_a_source_whose_delete_was_never_answered_is_a_new_object(
    tmp_path: Path, condition: Condition
) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()

        async def put_another(seconds: float) -> None:
            s.store.put(SOURCE + "00001.png", b"another")

        lost = ("after", Ambiguous("reset", operation="DeleteObjects"))
        for name in ("DeleteObjects", "DeleteObject"):
            s.store.plan(name, lost, lost, lost)
        s.give(Deleter(s.store, {"bucket": condition}, sleep=put_another))
        report = await s.delete()
        assert (report.deleted, report.stayed) == (3, 0)
        assert (report.newcomers, report.first_newcomers) == (1, [SOURCE + "00001.png"])
        plan = Plan.parse(PLAN, source=str(tmp_path / "moving.toml"))
        page = cleaned_page(plan, CleanupResult(tmp_path / "l", [], 0, 0), report, 1.0)
        assert f"1 new object left where one was deleted: {SOURCE}00001.png" in map(str, page)
        row = (await s.records())["00001.png"]
        assert (row.state, row.code, row.proof) == (State.DELETED, "SourceReplaced", Proof.DIGEST)
        assert s.store.keys(SOURCE) == ["00001.png"]


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE])
@pytest.mark.parametrize(
    "unseen",
    [
        Throttled("slow", operation="HeadObject", code="SlowDown"),
        AccessDenied("no", operation="HeadObject", code="AccessDenied"),
    ],
    ids=["throttled", "denied"],
)
async def test_a_delete_that_was_never_answered_stays_open_where_its_source_cannot_be_seen_either(
    tmp_path: Path, condition: Condition, unseen: StoreError
) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        for name in ("DeleteObjects", "DeleteObject"):
            s.store.plan(name, *[("after", Ambiguous("reset", operation=name))] * 3)

        def fail(operation: str, request: Any) -> None:
            if not s.store.keys(SOURCE) and operation == "HeadObject" and request.ref.key.startswith("data/"):
                raise unseen

        s.store.before = fail
        report = await s.delete(condition)
        assert (report.deleted, report.kept, report.is_whole) == (0, {"open": 3}, False)
        assert report.first_kept[0].code == unseen.code
        assert report.first_kept[0].message.startswith("its delete may have been carried out, and whether it is there")
        assert set((await s.states()).values()) == {"deleting"}

        s.store.before = None
        s.store.put(SOURCE + "00001.png", b"another")
        await s.settle()
        rows = await s.records()
        assert {(row.state, row.code) for key, row in rows.items() if key != "00001.png"} == {(State.DELETED, "")}
        assert (rows["00001.png"].state, rows["00001.png"].code) == (State.DELETED, "SourceReplaced")


async def test_what_took_the_place_of_what_was_to_be_deleted_arrived_later_and_is_said(tmp_path: Path) -> None:
    here, store = Location("b", "proj/"), FakeStore()
    for key in ("a", "b"):
        store.put(f"s3://b/proj/{key}", key.encode())
    store.plan("DeleteObjects", ("after", Ambiguous("reset", operation="DeleteObjects")))

    async def put_another(seconds: float) -> None:
        store.put("s3://b/proj/a", b"another")

    async with await DeletionList.open(tmp_path / "l", str(here), "https://s3") as listed:
        await take_snapshot(partial(listed_under, store, here), here, listed, 1_000, ignore)
        deleter = Deleter(store, {"b": Condition.BATCH}, sleep=put_another)
        done = await ProjectDeletion(listed, deleter, ignore, markers_accepted=()).go(here)
        await look_at_the_rest(sites_of(store).home, here, listed, done, ignore, tells=False)
        assert (done.deleted, done.kept, done.arrived, done.first_arrived) == (2, {}, 1, ["proj/a"])
        assert store.keys("s3://b/proj/") == ["a"]


async def test_what_took_the_place_of_a_copy_whose_removal_was_never_answered_is_named(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()

        async def put_another(seconds: float) -> None:
            s.store.put("s3://bucket/project/data/raw/00001.png", b"another")

        s.store.plan("DeleteObjects", ("after", Ambiguous("reset", operation="DeleteObjects")))
        s.give(Deleter(s.store, {"bucket": Condition.BATCH}, sleep=put_another))
        work = Revert(everywhere(s.store), s.ledger, s.deleters(), s.heard.append, 3)
        report = await work.go(s.plan.routes)
        assert (report.removed, report.stayed, report.newcomers) == (3, 0, 1)
        assert report.first_newcomers == ["s3://bucket/project/data/raw/00001.png"]
