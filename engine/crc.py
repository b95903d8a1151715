"""The cyclic redundancy checks that S3 keeps with objects: CRC64NVME, CRC32 and CRC32C, and their algebra.

A CRC of a whole can be had from the CRCs of its pieces and their lengths alone (`combine`), which is what makes a
full-object checksum of a multipart copy provable without a byte read. All three are reflected, begin with all bits
set and are inverted at the end; parameters and check values are those of the CRC RevEng catalogue
(reveng.sourceforge.io: CRC-64/NVME, CRC-32/ISO-HDLC, CRC-32/ISCSI).

Bytes are counted by the processor's carry-less multiplication: by awscrt (50 GB/s and more) where it is installed, else
by anycrc (15 GB/s); where neither is, or agrees with what is computed here, here, at 0.03 GB/s.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

CRC64NVME = "CRC64NVME"
CRC32 = "CRC32"
CRC32C = "CRC32C"

# algorithm → (width in bits, reflected polynomial)
PARAMETERS: dict[str, tuple[int, int]] = {
    CRC64NVME: (64, 0x9A6C9329AC4BC9B5),
    CRC32: (32, 0xEDB88320),
    CRC32C: (32, 0x82F63B78),
}

# A matrix column count beyond this length would need x^(2^k) for larger k than S3's objects ever do.
_MAX_LENGTH_BITS = 64

_LANES = 4096
_LANE_BYTES = 128
_STRIDE = _LANES * _LANE_BYTES

Buffer = bytes | bytearray | memoryview
Engine = Callable[[Buffer, int], int]
"""The CRC of bytes that are not none, after the CRC of what came before them."""


def crc(algorithm: str, data: Buffer, start: int = 0) -> int:
    """The CRC of `data`, or, with `start` the CRC of what came before, of both one after the other.

    Raises KeyError for an algorithm that is not one of the three.
    """
    return engine_of(algorithm)(data, start) if len(data) else start


@lru_cache(maxsize=8)
def engine_of(algorithm: str) -> Engine:
    """The quickest way to count this CRC here. Found at its first use: a library takes 10 to 30 ms to load.

    A library that gives another value than is computed here for bytes long enough for all its ways is not used."""
    for library in (_awscrt, _anycrc):
        quick = library(algorithm)
        if quick is not None and _counts_right(algorithm, quick):
            return quick
    return _plain_engine(algorithm)


def _awscrt(algorithm: str) -> Engine | None:
    try:
        from awscrt import checksums
    except ImportError:
        return None
    found: Engine | None = getattr(checksums, algorithm.lower(), None)  # an earlier one has no CRC64NVME
    return found


def _anycrc(algorithm: str) -> Engine | None:
    try:
        from anycrc import CRC
    except ImportError:
        return None
    width, polynomial = PARAMETERS[algorithm]
    ones = (1 << width) - 1
    found: Engine = CRC(width, _reversed_bits(polynomial, width), ones, True, True, ones).calc
    return found


def _counts_right(algorithm: str, quick: Engine) -> bool:
    sample = memoryview(bytes(range(256)) * 9)
    ones = (1 << PARAMETERS[algorithm][0]) - 1
    return all(
        quick(view, start) == _slow(algorithm, view, start)
        for view, start in ((sample, 0), (sample[3:1060], 1), (sample[:5], ones))
    )


def _plain_engine(algorithm: str) -> Engine:
    """Without a library beside the standard one."""

    def plain(data: Buffer, start: int) -> int:
        return zlib.crc32(data, start) if algorithm == CRC32 else _slow(algorithm, data, start)

    return plain


def _reversed_bits(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


def _slow(algorithm: str, data: Buffer, start: int) -> int:
    width, _ = PARAMETERS[algorithm]
    view = memoryview(data)
    value = start
    position = 0
    while len(view) - position >= _STRIDE:
        block = _crc_of_stride(algorithm, bytes(view[position : position + _STRIDE]))
        value = combine(algorithm, value, block, _STRIDE)
        position += _STRIDE
    register = value ^ ((1 << width) - 1)
    table = _table(algorithm)
    for byte in view[position:]:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ ((1 << width) - 1)


def combine(algorithm: str, crc_a: int, crc_b: int, length_b: int) -> int:
    """The CRC of A followed by B, from the CRC of each and the length of B in bytes."""
    if length_b == 0:
        return crc_a
    return _multiply(algorithm, _shift_factor(algorithm, length_b), crc_a) ^ crc_b


def shift(algorithm: str, value: int, length: int) -> int:
    """What `value` adds to the CRC of a message in which `length` more bytes follow."""
    return _multiply(algorithm, _shift_factor(algorithm, length), value)


def to_base64(algorithm: str, value: int) -> str:
    """As S3 spells a checksum: base64 of the big-endian bytes."""
    width, _ = PARAMETERS[algorithm]
    return base64.b64encode(value.to_bytes(width // 8, "big")).decode("ascii")


def from_base64(algorithm: str, text: str) -> int:
    """The number that S3's spelling stands for. Raises ValueError where it is not one of the right length."""
    width, _ = PARAMETERS[algorithm]
    raw = base64.b64decode(text, validate=True)
    if len(raw) != width // 8:
        raise ValueError(f"{algorithm} has {width // 8} bytes, not {len(raw)}")
    return int.from_bytes(raw, "big")


@lru_cache(maxsize=8)
def _table(algorithm: str) -> tuple[int, ...]:
    _, polynomial = PARAMETERS[algorithm]
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ polynomial if value & 1 else value >> 1
        entries.append(value)
    return tuple(entries)


def prefix_crcs(algorithm: str, data: bytes) -> list[int]:
    """The CRC of every beginning of `data`: entry n is the CRC of its first n bytes."""
    width, _ = PARAMETERS[algorithm]
    ones = (1 << width) - 1
    table = _table(algorithm)
    register = ones
    found = [0]
    append = found.append
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        append(register ^ ones)
    return found


# --- algebra: numbers as polynomials over GF(2), the top bit being x^0 (zlib's crc32_combine works so too) ----------


def _multiply(algorithm: str, a: int, b: int) -> int:
    width, polynomial = PARAMETERS[algorithm]
    bit = 1 << (width - 1)
    product = 0
    while a:
        if a & bit:
            product ^= b
            a ^= bit
        bit >>= 1
        b = (b >> 1) ^ polynomial if b & 1 else b >> 1
    return product


@lru_cache(maxsize=8)
def _powers(algorithm: str) -> tuple[int, ...]:
    """x^(2^k) modulo the polynomial, for k from 0."""
    width, _ = PARAMETERS[algorithm]
    power = 1 << (width - 2)
    found = [power]
    for _ in range(_MAX_LENGTH_BITS + 2):
        power = _multiply(algorithm, power, power)
        found.append(power)
    return tuple(found)


@lru_cache(maxsize=4096)
def _shift_factor(algorithm: str, length: int) -> int:
    """x^(8·length): what a CRC is multiplied with when that many bytes follow."""
    width, _ = PARAMETERS[algorithm]
    if length < 0 or length.bit_length() > _MAX_LENGTH_BITS:
        raise ValueError(f"length out of range: {length}")
    factor = 1 << (width - 1)
    for k, power in enumerate(islice(_powers(algorithm), 3, None)):
        if length >> k == 0:
            break
        if (length >> k) & 1:
            factor = _multiply(algorithm, factor, power)
    return factor


# --- many bytes at once ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _planes(algorithm: str) -> tuple[bytes, ...]:
    """The table's entries byte by byte, as translation tables: plane i holds byte i (lowest first) of each."""
    width, _ = PARAMETERS[algorithm]
    return tuple(bytes((entry >> (8 * i)) & 0xFF for entry in _table(algorithm)) for i in range(width // 8))


def _crc_of_stride(algorithm: str, data: bytes) -> int:
    """The CRC of exactly `_STRIDE` bytes: 4,096 lanes side by side, one byte of each a step.

    `bytes.translate` looks up all lanes at once, and XOR of big integers joins them; ten times quicker than a
    loop over bytes, without a compiled extension.
    """
    width, _ = PARAMETERS[algorithm]
    tables = _planes(algorithm)
    every = int.from_bytes(b"\xff" * _LANES, "little")
    planes = [every] * (width // 8)
    for column in range(_LANE_BYTES):
        index = (planes[0] ^ int.from_bytes(data[column::_LANE_BYTES], "little")).to_bytes(_LANES, "little")
        looked_up = [int.from_bytes(index.translate(table), "little") for table in tables]
        planes = [a ^ b for a, b in zip(looked_up, [*planes[1:], 0], strict=True)]
    # Lanes become single CRCs, and neighbours are joined pair by pair.
    rows = b"".join((plane ^ every).to_bytes(_LANES, "little") for plane in planes)
    crcs = [int.from_bytes(rows[lane::_LANES], "little") for lane in range(_LANES)]
    length = _LANE_BYTES
    while len(crcs) > 1:
        by_byte = _shift_tables(algorithm, length)
        crcs = [_apply(by_byte, left) ^ right for left, right in zip(crcs[0::2], crcs[1::2], strict=True)]
        length *= 2
    return crcs[0]


@lru_cache(maxsize=64)
def _shift_tables(algorithm: str, length: int) -> tuple[tuple[int, ...], ...]:
    width, _ = PARAMETERS[algorithm]
    columns = [shift(algorithm, 1 << bit, length) for bit in range(width)]
    tables = []
    for first in range(0, width, 8):
        entries = [0] * 256
        for byte in range(1, 256):
            low = byte & -byte
            entries[byte] = entries[byte ^ low] ^ columns[first + low.bit_length() - 1]
        tables.append(tuple(entries))
    return tuple(tables)


def _apply(tables: tuple[tuple[int, ...], ...], value: int) -> int:
    found = 0
    for table in tables:
        found ^= table[value & 0xFF]
        value >>= 8
    return found


def shift_fixed(algorithm: str, value: int, length: int) -> int:
    """`shift` for a length that comes back often: by tables that are built once."""
    return _apply(_shift_tables(algorithm, length), value)
