"""A verification, and the audit of the gate, take no checksum for proof that a target's server may only say again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.checksums import checksum_of
from engine.events import ignore
from engine.listing.sources import Sources
from engine.model import Checksum, Encryption, Proof, Properties
from engine.plan.lifecycle import State
from engine.plan.route import Route
from engine.proof.audit import audit
from engine.proof.judge import Kind
from engine.proof.verify import Verifier
from engine.sites.known import KnownTraits
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.sites.traits import AWS
from tests.fake_store import everywhere
from tests.unit.proof.scene import Scene

KMS = Encryption("aws:kms", "key")
BODY, HURT = b"a card", b"another"[:6]


def crc(data: bytes) -> Checksum:
    return Checksum("CRC64NVME", "FULL_OBJECT", checksum_of("CRC64NVME", data))


def only_others(route: Route, algorithm: str) -> bool:
    return algorithm != "CRC64NVME"


def every(route: Route, algorithm: str) -> bool:
    return True


async def verified(scene: Scene) -> dict[str, tuple[State, Proof, str]]:
    async with await scene.ledger() as ledger:
        verifier = Verifier(everywhere(scene.store), Sources(), ledger, ignore, compares=only_others)
        await verifier.verify([scene.route])
    return {key: (it.state, it.proof, it.compared) for key, it in (await scene.records()).items()}


async def test_what_is_proven_by_size_stays_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("hurt", BODY, target=HURT, proof=Proof.SIZE, etag="opaque", checksums=(crc(BODY),))
    scene.copied("plain", BODY, proof=Proof.SIZE, checksums=(crc(BODY),))
    found = await verified(scene)
    assert found["hurt"][:2] == (State.VERIFIED, Proof.SIZE) and "not seen to compare" in found["hurt"][2]
    assert found["plain"] == (State.VERIFIED, Proof.DIGEST, "etag")  # its own word


async def test_one_that_differs_says_so_all_the_same(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("k", BODY, target=HURT, proof=Proof.SIZE, etag="opaque", checksums=(crc(BODY),))
    scene.store.objects["bucket", "dst/k"].checksums = (crc(HURT),)
    assert (await verified(scene))["k"][0] is State.DAMAGED


@pytest.mark.parametrize(("compares", "found"), [(only_others, Kind.DIGEST), (every, Kind.OK)])
async def test_the_gate_does_not_take_it_for_a_proof_that_the_etags_contradict(
    tmp_path: Path, compares: Callable[[Route, str], bool], found: Kind
) -> None:
    scene = Scene(tmp_path)
    scene.copied("k", BODY, etag="a" * 32, checksums=(crc(BODY),), properties=Properties(encryption=KMS))
    scene.store.objects["bucket", "src/k"].etag = "b" * 32
    [(decision, outcome)] = scene._copied
    scene._copied = [(decision._replace(source_etag="b" * 32), outcome)]
    async with await scene.ledger() as ledger:
        places = everywhere(scene.store), Sources(), [scene.route], ledger, ignore
        [route] = await audit(*places, Proof.DIGEST, compares=compares)
    assert route.counts == {found: 1}


def test_only_what_a_server_may_have_been_told_is_in_doubt(tmp_path: Path) -> None:
    """A route within one site is copied by its server, which nobody told a checksum."""
    scene = Scene(tmp_path)
    near = Site("", "http://near", scene.store, KnownTraits(scene.store, trusted=False))
    far = Site("far", "http://far", scene.store, KnownTraits(scene.store, trusted=False))
    sites = Sites({"": near, "far": far})
    assert sites.compares(scene.route, "CRC64NVME") and sites.compares(scene.route, "SHA1")
    relayed = replace(scene.route, target=replace(scene.route.target, site="far"))
    assert not sites.compares(relayed, "CRC64NVME")
    far.known._traits["bucket"] = AWS
    assert sites.compares(relayed, "CRC64NVME") and not sites.compares(relayed, "SHA1")
