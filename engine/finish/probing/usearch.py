"""The header of a USearch index, read without USearch. Pure.

Layout (unum-cloud/USearch, include/usearch/index_dense.hpp and index.hpp, file format 2), little-endian throughout:

1. unless vectors are kept elsewhere: rows and bytes a row (two u32, or two u64), then the vectors;
2. a head of 64 bytes: "usearch", version (three u16), metric, scalar, key and slot kind (a byte each), vectors present
   and deleted and dimensions (u64 each), whether a key may have several vectors (a byte);
3. the graph: nodes, links a node above and on the ground level, highest level, entry (u64 each); each node's level
   (i16); each node: key, level, and for each of its levels a count (u32) and room for its links.

So the header and the levels tell the length of the whole file to the byte.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import NamedTuple

MAGIC = b"usearch"
HEAD_BYTES = 64
GRAPH_BYTES = 40
FIRST_BYTES = 16
"""Enough to learn where the head may be."""
LEVEL_BYTES = 2
_COUNT_BYTES = 4
_FORMAT = 2

_METRICS = {
    "i": "ip", "c": "cos", "e": "l2sq", "p": "pearson", "h": "haversine", "d": "divergence", "b": "hamming",
    "t": "tanimoto", "s": "sorensen", "j": "jaccard",
}  # fmt: skip
_SCALARS = {
    1: ("b1", 1), 2: ("u40", 40), 3: ("uuid", 128), 4: ("bf16", 16), 5: ("e5m2", 8), 6: ("e4m3", 8), 7: ("e2m3", 8),
    8: ("e3m2", 8), 10: ("f64", 64), 11: ("f32", 32), 12: ("f16", 16), 13: ("f8", 8), 14: ("u64", 64), 15: ("u32", 32),
    16: ("u16", 16), 17: ("u8", 8), 20: ("i64", 64), 21: ("i32", 32), 22: ("i16", 16), 23: ("i8", 8),
}  # fmt: skip
"""Kind → name and bits, as they are since 2.10."""
_BEFORE_2_10 = {1: 1, 2: 2, 3: 3, 4: 10, 5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 17, 11: 20, 12: 21, 13: 22, 14: 23}


class NotUsearch(ValueError):
    """The bytes are no USearch index, or not a whole one; the message says why."""


class Graph(NamedTuple):
    """What the file says of itself: `rows` vectors present (and `deleted` ones) of `dims` dimensions, each of `scalar`
    ("f16") and compared by `metric` ("cos"). `levels_at` is where the levels of its `nodes` are; `node_bytes` what a
    node takes on the ground level, `level_bytes` for each further one, of which there are at most `highest`."""

    rows: int
    deleted: int
    dims: int
    scalar: str
    metric: str
    nodes: int
    node_bytes: int
    level_bytes: int
    highest: int
    levels_at: int

    @property
    def least_bytes(self) -> int:
        """The length of the whole file if no node has more than the ground level."""
        return self.levels_at + self.nodes * (LEVEL_BYTES + self.node_bytes)

    def total_bytes(self, levels: bytes) -> int:
        """The length of the whole file by its nodes' levels. Raises NotUsearch."""
        found = array("h", levels)
        if sys.byteorder == "big":
            found.byteswap()
        if len(found) != self.nodes or (found and not 0 <= min(found) <= max(found) <= self.highest):
            raise NotUsearch("the levels of its nodes are damaged")
        return self.least_bytes + self.level_bytes * sum(found)


class Place(NamedTuple):
    """Where the head may be, and how many vectors of how many bytes each are then before it (None: none are)."""

    head_at: int
    matrix: tuple[int, int] | None


def places(first: bytes, size: int) -> list[Place]:
    """Where in a file of `size` bytes that begins with `first` the head may be. Raises NotUsearch."""
    if first.startswith(MAGIC):
        return [Place(0, None)]
    if len(first) < FIRST_BYTES:
        raise NotUsearch(f"it has only {size} bytes")
    found = []
    for form, length in (("<II", 8), ("<QQ", 16)):
        rows, row_bytes = struct.unpack_from(form, first)
        head_at = length + rows * row_bytes
        if head_at + HEAD_BYTES + GRAPH_BYTES <= size:
            found.append(Place(head_at, (rows, row_bytes)))
    if not found:
        raise NotUsearch("it does not begin as an index does, or is cut off")
    return found


def parse_head(data: bytes, place: Place) -> Graph:
    """The head and what follows it, at `place`. Raises NotUsearch."""
    if not data.startswith(MAGIC):
        raise NotUsearch("there is no head of an index where one should be")
    if len(data) < HEAD_BYTES + GRAPH_BYTES:
        raise NotUsearch("it ends inside its head")
    major, minor, _, metric, *kinds = struct.unpack_from("<HHHBBBB", data, len(MAGIC))
    rows, deleted, dims, _ = struct.unpack_from("<QQQB", data, len(MAGIC) + 10)
    nodes, links, ground_links, highest, entry = struct.unpack_from("<QQQQQ", data, HEAD_BYTES)
    if major != _FORMAT:
        raise NotUsearch(f"its format {major}.{minor} is not known")
    scalar, key, slot = (_SCALARS.get(_BEFORE_2_10.get(kind, 0) if minor < 10 else kind) for kind in kinds)
    name = _METRICS.get(chr(metric))
    if scalar is None or key is None or slot is None or name is None:
        raise NotUsearch("its head names a kind of metric or number that is not known")
    if place.matrix not in (None, (rows + deleted, -(-dims * scalar[1] // 8))):
        raise NotUsearch("its vectors are not those that its head tells of")
    if nodes != rows + deleted or (nodes and entry >= nodes):
        raise NotUsearch("its graph is not that of the vectors that its head tells of")
    levels_at = place.head_at + HEAD_BYTES + GRAPH_BYTES
    node_bytes = key[1] // 8 + LEVEL_BYTES + _COUNT_BYTES + ground_links * slot[1] // 8
    level_bytes = _COUNT_BYTES + links * slot[1] // 8
    return Graph(
        rows, deleted, dims, scalar[0], name, nodes, node_bytes, level_bytes, highest, levels_at
    )  # fmt: skip
