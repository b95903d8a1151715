"""Parts tile an object exactly, within S3's limits, up to the largest object that S3 holds."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import GIB, MIB
from engine.plan.integrity import multipart_etag
from engine.plan.parts import (
    MAX_OBJECT_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    Layout,
    fast_layout,
    guessed_layout,
    sized_layout,
    uniform_layout,
)
from tests.faults.amount import examples

TIB = 1 << 40
MIN_PART_BYTES = 5 * MIB


def problem_of(layout: Layout) -> str:
    """Why S3 would refuse this layout; empty where it would not."""
    if layout.count > MAX_PARTS:
        return f"{layout.count} parts are more than {MAX_PARTS}"
    sizes = [part.size for part in layout]
    if any(size < MIN_PART_BYTES for size in sizes[:-1]):
        return "a part before the last is smaller than 5 MiB"
    return "a part is larger than 5 GiB" if any(size > MAX_PART_BYTES for size in sizes) else ""


def assert_tiles(layout: Layout) -> None:
    at = 0
    for number, part in enumerate(layout, 1):
        assert (part.number, part.first) == (number, at)
        assert part.last >= part.first
        at = part.last + 1
    assert at == layout.size
    assert number == layout.count


# As many small objects as large ones, up to the largest, and those at the limits' edges.
SIZES = st.one_of(
    st.integers(1, 200 * GIB),
    st.integers(1, MAX_OBJECT_BYTES),
    st.builds(
        lambda limit, off: min(max(1, limit + off), MAX_OBJECT_BYTES),
        st.sampled_from([5 * MIB, 64 * MIB, 5 * GIB, 64 * MIB * MAX_PARTS, 5 * TIB, MAX_OBJECT_BYTES]),
        st.integers(-2, 2),
    ),
)


def test_the_largest_object_has_48_8_tib() -> None:
    assert MAX_OBJECT_BYTES == MAX_PARTS * MAX_PART_BYTES
    assert 48.8 < MAX_OBJECT_BYTES / TIB < 48.9


@settings(max_examples=examples(60))
@given(SIZES)
def test_fast_parts_tile_the_object_within_every_limit_of_s3(size: int) -> None:
    layout = fast_layout(size)
    assert_tiles(layout)
    assert problem_of(layout) == ""
    assert 1 <= layout.count <= MAX_PARTS
    assert layout.part_bytes <= MAX_PART_BYTES
    assert all(part.size >= MIN_PART_BYTES for part in list(layout)[:-1])


@pytest.mark.parametrize("size", [1, 5 * MIB, 64 * MIB, 64 * MIB + 1, 5 * GIB, MAX_OBJECT_BYTES - 1, MAX_OBJECT_BYTES])
def test_fast_parts_hold_up_to_the_largest_object(size: int) -> None:
    layout = fast_layout(size)
    assert layout.count <= MAX_PARTS
    assert problem_of(layout) == ""
    assert sum(part.size for part in layout) == size


def test_more_than_the_largest_object_has_no_layout() -> None:
    with pytest.raises(ValueError):
        fast_layout(MAX_OBJECT_BYTES + 1)


@settings(max_examples=examples(60))
@given(SIZES, st.integers(MIN_PART_BYTES, MAX_PART_BYTES))
def test_the_source_s_own_uniform_layout_is_found_again(size: int, part_bytes: int) -> None:
    count = -(-size // part_bytes)
    if count > MAX_PARTS:
        return
    layout = uniform_layout(size, part_bytes, count)
    assert layout is not None
    assert_tiles(layout)
    assert layout.count == count


def test_a_first_part_that_cannot_give_the_count_is_no_uniform_layout() -> None:
    assert uniform_layout(100 * MIB, 8 * MIB, 12) is None


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50))
def test_odd_parts_tile_too_and_survive_the_ledger(sizes: list[int]) -> None:
    layout = sized_layout(sum(sizes), sizes)
    assert layout is not None
    assert_tiles(layout)
    if len(sizes) > 1:
        assert Layout.from_text(layout.size, layout.text) == layout


@given(st.sampled_from([5, 8, 16, 64, 100]), st.integers(1, 300), st.integers(1, 5 * MIB))
def test_a_guess_has_the_right_number_of_parts(mib: int, full_parts: int, rest: int) -> None:
    size = full_parts * mib * MIB + rest
    layout = guessed_layout(size, full_parts + 1)
    assert layout is None or (layout.count == full_parts + 1 and sum(part.size for part in layout) == size)


def test_the_teacher_model_is_guessed_from_its_count_alone() -> None:
    layout = guessed_layout(5_600_000_000, 668)
    assert layout is not None and layout.part_bytes == 8 * MIB


def test_the_etag_of_an_upload_is_the_md5_of_its_parts_md5s() -> None:
    parts = [hashlib.md5(data).digest() for data in (b"one", b"two")]
    expected = hashlib.md5(b"".join(parts)).hexdigest() + "-2"
    assert multipart_etag([part.hex() for part in parts]) == expected


def test_encrypted_parts_predict_nothing() -> None:
    assert multipart_etag(["not an md5"]) == ""
