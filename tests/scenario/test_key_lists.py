"""A list of keys, or an S3 Inventory, in place of the source's listing: copied is what is on it, and no more."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from engine.api.asked import asked_plan
from engine.api.cleanup import cleanup
from engine.api.plan import survey
from engine.api.receipt import receipt
from engine.api.run import migrate
from engine.api.status import status
from engine.api.verify import verify
from engine.cli.route_flags import with_list_kept
from engine.errors import LedgerMismatch, PlanError, UsageError
from engine.events import Event, Notice
from engine.listing.kept import KeptListings
from engine.plan.document import Plan
from engine.proof.judge import Kind
from engine.proof.receipt import ReceiptRefused
from engine.report.run import result_page
from engine.report.status import LIST_GONE, status_page
from engine.sandbox import Sandbox
from tests.scenario.listed import KEYS, Scene
from tests.servers import Endpoint


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    return Scene(sandbox, tmp_path)


async def test_a_list_of_keys_in_any_order_is_what_is_copied_and_verified(scene: Scene) -> None:
    chosen = ["z/z", "ピカ", "c+c", "d%2Fd", "a", "e\u0301"]
    (scene.folder / "keys.txt").write_text("\n".join(f"src/{key}" for key in chosen), encoding="utf-8")
    plan = scene.plan(keys=str(scene.folder / "keys.txt"))
    result = await migrate(plan, scene.options)
    assert result.complete and result.copied == len(chosen)
    assert scene.copied() == sorted(chosen)
    report = await verify(plan, scene.options)
    assert report.agrees and report.routes[0].objects == len(chosen)
    assert (await migrate(plan, scene.options)).copied == 0


async def test_a_list_may_lie_in_s3_and_is_filtered_like_a_listing(scene: Scene) -> None:
    body = "\n".join(f"src/{key}" for key in KEYS).encode()
    scene.client.put_object(Bucket=scene.bucket, Key="keys.txt", Body=body)
    plan = scene.plan(keys=f"s3://{scene.bucket}/keys.txt", exclude=["*%*", "z/*"])
    assert (await migrate(plan, scene.options)).copied == len(KEYS) - 2
    assert "d%2Fd" not in scene.copied()


async def test_keys_that_are_not_there_are_named_and_the_others_are_copied(scene: Scene) -> None:
    (scene.folder / "keys.txt").write_text("src/a\nsrc/nowhere\nsrc/z/z\n")
    plan = scene.plan(keys=str(scene.folder / "keys.txt"))
    with pytest.raises(PlanError, match='there is no object "src/nowhere"'):
        await survey(plan, scene.options)
    with pytest.raises(PlanError, match='there is no object "src/nowhere"'):
        await migrate(plan, scene.options)
    assert scene.copied() == ["a", "z/z"]
    # A source that is gone because its copy is done and proven is no mistake of the list, and nothing is amiss.
    (scene.folder / "keys.txt").write_text("src/a\nsrc/z/z\n")
    await verify(plan, scene.options)
    scene.client.delete_object(Bucket=scene.bucket, Key="src/a")
    assert (await migrate(plan, scene.options)).complete


async def test_a_key_that_is_not_there_is_forgotten_by_nothing_that_comes_after(scene: Scene) -> None:
    plan = scene.listed("a", "nowhere", "z/z")
    with pytest.raises(PlanError):
        await migrate(plan, scene.options)
    (left,) = (await status(scene.options.ledger or "")).left
    assert (left.things, [(item.key, item.code) for item in left.first]) == (1, [("nowhere", "Missing")])
    found = await verify(plan, scene.options)
    assert [(item.key, item.kind) for item in found.differences] == [("nowhere", Kind.UNREAD)]
    is_open, said = (await scene.gate(plan))["audit"]
    assert not is_open and "1 that its list names are not there; the first is 'nowhere'" in said
    with pytest.raises(ReceiptRefused, match=r"1 left, .* first 'nowhere': the list names it"):
        await receipt(plan, scene.options)
    # Once it is there, a run takes all of that back.
    scene.client.put_object(Bucket=scene.bucket, Key="src/nowhere", Body=b"here")
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    assert not (await status(scene.options.ledger or "")).left and (await scene.gate(plan))["audit"][0]


async def test_a_key_that_s3_refuses_to_show_is_told_holds_up_no_other_and_is_not_absent(
    scene: Scene, served: Sandbox
) -> None:
    plan = scene.listed("a", "b b", "z/z")
    refused = {"kind": "403", "operation": "HeadObject", "key": "src/b b", "every": 1}
    try:
        served.control("settings", {"faults": [refused]})
        result = await migrate(plan, scene.options)
        assert not result.complete and scene.copied() == ["a", "z/z"]
        assert [(item.key, item.code) for item in result.unlisted] == [("b b", "Unseen")]
        assert result.unlisted_count == 1 and "403" in result.unlisted[0].message
        surveyed = await survey(plan, scene.options)
        assert (surveyed.routes[0].unlisted, surveyed.refused) == (1, 1)
        served.control("settings", {"faults": []})
        assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
        # What is copied and proven, and may not be looked at any more, is neither gone nor done with.
        scene.client.delete_object(Bucket=scene.bucket, Key="dst/b b")
        served.control("settings", {"faults": [refused]})
        again = await migrate(plan, scene.options)
        assert (again.aside, again.empty, again.unlisted_count, again.complete) == ({}, [], 1, False)
        found = await verify(plan, scene.options)
        assert [(item.key, item.kind) for item in found.differences] == [("b b", Kind.UNREAD)]
        is_open, said = (await scene.gate(plan))["audit"]
        assert not is_open and "'b b'" in said
    finally:
        served.control("settings", {"faults": []})
    assert (await migrate(plan, scene.options)).copied == 1


async def test_a_list_of_which_s3_shows_nothing_is_not_called_empty(scene: Scene, served: Sandbox) -> None:
    plan = scene.listed("a", "z/z")
    try:
        served.control("settings", {"faults": [{"kind": "403", "operation": "HeadObject", "key": "src/", "every": 1}]})
        result, surveyed = await migrate(plan, scene.options), await survey(plan, scene.options)
    finally:
        served.control("settings", {"faults": []})
    assert (result.empty, result.unlisted_count, surveyed.empty) == ([], 2, [])


@pytest.mark.parametrize("where", ["s3", "local", "local manifest"])
async def test_an_inventory_stands_for_the_listing_and_costs_no_head(scene: Scene, where: str) -> None:
    chosen = [key for key in KEYS if key != "a"]
    data = scene.inventory(chosen)
    manifest = scene.manifest(data)
    if where != "local":
        scene.client.put_object(Bucket=scene.bucket, Key="inv/data/1.csv.gz", Body=data)
    if where == "s3":
        scene.client.put_object(Bucket=scene.bucket, Key="inv/manifest.json", Body=manifest.encode())
        plan = scene.plan(inventory=f"s3://{scene.bucket}/inv/manifest.json")
    else:
        (scene.folder / "manifest.json").write_text(manifest)
        (scene.folder / "1.csv.gz").write_bytes(data if where == "local" else b"")
        if where == "local manifest":
            (scene.folder / "1.csv.gz").unlink()
        plan = scene.plan(inventory=str(scene.folder / "manifest.json"))
    result = await migrate(plan, scene.options)
    assert result.complete and scene.copied() == sorted(chosen)
    report = await verify(plan, scene.options)
    assert report.agrees and report.routes[0].by_proof.keys() == {2}


@pytest.mark.parametrize("form", ["Parquet", "ORC"])
async def test_an_inventory_of_tables_stands_for_the_listing_too(scene: Scene, form: str) -> None:
    heads = {key: scene.client.head_object(Bucket=scene.bucket, Key=f"src/{key}") for key in KEYS if key != "a"}
    found = pa.table(
        {
            "bucket": [scene.bucket] * len(heads),
            "key": [f"src/{key}" for key in heads],
            "size": [head["ContentLength"] for head in heads.values()],
            "last_modified_date": pa.array(
                [head["LastModified"] for head in heads.values()], pa.timestamp("ms", "UTC")
            ),
            "e_tag": [head["ETag"].strip('"') for head in heads.values()],
        }
    )
    path = scene.folder / f"1.{form.lower()}"
    (orc if form == "ORC" else parquet).write_table(found, path)
    data = path.read_bytes()
    values = json.loads(scene.manifest(data, f"inv/data/{path.name}")) | {"fileFormat": form, "fileSchema": "…"}
    (scene.folder / "manifest.json").write_text(json.dumps(values))
    plan = scene.plan(inventory=str(scene.folder / "manifest.json"))
    result = await migrate(plan, scene.options)
    assert result.complete and scene.copied() == sorted(heads)
    (scene.folder / path.name).write_bytes(data + b"x")
    with pytest.raises(PlanError, match="not those that the manifest names"):
        await migrate(plan, replace(scene.options, ledger=scene.folder / "another.ledger"))
    (scene.folder / path.name).write_bytes(b"no table")
    (scene.folder / "manifest.json").write_text(json.dumps(values | {"files": [{"key": f"inv/data/{path.name}"}]}))
    with pytest.raises(PlanError, match=form):
        await migrate(plan, replace(scene.options, ledger=scene.folder / "another.ledger"))
    assert list((scene.folder / "another.ledger.lists").iterdir()) == [], "what could not be read is left there"


async def test_an_object_that_changed_since_its_inventory_is_drifted_not_copied(scene: Scene) -> None:
    data = scene.inventory(["a", "z/z"], stale="0" * 32)
    (scene.folder / "manifest.json").write_text(scene.manifest(data))
    (scene.folder / "1.csv.gz").write_bytes(data)
    result = await migrate(scene.plan(inventory=str(scene.folder / "manifest.json")), scene.options)
    assert {state.value: count for state, count in result.aside.items()} == {"drifted": 1}
    assert scene.copied() == ["z/z"]


async def test_a_list_that_is_not_there_says_so(scene: Scene) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        await migrate(scene.plan(keys=str(scene.folder / "no.txt")), scene.options)


async def test_a_source_that_changed_after_its_inventory_is_not_called_verified_nor_unchanged(scene: Scene) -> None:
    data = scene.inventory([key for key in KEYS if key != "b b"])
    (scene.folder / "manifest.json").write_text(scene.manifest(data))
    (scene.folder / "1.csv.gz").write_bytes(data)
    plan = scene.plan(inventory=str(scene.folder / "manifest.json"))
    assert (await migrate(plan, scene.options)).complete
    assert (await verify(plan, scene.options)).agrees
    scene.client.put_object(Bucket=scene.bucket, Key="src/a", Body=b"changed")
    gate = {reason.name: reason for reason in (await cleanup(plan, scene.options)).reasons}
    assert (gate["audit"].open, gate["audit"].sentence[:31]) == (False, "1 source changed since the copy")
    report = await verify(plan, scene.options)
    assert [(item.key, item.kind) for item in report.differences] == [("a", Kind.DRIFTED)]


async def test_a_source_that_grew_out_of_the_routes_filter_is_not_called_verified(scene: Scene) -> None:
    plan = scene.plan(max_size=5)
    assert (await migrate(plan, scene.options)).complete
    scene.client.put_object(Bucket=scene.bucket, Key="src/a", Body=b"longer than the route takes")
    report = await verify(plan, scene.options)
    assert [(item.key, item.kind) for item in report.differences] == [("a", Kind.DRIFTED)]


async def test_routes_with_one_source_and_lists_of_their_own_are_listings_of_their_own(scene: Scene) -> None:
    (scene.folder / "one.txt").write_text("src/a\n")
    (scene.folder / "two.txt").write_text("src/b b\nsrc/z/z\n")
    route = '[[routes]]\nname = "{0}"\nfrom = "/src/"\nto = "/{0}/"\n'
    plan = scene.routes(
        route.format("one") + 'keys = "one.txt"\n' + route.format("two") + 'keys = "two.txt"\n' + route.format("all")
    )
    surveyed = await survey(plan, scene.options)
    assert [(item.route, item.objects) for item in surveyed.routes] == [("one", 1), ("two", 2), ("all", len(KEYS))]
    assert (await migrate(plan, scene.options)).complete
    assert (scene.copied("one/"), scene.copied("two/"), scene.copied("all/")) == (["a"], ["b b", "z/z"], sorted(KEYS))
    report = await verify(plan, scene.options)
    assert report.agrees and [item.verified for item in report.routes] == [1, 2, len(KEYS)]


async def test_a_list_answers_nobody_but_its_route(scene: Scene) -> None:
    named = f"s3://{scene.bucket}/src/a"
    scene.client.put_object(Bucket=scene.bucket, Key="src/notes.txt", Body=named.encode())
    (scene.folder / "keys.txt").write_text("src/a\n")
    plan = scene.routes(
        '[[routes]]\nname = "r"\nfrom = "/src/"\nto = "/dst/"\nkeys = "keys.txt"\n[references]\nscan = ["/src/"]\n'
    )
    assert (await migrate(plan, scene.options)).complete
    is_open, sentence = (await scene.gate(plan))["references"]
    assert not is_open and "src/notes.txt" in sentence


@pytest.mark.parametrize("known", [True, False], ids=["bound to its list", "made before lists were bound"])
async def test_a_key_taken_out_of_the_list_is_not_gone_but_left_alone_and_said(scene: Scene, known: bool) -> None:
    plan = scene.listed("a", "b b", "z/z")
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    if not known:
        scene.forget_lists()
    plan = scene.listed("z/z", "c+c")
    said = 'holds 2 objects of the route .* does not name: "src/a", "src/b b".'
    for command in (survey, migrate, verify):
        with pytest.raises(LedgerMismatch, match=said):
            await command(plan, scene.options)
    with pytest.raises(LedgerMismatch, match=said):
        await cleanup(plan, scene.options, delete=True)
    assert scene.copied("src/") == sorted(KEYS) and scene.copied() == ["a", "b b", "z/z"]
    # The shorter list has a ledger of its own: what is copied is found, and only what it names is deleted.
    other = replace(scene.options, ledger=scene.folder / "other.ledger")
    plan = scene.listed("z/z")
    assert (await migrate(plan, other)).counters.found == 1 and (await verify(plan, other)).agrees
    cleaned = (await cleanup(plan, other, delete=True)).cleaned
    assert cleaned is not None and cleaned.deleted == 1
    assert scene.copied("src/") == sorted(set(KEYS) - {"z/z"})


async def test_a_list_may_grow_and_nothing_is_called_complete_until_it_was_run(scene: Scene) -> None:
    plan = scene.listed("a", "b b")
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    heard: list[Event] = []
    plan = scene.listed("b b", "c+c", "a")
    report = await verify(plan, replace(scene.options, listener=heard.append))
    assert [item.code for item in heard if isinstance(item, Notice)] == ["ListChanged"]
    assert not report.agrees and [(item.key, item.kind) for item in report.differences] == [("c+c", Kind.NEW)]
    gate = await scene.gate(plan)
    assert (gate["snapshot"][0], gate["audit"][0]) == (False, False)
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    assert all(is_open for is_open, _ in (await scene.gate(plan)).values())


async def test_the_same_keys_in_another_order_and_with_other_line_ends_are_the_same_list(scene: Scene) -> None:
    plan = scene.listed("a", "b b", "z/z")
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    (scene.folder / "keys.txt").write_bytes(b"src/z/z\r\nsrc/a\r\nsrc/b b\r\nsrc/a\r\n")
    heard: list[Event] = []
    assert (await verify(plan, replace(scene.options, listener=heard.append))).agrees
    assert not [item for item in heard if isinstance(item, Notice)]


async def test_a_key_whose_source_was_deleted_by_cleanup_may_leave_the_list(scene: Scene) -> None:
    plan = scene.listed("a", "b b")
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    assert (await cleanup(plan, scene.options, delete=True)).cleaned is not None
    plan = scene.listed("c+c")
    assert (await migrate(plan, scene.options)).complete
    assert scene.copied() == ["a", "b b", "c+c"]


async def test_the_list_of_a_copy_without_a_plan_file_is_the_same_file_from_another_folder(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.listed("a", "b b")
    monkeypatch.chdir(scene.folder)
    plan = Plan.of(f"s3://{scene.bucket}/src/", f"s3://{scene.bucket}/dst/", keys="keys.txt", folder=scene.folder)
    assert (await migrate(plan, scene.options)).complete
    (scene.folder / "elsewhere").mkdir()
    monkeypatch.chdir(scene.folder / "elsewhere")
    Path("keys.txt").write_text("src/a\nsrc/b b\nsrc/c+c\n")
    asked = await asked_plan(scene.folder / "l.ledger")
    assert asked is not None and (await verify(asked, scene.options)).agrees


async def test_a_list_that_comes_through_a_pipe_is_there_after_the_question_too_and_no_verify_is_named(
    scene: Scene,
) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"src/a\nsrc/b b\n")
    os.close(writing)
    typed: dict[str, Any] = {"keys": f"/dev/fd/{reading}", "folder": scene.folder}
    plan = with_list_kept(Plan.of(f"s3://{scene.bucket}/src/", f"s3://{scene.bucket}/dst/", **typed))
    os.close(reading)
    kept = KeptListings.beside(scene.folder / "l.ledger")
    await survey(plan, scene.options, keep=kept)
    result = await migrate(plan, scene.options, listed=kept)
    assert result.complete and scene.copied() == ["a", "b b"]
    assert result_page(plan, result, 1.0)[-1] == LIST_GONE
    looked = await status(scene.folder / "l.ledger")
    assert status_page(looked, await asked_plan(looked.ledger))[-1] == LIST_GONE


@pytest.mark.parametrize("kind", ["keys", "inventory"])
async def test_a_list_that_changes_while_a_question_stands_open_is_read_anew(scene: Scene, kind: str) -> None:
    """What was listed for the question is of the older one, and would be called all that the newer one names."""

    def written(*keys: str) -> Plan:
        return scene.listed(*keys) if kind == "keys" else scene.inventoried(*keys)

    kept = KeptListings.beside(scene.folder / "l.ledger")
    await survey(written("a", "b b"), scene.options, keep=kept)
    plan = written("a", "b b", "c+c", "z/z")
    result = await migrate(plan, scene.options, listed=kept)
    assert result.complete and scene.copied() == ["a", "b b", "c+c", "z/z"]
    assert (await verify(plan, scene.options)).agrees


async def test_an_inventory_that_names_less_is_refused(scene: Scene) -> None:
    written = scene.inventoried
    plan = written("a", "b b")
    assert (await migrate(plan, scene.options)).complete and (await verify(plan, scene.options)).agrees
    with pytest.raises(LedgerMismatch, match=r'holds 1 object of the route .* does not name: "src/a"'):
        await cleanup(written("b b", "z/z"), scene.options)
    assert (await migrate(written("b b", "z/z", "a"), scene.options)).complete
    assert scene.copied() == ["a", "b b", "z/z"]
