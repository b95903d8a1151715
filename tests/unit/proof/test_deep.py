"""`verify --deep`: what is chosen, what is read, what a difference becomes, and how it goes on after an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xxhash

from engine.errors import AccessDenied, UsageError
from engine.events import ignore
from engine.listing.sources import Sources
from engine.model import Checksum, Encryption, ListedObject, ObjectHead, Proof, Properties
from engine.plan.join import Joined
from engine.plan.lifecycle import State
from engine.plan.record import Entry
from engine.proof import verify
from engine.proof.audit import audit
from engine.proof.depth import PLACES, Depth, Sampling, parse_depth, place_of
from engine.proof.judge import Kind, judge
from engine.store import HeadObject
from tests.fake_store import everywhere
from tests.unit.proof.scene import Scene


async def test_equal_bytes_reach_the_highest_proof_and_are_not_read_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for number in range(5):
        scene.copied(f"k{number}", b"x" * number)
    report = await scene.verify(Depth())
    assert report.agrees and report.routes[0].by_proof == {Proof.BYTES: 5}
    assert report.objects_read == 5 and report.bytes_read == 2 * (0 + 1 + 2 + 3 + 4)
    record = (await scene.records())["k3"]
    assert (record.proof, record.xxh3) == (Proof.BYTES, xxhash.xxh3_128_hexdigest(b"xxx"))
    assert record.compared == "xxh3-128 of the bytes"
    scene.store.requests.clear()
    again = await scene.verify(Depth())
    assert again.agrees and again.objects_read == 0 and scene.store.counts["GetObject"] == 0
    assert (await scene.verify()).routes[0].by_proof == {Proof.BYTES: 5}  # a listing keeps what reading proved


async def test_bytes_that_differ_behind_equal_etags_are_damage_until_a_run_copies_anew(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("good", b"abc")
    scene.copied("bad", b"abc", target=b"abX")
    report = await scene.verify(Depth())
    assert [(item.key, item.kind) for item in report.differences] == [("bad", Kind.DIGEST)]
    assert "the bytes differ" in report.differences[0].message
    record = (await scene.records())["bad"]
    assert (record.state, record.code, record.proof, record.xxh3) == (State.DAMAGED, "BytesDiffer", Proof.NONE, "")
    listed = await scene.verify()  # a listing sees nothing of it, and must not heal it
    assert [(item.key, item.kind) for item in listed.differences] == [("bad", Kind.DAMAGED)]


@pytest.mark.parametrize("sealed", [False, True], ids=["MD5s", "KMS"])
async def test_a_checksum_s_proof_that_two_md5s_contradict_is_asked_for_anew(tmp_path: Path, *, sealed: bool) -> None:
    """As a server had it that hands back whatever checksum it is sent."""
    scene = Scene(tmp_path)
    sums = (Checksum("CRC64NVME", "FULL_OBJECT", "handed back"),)
    properties = Properties(encryption=Encryption("aws:kms", "key-1")) if sealed else Properties()
    scene.copied("k", b"abc", checksums=sums)
    held = scene.store.put("s3://bucket/dst/k", b"abX", checksums=sums, properties=properties)
    decision, outcome = scene._copied.pop()
    scene._copied.append((decision, outcome._replace(target_etag=held.etag, compared="CRC64NVME full object")))
    async with await scene.ledger() as ledger:
        (audited,) = await audit(everywhere(scene.store), Sources(), scene.plan.routes, ledger, ignore)
    assert audited.counts == {Kind.OK if sealed else Kind.DIGEST: 1}
    report = await scene.verify()
    assert [item.kind for item in report.differences] == ([] if sealed else [Kind.DIGEST])
    assert (await scene.records())["k"].proof is (Proof.DIGEST if sealed else Proof.NONE)


async def test_without_a_source_the_bytes_are_held_against_what_proved_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("good", b"abc")
    scene.copied("bad", b"abc", target=b"abX")
    assert (await scene.verify()).agrees
    for key in ("good", "bad"):
        scene.store.remove(f"s3://bucket/src/{key}")
    report = await scene.verify(Depth())
    assert [(item.key, item.kind) for item in report.differences] == [("bad", Kind.LOST)]
    assert report.objects_read == 2 and "were proven with" in report.differences[0].message
    assert (await scene.records())["bad"].code == "BytesDiffer"
    assert [item.key for item in (await scene.verify()).differences] == ["bad"], "a listing must not heal it"


async def test_what_was_found_damaged_is_never_verified_whatever_state_its_row_is_in(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("bad", b"abc", target=b"abX")
    await scene.verify(Depth())
    record = (await scene.records())["bad"]
    same = ListedObject("bad", record.size, record.source_etag, record.source_modified)
    for state in (State.COPIED, State.VERIFIED):
        known = Entry(
            "bad",
            record.size,
            record.source_etag,
            state,
            "",
            record.target_etag,
            Proof.DIGEST,
            damaged=record.target_etag,
        )
        finding = judge(Joined("bad", same, same._replace(etag=record.target_etag), known))
        assert finding is not None and finding.kind is Kind.DAMAGED
        assert finding.outcome is not None and finding.outcome.state is State.DAMAGED
        theirs = judge(Joined("bad", same, same._replace(etag=record.target_etag), known._replace(found=True)))
        assert theirs is not None and "where overwrite allows it" in theirs.message


async def test_only_what_is_below_digest_is_read_where_that_is_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("digest", b"abc")
    scene.copied("size", b"abc", proof=Proof.SIZE, etag="opaque")
    report = await scene.verify(parse_depth("below-digest"))
    assert report.routes[0].by_proof == {Proof.DIGEST: 1, Proof.BYTES: 1}
    assert scene.store.counts["GetObject"] == 2


async def test_a_sample_is_exact_and_the_same_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for number in range(40):
        scene.copied(f"{number:02}", b"x")
    first = await scene.verify(parse_depth("sample:10"))
    assert first.objects_read == 10
    assert (await scene.verify(parse_depth("sample:10"))).objects_read == 0
    assert (await scene.verify(parse_depth("sample:15"))).objects_read == 5
    assert (await scene.verify(parse_depth("sample:1000"))).objects_read == 25


async def test_a_stop_ends_the_count_for_a_sample_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "ENTRIES_A_READ", 1)
    scene = Scene(tmp_path)
    for number in range(6):
        scene.copied(f"k{number}", b"x")
    async with await scene.ledger() as ledger:
        reads = []

        class Watched:
            def __getattr__(self, name: str) -> Any:
                return getattr(ledger, name)

            async def entries(self, *of: Any) -> list[Entry]:
                reads.append(of)
                verifier.stop()
                return await ledger.entries(*of)

        watched: Any = Watched()
        verifier = verify.Verifier(everywhere(scene.store), Sources(), watched, ignore, depth=parse_depth("sample:3"))
        report = await verifier.verify([scene.route])
    assert report.stopped and report.objects_read == 0
    assert len(reads) == 1


async def test_a_stop_keeps_what_was_read_and_the_next_one_goes_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for number in range(6):
        scene.copied(f"k{number}", b"x" * 10)
    seen = []

    def deny(operation: str, request: object) -> None:
        if operation == "GetObject":
            seen.append(request)
        if len(seen) > 6:
            raise AccessDenied("no", operation="GetObject", code="AccessDenied")

    scene.store.before = deny
    report = await scene.verify(Depth())
    assert not report.agrees
    assert {item.kind for item in report.differences} == {Kind.UNREAD}
    read = {key for key, record in (await scene.records()).items() if record.proof is Proof.BYTES}
    assert len(read) == report.objects_read < 6
    assert {record.proof for record in (await scene.records()).values()} == {Proof.BYTES, Proof.DIGEST}
    scene.store.before = None
    assert (await scene.verify(Depth())).objects_read == 6 - len(read)


@pytest.mark.parametrize(
    ("side", "kind", "state"), [("src", Kind.DRIFTED, State.DRIFTED), ("dst", Kind.DAMAGED, State.DAMAGED)]
)
async def test_a_side_that_changes_under_the_reading_is_told_apart(
    tmp_path: Path, side: str, kind: Kind, state: State
) -> None:
    scene = Scene(tmp_path)
    scene.copied("k", b"before")

    def change(operation: str, request: object) -> None:
        if operation == "GetObject":
            scene.store.put(f"s3://bucket/{side}/k", b"after!")

    scene.store.before = change
    report = await scene.verify(Depth())
    assert [item.kind for item in report.differences] == [kind]
    assert (await scene.records())["k"].state is state


async def test_s3_s_own_xxhash_confirms_ours_or_is_damage(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    ours = Checksum("XXHASH128", "FULL_OBJECT", "mQbTKsEy8Go9n+kQ5Y0A3g==")
    scene.copied("k", b"abc", checksums=(ours,))
    report = await scene.verify(Depth())
    assert report.differing == 1 and "S3 keeps mQbTKsEy8Go9n+kQ5Y0A3g==" in report.differences[0].message


def test_depths_are_read_and_refused_in_words() -> None:
    assert parse_depth("all") == Depth()
    assert parse_depth("below-digest").takes("r", "k", Proof.SIZE)
    assert not parse_depth("below-digest").takes("r", "k", Proof.DIGEST)
    assert parse_depth("5%") == parse_depth("sample:5%") == Depth(places=PLACES * 5 // 100)
    assert parse_depth("100%").takes("r", "k", Proof.NONE)
    for text in ("", "5", "sample:", "sample:0", "0%", "101%", "half"):
        with pytest.raises(UsageError, match="--deep does not know"):
            parse_depth(text)


def test_a_share_takes_about_that_share_and_a_sample_exactly_its_count() -> None:
    keys = [f"key/{number}" for number in range(5_000)]
    taken = sum(parse_depth("10%").takes("r", key, Proof.NONE) for key in keys)
    assert 400 < taken < 600
    sampling = Sampling(123)
    sampling.add("r", keys)
    assert sum(place_of("r", key) < sampling.places for key in keys) == 123


async def test_one_object_that_may_not_be_looked_at_does_not_end_a_verification(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for key in ("a", "b", "c"):
        scene.copied(key, key.encode(), proof=Proof.SIZE)
    head = scene.store.head_object

    async def denied(request: HeadObject) -> ObjectHead:
        if request.ref.key == "dst/a":
            raise AccessDenied("no", operation="HeadObject", code="AccessDenied")
        return await head(request)

    scene.store.head_object = denied  # type: ignore[method-assign]
    report = await scene.verify()
    assert {item.kind for item in report.differences} == {Kind.UNREAD}
    assert len(await scene.records()) == 3 and report.differing < 3
    assert (await scene.records())["a"].proof is Proof.SIZE
