"""Deletes whose answer was lost: what they may have done is never taken for undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import AccessDenied, Ambiguous, StoreError, Throttled
from engine.finish.deleting import Deleter
from engine.finish.sending import Condition
from engine.model import Proof
from engine.plan.lifecycle import State
from tests.unit.finish.scene import scene

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
        assert report.first_kept[0].message.startswith("its delete was never answered, and whether it is there")
        assert set((await s.states()).values()) == {"deleting"}

        s.store.before = None
        s.store.put(SOURCE + "00001.png", b"another")
        await s.settle()
        rows = await s.records()
        assert {(row.state, row.code) for key, row in rows.items() if key != "00001.png"} == {(State.DELETED, "")}
        assert (rows["00001.png"].state, rows["00001.png"].code) == (State.DELETED, "SourceReplaced")
