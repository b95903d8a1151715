"""How an object is cut into parts. Pure.

S3's limits (API reference, "Amazon S3 multipart upload limits"): parts 1 to 10,000, each 5 MiB to 5 GiB but the last,
which may be smaller; an object up to 48.8 TiB. All arithmetic is in whole bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.model import GIB, MIB, Value

MAX_PARTS = 10_000
MIN_PART_BYTES = 5 * MIB
"""Of each part but the last. Some servers take shorter ones."""
MAX_PART_BYTES = 5 * GIB
MAX_COPY_BYTES = 5 * GIB
"""The largest source of one CopyObject."""
MAX_OBJECT_BYTES = MAX_PARTS * MAX_PART_BYTES
FAST_PART_BYTES = 64 * MIB
"""Parts this size copied a 5 GiB object fastest in published figures (awslabs/aws-c-s3 #288: 64 MiB parts 3.7 s,
256 MiB 5.7 s, 1 GiB 13.9 s)."""


class PartRange(NamedTuple):
    """Bytes `first` to `last`, inclusive, as part `number` (from 1)."""

    number: int
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Layout(Value, frozen=True):
    """The parts of one object of `size` bytes: all of `part_bytes` but the last, or of the given `sizes`."""

    size: int
    part_bytes: int = 0
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.sizes:
            if sum(self.sizes) != self.size or min(self.sizes) < 1:
                raise ValueError("the sizes of the parts do not add up to the object's")
        elif self.part_bytes < 1 or self.size < 1:
            raise ValueError("a layout needs a size of parts and at least one byte")

    @property
    def count(self) -> int:
        return len(self.sizes) or -(-self.size // self.part_bytes)

    def __iter__(self) -> Iterator[PartRange]:
        first = 0
        for number in range(1, self.count + 1):
            size = self.sizes[number - 1] if self.sizes else min(self.part_bytes, self.size - first)
            yield PartRange(number, first, first + size - 1)
            first += size

    @property
    def text(self) -> str:
        """As the ledger keeps it: one number, or the sizes with commas."""
        return ",".join(map(str, self.sizes)) if self.sizes else str(self.part_bytes)

    @classmethod
    def from_text(cls, size: int, text: str) -> Layout:
        """Read `text` back. Raises ValueError where it is not a layout of `size` bytes."""
        if "," in text:
            return cls(size, sizes=tuple(int(item) for item in text.split(",")))
        return cls(size, part_bytes=int(text))


def fast_layout(size: int) -> Layout:
    """Parts sized for speed: 64 MiB, or the smallest whole number of MiB that needs no more than 10,000 parts.

    Raises ValueError for an empty object or one that S3 cannot hold."""
    if size < 1 or size > MAX_OBJECT_BYTES:
        raise ValueError(f"no layout for {size} bytes")
    return _layout_of(size, FAST_PART_BYTES)


def _layout_of(size: int, usual_bytes: int) -> Layout:
    least = -(-size // MAX_PARTS)
    return Layout(size, part_bytes=usual_bytes if least <= usual_bytes else -(-least // MIB) * MIB)


def uniform_layout(size: int, first_part_bytes: int, count: int) -> Layout | None:
    """The source's own layout, guessed from its first part: every part as long as the first, but the last. None
    where that cannot give `count` parts; the ETag of the finished copy confirms or refutes the guess."""
    if size < 1 or first_part_bytes < 1 or -(-size // first_part_bytes) != count:
        return None
    return Layout(size, part_bytes=first_part_bytes)


COMMON_PART_BYTES: tuple[int, ...] = tuple(
    mib * MIB for mib in (8, 5, 16, 64, 128, 10, 15, 32, 50, 100, 25, 20, 256, 512, 1024)
)
"""What the usual tools upload with: 8 MiB AWS CLI and boto3, 5 rclone and s5cmd's neighbours, 16 and 64 SDKs."""


def guessed_layout(size: int, count: int) -> Layout | None:
    """A layout of `count` equal parts for a server that does not tell its parts (Ceph RGW has no partNumber).

    Tries the part sizes of the usual tools first, then every whole number of MiB; None where none fits."""
    if count < 1 or size < 1:
        return None
    least_mib = -(-size // count // MIB) or 1
    every_mib = range(max(least_mib, 5), min(least_mib + 8, 5 * 1024 + 1))
    guesses = (uniform_layout(size, guess, count) for guess in (*COMMON_PART_BYTES, *(mib * MIB for mib in every_mib)))
    return next((layout for layout in guesses if layout is not None), None)


def sized_layout(size: int, sizes: Sequence[int]) -> Layout | None:
    """The layout of parts whose sizes are all known; None where they do not add up to the object."""
    if not sizes or sum(sizes) != size or min(sizes) < 1:
        return None
    return Layout(size, sizes=tuple(sizes))


class OwnParts(NamedTuple):
    """The parts that an object was uploaded in. Its server told the first `told` of them; those that follow are taken
    to be as long, and where it told none all are guessed."""

    layout: Layout
    told: int

    @property
    def is_certain(self) -> bool:
        """The last is what is left, and needs no telling."""
        return self.told >= self.layout.count - 1


# --- what passes through this machine ------------------------------------------------------------------------------

SMALL_BYTES = 8 * MIB
"""Up to here an object that is sent from here is one PutObject."""

PART_BYTES = 8 * MIB
"""A part of what has no layout of its own, as the AWS CLI's: enough of them are under way at once to fill a line, and
little is sent again."""

WHOLE_BYTES = 2 * MIB
"""An object up to this size comes into a folder at one go."""
RANGE_BYTES = 16 * MIB
MOST_RANGE_BYTES = 64 * MIB
RANGES = 1_000
"""Ranges are so long that there are no more of an object, up to MOST_RANGE_BYTES: each costs a sync."""


def part_layout(size: int) -> Layout:
    """Parts of `PART_BYTES`, or the smallest whole number of MiB that needs no more than S3's 10,000."""
    return _layout_of(size, PART_BYTES)


def range_bytes(size: int) -> int:
    """How long the ranges are by which an object of `size` bytes comes into a folder: 16 MiB, and up to 64 where that
    would be too many."""
    return min(MOST_RANGE_BYTES, max(RANGE_BYTES, -(-size // RANGES // MIB) * MIB))
