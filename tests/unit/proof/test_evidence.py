"""What two sides prove of each other: combined checksums, composite ones, and HEADs of forms that do not compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.crc import CRC32, CRC32C, CRC64NVME, crc, to_base64
from engine.model import Checksum, Encryption, ObjectHead, OpaqueEtag, Proof, Properties, UploadedPart
from engine.plan.integrity import (
    Agreement,
    checksum_to_ask,
    combined_checksum,
    compare_etags,
    evidence_of_copy,
    evidence_of_heads,
    same_etag,
)

A, B = "a" * 32, "b" * 32
KMS = Properties(encryption=Encryption("aws:kms", "key"))


def part(number: int, data: bytes, algorithm: str) -> UploadedPart:
    checksum = Checksum(algorithm, "FULL_OBJECT", to_base64(algorithm, crc(algorithm, data)))
    return UploadedPart(number, A, len(data), (checksum,))


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.sampled_from([CRC64NVME, CRC32, CRC32C])
)
def test_the_parts_own_checksums_give_the_whole_one(pieces: list[bytes], algorithm: str) -> None:
    parts = [part(number, data, algorithm) for number, data in enumerate(pieces, 1)]
    whole = Checksum(algorithm, "FULL_OBJECT", to_base64(algorithm, crc(algorithm, b"".join(pieces))))
    assert combined_checksum(whole, parts[::-1]) == whole


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [UploadedPart(1, A, 5)],
        [part(1, b"one", CRC64NVME), UploadedPart(2, A, 3)],
        [part(1, b"one", CRC64NVME)._replace(size=-1)],
        [UploadedPart(1, A, 5, (Checksum(CRC64NVME, "FULL_OBJECT", "not base64!"),))],
    ],
)
def test_a_part_without_a_checksum_leaves_nothing_to_combine(parts: list[UploadedPart]) -> None:
    assert combined_checksum(Checksum(CRC64NVME, "FULL_OBJECT", "x"), parts) is None


def test_a_hash_cannot_be_combined() -> None:
    assert combined_checksum(Checksum("SHA256", "FULL_OBJECT", "x"), [part(1, b"x", CRC32)]) is None


def test_an_upload_is_asked_for_the_source_s_checksum_of_the_whole_or_of_its_parts() -> None:
    whole, other = Checksum(CRC64NVME, "FULL_OBJECT", "w"), Checksum(CRC32, "FULL_OBJECT", "o")
    composite = Checksum("SHA256", "COMPOSITE", "c-3")
    assert checksum_to_ask([composite, other, whole]) == whole
    assert checksum_to_ask([composite, other]) == other
    assert checksum_to_ask([composite]) == Checksum("SHA256", "COMPOSITE", "")
    assert checksum_to_ask([Checksum("SHA256", "FULL_OBJECT", "s")]) is None
    assert checksum_to_ask([]) is None


def head(etag: str, size: int = 3, *, kms: bool = False, checksums: tuple[Checksum, ...] = ()) -> ObjectHead:
    return ObjectHead(size, etag, "", KMS if kms else Properties(), checksums)


FULL = Checksum(CRC64NVME, "FULL_OBJECT", "x")
COMPOSITE = Checksum("SHA256", "COMPOSITE", "x-2")


@pytest.mark.parametrize(
    ("source", "target", "agreement", "proof", "compared"),
    [
        (head(A), head(A), Agreement.EQUAL, Proof.DIGEST, "etag"),
        (head(A), head(B), Agreement.DIFFERENT, Proof.NONE, "etag"),
        (head(A), head(B, kms=True), Agreement.UNKNOWN, Proof.SIZE, "size: why"),
        (head(A, kms=True), head(B), Agreement.UNKNOWN, Proof.SIZE, "size: why"),
        (head(f"{A}-2"), head(B), Agreement.UNKNOWN, Proof.SIZE, "size: why"),
        (head(f"{A}-2"), head(f"{B}-2"), Agreement.UNKNOWN, Proof.SIZE, "size: why"),
        (head(A), head(A, 4), Agreement.DIFFERENT, Proof.NONE, "size"),
        (
            head(A, kms=True, checksums=(FULL,)),
            head(B, checksums=(FULL,)),
            Agreement.EQUAL,
            Proof.DIGEST,
            "CRC64NVME full object",
        ),
        (
            head(A, checksums=(FULL,)),
            head(A, checksums=(FULL._replace(value="y"),)),
            Agreement.DIFFERENT,
            Proof.NONE,
            "CRC64NVME",
        ),
        (
            head(f"{A}-2", kms=True, checksums=(COMPOSITE,)),
            head(f"{B}-2", checksums=(COMPOSITE,)),
            Agreement.EQUAL,
            Proof.DIGEST,
            "SHA256 composite",
        ),
        # Another layout gives another composite: that says nothing of the bytes.
        (
            head(f"{A}-2", checksums=(COMPOSITE,)),
            head(f"{B}-3", checksums=(COMPOSITE._replace(value="y-3"),)),
            Agreement.UNKNOWN,
            Proof.SIZE,
            "size: why",
        ),
        # No bytes are no bytes, in one piece or in an empty part.
        (head(f"{A}-1", 0), head(B, 0, kms=True), Agreement.EQUAL, Proof.DIGEST, "no bytes"),
        (head(f"{A}-1", 0), head(B), Agreement.DIFFERENT, Proof.NONE, "size"),
        (
            head(A, checksums=(FULL,)),
            head(B, kms=True, checksums=(COMPOSITE,)),
            Agreement.UNKNOWN,
            Proof.SIZE,
            "size: why",
        ),
    ],
)
def test_two_heads_prove_what_is_comparable_of_them(
    source: ObjectHead, target: ObjectHead, agreement: Agreement, proof: Proof, compared: str
) -> None:
    found, evidence = evidence_of_heads(source, target, "why")
    assert (found, evidence.proof, evidence.compared) == (agreement, proof, compared)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (A.upper(), Agreement.EQUAL),
        (B.upper(), Agreement.DIFFERENT),
        (OpaqueEtag(A.upper()), Agreement.UNKNOWN),
        (f"{A.upper()}-1", Agreement.UNKNOWN),
    ],
)
def test_a_server_that_writes_md5s_in_capitals_says_the_same(target: str, expected: Agreement) -> None:
    assert compare_etags(A, target) is compare_etags(target, A) is expected


def test_of_a_form_that_is_no_md5_capitals_are_another_value() -> None:
    assert same_etag(f"{A}-2", f"{A.upper()}-2")
    assert not same_etag("abc", "ABC") and not same_etag(OpaqueEtag("1-2-3-a"), OpaqueEtag("1-2-3-A"))


@pytest.mark.parametrize("encryption", ["aws:kms", "aws:kms:dsse", "aws:fsx"])
def test_an_answer_that_names_another_encryption_makes_no_md5_of_an_etag(encryption: str) -> None:
    found, evidence = evidence_of_copy(source_etag=A, target_etag=B, target_encryption=encryption)
    assert found is Agreement.UNKNOWN and encryption in evidence.compared


SUMS = (Checksum(CRC64NVME, "FULL_OBJECT", "c"),)


def test_a_checksum_that_agrees_proves_nothing_where_two_md5s_differ() -> None:
    """Some servers hand back the checksum that they were sent, whatever they were given."""
    source, target = (ObjectHead(3, etag, "", checksums=SUMS) for etag in (A, B))
    said = f"etag, for all that {CRC64NVME} full object agrees"
    assert evidence_of_heads(source, target) == (Agreement.DIFFERENT, (Proof.NONE, said))
    answer = evidence_of_copy(
        source_etag=A, target_etag=B, target_encryption="", source_checksums=SUMS, target_checksums=SUMS
    )
    assert answer == (Agreement.UNKNOWN, (Proof.NONE, said)), "a look at both sides tells whether they are MD5s"


@pytest.mark.parametrize("sealed", ["source", "target"])
def test_etags_under_kms_contradict_no_checksum(sealed: str) -> None:
    of = [KMS if side == sealed else Properties() for side in ("source", "target")]
    source, target = (
        ObjectHead(3, etag, "", properties, checksums=SUMS) for etag, properties in zip((A, B), of, strict=True)
    )
    assert evidence_of_heads(source, target)[0] is Agreement.EQUAL
    agreement, _ = evidence_of_copy(
        source_etag=A,
        target_etag=B,
        target_encryption="aws:kms" if sealed == "target" else "",
        source_checksums=SUMS,
        target_checksums=SUMS,
        source_is_md5=sealed != "source",
    )
    assert agreement is Agreement.EQUAL
