"""The reference migration's vector index: a USearch file that can be opened and searched, made as it is read.

A vector has two halves. The first says which block of 141 cards it is of, the second which card of the block: two cards
have at most one half in common, and none are equal. The first card of each block stands on the level above, where all
of them know each other; on the ground each knows the 189 cards on either side. So a search goes to the block, and from
there to the card.

The layout is told in `engine.finish.probing.usearch`; vectors of float16 and 378 links a node come to 54,000,000 bytes.
"""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Iterator
from functools import lru_cache

from engine.sandbox.bodies import Made
from engine.sandbox.cards import CARDS, DIMENSIONS

USEARCH_BYTES = 54_000_000

_BLOCK = 141
_BLOCKS = -(-CARDS // _BLOCK)
_ROW = DIMENSIONS * 2
_LINKS = 195
_GROUND_LINKS = 378
_NODE = 8 + 2 + 4 + 4 * _GROUND_LINKS
_ABOVE = 4 + 4 * _LINKS
_OF_BLOCK = _BLOCK * _NODE + _ABOVE
_COS, _F16, _U64, _U32 = ord("c"), 12, 14, 15


def usearch_index() -> Made:
    """All of it."""
    return Made("usearch.index", USEARCH_BYTES, _between)


def _between(first: int, last: int) -> bytes:
    """Bytes `first` to `last` (exclusive)."""
    parts: list[bytes] = []
    at = first
    for begin, record in _records(first):
        parts.append(record[at - begin : last - begin])
        at = begin + len(record)
        if at >= last:
            break
    return b"".join(parts)


def _records(first: int) -> Iterator[tuple[int, bytes]]:
    """Everything that the file is made of from the record that byte `first` is in: where it begins, and its bytes."""
    head, middle = _head(), _middle()
    if first < len(head):
        yield 0, head
    begin = len(head)
    for row in range(min(CARDS, max(0, first - begin) // _ROW), CARDS):
        yield begin + row * _ROW, _vector(row)
    begin += CARDS * _ROW
    if first < begin + len(middle):
        yield begin, middle
    begin += len(middle)
    block = max(0, first - begin) // _OF_BLOCK
    for card in range(block * _BLOCK, CARDS):
        at = begin + card * _NODE + -(-card // _BLOCK) * _ABOVE
        size = _NODE if card % _BLOCK else _NODE + _ABOVE
        if at + size > first:
            yield at, _node(card)


def _head() -> bytes:
    return struct.pack("<II", CARDS, _ROW)


@lru_cache(maxsize=1)
def _middle() -> bytes:
    """The head, that of the graph, and each card's level."""
    head = b"usearch" + struct.pack("<HHHBBBBQQQB", 2, 16, 0, _COS, _F16, _U64, _U32, CARDS, 0, DIMENSIONS, False)
    graph = struct.pack("<QQQQQ", CARDS, _LINKS, _GROUND_LINKS, 1, 0)
    levels = struct.pack(f"<{CARDS}h", *(not card % _BLOCK for card in range(CARDS)))
    return head.ljust(64, b"\0") + graph + levels


@lru_cache(maxsize=1)
def _halves() -> tuple[list[bytes], list[bytes]]:
    """One half of a vector for each block, and for each place in a block: numbers of 0.5 to 1 and either sign."""
    noise = bytearray(random.Random("vectors").randbytes((_BLOCKS + _BLOCK) * _ROW // 2))
    noise[1::2] = bytes(0x38 | byte & 0x83 for byte in noise[1::2])
    halves = [bytes(noise[at : at + _ROW // 2]) for at in range(0, len(noise), _ROW // 2)]
    return halves[:_BLOCKS], halves[_BLOCKS:]


def _vector(card: int) -> bytes:
    blocks, places = _halves()
    return blocks[card // _BLOCK] + places[card % _BLOCK]


@lru_cache(maxsize=1)
def _slots() -> bytes:
    """Every card's number, and the first of them again, so that the neighbours of each are one slice."""
    found = array("I", [card % CARDS for card in range(-_GROUND_LINKS, CARDS + _GROUND_LINKS)])
    return struct.pack(f"<{len(found)}I", *found)


def _node(card: int) -> bytes:
    slots, half = _slots(), _GROUND_LINKS // 2
    here = (card + _GROUND_LINKS) * 4
    first = not card % _BLOCK
    node = struct.pack("<QhI", card, first, _GROUND_LINKS)
    node += slots[here - half * 4 : here] + slots[here + 4 : here + 4 + half * 4]
    if first:
        others = [other for other in range(0, CARDS, _BLOCK) if other != card]
        node += struct.pack(f"<I{len(others)}I", len(others), *others).ljust(_ABOVE, b"\0")
    return node
