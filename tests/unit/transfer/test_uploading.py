"""One upload's whole life: begun, carried, completed, taken up again; kept or aborted, and never left unnamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec import structs

from engine import freshness
from engine.errors import (
    AccessDenied,
    Ambiguous,
    BadCredentials,
    NotFound,
    Rejected,
    StoreError,
    Unsupported,
)
from engine.events import Event, Notice
from engine.model import ABSENT, MIB, CopyResult, ObjectRef, Proof, Properties, UploadedPart
from engine.plan.lifecycle import State
from engine.plan.record import UploadRecord
from engine.store import CompleteUpload, CopyPart, CreateUpload
from engine.transfer.carrier import Interrupted, Task
from engine.transfer.methods import Method, method_for
from engine.transfer.orphans import Orphans
from engine.transfer.work import PartJob
from tests.fake_store import FakeStore, md5
from tests.unit.transfer.scene import KMS, NOW_MS, Bench, conflict, target

PARTS = [8 * MIB, 8 * MIB, 8 * MIB, 3 * MIB]
COMPLETE = "CompleteMultipartUpload"
LOST = Ambiguous("the connection broke", operation=COMPLETE, code="ConnectionLost")
GONE = NotFound("no such upload", operation=COMPLETE, code="NoSuchUpload")


def bench(**more: Any) -> Bench:
    store = FakeStore()
    store.put_parts("s3://bkt/old/k", PARTS, **more)
    return Bench(store)


def left_behind(scene: Bench, numbers: list[int], *, source_etag: str = "", checksum: str = "") -> UploadRecord:
    """An upload of an earlier run, with these parts in place, as the ledger knows it."""
    ref = scene.store._create(CreateUpload(ObjectRef("bkt", "new/k"), Properties()))
    source = scene.task().source
    for number in numbers:
        first = (number - 1) * 8 * MIB
        last = first + PARTS[number - 1] - 1
        scene.store._copy_part(CopyPart(ref, number, ObjectRef("bkt", "old/k"), source.etag, first, last))
    scene.journal.known = sorted(scene.store.uploads[ref.upload_id].parts.values())
    etag = source_etag or source.etag
    return UploadRecord("r", "k", "bkt", "new/k", ref.upload_id, etag, source.size, str(8 * MIB), checksum, NOW_MS)


async def test_a_multipart_source_is_laid_out_as_it_was_and_its_etag_comes_out_equal() -> None:
    scene = bench(properties=Properties(content_type="x/y", metadata=(("a", "b"),), tags=(("t", "1"),)))
    source = scene.task().source
    assert method_for(source) is Method.OWN_PARTS
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag of parts")
    held = target(scene.store)
    assert held is not None
    assert (held.etag, held.size) == (source.etag, source.size)
    assert held.properties == scene.store.get("s3://bkt/old/k").properties  # type: ignore[union-attr]
    assert [name for name, _ in scene.journal.log if name != "parts"] == ["intend", "id", "finish"]
    assert sorted(number for name, value in scene.journal.log if name == "parts" for number in value) == [1, 2, 3, 4]
    assert scene.journal.ends == ["completed"]
    assert all(part.source_etag == source.etag for part in scene.store.made("UploadPartCopy"))


async def test_a_copy_of_its_own_parts_whose_etag_comes_out_otherwise_is_a_mismatch() -> None:
    scene = bench()
    real = scene.store._copy_part

    def rotten(request: CopyPart) -> UploadedPart:
        done = real(request)
        if request.number == 2:
            done = done._replace(etag=md5("rot"))
            parts = scene.store.uploads[request.upload.upload_id].parts
            parts[2] = parts[2]._replace(etag=done.etag)
        return done

    scene.store._copy_part = rotten  # type: ignore[method-assign]
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    assert outcome.message.startswith("S3 says that the copy differs from its source by etag of parts")


async def test_a_server_that_makes_something_else_of_its_parts_etags_proves_no_mismatch() -> None:
    scene = bench()
    real = scene.store._complete

    def complete(request: CompleteUpload) -> CopyResult:
        real(request)
        held = scene.store.objects["bkt", "new/k"] = replace(scene.store.objects["bkt", "new/k"], etag=f"{'e' * 32}-4")
        return CopyResult(held.etag, held.modified)

    scene.store._complete = complete  # type: ignore[method-assign]
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)


async def test_intent_is_committed_before_create_and_the_id_before_the_first_part() -> None:
    scene = bench()

    async def check(operation: str, request: object) -> None:
        known = [name for name, _ in scene.journal.log]
        if operation == "CreateMultipartUpload":
            assert known == ["intend"]
        if operation == "UploadPartCopy":
            assert known[:2] == ["intend", "id"]

    scene.store.before = check
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED


# --- taken up again -----------------------------------------------------------------------------------------


async def test_only_the_missing_parts_are_copied_by_the_next_run() -> None:
    scene = bench()
    record = left_behind(scene, [1, 3])
    outcome = await scene.carrier.carry(scene.task(upload=record))
    assert outcome.state is State.COPIED
    assert sorted(part.number for part in scene.store.made("UploadPartCopy")) == [2, 4]
    assert scene.store.made("CreateMultipartUpload") == []
    assert scene.store.uploads == {}


async def test_what_an_earlier_run_left_of_a_source_that_is_empty_now_is_aborted() -> None:
    scene = bench()
    record = left_behind(scene, [1])
    scene.store.put("s3://bkt/old/k", b"")
    assert (await scene.carrier.carry(scene.task(upload=record))).state is State.COPIED
    assert scene.store.uploads == {}
    assert scene.journal.ends == ["aborted"]


async def test_a_part_of_the_wrong_size_is_copied_again() -> None:
    scene = bench()
    record = left_behind(scene, [1, 2])
    parts = scene.store.uploads[record.upload_id].parts
    parts[2] = parts[2]._replace(size=5)
    assert (await scene.carrier.carry(scene.task(upload=record))).proof is Proof.DIGEST
    assert sorted(part.number for part in scene.store.made("UploadPartCopy")) == [2, 3, 4]


@pytest.mark.parametrize("unlike", [{"source_etag": md5("older")}, {"checksum": "CRC64NVME"}])
async def test_an_upload_of_another_source_or_with_another_checksum_is_aborted_and_begun_anew(
    unlike: dict[str, str],
) -> None:
    scene = bench()
    record = left_behind(scene, [1, 2], **unlike)
    assert (await scene.carrier.carry(scene.task(upload=record))).state is State.COPIED
    assert scene.journal.ends == ["aborted", "completed"]
    assert len(scene.store.made("UploadPartCopy")) == 4
    assert scene.store.uploads == {}


@pytest.mark.parametrize(("changed_ms", "ends", "copied"), [(1, ["aborted", "completed"], 4), (0, ["completed"], 2)])
async def test_an_upload_from_before_its_buckets_settings_changed_is_begun_anew(
    changed_ms: int, ends: list[str], copied: int
) -> None:
    store = FakeStore()
    store.put_parts("s3://bkt/old/k", PARTS)
    scene = Bench(store, {"bkt": NOW_MS + changed_ms})
    record = left_behind(scene, [1, 2])
    assert (await scene.carrier.carry(scene.task(upload=record))).proof is Proof.DIGEST
    assert (scene.journal.ends, len(scene.store.made("UploadPartCopy"))) == (ends, copied)
    assert scene.store.uploads == {}


async def test_an_upload_that_vanished_is_begun_anew() -> None:
    scene = bench()
    record = left_behind(scene, [1])
    scene.store.uploads.clear()
    assert (await scene.carrier.carry(scene.task(upload=record))).state is State.COPIED
    assert scene.journal.ends == ["vanished", "completed"]


def completed(scene: Bench, record: UploadRecord, *, server_ms: int = 1, anew: bool = False) -> Task:
    """The next run's task, where the target bears the ETag of an upload that is gone."""
    there = scene.store.put_parts("s3://bkt/new/k", PARTS)
    scene.store.objects["bkt", "new/k"] = replace(there, etag=scene.task().source.etag)
    scene.store.uploads.clear()
    task = scene.task(upload=record._replace(server_ms=server_ms), condition=scene.task().source.etag)
    return structs.replace(task, anew=anew)


@pytest.mark.parametrize("written", [str, str.upper])
async def test_an_upload_that_an_earlier_run_completed_without_being_told_is_done(
    written: Callable[[str], str],
) -> None:
    scene = bench()
    record = left_behind(scene, [1, 2, 3, 4])
    task = completed(scene, record)
    held = scene.store.objects["bkt", "new/k"]
    scene.store.objects["bkt", "new/k"] = replace(held, etag=written(held.etag))
    outcome = await scene.carrier.carry(structs.replace(task, target_condition=written(held.etag)))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert scene.store.made("UploadPartCopy") == []
    assert scene.journal.ends == ["aborted"]


@pytest.mark.parametrize("unlike", [{"anew": True}, {"server_ms": 0}], ids=["was found damaged", "no clock"])
async def test_what_may_have_been_there_before_the_upload_is_not_taken_for_it(unlike: Any) -> None:
    scene = bench()
    record = left_behind(scene, [1, 2, 3, 4])
    outcome = await scene.carrier.carry(completed(scene, record, **unlike))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert len(scene.store.made("UploadPartCopy")) == 4


# --- Complete -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LOST, GONE, Ambiguous("200 without an ETag", operation=COMPLETE, code="NoETag")])
async def test_a_complete_that_landed_is_found_by_the_etag_that_its_parts_predict(error: Exception) -> None:
    scene = bench()
    scene.store.plan(COMPLETE, ("after", error))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert len(scene.store.made(COMPLETE)) == 1
    assert scene.journal.ends == ["completed"]


async def test_a_complete_that_never_arrived_is_sent_again_while_its_parts_are_there() -> None:
    scene = bench()
    scene.store.plan(COMPLETE, ("before", LOST), ("before", LOST))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.COPIED
    assert len(scene.store.made(COMPLETE)) == 3
    assert len(scene.store.made("UploadPartCopy")) == 4


async def test_a_complete_that_stays_unknown_keeps_the_upload_for_the_next_run() -> None:
    scene = bench()
    scene.store.plan(COMPLETE, *[("before", LOST)] * 9)
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.FAILED
    assert len(scene.store.uploads) == 1
    assert scene.journal.ends == []


async def test_an_upload_that_lost_parts_to_a_cancellation_is_never_completed() -> None:
    """Every worker but the one that began it is cancelled first, as may happen in any order."""
    scene = bench()
    mine, others = anyio.Event(), anyio.Event()
    ended = []

    async def hold(operation: str, request: object) -> None:
        if isinstance(request, CopyPart):
            await (mine if request.number == 1 else others).wait()

    async def upload() -> None:
        with pytest.raises(Interrupted):
            await scene.carrier.carry(scene.task())
        ended.append(True)

    cancelled = anyio.CancelScope()

    async def carry(job: PartJob) -> None:
        await job()

    async def carry_the_rest() -> None:
        with cancelled:
            async with anyio.create_task_group() as workers:
                while (job := scene.queue.take_part_nowait()) is not None:
                    workers.start_soon(carry, job)

    scene.store.before = hold
    async with anyio.create_task_group() as group:
        group.start_soon(upload)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(carry_the_rest)
        await anyio.wait_all_tasks_blocked()
        cancelled.cancel()
        await anyio.wait_all_tasks_blocked()
        mine.set()
    assert ended
    assert scene.store.made(COMPLETE) == []
    assert target(scene.store) is None
    assert len(scene.store.uploads) == 1


async def test_409_on_complete_begins_the_upload_anew() -> None:
    scene = bench()
    scene.store.plan(COMPLETE, ("before", conflict(COMPLETE)))
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    assert len(scene.store.made("CreateMultipartUpload")) == 2
    assert scene.journal.ends == ["aborted", "completed"]
    assert scene.store.uploads == {}


async def test_409_without_end_fails_and_leaves_no_upload() -> None:
    scene = bench()
    scene.store.plan(COMPLETE, *[("before", conflict(COMPLETE))] * 9)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "ConditionalRequestConflict")
    assert scene.store.uploads == {}


async def test_412_on_complete_is_a_conflict_and_the_upload_is_aborted() -> None:
    scene = bench()
    scene.store.plan("UploadPartCopy", ("after", lambda: scene.store.put("s3://bkt/new/k", etag=md5("foreign"))))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.CONFLICT
    assert target(scene.store).etag == md5("foreign")  # type: ignore[union-attr]
    assert scene.store.uploads == {}
    assert scene.journal.ends == ["aborted"]


async def test_a_target_that_vanished_before_its_replacement_was_complete_is_made_anew() -> None:
    scene = bench()
    outcome = await scene.carrier.carry(scene.task(condition=md5("gone")))
    assert outcome.state is State.COPIED
    assert scene.store.made(COMPLETE)[-1].target_condition == ABSENT


async def test_no_such_upload_with_an_unpredictable_etag_is_copied_again_over_exactly_that() -> None:
    scene = bench()

    def completed_under_a_key() -> None:
        scene.store.put("s3://bkt/new/k", sum(PARTS), etag=md5("?") + "-4", properties=Properties(encryption=KMS))
        scene.store.uploads.clear()
        raise GONE

    scene.store.plan(COMPLETE, ("before", completed_under_a_key))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.COPIED
    assert scene.store.made(COMPLETE)[-1].target_condition == md5("?") + "-4"


async def test_501_to_the_condition_on_complete_goes_on_without() -> None:
    scene = bench()
    scene.store.plan(COMPLETE, ("before", Unsupported("no", operation=COMPLETE, code="NotImplemented")))
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    assert [request.target_condition for request in scene.store.made(COMPLETE)] == [ABSENT, None]


# --- kept or aborted ----------------------------------------------------------------------------------------


async def test_a_source_that_drifts_in_the_middle_aborts_the_upload() -> None:
    scene = bench()
    task = scene.task()
    scene.store.plan("UploadPartCopy", ("after", lambda: scene.store.put("s3://bkt/old/k", etag=md5("new"))))
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    assert scene.store.uploads == {}
    assert scene.journal.ends == ["aborted"]
    assert target(scene.store) is None


async def test_a_source_that_drifted_before_aborts_what_an_earlier_run_left() -> None:
    scene = bench()
    record = left_behind(scene, [1])
    task = scene.task(upload=record)
    scene.store.put("s3://bkt/old/k", etag=md5("new"))
    assert (await scene.carrier.carry(task)).state is State.DRIFTED
    assert scene.store.uploads == {}
    assert scene.journal.ends == ["aborted"]


async def test_a_failure_of_the_object_aborts_the_upload() -> None:
    scene = bench()
    scene.store.plan("UploadPartCopy", ("before", Rejected("no", operation="UploadPartCopy", code="InvalidRequest")))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "InvalidRequest")
    assert scene.store.uploads == {}


async def test_an_error_that_stops_the_run_keeps_the_upload() -> None:
    scene = bench()
    scene.store.plan("UploadPartCopy", ("ok", None), ("before", BadCredentials("expired", operation="UploadPartCopy")))
    with pytest.raises(BadCredentials):
        await scene.carrier.carry(scene.task())
    [upload] = scene.store.uploads.values()
    assert sorted(upload.parts) == [1]  # and no part was begun after the error
    assert scene.journal.ends == []


async def test_a_gentle_stop_keeps_the_upload_without_an_outcome() -> None:
    scene = bench()
    scene.store.plan("UploadPartCopy", ("after", scene.queue.abandon))
    with pytest.raises(Interrupted):
        await scene.carrier.carry(scene.task())
    [upload] = scene.store.uploads.values()
    assert sorted(upload.parts) == [1]
    assert scene.journal.ends == []


async def test_cancellation_keeps_the_upload_and_leaves_at_once() -> None:
    scene = bench()
    reached = anyio.Event()

    async def hang(operation: str, request: object) -> None:
        if operation == "UploadPartCopy":
            reached.set()
            await anyio.sleep_forever()

    scene.store.before = hang
    async with anyio.create_task_group() as group:
        group.start_soon(scene.carrier.carry, scene.task())
        await reached.wait()
        group.cancel_scope.cancel()
    assert len(scene.store.uploads) == 1
    assert scene.journal.ends == []


async def test_an_abort_that_has_begun_is_not_cut_short_by_cancellation() -> None:
    scene = bench()
    scene.store.plan("UploadPartCopy", ("before", Rejected("no", operation="UploadPartCopy", code="InvalidRequest")))
    async with anyio.create_task_group() as group:

        async def cancel_in_the_middle(operation: str, request: object) -> None:
            if operation == "AbortMultipartUpload":
                group.cancel_scope.cancel()
                await anyio.lowlevel.checkpoint()

        scene.store.before = cancel_in_the_middle
        group.start_soon(scene.carrier.carry, scene.task())
    assert scene.store.uploads == {}
    assert scene.journal.ends == ["aborted"]


async def test_an_abort_that_fails_is_named_and_left_to_the_next_run() -> None:
    scene = bench()
    scene.store.plan("UploadPartCopy", ("before", Rejected("no", operation="UploadPartCopy", code="InvalidRequest")))
    scene.store.plan("AbortMultipartUpload", ("before", AccessDenied("no", operation="AbortMultipartUpload")))
    assert (await scene.carrier.carry(scene.task())).state is State.FAILED
    [notice] = [event for event in scene.events if isinstance(event, Notice)]
    assert notice.code == "OrphanedUpload"
    assert "upload-1" in notice.message
    assert scene.journal.ends == []


# --- lost ids -----------------------------------------------------------------------------------------------


async def test_an_upload_whose_id_was_lost_is_found_and_aborted() -> None:
    scene = bench()
    scene.store.plan("CreateMultipartUpload", ("after", Ambiguous("lost", operation="CreateMultipartUpload")))
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    assert len(scene.store.made("CreateMultipartUpload")) == 2
    assert scene.store.uploads == {}
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanAborted"]


async def test_an_upload_that_arrives_after_the_look_is_found_once_the_object_is_there() -> None:
    """The request of a process that was killed may still be on its way when the next run looks for what it made."""
    scene = bench()
    intent = left_behind(scene, [])._replace(upload_id="", server_ms=NOW_MS)
    on_its_way = dict(scene.store.uploads)
    scene.store.uploads.clear()

    def arrive(operation: str, request: object) -> None:
        if operation == "UploadPartCopy":
            scene.store.uploads.update(on_its_way)
            on_its_way.clear()

    scene.store.before = arrive
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert scene.store.uploads == {} == on_its_way
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanNotFound", "OrphanAborted"]


@pytest.mark.parametrize("why", ["two of them", "it has a part", "it is older"])
async def test_an_upload_that_may_be_someone_elses_is_named_and_left(why: str) -> None:
    scene = bench()
    intent = left_behind(scene, [1] if why == "it has a part" else [])._replace(upload_id="")
    if why == "two of them":
        left_behind(scene, [])
    if why == "it is older":
        intent = intent._replace(intent_ms=NOW_MS + 365 * 86_400_000)
    before = set(scene.store.uploads)
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert set(scene.store.uploads) == before
    notices = [event for event in scene.events if isinstance(event, Notice)]
    assert [notice.code for notice in notices] == {
        "two of them": ["OrphanedUpload"] * 2,
        "it has a part": ["OrphanedUpload"],
        "it is older": ["OrphanNotFound"],
    }[why]


SECOND_MS = 1_000


@pytest.mark.parametrize("off_s", [-890, -300, 0, 300, 890])
async def test_a_lost_upload_is_looked_for_by_the_servers_clock(off_s: int) -> None:
    """However far off this machine's clock is, which S3 allows to a quarter of an hour."""
    scene = bench()
    lost = left_behind(scene, [])
    intent = lost._replace(upload_id="", intent_ms=NOW_MS + off_s * SECOND_MS, server_ms=NOW_MS)
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert scene.store.uploads == {}
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanAborted"]


@pytest.mark.parametrize(
    ("off_s", "code"),
    [(-600, "OrphanAborted"), (60, "OrphanAborted"), (300, "OrphanedUpload"), (890, "OrphanedUpload")],
)
async def test_where_only_this_machine_dates_it_a_lost_upload_is_named_rather_than_missed(
    off_s: int, code: str
) -> None:
    scene = bench()
    intent = left_behind(scene, [])._replace(upload_id="", intent_ms=NOW_MS + off_s * SECOND_MS)
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert [event.code for event in scene.events if isinstance(event, Notice)] == [code]
    assert len(scene.store.uploads) == (code == "OrphanedUpload")


async def test_somebody_elses_upload_of_a_minute_before_is_not_ours_by_the_servers_clock() -> None:
    scene = bench()
    intent = left_behind(scene, [])._replace(upload_id="", server_ms=NOW_MS + 105 * SECOND_MS)
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert len(scene.store.uploads) == 1
    [notice] = [event for event in scene.events if isinstance(event, Notice)]
    assert notice.code == "OrphanNotFound"
    assert "aws s3api list-multipart-uploads --bucket bkt --prefix new/k" in notice.message


async def test_a_key_that_is_named_in_a_command_writes_nothing_on_the_terminal() -> None:
    told: list[Event] = []
    Orphans(FakeStore(), told.append).report(ObjectRef("bkt", "new/\x1b[2J\nk"), "up\x07load", "why")
    [notice] = told
    assert isinstance(notice, Notice)
    command = notice.message.partition("abort it with: ")[2]
    assert command.isprintable()
    assert command.endswith(r"--key $'new/\x1b[2J\x0ak' --upload-id $'up\x07load'")


async def test_an_upload_that_somebody_goes_on_with_while_the_process_is_stopped_is_not_aborted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It looked like ours when it was looked at, and 40 s passed before the abort could be sent."""
    scene, later_s, now_s = bench(), [0.0], freshness.now_s
    monkeypatch.setattr(freshness, "now_s", lambda: now_s() + later_s[0])
    intent = left_behind(scene, [])._replace(upload_id="", server_ms=NOW_MS)
    [upload_id] = scene.store.uploads

    def stop(operation: str, request: object) -> None:
        if operation == "AbortMultipartUpload" and not later_s[0]:
            later_s[0] = 40
            scene.store.uploads[upload_id].parts[1] = UploadedPart(1, md5("somebody's"), 5 * MIB)

    scene.store.before = stop
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert upload_id in scene.store.uploads
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanedUpload"]


async def test_an_upload_of_a_date_that_nobody_can_read_is_named_and_left() -> None:
    scene = bench()
    intent = left_behind(scene, [])._replace(upload_id="", server_ms=NOW_MS)
    for upload_id, upload in scene.store.uploads.items():
        scene.store.uploads[upload_id] = replace(upload, modified="yesterday")
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanedUpload"]


async def test_where_uploads_may_not_be_listed_the_object_is_copied_and_the_doubt_is_said() -> None:
    scene = bench()
    intent = left_behind(scene, [])._replace(upload_id="")
    scene.store.plan("ListMultipartUploads", ("before", AccessDenied("no", operation="ListMultipartUploads")))
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanUnknown"]


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "AbortMultipartUpload"])
@pytest.mark.parametrize("trouble", [Ambiguous, AccessDenied])
async def test_no_other_upload_is_begun_while_nothing_is_known_of_one_whose_id_was_lost(
    operation: str, trouble: type[StoreError]
) -> None:
    """Two of them could not be told from somebody else's, and would be left for ever."""
    scene = bench()
    scene.store.plan("CreateMultipartUpload", ("after", Ambiguous("lost", operation="CreateMultipartUpload")))
    scene.store.plan(operation, ("before", trouble("no", operation=operation)))
    assert (await scene.carrier.carry(scene.task())).state is State.FAILED
    assert len(scene.store.uploads) == 1
    assert scene.journal.ends == []
    [intent] = [value for name, value in scene.journal.log if name == "intend"]
    assert (await scene.carrier.carry(scene.task(upload=intent))).state is State.COPIED
    assert scene.store.uploads == {}


async def test_a_lost_upload_that_cannot_be_looked_for_now_is_left_to_the_next_run() -> None:
    scene = bench()
    intent = left_behind(scene, [])._replace(upload_id="")
    scene.store.plan("ListParts", ("before", Ambiguous("cut short", operation="ListParts")))
    await scene.carrier.discard(intent)
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["OrphanedUpload"]
    assert scene.journal.ends == []
    await scene.carrier.discard(intent)
    assert scene.store.uploads == {}


async def test_discarding_ends_an_upload_with_or_without_an_id() -> None:
    scene = bench()
    await scene.carrier.discard(left_behind(scene, [1]))
    await scene.carrier.discard(left_behind(scene, [])._replace(upload_id=""))
    assert scene.store.uploads == {}
    assert scene.journal.ends == ["aborted", "aborted"]


# --- parts in the ledger ------------------------------------------------------------------------------------


async def test_parts_that_end_together_are_committed_together() -> None:
    scene = bench()
    committing = anyio.Event()
    batches: list[list[int]] = []

    async def slow_commit(route: str, key: str, parts: Sequence[UploadedPart]) -> None:
        batches.append([part.number for part in parts])
        if len(batches) == 1:
            await committing.wait()

    scene.journal.record_parts = slow_commit  # type: ignore[method-assign]

    async def worker() -> None:
        for _ in range(2):
            if isinstance(job := await scene.queue.take(), Task):
                raise AssertionError("no objects here")
            assert job is not None
            await job()
            scene.queue.part_done()
        committing.set()

    async with anyio.create_task_group() as group:
        group.start_soon(worker)
        outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.COPIED
    assert sorted(number for batch in batches for number in batch) == [1, 2, 3, 4]
    assert len(batches) < 4
