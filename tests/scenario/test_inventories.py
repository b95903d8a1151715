"""An inventory is old: what is gone or changed since is found out, and holds up nothing for good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.api.cleanup import cleanup
from engine.api.plan import survey
from engine.api.restore import restore
from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import LedgerMismatch
from engine.plan.document import Plan
from engine.sandbox import Sandbox
from tests.scenario.listed import Scene
from tests.servers import Endpoint

PLAIN = "Size, LastModifiedDate, ETag"


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    return Scene(sandbox, tmp_path)


async def ran(scene: Scene, plan: Plan) -> tuple[dict[str, int], int]:
    """What a run leaves aside, and how many objects it copied."""
    result = await migrate(plan, scene.options)
    return {state.value: count for state, count in result.aside.items()}, result.copied


async def test_what_is_gone_or_changed_since_the_inventory_is_settled_by_the_next_run_for_good(scene: Scene) -> None:
    plan = scene.inventoried("a", "b b", "c+c")
    scene.client.delete_object(Bucket=scene.bucket, Key="src/b b")
    scene.client.put_object(Bucket=scene.bucket, Key="src/c+c", Body=b"changed")
    assert await ran(scene, plan) == ({"drifted": 2}, 1)
    assert await ran(scene, plan) == ({}, 1)
    assert await ran(scene, plan) == ({}, 0), "the same rows have it drift again"
    assert await ran(scene, plan) == ({}, 0)
    surveyed = (await survey(plan, scene.options)).routes[0]
    assert (surveyed.objects, surveyed.added_bytes) == (2, 0)
    assert (await verify(plan, scene.options)).agrees
    assert all(is_open for is_open, _ in (await scene.gate(plan)).values())
    assert scene.client.get_object(Bucket=scene.bucket, Key="dst/c+c")["Body"].read() == b"changed"


@pytest.mark.parametrize("processes", [None, 2])
async def test_what_came_back_since_it_was_gone_is_copied(scene: Scene, processes: int | None) -> None:
    scene.options = replace(scene.options, processes=processes)
    plan = scene.inventoried("a", "b b")
    scene.client.delete_object(Bucket=scene.bucket, Key="src/b b")
    assert [await ran(scene, plan) for _ in range(3)] == [({"drifted": 1}, 1), ({}, 0), ({}, 0)]
    scene.client.put_object(Bucket=scene.bucket, Key="src/b b", Body=b"again")
    assert await ran(scene, plan) == ({}, 1) and scene.copied() == ["a", "b b"]


async def test_an_inventory_that_says_keys_alone_may_name_what_is_gone(scene: Scene) -> None:
    plan = scene.inventoried("a", "b b", columns="EncryptionStatus")
    scene.client.delete_object(Bucket=scene.bucket, Key="src/b b")
    assert await ran(scene, plan) == ({}, 1) and (await verify(plan, scene.options)).agrees


async def test_what_cleanup_deleted_and_the_inventory_still_names_is_not_found_again(scene: Scene) -> None:
    plan = scene.inventoried("a", "z/z")
    assert await ran(scene, plan) == ({}, 2) and (await verify(plan, scene.options)).agrees
    cleaned = (await cleanup(plan, scene.options, delete=True)).cleaned
    assert cleaned is not None and cleaned.deleted == 2
    again = await migrate(plan, scene.options)
    assert (again.aside, again.counters.found, again.counters.listed) == ({}, 0, 0)


async def test_the_next_inventory_may_lack_what_is_gone_and_nothing_that_is_there(scene: Scene) -> None:
    plan = scene.inventoried("a", "b b", "c+c", "z/z")
    scene.client.delete_object(Bucket=scene.bucket, Key="src/b b")
    assert await ran(scene, plan) == ({"drifted": 1}, 3)
    scene.client.delete_object(Bucket=scene.bucket, Key="src/c+c")
    with pytest.raises(LedgerMismatch, match=r'holds 1 object of the route .* does not name: "src/a"') as error:
        await migrate(scene.inventoried("z/z"), scene.options)
    assert "Take an inventory that has them" in str(error.value.advice)
    assert await ran(scene, scene.inventoried("a", "z/z")) == ({"withdrawn": 1}, 0)


async def test_a_row_that_s3_refuses_to_show_is_neither_gone_nor_taken_for_what_it_was(
    scene: Scene, served: Sandbox
) -> None:
    plan = scene.inventoried("a", "b b")
    scene.client.put_object(Bucket=scene.bucket, Key="src/b b", Body=b"changed")
    assert await ran(scene, plan) == ({"drifted": 1}, 1)
    refused = {"kind": "403", "operation": "HeadObject", "key": "src/b b", "every": 1}
    try:
        served.control("settings", {"faults": [refused]})
        result = await migrate(plan, scene.options)
    finally:
        served.control("settings", {"faults": []})
    assert not result.complete and [(item.key, item.code) for item in result.unlisted] == [("b b", "Unseen")]
    assert await ran(scene, plan) == ({}, 1)


@pytest.mark.parametrize("columns", [PLAIN, f"{PLAIN}, StorageClass"], ids=["no class", "with its class"])
async def test_what_an_inventory_names_and_is_archived_is_restored_once_and_then_copied(
    scene: Scene, served: Sandbox, columns: str
) -> None:
    for key in ("z/z", "c+c"):
        scene.client.put_object(Bucket=scene.bucket, Key=f"src/{key}", Body=b"frozen", StorageClass="GLACIER")
    plan = scene.inventoried("a", "z/z", "c+c", columns=columns)
    assert await ran(scene, plan) == ({"archived": 2}, 1)
    outlook = (await restore(plan, scene.options, tier="expedited")).outlook
    assert {kind: amount.objects for kind, amount in outlook.archived.items()} == {"GLACIER": 2}
    try:
        served.control("account", {"restore_delay_s": 0})
        asked = (await restore(plan, scene.options, tier="expedited", agreed=outlook)).asked
        assert asked is not None and asked.begun.objects == 2
    finally:
        served.control("account", {"restore_delay_s": None})
    assert (await restore(plan, scene.options, tier="expedited")).outlook.archived == {}, "it would be paid again"
    assert await ran(scene, plan) == ({}, 2) and scene.copied() == ["a", "c+c", "z/z"]
    assert await ran(scene, plan) == ({}, 0) and (await verify(plan, scene.options)).agrees


async def test_what_was_restored_before_the_first_run_is_copied_by_it(scene: Scene, served: Sandbox) -> None:
    scene.client.put_object(Bucket=scene.bucket, Key="src/z/z", Body=b"frozen", StorageClass="GLACIER")
    plan = scene.inventoried("a", "z/z", columns=f"{PLAIN}, StorageClass")
    try:
        served.control("account", {"restore_delay_s": 0})
        scene.client.restore_object(Bucket=scene.bucket, Key="src/z/z", RestoreRequest={"Days": 2})
    finally:
        served.control("account", {"restore_delay_s": None})
    assert (await survey(plan, scene.options)).routes[0].archived == 0
    assert await ran(scene, plan) == ({}, 2)


async def test_rows_that_are_as_the_ledger_knows_them_cost_no_head(scene: Scene) -> None:
    plan = scene.inventoried("a", "b b", "z/z")
    assert await ran(scene, plan) == ({}, 3)
    again = await migrate(plan, replace(scene.options, assume="aws"))
    assert again.complete and again.requests <= 3, again.requests
