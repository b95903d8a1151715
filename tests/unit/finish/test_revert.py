"""Going back: our copies go and nothing else does, at any moment; after cleanup a plan leads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import AccessDenied, NotFound, StoreError, Unavailable, UsageError
from engine.events import Doing, Looking, Notice, Progress
from engine.finish.failed_sync import not_on_disk
from engine.finish.looking import FEW
from engine.finish.revert import Outlook, Part, Revert, Reverted, outlook, part_of
from engine.finish.sending import Condition
from engine.finish.way_back import way_back
from engine.model import ObjectRef, Properties
from engine.plan.document import Plan
from engine.plan.lifecycle import LEAVING, State
from engine.plan.record import NEVER_THERE, NOT_ON_DISK, TAKEN_BACK, Decision, Outcome, UploadRecord
from engine.store import CreateUpload
from tests.fake_store import everywhere
from tests.unit.finish.scene import PLAN, Scene, scene

SOURCE = "s3://bucket/data/raw/"
TARGET = "s3://bucket/project/data/raw/"


async def revert(s: Scene, condition: Condition = Condition.BATCH, **more: Any) -> Reverted:
    return await Revert(everywhere(s.store), s.ledger, s.deleters(condition), s.heard.append, 0, **more).go(
        s.plan.routes
    )


def listed(s: Scene, key: str) -> Decision:
    there = s.store.objects["bucket", f"data/raw/{key}"]
    return Decision(key, len(there.body), there.etag, there.modified, "STANDARD", "", State.PLANNED)


async def test_the_copies_go_and_the_sources_stay(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=1_200) as s:
        s.store.put(TARGET + "someone-elses.png")
        await s.migrate()
        report = await revert(s)
        assert (report.removed, report.stayed) == (1_200, 0)
        assert s.store.keys(TARGET) == ["someone-elses.png"]
        assert len(s.store.keys(SOURCE)) == 1_200
        assert set((await s.states()).values()) == {"planned"}
        assert [item.closed_ms for item in await s.ledger.snapshots()] == [0]


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE])
@pytest.mark.usefixtures("hands")  # on a machine that is held up looks would grow too old
async def test_a_bucket_made_versioned_in_between_stops_it_unless_accepted(
    tmp_path: Path, condition: Condition
) -> None:
    async with scene(tmp_path, objects=2_500) as s:
        await s.migrate()
        s.store.versioning = "Enabled"
        report = await revert(s, condition)
        assert (report.removed, report.unaccepted, report.stopped) == (FEW, ("bucket",), True)
        report = await revert(s, condition, markers_accepted={"bucket"})
        assert (report.removed, report.markers, report.stopped) == (2_500 - FEW, True, False)


async def test_what_is_counted_goes_on_from_route_to_route(tmp_path: Path) -> None:
    """A history, a bar and metrics add what begins anew to what was before."""
    two = PLAN + '[[routes]]\nname = "also"\nfrom = "/data/raw/"\nto = "/also/"\n'
    async with scene(tmp_path, plan=two) as s:
        await s.migrate()
        assert (await revert(s)).removed == 6
        told = [event for event in s.heard if isinstance(event, Doing | Progress)]
        assert [event.goes_on for event in told if isinstance(event, Doing)] == [False, True]
        done = [event.done for event in told if isinstance(event, Progress)]
        assert done == sorted(done) and done[-1] == 6


async def test_a_copy_whose_source_is_gone_or_changed_stays(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.remove(SOURCE + "00000.png")
        s.store.put(SOURCE + "00001.png", b"changed")
        report = await revert(s)
        assert (report.removed, report.kept) == (1, {"source": 2})
        assert s.store.keys(TARGET) == ["00000.png", "00001.png"]


async def test_an_object_that_is_lost_keeps_no_other_copy(tmp_path: Path) -> None:
    """Its owner removed both sides; no cleanup did anything."""
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.remove(SOURCE + "00000.png")
        s.store.remove(TARGET + "00000.png")
        row = (await s.records())["00000.png"]
        await s.ledger.conclude("raw", [Outcome.seen(row.key, State.LOST, row.target_etag, proof=row.proof)])
        found = await outlook(s.ledger)
        assert (found.cleaned_up, found.removable, found.changed) == (False, 2, 1)
        assert (await revert(s)).removed == 2
        assert s.store.keys(TARGET) == []


async def test_a_copy_that_someone_overwrote_stays(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.put(TARGET + "00001.png", b"better")
        report = await revert(s)
        assert (report.removed, report.kept) == (2, {"changed": 1})
        assert s.store.keys(TARGET) == ["00001.png"]


async def test_found_and_overwritten_targets_are_left_and_listed(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        found, over = listed(s, "00000.png"), listed(s, "00001.png")
        for key in ("00000.png", "00001.png"):
            s.store.put(TARGET + key, s.store.objects["bucket", f"data/raw/{key}"].body)
        await s.ledger.decide(
            "raw",
            [
                found._replace(state=State.COPIED, target_etag=found.source_etag, found=True, held=found.source_etag),
                over._replace(held="what-was-there"),
            ],
        )
        await s.ledger.conclude("raw", [Outcome("00001.png", State.COPIED, over.source_etag, method="copy")])
        told: list[object] = []
        said = await outlook(s.ledger, told.append)
        rows = sum(tally.objects for tally in await s.ledger.tallies())
        assert told == [Doing("reading the ledger"), Looking(rows, listing_done=True, done=rows), *said.left]
        assert said.objects == {Part.FOUND: 1, Part.OVERWRITTEN: 1}
        assert [item.key for item in said.left] == ["00000.png", "00001.png"]
        assert (await revert(s)).removed == 0
        assert s.store.keys(TARGET) == ["00000.png", "00001.png"]


async def test_a_copy_over_our_own_copy_is_removed_like_any_other(tmp_path: Path) -> None:
    """What it was written over was ours: nothing of anybody's is gone."""
    async with scene(tmp_path, objects=1) as s:
        await s.migrate()
        first = (await s.records())["00000.png"]
        for where in (SOURCE, TARGET):
            s.store.put(where + "00000.png", b"new")
        new = listed(s, "00000.png")
        await s.ledger.decide("raw", [new._replace(held=first.target_etag, target_etag=first.target_etag)])
        assert part_of((await s.records())["00000.png"]) is Part.CHANGED  # under way
        await s.ledger.conclude("raw", [Outcome("00000.png", State.COPIED, new.source_etag, method="copy")])
        assert part_of((await s.records())["00000.png"]) is Part.REMOVE
        assert (await revert(s)).removed == 1
        assert s.store.keys(TARGET) == []


@pytest.mark.parametrize(("landed", "there"), [(b"image 0", []), (b"another", ["00000.png"]), (None, [])])
async def test_a_copy_whose_outcome_was_lost_is_told_by_the_target(
    tmp_path: Path, landed: bytes | None, there: list[str]
) -> None:
    async with scene(tmp_path, objects=1) as s:
        await s.ledger.decide("raw", [listed(s, "00000.png")])
        if landed is not None:
            s.store.put(TARGET + "00000.png", landed)
        report = await revert(s)
        assert s.store.keys(TARGET) == there
        assert report.kept == ({"unsure": 1} if there else {})


async def test_what_it_removed_is_known_and_what_is_put_there_later_is_not_ours(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=2) as s:
        await s.migrate()
        await revert(s)
        s.store.put(TARGET + "00000.png", s.store.objects["bucket", "data/raw/00000.png"].body)  # by another plan, say
        assert (await outlook(s.ledger)).objects == {Part.REMOVED: 2}
        assert ((await revert(s)).removed, s.store.keys(TARGET)) == (0, ["00000.png"])


async def test_where_nothing_had_landed_that_is_known_and_looked_at_again(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=2) as s:
        await s.migrate()
        await s.ledger.decide("raw", [listed(s, "00000.png")])
        s.store.remove(TARGET + "00000.png")
        assert (await revert(s)).is_whole
        assert {row.code for row in (await s.records()).values()} == {NEVER_THERE, TAKEN_BACK}
        await s.ledger.begin_run("revert", 0)
        assert await s.ledger.taken_back()
        s.store.put(TARGET + "00000.png", s.store.objects["bucket", "data/raw/00000.png"].body)  # it was on its way
        assert ((await revert(s)).removed, s.store.keys(TARGET)) == (1, [])
        for state, code in ((State.COPIED, ""), (State.DAMAGED, NOT_ON_DISK)):
            await s.ledger.conclude("raw", [Outcome("00001.png", state, "etag", code=code)])
        assert not await s.ledger.taken_back()  # that copy may stand


@pytest.mark.parametrize("carried_out", [False, True])
async def test_killed_in_the_middle_it_goes_on(tmp_path: Path, carried_out: bool) -> None:
    class Killed(BaseException):
        pass

    async with scene(tmp_path, objects=20) as s:
        await s.migrate()

        def kill(operation: str, request: Any) -> None:
            if operation == "DeleteObjects":
                for key, _ in request.keys if carried_out else ():
                    s.store.objects.pop(("bucket", key))
                raise Killed

        s.store.before = kill
        with pytest.raises(Killed):
            await revert(s)
        s.store.before = None
        await revert(s)
        assert s.store.keys(TARGET) == []
        assert len(s.store.keys(SOURCE)) == 20


async def test_unfinished_uploads_are_aborted_and_a_vanished_one_is_no_trouble(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=2) as s:
        for key in ("00000.png", "00001.png"):
            await s.ledger.decide("raw", [listed(s, key)])
            target = ObjectRef("bucket", f"project/data/raw/{key}")
            upload = await s.store.create_upload(CreateUpload(target, Properties()))
            intent = UploadRecord("raw", key, "bucket", target.key, "", "e", 7, "5", "", 1)
            await s.ledger.intend_upload(intent)
            await s.ledger.set_upload_id("raw", key, upload.upload_id)
        s.store.plan(
            "AbortMultipartUpload",
            ("before", NotFound("gone", operation="AbortMultipartUpload", code="NoSuchUpload")),
            key="project/data/raw/00001.png",
        )
        report = await revert(s)
        assert report.aborted == 2
        assert len(s.store.uploads) == 1  # the one that was said to be gone
        assert await s.ledger.open_uploads() == []


@pytest.mark.parametrize("problem", [AccessDenied, Unavailable])
async def test_an_upload_that_cannot_be_ended_is_told_and_stays_and_the_copies_go(
    tmp_path: Path, problem: type[StoreError]
) -> None:
    """One whose id is known, and one whose id was lost: that may not even be looked for."""
    async with scene(tmp_path, objects=4) as s:
        await s.migrate()
        for key, upload_id in (("00000.png", "known"), ("00001.png", "")):
            intent = UploadRecord("raw", key, "bucket", f"project/data/raw/{key}", "", "e", 7, "5", "", 1)
            await s.ledger.intend_upload(intent)
            if upload_id:
                await s.ledger.set_upload_id("raw", key, upload_id)

        async def refuse(operation: str, request: object) -> None:
            if operation in ("AbortMultipartUpload", "ListMultipartUploads"):
                raise problem("no", operation=operation)

        s.store.before = refuse
        report = await revert(s)
        assert (report.removed, report.aborted) == (4, 0)
        assert [item.code for item in s.heard if isinstance(item, Notice)] == ["OrphanedUpload", "OrphanUnknown"]
        s.store.before = None
        assert (await revert(s)).aborted == 2
        assert await s.ledger.open_uploads() == []


async def test_once_a_source_is_deleted_only_a_plan_leads_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        assert not (await outlook(s.ledger)).cleaned_up
        await s.delete()
        found: Outlook = await outlook(s.ledger)
        assert found.cleaned_up
        assert found.objects == {Part.GONE: 3}


async def test_a_deleted_source_stays_deleted_while_another_object_at_its_key_is_set_aside(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        await s.delete()
        newcomers = [
            Decision(key, 10, "another", "", "STANDARD", "", State.CONFLICT, row.target_etag)
            for key, row in (await s.records()).items()
        ]
        await s.ledger.decide("raw", newcomers)
        assert set((await s.states()).values()) == {"conflict"}
        found: Outlook = await outlook(s.ledger)
        assert found.cleaned_up
        assert (found.objects, found.bytes[Part.GONE]) == ({Part.NOTHING: 3, Part.GONE: 3}, 3 * len(b"image 0"))


async def test_every_state_has_its_part(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        record = (await s.records())["00000.png"]
    parts = {state: part_of(record._replace(state=state)) for state in State}
    assert parts == {
        State.PLANNED: Part.REMOVE,
        State.COPYING: Part.REMOVE,
        State.COPIED: Part.REMOVE,
        State.VERIFIED: Part.REMOVE,
        State.DELETING: Part.GONE,
        State.DELETED: Part.GONE,
        State.FAILED: Part.CHANGED,
        State.DRIFTED: Part.CHANGED,
        State.CONFLICT: Part.CHANGED,
        State.ARCHIVED: Part.CHANGED,
        State.DAMAGED: Part.CHANGED,
        State.WITHDRAWN: Part.CHANGED,
        State.LOST: Part.CHANGED,
    }
    assert part_of(record._replace(state=State.FAILED, target_etag="")) is Part.NOTHING
    for state in set(State) - LEAVING:  # a target that was in place is no copy of ours, whatever became of it
        assert part_of(record._replace(state=state, found=True, held=record.target_etag)) is Part.FOUND
    assert part_of(record._replace(state=State.DAMAGED, code="TargetMissing")) is Part.MISSING
    unsynced = record._replace(state=State.DAMAGED, code=NOT_ON_DISK)
    assert part_of(unsynced) is Part.REMOVE and part_of(unsynced._replace(found=True)) is Part.FOUND


async def test_copies_whose_disk_could_not_be_synced_go_as_others_do(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=5) as s:
        await s.migrate()
        records = await s.records()
        await s.ledger.conclude("raw", [not_on_disk(record, "Input/output error") for record in records.values()])
        s.store.put(SOURCE + "00001.png", b"changed since")
        s.store.put(TARGET + "00002.png", b"somebody else's")
        report = await revert(s)
        assert (report.removed, report.stayed) == (3, 2)
        assert s.store.keys(TARGET) == ["00001.png", "00002.png"]


def test_the_way_back_is_a_plan_whose_routes_are_turned_round() -> None:
    plan = Plan.parse(
        """
name = "moving it"
[connection]
region = "us-east-2"
endpoint_url = "https://s3.example.com"
[[routes]]
name = "raw"
from = "s3://one/data/raw/"
to = "s3://two/project/ra w\\u007f/"
exclude = ["*.tmp", "a[!b]*"]
max_size = "1 GB"
since = 2026-01-01
[[routes]]
name = "model"
from = "s3://one/model.tar.gz"
to = "s3://two/models/1.0"
storage_class = "GLACIER_IR"
[cleanup]
hold = "36h"
proof = "bytes"
unconditional = true
"""
    )
    text = way_back(plan).text
    back = Plan.parse(text)
    assert back.name == "moving it-back"
    assert [(route.source, route.target) for route in back.routes] == [
        (route.target, route.source) for route in plan.routes
    ]
    assert back.routes[0].selection.exclude == ("*.tmp", "a[!b]*")
    assert back.routes[0].selection.max_bytes == 10**9
    assert "cannot be turned round" in text
    assert back.connection == plan.connection
    assert back.cleanup == plan.cleanup
    again = Plan.parse(way_back(back).text)
    assert [route.source for route in again.routes] == [route.source for route in plan.routes]


def test_two_routes_that_share_a_source_have_one_way_back_and_the_other_is_a_comment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = Plan.parse(
        f'name = "{"n" * 100}"\n'
        '[[routes]]\nname = "warm"\nfrom = "s3://main/raw/"\nto = "s3://copies/warm/"\n'
        '[[routes]]\nname = "cold"\nfrom = "s3://main/raw/"\nto = "s3://copies/cold/"\nstorage_class = "GLACIER"\n'
        '[[routes]]\nname = "other"\nfrom = "s3://main/other/"\nto = "s3://copies/other/"\n'
    )
    text = way_back(plan).text
    assert [route.name for route in Plan.parse(text).routes] == ["warm", "other"]
    assert '# Left out: routes "warm" and "cold" both write to s3://main/raw/.' in text
    assert '# from = "s3://copies/cold/"' in text
    assert way_back(plan).left_out == (), "all that cold has came from where warm's did"
    monkeypatch.setattr("engine.finish.way_back.collisions", lambda routes, endpoints: [])
    with pytest.raises(UsageError, match=r"would be refused: .* both write to s3://main/raw/"):
        way_back(plan)


@pytest.mark.parametrize("turn", [1, -1])
def test_what_shares_a_source_goes_back_by_the_route_that_has_all_of_it(turn: int) -> None:
    routes = [
        '[[routes]]\nname = "some"\nfrom = "s3://main/raw/"\nto = "s3://copies/some/"\ninclude = ["*.jpg"]\n',
        '[[routes]]\nname = "inner"\nfrom = "s3://main/raw/inner/"\nto = "s3://copies/inner/"\n',
        '[[routes]]\nname = "all"\nfrom = "s3://main/raw/"\nto = "s3://copies/all/"\n',
    ]
    found = way_back(Plan.parse("".join(routes[::turn])))
    assert [route.name for route in Plan.parse(found.text).routes] == ["all"]
    assert found.left_out == ()


def test_a_route_whose_objects_no_other_brings_back_is_named() -> None:
    plan = Plan.parse(
        '[[routes]]\nname = "pictures"\nfrom = "s3://main/raw/"\nto = "s3://copies/one/"\ninclude = ["*.jpg"]\n'
        '[[routes]]\nname = "cards"\nfrom = "s3://main/raw/"\nto = "s3://copies/two/"\ninclude = ["card*"]\n'
        '[[routes]]\nname = "cards again"\nfrom = "s3://main/raw/"\nto = "s3://copies/three/"\ninclude = ["*.jpg"]\n'
    )
    found = way_back(plan)
    assert [route.name for route in Plan.parse(found.text).routes] == ["pictures"]
    assert found.left_out == ("cards",)


def test_what_only_may_hold_a_routes_objects_is_not_said_to_bring_them_back() -> None:
    plan = Plan.parse(
        '[[routes]]\nname = "all"\nfrom = "s3://raw-of-main-ab12cd34-s3alias/raw/"\nto = "s3://copies/one/"\n'
        '[[routes]]\nname = "inner"\nfrom = "s3://main/raw/inner/"\nto = "s3://copies/two/"\n'
    )
    found = way_back(plan)
    assert [route.name for route in Plan.parse(found.text).routes] == ["all"]
    assert found.left_out == ("inner",)


def test_the_way_back_leads_from_the_site_of_the_targets_to_that_of_the_sources() -> None:
    plan = Plan.parse(
        '[sites.near]\nendpoint_url = "http://127.0.0.1:9000"\nprofile = "work"\n[[routes]]\nname = "r"\n'
        'from = "s3://main/a/"\nto = "s3://copies/a/"\nto_site = "near"\n'
        '[[routes]]\nname = "s"\nfrom = "s3://main/b/"\nto = "file:///srv/b/"\n'
    )
    back = Plan.parse(way_back(plan).text)
    assert back.sites == plan.sites
    assert [(route.source, route.target) for route in back.routes] == [
        (route.target, route.source) for route in plan.routes
    ]
