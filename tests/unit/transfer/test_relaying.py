"""One object from one endpoint to another: what is asked and sent, what it proves, and where it goes wrong."""

from __future__ import annotations

from dataclasses import replace
from mmap import mmap
from typing import Any

import pytest

from engine.checksums import checksum_of
from engine.errors import Ambiguous, BadCredentials, NotFound, Unsupported
from engine.model import ABSENT, Checksum, Encryption, Proof, Properties, UploadedPart
from engine.plan.integrity import NOTHING
from engine.plan.lifecycle import State
from engine.plan.route import PropertyRule, PropertyRules
from engine.store import GetRange, UploadPart
from engine.transfer.buffers import BESIDE_BYTES, STEP_BYTES, Room
from engine.transfer.methods import Cost, cost_of
from tests.fake_store import FakeStore
from tests.unit.transfer.passes import PART, RelayScene, SilentStore, small_parts

__all__ = ["small_parts"]

BODY = bytes(range(256)) * 14  # 3,584 bytes


def crc(body: bytes, algorithm: str = "CRC64NVME") -> Checksum:
    return Checksum(algorithm, "FULL_OBJECT", checksum_of(algorithm, body))


async def test_a_small_object_is_one_get_pinned_and_one_put_with_what_it_carries() -> None:
    scene = RelayScene()
    carries = Properties(content_type="x/y", metadata=(("a", "b"),), tags=(("t", "1"),))
    held = scene.put(b"a card", properties=carries)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag")
    assert (outcome.method, outcome.requests) == ("relay", 2)
    assert scene.source.counts == {"GetObject": 1, "GetObjectTagging": 1}
    assert scene.target.counts == {"PutObject": 1}
    [get] = scene.source.made("GetObject")
    assert (get.if_match, get.size, get.checksums) == (held.etag, 6, True)
    there = scene.held()
    assert there is not None
    assert (there.body, there.etag, there.properties) == (b"a card", held.etag, carries)


async def test_the_target_is_given_the_checksum_that_the_source_has() -> None:
    scene = RelayScene()
    scene.put(b"a card", checksums=(crc(b"a card", "SHA256"),))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.proof, outcome.compared) == (Proof.DIGEST, "SHA256 full object")
    there = scene.held()
    assert there is not None and there.checksums == (crc(b"a card", "SHA256"),)


async def test_bytes_that_are_not_what_the_source_says_are_written_nowhere() -> None:
    scene = RelayScene()
    scene.put(b"a card", checksums=(crc(b"another"),))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    assert scene.target.counts == {}


async def test_parts_that_do_not_come_to_what_the_source_says_are_aborted() -> None:
    scene = RelayScene()
    scene.put(BODY, checksums=(crc(b"another"),))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    assert scene.target.uploads == {} and scene.held() is None


async def test_a_large_object_goes_part_by_part_and_is_completed_with_the_sources_checksum() -> None:
    scene = RelayScene()
    scene.put(BODY, checksums=(crc(BODY, "CRC32"),))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "CRC32 full object")
    assert scene.source.counts == {"HeadObject": 1, "GetObjectTagging": 1, "GetObject": 4}
    assert all(get.if_match and get.size == len(BODY) for get in scene.source.made("GetObject"))
    assert scene.target.counts == {"CreateMultipartUpload": 1, "UploadPart": 4, "CompleteMultipartUpload": 1}
    [complete] = scene.target.made("CompleteMultipartUpload")
    assert (complete.checksum, complete.size, complete.target_condition) == (crc(BODY, "CRC32"), len(BODY), ABSENT)


async def test_a_source_of_parts_keeps_its_parts_so_that_the_etag_comes_out_equal() -> None:
    scene = RelayScene()
    held = scene.put_parts(BODY, 900, 1500, len(BODY) - 2400)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag of parts")
    there = scene.held()
    assert there is not None
    assert (there.etag, there.body, [size for _, size in there.parts]) == (held.etag, BODY, [900, 1500, 1184])


async def test_an_etag_that_its_server_writes_in_capitals_proves_as_much() -> None:
    scene = RelayScene(SilentStore(), trusted=False)
    for sizes in ((6,), ()):
        held = scene.put_parts(b"a card", *sizes) if sizes else scene.put(b"a card")
        scene.source.objects["bkt", "old/k"] = held = replace(held, etag=held.etag.upper())
        outcome = await scene.carrier.carry(scene.task(condition=there.etag if (there := scene.held()) else ABSENT))
        assert (outcome.state, outcome.proof, outcome.target_etag) == (State.COPIED, Proof.DIGEST, held.etag.lower())
        assert {get.if_match for get in scene.source.made("GetObject")} == {held.etag}
        scene.source.requests.clear()


class EmptyTags(SilentStore):
    """A gateway that gives the MD5 of nothing for every part."""

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        part = super()._upload_part(request)
        part = part._replace(etag=NOTHING)
        self.uploads[request.upload.upload_id].parts[request.number] = part
        return part


async def test_an_etag_that_no_part_can_have_is_no_mismatch() -> None:
    scene = RelayScene(EmptyTags(), trusted=False)
    scene.put_parts(BODY, 900, 1500, len(BODY) - 2400)
    outcome = await scene.carrier.carry(scene.task())
    there = scene.held()
    assert there is not None and there.body == BODY
    assert (outcome.state, outcome.code) == (State.COPIED, "")


async def test_an_empty_object_that_was_uploaded_as_one_empty_part_arrives() -> None:
    scene = RelayScene()
    scene.put_parts(b"", 0)
    task = scene.task()
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "no bytes")
    assert scene.target.counts["PutObject"] == 1
    assert cost_of(task.source, scene.route, copies=False) == Cost(1, 2)


async def test_an_etag_of_its_own_parts_that_comes_out_otherwise_is_a_mismatch_and_is_written_anew() -> None:
    scene = RelayScene()
    sizes = (900, 1500, len(BODY) - 2400)
    scene.put_parts(BODY, *sizes)
    held = scene.source.objects["bkt", "old/k"]
    scene.source.objects["bkt", "old/k"] = replace(held, body=b"\1" + BODY[1:])  # what comes is not what is there
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    there = scene.held()
    assert there is not None and outcome.target_etag == there.etag
    scene.source.objects["bkt", "old/k"] = held
    outcome = await scene.carrier.carry(scene.task(condition=there.etag))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)


async def test_an_etag_of_parts_that_were_guessed_wrong_is_no_mismatch() -> None:
    scene = RelayScene()
    scene.put_parts(BODY, 900, 900, 800, len(BODY) - 2600)  # the first two are equal: so the others are taken to be
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)


async def test_a_source_of_parts_that_are_shorter_than_S3_takes_them_goes_in_parts_of_our_own() -> None:
    scene = RelayScene()
    scene.target.smallest_part = PART // 2
    scene.put_parts(BODY, *[PART // 2 - 1] * 7, len(BODY) - 7 * (PART // 2 - 1))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)
    there = scene.held()
    assert there is not None and there.body == BODY
    assert [size for _, size in there.parts] == [PART, PART, PART, len(BODY) - 3 * PART]


async def test_a_404_of_the_target_to_a_part_is_not_told_of_the_source() -> None:
    scene = RelayScene()
    scene.put(BODY, checksums=(crc(BODY),))
    scene.target.plan("UploadPart", ("before", NotFound("no such thing", operation="UploadPart", code="404")))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "404")
    assert "no such thing" in outcome.message and scene.target.uploads == {}


async def test_the_last_part_may_be_as_short_as_it_is() -> None:
    scene = RelayScene()
    scene.target.smallest_part = PART // 2
    held = scene.put_parts(BODY, 2000, len(BODY) - 2001, 1)
    assert (await scene.carrier.carry(scene.task())).target_etag == held.etag


async def test_a_part_longer_than_a_buffer_is_streamed_a_piece_at_a_time() -> None:
    scene = RelayScene()
    held = scene.put_parts(BODY, 3000, len(BODY) - 3000)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.target_etag) == (State.COPIED, Proof.DIGEST, held.etag)
    spans = [(get.first, get.last) for get in scene.source.made("GetObject")]
    assert spans == [(0, 999), (1000, 1999), (2000, 2999), (3000, 3583)]


async def test_what_was_written_in_one_piece_and_has_nothing_but_its_md5_is_written_in_one_piece() -> None:
    scene = RelayScene()
    held = scene.put(BODY)
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag")
    assert outcome.target_etag == held.etag
    assert scene.target.counts == {"PutObject": 1}
    assert all(get.last - get.first < PART for get in scene.source.made("GetObject"))


async def test_a_streamed_write_whose_answer_was_lost_is_found_and_not_sent_again() -> None:
    scene = RelayScene()
    scene.put(BODY)
    scene.target.plan("PutObject", ("after", Ambiguous("lost", operation="PutObject", code="ConnectionLost")))
    assert (await scene.carrier.carry(scene.task())).proof is Proof.DIGEST
    assert scene.target.counts == {"PutObject": 1, "HeadObject": 1}


async def test_on_a_server_without_checksums_the_etags_of_both_prove_it() -> None:
    scene = RelayScene(SilentStore(), trusted=False)
    scene.put(b"a card", checksums=(crc(b"a card"),))
    assert (await scene.carrier.carry(scene.task())).proof is Proof.DIGEST
    scene.target.remove("s3://bkt/new/k")
    held = scene.put(BODY, checksums=(crc(BODY),))  # by now it is known that the server gives none
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.proof, outcome.compared, outcome.target_etag) == (Proof.DIGEST, "etag", held.etag)


async def test_a_first_large_object_on_a_server_without_checksums_is_proven_by_what_passed() -> None:
    """The source's checksum is that of the bytes that passed, and their MD5s are the target's ETag."""
    scene = RelayScene(SilentStore(), trusted=False)
    scene.put(BODY, checksums=(crc(BODY),))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof, outcome.compared) == (State.COPIED, Proof.DIGEST, "etag of parts")


async def test_where_neither_side_says_anything_comparable_the_proof_is_the_size_alone() -> None:
    scene = RelayScene()
    scene.put(b"a card", properties=Properties(encryption=Encryption("aws:kms", "key-1")))
    scene.source.objects[("bkt", "old/k")].etag = "e" * 32
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)


async def test_what_the_route_says_must_not_be_lost_is_not() -> None:
    scene = RelayScene(properties=PropertyRules(metadata=PropertyRule.FAIL))
    scene.put(b"a card", properties=Properties(metadata=(("a", "b"),)))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "PropertyRefused")
    assert scene.target.counts == {}


# --- sources that change -------------------------------------------------------------------------------------


async def test_a_source_that_is_another_than_was_listed_has_drifted() -> None:
    scene = RelayScene()
    scene.put(b"a card")
    task = scene.task()
    scene.put(b"other.")
    outcome = await scene.carrier.carry(task)
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    scene.source.remove("s3://bkt/old/k")
    assert (await scene.carrier.carry(task)).code == "SourceGone"
    assert scene.target.counts == {}


@pytest.mark.parametrize("summed", [True, False], ids=["by parts", "streamed"])
async def test_a_source_that_changes_between_two_ranges_has_drifted_and_nothing_of_it_stands(summed: bool) -> None:
    scene = RelayScene()
    scene.put(BODY, checksums=(crc(BODY),) if summed else ())

    def change(operation: str, request: Any) -> None:
        if isinstance(request, GetRange) and request.first == 2 * PART:
            scene.put(BODY[::-1])

    scene.source.before = change
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.DRIFTED, "SourceChanged")
    assert scene.target.uploads == {} and scene.held() is None


# --- taken up again ------------------------------------------------------------------------------------------


async def test_the_next_run_fetches_only_what_is_missing() -> None:
    scene = RelayScene()
    scene.put(BODY, checksums=(crc(BODY),))

    def stop(operation: str, request: Any) -> None:
        if operation == "UploadPart" and request.number == 3:
            raise BadCredentials("gone", operation=operation, code="ExpiredToken")

    scene.target.before = stop
    with pytest.raises(BadCredentials):
        await scene.carrier.carry(scene.task())
    scene.target.before = None
    scene.source.requests.clear()
    outcome = await scene.carrier.carry(scene.task(upload=scene.left()))
    assert (outcome.state, outcome.proof) == (State.COPIED, Proof.DIGEST)
    assert [get.first for get in scene.source.made("GetObject")] == [2 * PART, 3 * PART]
    there = scene.held()
    assert there is not None and there.body == BODY


async def test_a_damaged_part_of_an_earlier_run_is_found_out_by_the_whole() -> None:
    scene = RelayScene()
    scene.put(BODY, checksums=(crc(BODY),))

    def stop(operation: str, request: Any) -> None:
        if operation == "UploadPart" and request.number == 3:
            raise BadCredentials("gone", operation=operation, code="ExpiredToken")

    scene.target.before = stop
    with pytest.raises(BadCredentials):
        await scene.carrier.carry(scene.task())
    scene.target.before = None
    left = scene.left()
    parts = scene.target.uploads[left.upload_id]
    parts.parts[1] = parts.parts[1]._replace(checksums=(crc(b"x" * PART),))
    outcome = await scene.carrier.carry(scene.task(upload=left))
    assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")
    assert scene.target.uploads == {} and scene.held() is None


# --- memory --------------------------------------------------------------------------------------------------


async def test_two_hundred_parts_of_a_large_object_are_never_in_memory_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = RelayScene()
    scene.put(bytes(200 * PART), checksums=(crc(bytes(200 * PART)),))
    out, most = 0, 0
    buffers = scene.carrier.buffers
    take, leave = buffers.take, buffers.leave

    async def counting(size: int) -> Room:
        nonlocal out, most
        room = await take(size)
        out += 1
        most = max(most, out)
        return room

    def leaving(steps: int, memory: mmap | None) -> None:
        nonlocal out
        out -= 1
        leave(steps, memory)

    monkeypatch.setattr(buffers, "take", counting)
    monkeypatch.setattr(buffers, "leave", leaving)
    monkeypatch.setattr(buffers, "_limit", 3 * (STEP_BYTES + BESIDE_BYTES))
    await scene.carrier.carry(scene.task())
    assert (out, most <= 3) == (0, True)
    assert isinstance(scene.target, FakeStore) and scene.held() is not None


async def test_what_is_refused_for_its_tags_is_not_sent_again_without_its_condition() -> None:
    scene = RelayScene(trusted=False)
    scene.put(b"a card", properties=Properties(tags=(("t", "1"),)))
    refused = Unsupported("no tags", operation="PutObject", code="NotImplemented")
    refused.refuses = "tags"
    scene.target.plan("PutObject", ("before", refused))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "NotImplemented")
    assert scene.target.counts == {"PutObject": 1}
