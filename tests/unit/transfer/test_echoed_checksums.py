"""A server that says again whatever checksum it was sent, and compares none, proves nothing by it: an MD5 that is its
own does, else the proof is the size alone. It is sent the checksum all the same, which a later download is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.checksums import checksum_of
from engine.errors import BadCredentials
from engine.model import Checksum, ObjectRef, Overwrite, Proof, UploadedPart, UploadRef
from engine.plan.lifecycle import State
from engine.sites.known import KnownTraits
from engine.sites.traits import AWS
from engine.store import PutObject, UploadPart
from tests.fake_store import FakeStore
from tests.unit.transfer.passes import Echoing, Passes, RelayScene, UploadScene, small_parts

__all__ = ["small_parts"]

BODY = bytes(range(256)) * 10
BODIES = pytest.mark.parametrize("body", [b"a card", BODY], ids=["small", "large"])
WAYS = pytest.mark.parametrize("way", ["upload", "relay"])


def crc(body: bytes, algorithm: str = "CRC64NVME") -> Checksum:
    return Checksum(algorithm, "FULL_OBJECT", checksum_of(algorithm, body))


class One:
    """An object of `body` on its way to `target`, again and again."""

    def __init__(self, way: str, folder: Path, target: FakeStore, body: bytes, **rules: Any) -> None:
        self.scene: UploadScene | RelayScene
        if way == "upload":
            self.scene = UploadScene(folder, target, trusted=False, **rules)
            self.scene.write(body)
        else:
            self.scene = RelayScene(target, trusted=False, **rules)
            self.scene.put(body, checksums=(crc(body),))

    async def carried(self, **more: Any) -> Any:
        scene = self.scene
        task = await scene.task(**more) if isinstance(scene, UploadScene) else scene.task(**more)
        return await scene.carrier.carry(task)

    async def carried_again(self) -> Any:
        """By when the server has named a checksum in its answer."""
        await self.carried()
        self.scene.target.objects.pop(("bkt", "new/k"), None)
        return await self.carried()


@WAYS
@BODIES
async def test_its_word_is_no_proof_where_its_etags_say_nothing_either(way: str, body: bytes, tmp_path: Path) -> None:
    one = One(way, tmp_path, Echoing(opaque=True), body)
    for _ in range(2):
        outcome = await one.carried_again()
        assert (outcome.state, outcome.proof) == (State.COPIED, Proof.SIZE)
        assert "not seen to compare" in outcome.compared
    held = one.scene.held()
    assert held is not None and held.body != body  # which is why
    assert held.checksums == (crc(body),)  # and what whoever downloads it finds out by


@WAYS
@BODIES
async def test_its_etags_tell_where_they_are_digests_also_once_it_has_named_a_checksum(
    way: str, body: bytes, tmp_path: Path
) -> None:
    one = One(way, tmp_path, Echoing(opaque=False), body)
    for outcome in (await one.carried(), await one.carried_again()):
        assert (outcome.state, outcome.code) == (State.FAILED, "DigestMismatch")


@WAYS
@BODIES
async def test_what_arrives_whole_is_proven_by_digest_where_etags_are_and_else_by_size(
    way: str, body: bytes, tmp_path: Path
) -> None:
    outcome = await One(way, tmp_path, Echoing(opaque=False, hurts=False), body).carried_again()
    assert (outcome.proof, outcome.compared) == (Proof.DIGEST, "etag" if body != BODY else "etag of parts")
    outcome = await One(way, tmp_path, Echoing(opaque=True, hurts=False), body).carried_again()
    assert outcome.proof is Proof.SIZE


class Opaque(FakeStore):
    """It compares what it is sent; its ETags are no digests."""

    def _put(self, request: PutObject) -> Any:
        done = super()._put(request)
        self.objects[request.ref].etag = "opaque"
        return done._replace(etag="opaque")

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        part = super()._upload_part(request)._replace(etag="opaque")
        self.uploads[request.upload.upload_id].parts[request.number] = part
        return part

    def _complete(self, request: Any) -> Any:
        done = super()._complete(request)
        self.objects[request.upload.target].etag = "opaque"
        return done._replace(etag="opaque")


def seen_to_compare(scene: Passes) -> None:
    known: KnownTraits = scene.carrier.sums._known
    known._traits["bkt"] = AWS


@WAYS
@BODIES
async def test_a_server_that_was_seen_to_compare_is_believed_and_no_md5_is_counted(
    way: str, body: bytes, tmp_path: Path
) -> None:
    one = One(way, tmp_path, Opaque(), body)
    seen_to_compare(one.scene)
    outcome = await one.carried_again()
    assert (outcome.proof, outcome.compared) == (Proof.DIGEST, "CRC64NVME full object")
    sent = [*one.scene.target.made("PutObject"), *one.scene.target.made("UploadPart")]
    assert not sent[-1].content_md5 and sent[-1].checksum is not None


async def test_an_algorithm_that_was_not_tried_is_not_known_to_be_compared() -> None:
    scene = RelayScene(Opaque(), trusted=False)
    seen_to_compare(scene)
    scene.put(b"a card", checksums=(crc(b"a card", "SHA256"),))
    assert (await scene.carrier.carry(scene.task())).proof is Proof.SIZE
    scene = RelayScene(trusted=False)
    seen_to_compare(scene)
    scene.put(b"a card", checksums=(crc(b"a card", "SHA256"),))
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.proof, outcome.compared) == (Proof.DIGEST, "etag")
    assert [put.checksum.algorithm for put in scene.target.made("PutObject")] == ["SHA256"]


@WAYS
@BODIES
async def test_what_was_in_place_before_is_not_proven_by_what_was_said_of_it(
    way: str, body: bytes, tmp_path: Path
) -> None:
    """Another tool's upload, say: its bytes are others, and the checksum that it sent is the source's."""
    target = Echoing(opaque=True)
    target.put("s3://bkt/new/k", b"\1" + body[1:], etag="theirs", checksums=(crc(body),))
    one = One(way, tmp_path, target, body, overwrite=Overwrite.NEVER)
    outcome = await one.carried(condition="theirs", inspect=True)
    assert outcome.state is State.CONFLICT
    target.put("s3://bkt/new/k", b"\1" + body[1:], etag="theirs", checksums=(crc(b"\1" + body[1:]),))
    outcome = await one.carried(condition="theirs", inspect=True)
    assert outcome.state is State.CONFLICT and "other content" in outcome.message


@WAYS
async def test_what_was_in_place_before_is_found_by_its_md5(way: str, tmp_path: Path) -> None:
    target = Echoing(opaque=False)
    held = target.put("s3://bkt/new/k", b"a card", checksums=(crc(b"a card"),))
    outcome = await One(way, tmp_path, target, b"a card").carried(condition=held.etag, inspect=True)
    assert (outcome.state, outcome.method, outcome.proof) == (State.COPIED, "found", Proof.DIGEST)


@WAYS
@pytest.mark.parametrize("opaque", [True, False], ids=["opaque", "md5"])
async def test_parts_of_an_earlier_run_are_not_believed_by_their_echo(way: str, opaque: bool, tmp_path: Path) -> None:
    """The part was hurt and its answer lost with the run, so that nobody held it against what was sent."""
    target = Echoing(opaque=opaque, hurts=False)
    one = One(way, tmp_path, target, BODY)

    def stop(operation: str, request: Any) -> None:
        if operation == "UploadPart" and request.number == 3:
            raise BadCredentials("gone", operation=operation, code="ExpiredToken")

    target.before = stop
    with pytest.raises(BadCredentials):
        await one.carried()
    target.before = None
    left = one.scene.left()
    upload = target.uploads[left.upload_id]
    hurt = b"\1" + upload.bodies[1][1:]
    ref = UploadRef(ObjectRef(left.bucket, left.target_key), left.upload_id)
    await target.upload_part(UploadPart(ref, 1, hurt, checksum=upload.parts[1].checksums[0]))
    outcome = await one.carried(upload=left)
    held = one.scene.held()
    assert held is not None and outcome.state is State.COPIED
    assert outcome.proof is (Proof.SIZE if opaque else Proof.DIGEST)
    assert held.body == BODY or opaque
