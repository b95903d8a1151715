"""Pieces of routes, and shards made of them: how one plan is cut into what can be carried side by side. Pure.

A *piece* is a half-open range of one route's relative keys. A *shard* is a few pieces with a ledger of their own: it is
a whole run on the keys that it was given. Shards never overlap, and a route is complete only when the pieces of its
shards tile its key space: what no shard has, nobody would copy, and what two have, two would count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

Shard = TypeVar("Shard")

SHARDS_A_SLOT = 4
"""Shards for each process at the beginning: with fewer, the one that got the most keys is waited for at the end."""

OBJECTS_A_SHARD = 1_000_000
"""So many objects a shard decides at most, give or take a page of each of its ranges; the rest becomes others'."""


class Piece(NamedTuple):
    """The keys of a route after `after` (exclusive) and up to `upto` (inclusive), in the order of UTF-8 bytes; None is
    unbounded."""

    route: str
    after: str | None = None
    upto: str | None = None

    def holds(self, key: str) -> bool:
        """Whether this relative key is one of the piece's."""
        return (self.after is None or key > self.after) and (self.upto is None or key <= self.upto)

    def holds_any(self, keys: Sequence[str]) -> bool:
        """Whether one of these relative keys, which are in order, is one of the piece's."""
        at = 0 if self.after is None else bisect_right(keys, self.after)
        return at < len(keys) and (self.upto is None or keys[at] <= self.upto)

    def __str__(self) -> str:
        begins = "from the first key" if self.after is None else f"after {self.after!r}"
        return f'"{self.route}" {begins} to {"the last" if self.upto is None else repr(self.upto)}'


def in_order(pieces: Iterable[Piece]) -> list[Piece]:
    """By route and key."""
    return sorted(pieces, key=_begin_of)


def _begin_of(piece: Piece) -> tuple[str, bool, str]:
    return piece.route, piece.after is not None, piece.after or ""


def tile(pieces: Iterable[Piece]) -> bool:
    """Whether these pieces of one route hold every key there can be, each exactly once."""
    ordered = in_order(pieces)
    if not ordered or ordered[0].after is not None or ordered[-1].upto is not None:
        return False
    ends = all(left.upto is not None and left.upto == right.after for left, right in pairwise(ordered))
    return ends and all(piece.after is None or piece.upto is None or piece.after < piece.upto for piece in ordered)


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same keys in as few pieces as they need, in order. No two of the pieces may overlap."""
    found: list[Piece] = []
    for piece in in_order(pieces):
        last = found[-1] if found else None
        if last is not None and last.route == piece.route and last.upto is not None and last.upto == piece.after:
            found[-1] = last._replace(upto=piece.upto)
        else:
            found.append(piece)
    return found


def without(pieces: Iterable[Piece], rest: Iterable[Piece]) -> list[Piece]:
    """What is kept of the pieces when `rest`, which lies in them, is handed over."""
    kept = []
    for piece in pieces:
        after = piece.after
        ended = False
        for gone in (item for item in in_order(rest) if lies_in(item, piece)):
            if gone.after is not None and gone.after != after:
                kept.append(Piece(piece.route, after, gone.after))
            after, ended = gone.upto, gone.upto == piece.upto
        if not ended:
            kept.append(Piece(piece.route, after, piece.upto))
    return joined(kept)


def lies_in(inner: Piece, outer: Piece) -> bool:
    """Whether the outer piece holds every key of the inner one."""
    if inner.route != outer.route:
        return False
    begins = outer.after is None or (inner.after is not None and inner.after >= outer.after)
    return begins and (outer.upto is None or (inner.upto is not None and inner.upto <= outer.upto))


def cut(piece: Piece, points: Iterable[str]) -> list[Piece]:
    """A piece in several, each ending at one of these keys of its own, which need not be there."""
    ends: list[str | None] = [*sorted(set(points)), piece.upto]
    return [Piece(piece.route, after, upto) for after, upto in zip([piece.after, *ends], ends, strict=False)]


def shared_out(pieces: Sequence[Piece], shards: int) -> list[tuple[Piece, ...]]:
    """The pieces as at most so many shards of about as many neighbouring pieces each: small routes come together."""
    count = max(1, min(shards, len(pieces)))
    bounds = [len(pieces) * at // count for at in range(count + 1)]
    return [tuple(pieces[first:end]) for first, end in pairwise(bounds)]


def far_apart(shards: Sequence[Shard], slots: int) -> list[Shard]:
    """Shards in the order of keys, in that in which so many at once are best begun: each as far from the others as can
    be, because S3 counts by ranges of keys."""
    stride = max(1, -(-len(shards) // max(1, slots)))
    return [shard for first in range(stride) for shard in shards[first::stride]]


class Atlas:
    """Which shard has which keys, of pieces that do not overlap."""

    def __init__(self, shards: Mapping[int, Iterable[Piece]]) -> None:
        self._by_route: dict[str, list[tuple[Piece, int]]] = {}
        for number, pieces in shards.items():
            for piece in pieces:
                self._by_route.setdefault(piece.route, []).append((piece, number))
        for route, found in self._by_route.items():
            found.sort(key=lambda item: _begin_of(item[0]))
            for (left, one), (right, other) in pairwise(found):
                if left.upto is None or (right.after or "") < left.upto:
                    raise ValueError(f'shards {one} and {other} both have keys of "{route}"')
        self._ends = {
            route: [piece.upto for piece, _ in found if piece.upto is not None]
            for route, found in self._by_route.items()
        }

    def shard_of(self, route: str, key: str) -> int:
        """Whose this relative key is. Raises LookupError for a key that no shard has."""
        found = self._by_route.get(route, [])
        at = bisect_left(self._ends.get(route, []), key)
        if at == len(found) or not found[at][0].holds(key):
            raise LookupError(f'no shard has {key!r} of "{route}"')
        return found[at][1]

    def within(self, route: str, after: str | None = None, upto: str | None = None) -> list[tuple[Piece, int]]:
        """What of a route's pieces lies after `after` and up to `upto`, in key order, each with its shard."""
        met = []
        for piece, number in self._by_route.get(route, []):
            if upto is not None and piece.after is not None and piece.after >= upto:
                break
            if after is not None and piece.upto is not None and piece.upto <= after:
                continue
            first = piece.after if after is None or (piece.after is not None and piece.after > after) else after
            last = piece.upto if upto is None or (piece.upto is not None and piece.upto < upto) else upto
            met.append((Piece(route, first, last), number))
        return met
