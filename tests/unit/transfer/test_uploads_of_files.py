"""One file into a bucket: what is sent, what it proves, and what becomes of it where something goes wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.checksums import checksum_of
from engine.errors import Ambiguous, BadCredentials, Rejected, Unsupported
from engine.events import Notice
from engine.model import ABSENT, Checksum, CopyResult, ObjectRef, Overwrite, Proof, UploadedPart
from engine.plan import parts
from engine.plan.lifecycle import State
from engine.plan.route import PropertyRule, PropertyRules
from engine.store import CompleteUpload, PutObject, UploadPart
from tests.fake_store import FakeStore, md5
from tests.unit.transfer.passes import PART, SilentStore, UploadScene, small_parts
from tests.unit.transfer.scene import KMS, conflict

__all__ = ["small_parts"]

BODY = bytes(range(256)) * 14  # 3,584 bytes: three parts and a bit
PUT_LOST = Ambiguous("the connection broke", operation="PutObject", code="ConnectionLost")


def crc(body: bytes) -> Checksum:
    return Checksum("CRC64NVME", "FULL_OBJECT", checksum_of("CRC64NVME", body))


async def test_a_small_file_is_one_request_that_proves_it(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    os.utime(scene.write(b"a card", "card.png"), ns=(5, 1_700_000_000_000_000_007))
    outcome = await scene.carrier.carry(await scene.task("card.png"))
    assert (outcome.state, outcome.proof, outcome.method) == (State.COPIED, Proof.DIGEST, "upload")
    assert outcome.compared == "CRC64NVME full object"
    assert scene.target.counts == {"PutObject": 1}
    [put] = scene.target.made("PutObject")
    assert (put.checksum, put.target_condition, put.content_md5) == (crc(b"a card"), ABSENT, "")
    assert put.properties.content_type == "image/png"
    assert dict(put.properties.metadata)["mtime"] == "1700000000.000000007"


async def test_the_routes_rules_are_laid_over_what_a_file_carries(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path, storage_class="STANDARD_IA", set_tags=(("t", "1"),), set_metadata=(("by", "us"),))
    scene.write(b"a card")
    await scene.carrier.carry(await scene.task())
    held = scene.held()
    assert held is not None
    assert (held.properties.storage_class, held.properties.tags) == ("STANDARD_IA", (("t", "1"),))
    assert dict(held.properties.metadata).keys() == {"by", "mode", "mtime"}


async def test_a_large_file_goes_by_parts_and_is_proven_by_the_answer_to_the_last_request(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(BODY)
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "CRC64NVME full object")
    assert scene.target.counts == {"CreateMultipartUpload": 1, "UploadPart": 4, "CompleteMultipartUpload": 1}
    assert all(part.checksum.algorithm == "CRC64NVME" for part in scene.target.made("UploadPart"))
    [complete] = scene.target.made("CompleteMultipartUpload")
    assert (complete.checksum, complete.size, complete.target_condition) == (crc(BODY), len(BODY), ABSENT)
    held = scene.held()
    assert held is not None and held.body == BODY


async def test_a_part_that_is_longer_than_a_buffer_bears_its_checksum_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MAX_PARTS", 1)
    scene = UploadScene(tmp_path)
    scene.write(BODY)
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "CRC64NVME full object")
    [part] = scene.target.made("UploadPart")
    assert part.checksum is not None and part.checksum.value == crc(BODY).value
    held = scene.held()
    assert held is not None and held.body == BODY


@pytest.mark.parametrize("key", ["empty", "folder/"])
async def test_what_has_no_bytes_is_an_object_of_no_bytes(tmp_path: Path, key: str) -> None:
    scene = UploadScene(tmp_path)
    (tmp_path / key).mkdir() if key.endswith("/") else scene.write(b"", key)
    outcome = await scene.carrier.carry(await scene.task(key))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    held = scene.held(key)
    assert held is not None and held.body == b""


# --- answers that are no success -----------------------------------------------------------------------------


async def test_a_write_whose_answer_was_lost_is_found_and_not_sent_again(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(b"a card")
    scene.target.plan("PutObject", ("after", PUT_LOST))
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert scene.target.counts == {"PutObject": 1, "HeadObject": 1}


async def test_a_write_that_never_arrived_is_sent_again_under_its_condition(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(b"a card")
    scene.target.plan("PutObject", ("before", PUT_LOST))
    assert (await scene.carrier.carry(await scene.task())).state is State.COPIED
    assert [put.target_condition for put in scene.target.made("PutObject")] == [ABSENT, ABSENT]


async def test_what_someone_else_wrote_while_a_write_was_open_is_left_alone(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(b"a card")

    def foreign() -> None:
        scene.target.put("s3://bkt/new/k", b"theirs")
        raise PUT_LOST

    scene.target.plan("PutObject", ("before", foreign))
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.code) == (State.CONFLICT, "TargetAppeared")
    held = scene.held()
    assert held is not None and held.body == b"theirs"


async def test_what_made_a_write_be_refused_is_left_alone_also_where_it_cannot_be_told_from_ours(
    tmp_path: Path,
) -> None:
    """409: another write was under way. No answer of ours was lost, so that it is not ours."""
    scene = UploadScene(tmp_path)
    scene.write(b"a card")

    def foreign() -> None:
        scene.target.put("s3://bkt/new/k", b"others", etag=f"{md5(b'theirs')}-1")
        raise conflict("PutObject")

    scene.target.plan("PutObject", ("before", foreign))
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.code) == (State.CONFLICT, "TargetAppeared")
    held = scene.held()
    assert held is not None and held.body == b"others"


@pytest.mark.parametrize(("body", "operation"), [(b"a card", "PutObject"), (BODY, "CompleteMultipartUpload")])
async def test_what_someone_else_wrote_first_from_the_same_bytes_is_found_and_theirs(
    tmp_path: Path, body: bytes, operation: str
) -> None:
    """Another run on the same target, say: a revert of this one leaves it."""
    other = UploadScene(tmp_path)
    other.write(body)
    assert (await other.carrier.carry(await other.task())).method == "upload"
    theirs = other.held()
    assert theirs is not None
    scene = UploadScene(tmp_path)

    def land() -> None:
        scene.target.objects.update(other.target.objects)

    task = await scene.task()
    scene.target.plan(operation, ("before", land))
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.proof, outcome.method) == (State.COPIED, Proof.DIGEST, "found")
    assert scene.held() is theirs and scene.target.uploads == {}


async def test_a_target_that_appeared_is_a_conflict(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(b"a card")
    scene.target.put("s3://bkt/new/k", b"theirs")
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.code) == (State.CONFLICT, "TargetAppeared")


async def test_a_condition_that_the_server_refuses_is_left_out_and_said(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(b"a card")
    scene.target.plan("PutObject", ("before", Unsupported("no such thing", operation="PutObject", code="501")))
    assert (await scene.carrier.carry(await scene.task())).state is State.COPIED
    assert [put.target_condition for put in scene.target.made("PutObject")] == [ABSENT, None]
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["TargetUnguarded"]


# --- servers that know no checksums --------------------------------------------------------------------------


def refuse_checksums(operation: str, request: Any) -> None:
    if getattr(request, "checksum", None) is not None:
        raise Rejected("x-amz-checksum-crc64nvme?", operation=operation, code="InvalidArgument")


async def test_a_server_that_refuses_checksums_is_sent_content_md5_instead(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path, trusted=False)
    scene.target.before = refuse_checksums
    for key in ("one", "two"):
        scene.write(b"a card", key)
        outcome = await scene.carrier.carry(await scene.task(key))
        assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag")
    puts = scene.target.made("PutObject")
    assert [put.checksum is None for put in puts] == [False, True, True]
    assert all(put.content_md5 for put in puts)
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["ChecksumsUnknown"]


async def test_a_part_that_is_refused_for_its_checksum_goes_with_its_md5_and_the_etag_proves_the_whole(
    tmp_path: Path,
) -> None:
    scene = UploadScene(tmp_path, trusted=False)
    scene.write(BODY)
    scene.target.before = lambda operation, request: (
        refuse_checksums(operation, request) if operation == "UploadPart" else None
    )
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag of parts")
    [complete] = scene.target.made("CompleteMultipartUpload")
    assert complete.checksum is None


@pytest.mark.parametrize("body", [b"a card", BODY], ids=["small", "large"])
async def test_a_server_that_says_nothing_of_checksums_is_held_to_its_etags(tmp_path: Path, body: bytes) -> None:
    scene = UploadScene(tmp_path, SilentStore(), trusted=False)
    scene.write(body)
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert outcome.compared in ("etag", "etag of parts")


class Damaging(SilentStore):
    """A server that compares nothing, and is given other bytes than were sent."""

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        return super()._upload_part(request._replace(body=b"\1" + request.body[1:], content_md5=""))


class Encrypting(SilentStore):
    """A server whose parts' ETags are no MD5s, under KMS."""

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        done = super()._upload_part(request)._replace(etag=md5(f"sealed {request.number}"), encryption="aws:kms")
        self.uploads[request.upload.upload_id].parts[request.number] = done
        return done


async def test_a_part_that_arrived_with_other_bytes_is_told_by_its_etag(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path, Damaging(), trusted=False)
    scene.write(BODY)
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    assert scene.target.uploads == {} and scene.held() is None


async def test_an_etag_of_a_part_that_is_no_md5_says_nothing_of_its_bytes(tmp_path: Path) -> None:
    rules = PropertyRules(encryption=PropertyRule.SET)
    scene = UploadScene(tmp_path, Encrypting(), trusted=False, properties=rules, set_encryption=KMS)
    scene.write(BODY)
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)


class Shouting(SilentStore):
    """A server that writes its ETags in capitals."""

    def _put(self, request: PutObject) -> CopyResult:
        return self._loud(request.ref, super()._put(request))

    def _complete(self, request: CompleteUpload) -> CopyResult:
        return self._loud(request.upload.target, super()._complete(request))

    def _loud(self, ref: ObjectRef, done: CopyResult) -> CopyResult:
        held = self.objects[ref] = replace(self.objects[ref], etag=done.etag.upper())
        return done._replace(etag=held.etag)


@pytest.mark.parametrize("lost", ["", "PutObject", "CompleteMultipartUpload"])
@pytest.mark.parametrize("body", [b"a card", BODY], ids=["small", "large"])
async def test_a_server_that_writes_its_etags_in_capitals_proves_as_much(
    tmp_path: Path, body: bytes, lost: str
) -> None:
    scene = UploadScene(tmp_path, Shouting(), trusted=False)
    scene.write(body)
    if lost:
        scene.target.plan(lost, ("after", Ambiguous("lost", operation=lost, code="ConnectionLost")))
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert outcome.target_etag.isupper()


# --- files that change ---------------------------------------------------------------------------------------


async def test_a_file_that_is_another_than_was_listed_has_drifted_and_nothing_is_sent(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(b"a card")
    task = await scene.task()
    scene.write(b"other")
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    (tmp_path / "k").unlink()
    assert (await scene.carrier.carry(task)).code == "SourceGone"
    assert scene.target.counts == {}


async def test_a_file_that_changes_while_it_is_read_has_drifted_and_its_upload_is_aborted(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    path = scene.write(BODY)

    def change(operation: str, request: Any) -> None:
        if operation == "UploadPart" and request.number == 2:
            path.write_bytes(BODY[::-1])

    scene.target.before = change
    outcome = await scene.carrier.carry(await scene.task())
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    assert scene.target.uploads == {} and scene.held() is None
    assert scene.journal.ends == ["aborted"]


# --- taken up again ------------------------------------------------------------------------------------------


async def cut_short(scene: UploadScene, before_part: int) -> None:
    """A run that ends before this part."""

    def stop(operation: str, request: Any) -> None:
        if operation == "UploadPart" and request.number == before_part:
            raise BadCredentials("gone", operation=operation, code="ExpiredToken")

    scene.target.before = stop
    with pytest.raises(BadCredentials):
        await scene.carrier.carry(await scene.task())
    scene.target.before = None
    scene.target.requests.clear()


async def test_the_next_run_sends_only_what_is_missing_once_it_has_hashed_the_rest(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(BODY)
    await cut_short(scene, 3)
    outcome = await scene.carrier.carry(await scene.task(upload=scene.left()))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert [part.number for part in scene.target.made("UploadPart")] == [3, 4]
    held = scene.held()
    assert held is not None and held.body == BODY


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_part_there_that_is_not_the_files_range_is_sent_again(tmp_path: Path, trusted: bool) -> None:
    scene = UploadScene(tmp_path, FakeStore() if trusted else SilentStore(), trusted=trusted)
    scene.write(BODY)
    await cut_short(scene, 3)
    upload = scene.left()
    parts = scene.target.uploads[upload.upload_id]
    other = b"x" * PART
    parts.bodies[2] = other
    parts.parts[2] = parts.parts[2]._replace(etag=md5(other), checksums=(crc(other),) if trusted else ())
    outcome = await scene.carrier.carry(await scene.task(upload=upload))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert [part.number for part in scene.target.made("UploadPart")] == [2, 3, 4]
    held = scene.held()
    assert held is not None and held.body == BODY


async def test_what_an_earlier_run_left_of_another_version_is_aborted(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(BODY)
    await cut_short(scene, 3)
    left = scene.left()
    scene.write(BODY[::-1])
    outcome = await scene.carrier.carry(await scene.task(upload=left))
    assert outcome.state is State.COPIED
    assert [part.number for part in scene.target.made("UploadPart")] == [1, 2, 3, 4]
    assert scene.target.uploads == {}


async def test_what_an_earlier_run_left_of_a_file_that_is_small_now_is_aborted(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(BODY)
    await cut_short(scene, 3)
    left = scene.left()
    scene.write(b"")
    assert (await scene.carrier.carry(await scene.task(upload=left))).state is State.COPIED
    assert scene.target.uploads == {}


async def test_an_upload_that_was_completed_without_anyone_being_told_is_recognised_and_proven(tmp_path: Path) -> None:
    scene = UploadScene(tmp_path)
    scene.write(BODY)
    outcome = await scene.carrier.carry(await scene.task())
    [record] = [value for name, value in scene.journal.log if name == "intend"]
    held = scene.held()
    assert held is not None
    scene.journal.known = [UploadedPart(number, etag, size) for number, (etag, size) in enumerate(held.parts, 1)]
    scene.target.requests.clear()
    again = await scene.carrier.carry(
        await scene.task(condition=outcome.target_etag, upload=record._replace(upload_id="upload-1", server_ms=1))
    )
    assert (again.state, again.proof) == (State.COPIED, Proof.DIGEST)
    assert "UploadPart" not in scene.target.counts


# --- what is there already -----------------------------------------------------------------------------------


async def inspected(
    tmp_path: Path, body: bytes, there: bytes, policy: Overwrite, **held: Any
) -> tuple[Any, UploadScene]:
    scene = UploadScene(tmp_path, overwrite=policy)
    scene.write(body)
    etag = scene.target.put("s3://bkt/new/k", there, **held).etag
    return await scene.carrier.carry(await scene.task(condition=etag, inspect=True)), scene


async def test_an_empty_target_of_one_empty_part_holds_the_bytes_of_an_empty_file(tmp_path: Path) -> None:
    outcome, _ = await inspected(tmp_path, b"", b"", Overwrite.NEVER, etag=f"{md5(b'')}-1", parts=((md5(b""), 0),))
    assert (outcome.state, outcome.proof, outcome.method) == (State.COPIED, Proof.DIGEST, "found")


@pytest.mark.parametrize("checksums", [(crc(b"a card"),), ()], ids=["checksum", "MD5"])
async def test_a_target_that_holds_the_files_bytes_is_found(tmp_path: Path, checksums: tuple[Checksum, ...]) -> None:
    outcome, scene = await inspected(tmp_path, b"a card", b"a card", Overwrite.NEVER, checksums=checksums)
    assert (outcome.state, outcome.proof, outcome.method) == (State.COPIED, Proof.DIGEST, "found")
    assert scene.target.counts == {"HeadObject": 1}


async def test_a_target_of_the_same_size_with_other_bytes_is_a_conflict_or_replaced_as_the_policy_says(
    tmp_path: Path,
) -> None:
    outcome, _ = await inspected(tmp_path, b"a card", b"others", Overwrite.NEVER)
    assert outcome.state is State.CONFLICT
    outcome, scene = await inspected(tmp_path, b"a card", b"others", Overwrite.IF_DIFFERENT)
    assert (outcome.state, outcome.method) == (State.COPIED, "upload")
    [put] = scene.target.made("PutObject")
    assert put.target_condition == md5(b"others")
