"""A small USearch index as that library writes it: every vector is of length one in a direction of its own, and each
knows all the others."""

from __future__ import annotations

import struct

MAGIC = b"usearch"


def usearch_index(rows: int, dims: int, *, version: tuple[int, int, int] = (2, 16, 0), above: int = 0) -> bytes:
    """float32, compared by cosine. The first `above` of them stand one level higher too."""
    links = max(rows - 1, 16)
    vectors = struct.pack("<II", rows, dims * 4)
    for row in range(rows):
        vectors += struct.pack(f"<{dims}f", *(float(place == row) for place in range(dims)))
    head = MAGIC + struct.pack("<HHHBBBBQQQB", *version, ord("c"), 11, 14, 15, rows, 0, dims, False)
    graph = struct.pack("<QQQQQ", rows, links, 2 * links, int(above > 0), 0)
    levels = struct.pack(f"<{rows}h", *(int(row < above) for row in range(rows)))
    nodes = b""
    for row in range(rows):
        nodes += struct.pack("<Qh", row, row < above) + _links(range(rows), row, 2 * links)
        nodes += _links(range(above), row, links) if row < above else b""
    return vectors + head.ljust(64, b"\0") + graph + levels + nodes


def _links(of: range, but: int, room: int) -> bytes:
    others = [other for other in of if other != but]
    return struct.pack(f"<I{len(others)}I", len(others), *others).ljust(4 + 4 * room, b"\0")
