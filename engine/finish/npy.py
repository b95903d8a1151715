"""The header of NumPy's .npy format, read without NumPy. Pure.

Versions 1.0 to 3.0 (numpy.lib.format): the magic b"\\x93NUMPY", two bytes of version, the header's length (two bytes
little-endian in 1.0, four later), then a Python literal with `descr`, `fortran_order` and `shape`.
"""

from __future__ import annotations

import ast
import math
import re
import struct
from typing import NamedTuple

MAGIC = b"\x93NUMPY"
PREAMBLE_BYTES = 12
"""Enough to learn how long the header is, whatever its version."""
MAX_HEADER_BYTES = 65_536
"""A longer header is refused: NumPy's own limit for untrusted files is 10,000, structured types may need more."""
_MAX_DIMENSIONS = 64
"""NumPy's own limit (NPY_MAXDIMS, 64 since 2.0)."""
_MOST_BYTES = (1 << 63) - 1
"""What a file can have at most: sizes within sizes come to more than can even be written as a number."""

_DESCR = re.compile(r"([<>|=]?)([biufcSUVmM?])([0-9]{0,9})(?:\[[^\]]{1,32}\])?\Z")
_NAMES = {
    "bool": "b1", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8", "uint8": "u1", "uint16": "u2",
    "uint32": "u4", "uint64": "u8", "float16": "f2", "half": "f2", "float32": "f4", "single": "f4", "float64": "f8",
    "double": "f8", "float": "f8", "complex64": "c8", "complex128": "c16",
}  # fmt: skip
_PLAIN_NAMES = {code: name for name, code in _NAMES.items() if name not in ("half", "single", "double", "float")}


class NotNpy(ValueError):
    """The bytes are not the header of an .npy file; the message says why."""


class NpyHeader(NamedTuple):
    """`data_offset` is where the items begin, `item_bytes` one item's length. `dtype` is NumPy's name where it has
    one ("float32"), else the description as written."""

    shape: tuple[int, ...]
    dtype: str
    descr: str
    item_bytes: int
    data_offset: int

    @property
    def total_bytes(self) -> int:
        """The length of the whole file that this header asks for."""
        return self.data_offset + math.prod(self.shape) * self.item_bytes


def header_length(data: bytes) -> int:
    """How many bytes from the start hold preamble and header. Raises NotNpy."""
    if len(data) < len(MAGIC) or not data.startswith(MAGIC):
        raise NotNpy("it does not begin as an .npy file does")
    if len(data) < PREAMBLE_BYTES:
        raise NotNpy("it ends inside its header")
    version = (data[6], data[7])
    if version == (1, 0):
        length = 10 + struct.unpack_from("<H", data, 8)[0]
    elif version in ((2, 0), (3, 0)):
        length = 12 + struct.unpack_from("<I", data, 8)[0]
    else:
        raise NotNpy(f"its version {version[0]}.{version[1]} is not known")
    if length > MAX_HEADER_BYTES:
        raise NotNpy(f"its header of {length} bytes is longer than {MAX_HEADER_BYTES}")
    return int(length)


def parse_header(data: bytes) -> NpyHeader:
    """Read the header at the start of `data`, which must hold all of it. Raises NotNpy."""
    length = header_length(data)
    if len(data) < length:
        raise NotNpy("it ends inside its header")
    begin = 10 if data[6] == 1 else 12
    try:
        text = data[begin:length].decode("utf-8" if data[6] == 3 else "latin-1")
        # A literal only: names, calls and operators are refused by literal_eval.
        header = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise NotNpy("its header is not a plain dictionary") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise NotNpy("its header has not the fields descr, fortran_order and shape")
    shape, order = header["shape"], header["fortran_order"]
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MAX_DIMENSIONS
        or any(type(size) is not int or not 0 <= size < 1 << 63 for size in shape)
    ):
        raise NotNpy("its shape is not a tuple of sizes")
    if not isinstance(order, bool):
        raise NotNpy("its order is neither True nor False")
    descr = header["descr"]
    item_bytes = _item_bytes(descr)
    try:
        found = NpyHeader(shape, _shown(descr), str(descr), item_bytes, length)
    except ValueError:  # a number in it, as a field's name, that Python writes out for nobody
        raise NotNpy("its type is not known") from None
    if found.total_bytes > _MOST_BYTES:
        raise NotNpy("its items would have more bytes than any file")
    return found


def same_dtype(wanted: str, header: NpyHeader) -> bool:
    """Whether `wanted` names the header's type: "float32" and "f4" in any byte order, "<f4" in that order only."""
    text = _NAMES.get(wanted.strip(), wanted.strip())
    if text == header.descr:
        return True
    asked, have = _DESCR.match(text), _DESCR.match(header.descr)
    if asked is None or have is None or asked.group(2, 3) != have.group(2, 3):
        return False
    return asked.group(1) == "" or asked.group(1) == have.group(1)


def _shown(descr: object) -> str:
    match = _DESCR.match(descr) if isinstance(descr, str) else None
    if match is None:
        return str(descr)
    name = _PLAIN_NAMES.get(match.group(2) + match.group(3), str(descr))
    return f"{name} (big-endian)" if match.group(1) == ">" and name != descr else name


def _item_bytes(descr: object, depth: int = 0) -> int:
    if isinstance(descr, str):
        match = _DESCR.match(descr)
        if match is None:
            if descr.lstrip("<>|=").startswith("O"):
                raise NotNpy("it holds pickled Python objects, whose length no header tells")
            raise NotNpy(f"its type {descr[:64]!r} is not known")
        kind, digits = match.group(2), match.group(3)
        count = int(digits) if digits else 1
        return count * 4 if kind == "U" else count
    if isinstance(descr, list) and depth < 16:
        return sum(_field_bytes(field, depth) for field in descr)
    if isinstance(descr, tuple) and len(descr) == 2 and depth < 16:
        return _item_bytes(descr[0], depth + 1) * _count(descr[1])
    raise NotNpy("its type is not known")


def _field_bytes(field: object, depth: int) -> int:
    if not isinstance(field, tuple) or len(field) not in (2, 3):
        raise NotNpy("a field of its type is not known")
    return _item_bytes(field[1], depth + 1) * (_count(field[2]) if len(field) == 3 else 1)


def _count(shape: object) -> int:
    sizes = shape if isinstance(shape, tuple) else (shape,)
    if len(sizes) > _MAX_DIMENSIONS or any(type(size) is not int or not 0 <= size < 1 << 63 for size in sizes):
        raise NotNpy("a field of its type has no plain shape")
    return math.prod(sizes)
