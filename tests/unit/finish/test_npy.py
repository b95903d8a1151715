"""The header of a NumPy file, read without NumPy and against what NumPy writes."""

from __future__ import annotations

import struct

import pytest

from engine.finish.npy import MAX_HEADER_BYTES, NotNpy, header_length, parse_header, same_dtype


def npy(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """A header as numpy.lib.format writes it: padded with spaces to 64 bytes, with a newline at its end."""
    encoded = text.encode("utf-8" if version[0] == 3 else "latin-1")
    length_format = "<H" if version == (1, 0) else "<I"
    begin = 8 + struct.calcsize(length_format)
    padding = -(begin + len(encoded) + 1) % 64
    encoded += b" " * padding + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack(length_format, len(encoded)) + encoded


EMBEDDINGS = "{'descr': '<f4', 'fortran_order': False, 'shape': (17592, 768), }"


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_the_reference_array(version: tuple[int, int]) -> None:
    header = parse_header(npy(EMBEDDINGS, version))
    assert (header.shape, header.dtype, header.item_bytes) == ((17592, 768), "float32", 4)
    assert header.data_offset == 128
    assert header.total_bytes == 54_042_752  # the owner's file, to the byte


@pytest.mark.parametrize(
    ("descr", "name", "item_bytes"),
    [
        ("'<f8'", "float64", 8),
        ("'>f4'", "float32 (big-endian)", 4),
        ("'|u1'", "uint8", 1),
        ("'<U5'", "<U5", 20),
        ("'|S7'", "|S7", 7),
        ("'<M8[ns]'", "<M8[ns]", 8),
        ("'|V3'", "|V3", 3),
        ("[('a', '<i4'), ('b', '<f4', (2, 3))]", "[('a', '<i4'), ('b', '<f4', (2, 3))]", 28),
        ("[('a', [('b', '<i2'), ('c', '|b1')])]", "[('a', [('b', '<i2'), ('c', '|b1')])]", 3),
        ("('<f4', (3,))", "('<f4', (3,))", 12),
    ],
)
def test_types(descr: str, name: str, item_bytes: int) -> None:
    header = parse_header(npy(f"{{'descr': {descr}, 'fortran_order': True, 'shape': (2,)}}"))
    assert (header.dtype, header.item_bytes) == (name, item_bytes)
    assert header.total_bytes == header.data_offset + 2 * item_bytes


def test_a_single_item_and_an_empty_array() -> None:
    single = parse_header(npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}"))
    assert single.total_bytes == single.data_offset + 4
    empty = parse_header(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 768)}"))
    assert empty.total_bytes == empty.data_offset


HUGE = f"0x{'f' * 5_000}"
"""A number that Python reads and does not write."""
WIDE = f"({'9223372036854775807, ' * 64})"
DEEP = "(" * 8 + "'<f4'" + f", {WIDE})" * 8
"""Types within types, whose lengths come to a number that Python does not write either."""


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin"),
        (b"\x93NUMPX\x01\x00aaaa", "does not begin"),
        (b"\x93NUMPY\x01\x00", "ends inside"),
        (npy(EMBEDDINGS)[:60], "ends inside"),
        (b"\x93NUMPY\x09\x00" + b"\0" * 20, "version 9.0"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", MAX_HEADER_BYTES), "longer than"),
        (npy("{'descr': '<f4', 'fortran_order': False}"), "has not the fields"),
        (npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), "neither True nor False"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}"), "tuple of sizes"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}"), "tuple of sizes"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "tuple of sizes"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "pickled"),
        (npy("{'descr': 'xyz', 'fortran_order': False, 'shape': (1,)}"), "not known"),
        (npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({HUGE},)}}"), "tuple of sizes"),
        (npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {WIDE}}}"), "more bytes than any file"),
        (npy(f"{{'descr': {DEEP}, 'fortran_order': False, 'shape': (1,)}}"), "more bytes than any file"),
        (npy(f"{{'descr': [({HUGE}, '<f4')], 'fortran_order': False, 'shape': (1,)}}"), "not known"),
        (npy(f"{{'descr': ('<f4', {HUGE}), 'fortran_order': False, 'shape': (1,)}}"), "no plain shape"),
        (npy("__import__('os').system('true')"), "plain dictionary"),
        (npy("(" * 9_000), "plain dictionary"),
    ],
    ids=lambda value: value if isinstance(value, str) else "header",
)
def test_what_is_no_header_says_why(data: bytes, why: str) -> None:
    with pytest.raises(NotNpy, match=why):
        parse_header(data)


def test_how_long_a_header_is_known_from_twelve_bytes() -> None:
    whole = npy(EMBEDDINGS)
    assert header_length(whole[:12]) == 128


@pytest.mark.parametrize(
    ("wanted", "descr", "same"),
    [
        ("float32", "<f4", True),
        ("float32", ">f4", True),
        ("f4", "<f4", True),
        ("<f4", "<f4", True),
        (">f4", "<f4", False),
        ("float64", "<f4", False),
        ("uint8", "|u1", True),
        ("whatever", "<f4", False),
    ],
)
def test_same_type(wanted: str, descr: str, same: bool) -> None:
    header = parse_header(npy(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,)}}"))
    assert same_dtype(wanted, header) is same
