"""One CopyObject and every way in which it can end: 412 with its meanings, lost answers, 409, 404."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import (
    AccessDenied,
    Ambiguous,
    Archived,
    BadCredentials,
    PreconditionFailed,
    Rejected,
    Throttled,
)
from engine.model import ABSENT, Encryption, Overwrite, Proof, Properties
from engine.plan.lifecycle import State
from tests.fake_store import FakeStore, md5
from tests.unit.transfer.scene import KMS, Bench, conflict, crc64, target, with_policy

LOST = Ambiguous("the connection broke", operation="CopyObject", code="ConnectionLost")
NO_ETAG = Ambiguous("200 without an ETag", operation="CopyObject", code="NoETag")


def bench(**source: object) -> Bench:
    store = FakeStore()
    store.put("s3://bkt/old/k", **source)  # type: ignore[arg-type]
    return Bench(store)


async def test_a_plain_object_costs_one_request_and_is_proven_by_its_etag() -> None:
    scene = bench()
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared, outcome.requests) == (
        State.COPIED,
        Proof.DIGEST,
        "etag",
        1,
    )
    [(operation, request)] = scene.store.requests
    assert operation == "CopyObject"
    assert (request.source_etag, request.target_condition) == (scene.task().source.etag, ABSENT)


# --- 412 ----------------------------------------------------------------------------------------------------


async def test_412_because_the_source_changed_is_drift_with_both_etags() -> None:
    scene = bench()
    task = scene.task()
    scene.store.put("s3://bkt/old/k", etag=md5("new"))
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    assert task.source.etag in outcome.message
    assert md5("new") in outcome.message
    assert target(scene.store) is None


async def test_412_because_the_source_is_gone_is_drift_too() -> None:
    scene = bench()
    task = scene.task()
    del scene.store.objects["bkt", "old/k"]
    assert (await scene.carrier.carry(task)).code == "SourceGone"


async def test_412_because_someone_elses_target_appeared_is_a_conflict_and_it_stays() -> None:
    scene = bench()
    foreign = scene.store.put("s3://bkt/new/k", 99, etag=md5("foreign"))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.CONFLICT, "TargetAppeared")
    assert target(scene.store) is foreign


async def test_412_because_someone_else_made_the_same_copy_finds_theirs_in_place() -> None:
    """Another run on the same targets, say: what it made is not ours to take back."""
    scene = bench()
    theirs = scene.store.put("s3://bkt/new/k", etag=scene.task().source.etag)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.method) == (State.COPIED, Proof.DIGEST, "found")
    assert target(scene.store) is theirs


async def test_412_because_our_own_success_was_lost_is_done() -> None:
    """The answer is lost, the look finds nothing yet, and the copy sent again meets the first one."""
    scene = bench()
    task = scene.task()
    landed: list[None] = []

    def land_late() -> None:
        scene.store._copy(scene.store.made("CopyObject")[0])
        landed.append(None)

    scene.store.plan("CopyObject", ("before", LOST), ("before", land_late))
    outcome = await scene.carrier.carry(task)
    assert landed
    assert (outcome.state, outcome.proof, outcome.method) == (State.COPIED, Proof.DIGEST, "copy")
    assert len(scene.store.made("CopyObject")) == 2


async def test_a_lost_answer_of_a_copy_over_what_bore_that_etag_before_tells_nothing() -> None:
    """As over a target that was found damaged: the right ETag is no sign that the copy landed."""
    scene = bench()
    etag = scene.task().source.etag
    scene.store.put("s3://bkt/new/k", etag=etag)
    scene.store.plan("CopyObject", ("before", LOST))
    outcome = await scene.carrier.carry(scene.task(condition=etag))
    assert (outcome.state, outcome.method) == (State.COPIED, "copy")
    assert [request.target_condition for request in scene.store.made("CopyObject")] == [etag, etag]


@pytest.mark.parametrize(("encryption", "state", "sent"), [(KMS, State.COPIED, 3), (None, State.CONFLICT, 2)])
async def test_412_after_a_lost_answer_may_be_our_own_copy_that_landed_late_under_a_key(
    encryption: Encryption | None, state: State, sent: int
) -> None:
    scene = bench()

    def land_late() -> None:
        scene.store.put("s3://bkt/new/k", etag=md5("other"), properties=Properties(encryption=encryption))

    scene.store.plan("CopyObject", ("before", LOST), ("before", land_late))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is state
    conditions = [request.target_condition for request in scene.store.made("CopyObject")]
    assert conditions == [ABSENT, ABSENT, md5("other")][:sent]


async def test_412_while_everything_is_as_it_should_be_is_asked_for_once_more() -> None:
    scene = bench()
    scene.store.plan("CopyObject", ("before", PreconditionFailed("?", operation="CopyObject")))
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    first, second = scene.store.made("CopyObject")
    assert first == second
    assert scene.conditions.refused == {}


# --- unknown outcomes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LOST, NO_ETAG])
async def test_a_copy_that_landed_without_an_answer_is_not_sent_again(error: Ambiguous) -> None:
    scene = bench()
    scene.store.plan("CopyObject", ("after", error))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.target_etag) == (State.COPIED, scene.task().source.etag)
    assert len(scene.store.made("CopyObject")) == 1


async def test_a_copy_that_never_arrived_is_sent_again_under_the_same_condition() -> None:
    scene = bench()
    scene.store.plan("CopyObject", ("before", LOST), ("before", LOST))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.COPIED
    assert [request.target_condition for request in scene.store.made("CopyObject")] == [ABSENT] * 3
    assert scene.pauses == [0, 1]


async def test_an_outcome_that_stays_unknown_fails_after_five_looks() -> None:
    scene = bench()
    scene.store.plan("CopyObject", *[("before", LOST)] * 9)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "ConnectionLost")
    assert len(scene.store.made("CopyObject")) == 5


async def test_a_replacement_whose_answer_was_lost_keeps_its_condition() -> None:
    scene = bench()
    ours = scene.store.put("s3://bkt/new/k", etag=md5("before"))
    scene.store.plan("CopyObject", ("before", LOST))
    outcome = await scene.carrier.carry(scene.task(condition=ours.etag))
    assert outcome.state is State.COPIED
    assert [request.target_condition for request in scene.store.made("CopyObject")] == [ours.etag] * 2


async def test_what_cannot_be_told_apart_from_ours_is_copied_again_over_exactly_that() -> None:
    scene = bench()

    def encrypted_and_lost() -> None:
        scene.store.put("s3://bkt/new/k", etag=md5("under a key"), properties=Properties(encryption=KMS))
        raise LOST

    scene.store.plan("CopyObject", ("before", encrypted_and_lost))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.COPIED
    assert [request.target_condition for request in scene.store.made("CopyObject")] == [ABSENT, md5("under a key")]


async def test_what_is_certainly_someone_elses_is_a_conflict_also_at_the_same_size() -> None:
    scene = bench()

    def overtaken() -> None:
        scene.store.put("s3://bkt/new/k", etag=md5("foreign"))
        raise LOST

    scene.store.plan("CopyObject", ("before", overtaken))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.CONFLICT
    assert target(scene.store).etag == md5("foreign")  # type: ignore[union-attr]


async def test_what_made_a_copy_be_refused_is_left_alone_also_where_it_cannot_be_told_from_ours() -> None:
    """409: another write was under way. No answer of ours was lost, so that it is not ours."""
    scene = bench()

    def overtaken() -> None:
        scene.store.put("s3://bkt/new/k", scene.task().source.size, etag=f"{md5('foreign')}-7")
        raise conflict("CopyObject")

    scene.store.plan("CopyObject", ("before", overtaken))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.CONFLICT
    assert target(scene.store).etag == f"{md5('foreign')}-7"  # type: ignore[union-attr]


async def test_409_is_looked_at_and_sent_again() -> None:
    scene = bench()
    scene.store.plan("CopyObject", ("before", conflict("CopyObject")))
    outcome = await scene.carrier.carry(scene.task())
    assert outcome.state is State.COPIED
    assert len(scene.store.made("HeadObject")) == 1


# --- other ends ---------------------------------------------------------------------------------------------


async def test_a_target_that_vanished_before_its_replacement_is_made_anew() -> None:
    scene = bench()
    outcome = await scene.carrier.carry(scene.task(condition=md5("gone")))
    assert outcome.state is State.COPIED
    assert scene.store.made("CopyObject")[-1].target_condition == ABSENT


async def test_an_archived_source_is_set_aside() -> None:
    scene = bench()
    scene.store.plan(
        "CopyObject", ("before", Archived("restore it", operation="CopyObject", code="InvalidObjectState"))
    )
    assert (await scene.carrier.carry(scene.task())).state is State.ARCHIVED


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied("no", operation="CopyObject", code="AccessDenied"),
        Rejected("no", operation="CopyObject", code="InvalidArgument"),
        Throttled("for an hour", operation="CopyObject"),
    ],
)
async def test_what_concerns_one_object_is_a_value(error: Exception) -> None:
    scene = bench()
    scene.store.plan("CopyObject", ("before", error))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, error.code)  # type: ignore[attr-defined]


async def test_what_concerns_all_is_raised() -> None:
    scene = bench()
    scene.store.plan("CopyObject", ("before", BadCredentials("expired", operation="CopyObject")))
    with pytest.raises(BadCredentials):
        await scene.carrier.carry(scene.task())


async def test_a_source_that_grew_over_the_limit_has_drifted() -> None:
    scene = bench()
    task = scene.task()
    scene.store.honours_source = False
    scene.store.put("s3://bkt/old/k", 6 << 30, etag=md5("large"))
    assert (await scene.carrier.carry(task)).state is State.DRIFTED


# --- proof --------------------------------------------------------------------------------------------------


async def test_an_empty_object_that_was_uploaded_as_one_empty_part_is_copied() -> None:
    scene = bench()
    scene.store.put_parts("s3://bkt/old/k", [0])
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "no bytes")
    assert scene.store.counts["CopyObject"] == 1


async def test_an_etag_that_is_no_md5_is_no_mismatch() -> None:
    scene = bench(properties=Properties(encryption=KMS))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)
    assert "aws:kms" in outcome.compared


async def test_a_copy_that_S3_says_is_different_fails_and_remembers_what_it_wrote() -> None:
    scene = bench()

    def corrupt() -> None:
        held = scene.store.objects["bkt", "old/k"]
        scene.store.objects["bkt", "old/k"] = replace(held, etag=md5("rot"))

    task = scene.task()
    scene.store.honours_source = False
    scene.store.plan("CopyObject", ("before", corrupt))

    async def heal(operation: str, request: object) -> None:
        if operation == "HeadObject":
            held = scene.store.objects["bkt", "old/k"]
            scene.store.objects["bkt", "old/k"] = replace(held, etag=task.source.etag)

    scene.store.before = heal
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.code, outcome.target_etag) == (State.FAILED, "DigestMismatch", md5("rot"))


async def test_a_multipart_source_with_a_checksum_is_proven_by_it_in_one_copy() -> None:
    store = FakeStore()
    store.put_parts("s3://bkt/old/k", [8 << 20, 1 << 20], checksums=(crc64("k"),))
    scene = Bench(store)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "CRC64NVME full object")
    assert outcome.checksum == str(crc64("k"))


# --- targets that were there --------------------------------------------------------------------------------


async def test_a_look_that_finds_equal_checksums_finds_the_object_in_place() -> None:
    store = FakeStore()
    store.put_parts("s3://bkt/old/k", [8 << 20, 1 << 20], checksums=(crc64("k"),))
    there = store.put("s3://bkt/new/k", 9 << 20, checksums=(crc64("k"),))
    scene = Bench(store)
    outcome = await scene.carrier.carry(scene.task(condition=there.etag, inspect=True))
    assert (outcome.state, outcome.method, outcome.proof) == (State.COPIED, "found", Proof.DIGEST)
    assert store.made("CopyObject") == []


@pytest.mark.parametrize("policy", list(Overwrite))
async def test_a_look_that_finds_other_bytes_obeys_the_policy(policy: Overwrite) -> None:
    store = FakeStore()
    store.put_parts("s3://bkt/old/k", [8 << 20, 1 << 20], checksums=(crc64("k"),))
    there = store.put("s3://bkt/new/k", 9 << 20, checksums=(crc64("other"),))
    scene = Bench(store)
    outcome = await scene.carrier.carry(scene.task(condition=there.etag, inspect=True, route=with_policy(policy)))
    if policy is Overwrite.NEVER:
        assert outcome.state is State.CONFLICT
        assert target(store) is there
    else:
        assert outcome.state is State.COPIED
        assert store.made("CopyObject")[0].target_condition == there.etag


async def test_a_look_at_a_target_that_vanished_copies() -> None:
    scene = bench()
    outcome = await scene.carrier.carry(scene.task(condition=md5("gone"), inspect=True))
    assert (outcome.state, scene.store.made("CopyObject")[0].target_condition) == (State.COPIED, ABSENT)


async def test_a_look_at_a_source_that_changed_is_drift() -> None:
    scene = bench()
    there = scene.store.put("s3://bkt/new/k")
    task = scene.task(condition=there.etag, inspect=True)
    scene.store.put("s3://bkt/old/k", etag=md5("new"))
    assert (await scene.carrier.carry(task)).state is State.DRIFTED


async def test_what_appeared_while_our_copy_was_under_way_is_claimed_only_if_it_may_be_ours() -> None:
    scene = bench()
    foreign = scene.store.put("s3://bkt/new/k", etag=md5("foreign"))
    outcome = await scene.carrier.carry(scene.task(condition=foreign.etag, claim=True))
    assert outcome.state is State.CONFLICT
    assert target(scene.store) is foreign

    scene = bench()
    ours = scene.store.put("s3://bkt/new/k", etag=md5("under a key"), properties=Properties(encryption=KMS))
    outcome = await scene.carrier.carry(scene.task(condition=ours.etag, claim=True))
    assert outcome.state is State.COPIED
    assert scene.store.made("CopyObject")[0].target_condition == ours.etag
