"""The CRCs agree with their published check values, with zlib, and with each other however a message is cut."""

from __future__ import annotations

import sys
import types
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import crc
from tests.faults.amount import examples

ALGORITHMS = [crc.CRC64NVME, crc.CRC32, crc.CRC32C]


def plain_engine(algorithm: str) -> crc.Engine:
    """What counts where there is no library."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("awscrt", "anycrc"):
            patched.setitem(sys.modules, name, None)
        return crc.engine_of.__wrapped__(algorithm)


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [(crc.CRC64NVME, 0xAE8B14860A799888), (crc.CRC32, 0xCBF43926), (crc.CRC32C, 0xE3069283)],
)
def test_the_check_value_of_the_catalogue_comes_out(algorithm: str, value: int) -> None:
    assert crc.crc(algorithm, b"123456789") == value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_has_the_crc_zero(algorithm: str) -> None:
    assert crc.crc(algorithm, b"") == 0


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=300), st.binary(max_size=300))
def test_the_crc_of_a_whole_is_combined_from_its_pieces(algorithm: str, a: bytes, b: bytes) -> None:
    whole = crc.crc(algorithm, a + b)
    assert crc.combine(algorithm, crc.crc(algorithm, a), crc.crc(algorithm, b), len(b)) == whole
    assert crc.crc(algorithm, b, crc.crc(algorithm, a)) == whole


@given(st.binary(max_size=2000), st.integers(0, 2**46))
def test_shifts_by_tables_and_by_multiplication_are_the_same(data: bytes, length: int) -> None:
    for algorithm in ALGORITHMS:
        value = crc.crc(algorithm, data)
        assert crc.shift_fixed(algorithm, value, 1 << 20) == crc.shift(algorithm, value, 1 << 20)
        assert crc.combine(algorithm, value, 0, length) == crc.shift(algorithm, value, length)


@given(st.sampled_from(ALGORITHMS), st.integers(0, 2**20), st.integers(0, 2**45), st.integers(0, 2**45))
def test_lengths_add_up(algorithm: str, value: int, first: int, second: int) -> None:
    twice = crc.shift(algorithm, crc.shift(algorithm, value, first), second)
    assert twice == crc.shift(algorithm, value, first + second)


@settings(max_examples=examples(5))
@given(st.integers(0, 2**32), st.integers(0, 5000))
def test_long_messages_are_the_same_by_lanes_and_byte_by_byte(seed: int, extra: int) -> None:
    data = (seed.to_bytes(8, "big") + bytes(range(251))) * 2200 + bytes(extra % 256 for _ in range(extra))
    for algorithm in (crc.CRC64NVME, crc.CRC32C):
        count = plain_engine(algorithm)
        piecewise = 0
        for start in range(0, len(data), 1000):
            piecewise = count(data[start : start + 1000], piecewise)
        assert count(data, 0) == piecewise == crc.crc(algorithm, data)
    assert crc.crc(crc.CRC32, data) == zlib.crc32(data)


@given(st.sampled_from(ALGORITHMS), st.binary(min_size=1, max_size=3000), st.integers(0, 2**32 - 1))
def test_the_library_and_our_own_count_alike(algorithm: str, data: bytes, start: int) -> None:
    assert crc.crc(algorithm, memoryview(data), start) == plain_engine(algorithm)(data, start)


def test_the_library_is_used_where_it_is_there() -> None:
    pytest.importorskip("anycrc")
    for algorithm in ALGORITHMS:
        assert type(crc.engine_of(algorithm)).__name__ != "function"


def test_a_library_that_counts_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def calc(self, data: memoryview, start: int) -> int:
            return crc.crc(crc.CRC64NVME, data, start) ^ (len(data) == 1057)

    module = types.ModuleType("anycrc")
    monkeypatch.setattr(module, "CRC", lambda *parameters: Wrong(), raising=False)
    monkeypatch.setitem(sys.modules, "anycrc", module)
    crc.engine_of(crc.CRC64NVME)  # the true one is found before the false one asks it
    chosen = crc.engine_of.__wrapped__(crc.CRC64NVME)
    assert type(chosen).__name__ == "function"
    assert chosen(b"123456789", 0) == 0xAE8B14860A799888


def test_what_aws_counts_by_is_used_first_where_it_counts_right(monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = plain_engine(crc.CRC64NVME), lambda data, start: 0
    module = types.ModuleType("awscrt")
    monkeypatch.setitem(sys.modules, "awscrt", module)
    for counts, used in ((right, True), (wrong, False)):
        monkeypatch.setattr(module, "checksums", types.SimpleNamespace(crc64nvme=counts), raising=False)
        assert (crc.engine_of.__wrapped__(crc.CRC64NVME) is counts) == used
        assert crc.engine_of.__wrapped__(crc.CRC32C) is not counts  # one that it does not have


@given(st.binary(max_size=200))
def test_every_beginning_has_its_crc(data: bytes) -> None:
    found = crc.prefix_crcs(crc.CRC64NVME, data)
    assert found == [crc.crc(crc.CRC64NVME, data[:n]) for n in range(len(data) + 1)]


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=50))
def test_s3_spelling_goes_there_and_back(algorithm: str, data: bytes) -> None:
    value = crc.crc(algorithm, data)
    assert crc.from_base64(algorithm, crc.to_base64(algorithm, value)) == value


def test_s3_spells_a_crc_as_base64_of_big_endian_bytes() -> None:
    assert crc.to_base64(crc.CRC64NVME, 0xAE8B14860A799888) == "rosUhgp5mIg="
    with pytest.raises(ValueError, match="8 bytes"):
        crc.from_base64(crc.CRC64NVME, "AAAA")
