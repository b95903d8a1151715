"""What of a listing a stopped run need not read again: keys that were decided, and whose objects are done. Pure.

It is kept in stretches of a few thousand objects, so that an object that is not done has its neighbours listed again
and no more. It holds for one snapshot of a route alone, as a shard's whole listing does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.plan.shards import Piece

OBJECTS_A_STRETCH = 4_000


class Stretch(NamedTuple):
    """The keys of a piece, every one of which was decided; and how many objects a listing of them showed."""

    piece: Piece
    objects: int
    bytes: int


class Coverage:
    """Grows while a run decides page after page, of many ranges by turns."""

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        self._by_end = {(item.piece.route, item.piece.upto): item for item in stretches}

    def add(self, piece: Piece, objects: int, size_bytes: int) -> None:
        """These keys are decided too, which none of the others are."""
        before = self._by_end.get((piece.route, piece.after)) if piece.after is not None else None
        if before is not None and before.objects + objects <= OBJECTS_A_STRETCH:
            del self._by_end[piece.route, piece.after]
            piece = piece._replace(after=before.piece.after)
            objects, size_bytes = objects + before.objects, size_bytes + before.bytes
        self._by_end[piece.route, piece.upto] = Stretch(piece, objects, size_bytes)

    @property
    def stretches(self) -> list[Stretch]:
        return list(self._by_end.values())
