"""Hashers give what S3 and hashlib say, however the bytes are cut into windows."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest

from engine import checksums, crc

DATA = random.Random(7).randbytes(300_001)
CUTS = [(0, 1), (1, 1), (1, 4097), (4097, 262_144), (262_144, len(DATA))]


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32", "CRC32C", "MD5", "SHA1", "SHA256", "SHA512"])
def test_windows_add_up_to_the_whole(algorithm: str) -> None:
    hasher = checksums.hasher(algorithm)
    for first, last in CUTS:
        hasher.update(memoryview(DATA)[first:last])
    assert (hasher.algorithm, hasher.length) == (algorithm, len(DATA))
    assert hasher.value() == checksums.checksum_of(algorithm, DATA)


def test_values_are_spelled_as_s3_spells_them() -> None:
    assert checksums.checksum_of("CRC64NVME", b"123456789") == "rosUhgp5mIg="
    assert checksums.checksum_of("SHA256", b"") == base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert checksums.checksum_of("MD5", b"x") == base64.b64encode(hashlib.md5(b"x").digest()).decode()


def test_pieces_are_joined_by_their_crcs_and_lengths() -> None:
    one, other = checksums.CrcHasher("CRC64NVME"), checksums.CrcHasher("CRC64NVME")
    one.update(DATA[:1000])
    other.update(DATA[1000:])
    joined = crc.combine("CRC64NVME", one.crc, other.crc, other.length)
    assert crc.to_base64("CRC64NVME", joined) == checksums.checksum_of("CRC64NVME", DATA)


def test_what_cannot_be_counted_is_said() -> None:
    assert not checksums.is_known("XXHASH64")
    with pytest.raises(KeyError):
        checksums.hasher("XXHASH64")
