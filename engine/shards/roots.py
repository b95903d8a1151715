"""Where a plan is cut into shards before anything of it was carried: by the probing that cuts listings.

A few pages are asked for at guessed keys (`engine.plan.ranges`), and the widest range is cut until there are enough.
The guesses may be bad: a shard that turns out too large hands its rest over, one that is small is soon done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.at_once import each
from engine.listing.key_lists import ListedKeys
from engine.listing.lister import KeyRange, Lister
from engine.listing.ranges import GUESSES, SAMPLE_EVERY
from engine.model import Page
from engine.plan.ranges import Reach, breadth, planned_cuts, split_points, widened
from engine.plan.shards import Piece, cut

PAGES_FURTHER = 8
"""So many pages of a range are read where one page shows nowhere to cut it: the next may begin another folder."""


@dataclass(slots=True)
class _Root:
    """A range with the page of it that was read last, its `pages`-th. No key of it lies beyond `source_upto`."""

    first: str
    last: str
    upto: str | None
    source_upto: str | None
    pages: int = 1


async def finer(pieces: Sequence[Piece], listers: Mapping[str, Lister], wanted: int) -> list[Piece]:
    """The same keys in `wanted` pieces or a few more, where there are keys enough; of a route without a lister as they
    are. Raises what listing raises."""
    share = max(1, wanted // max(1, len(pieces)))

    async def probe(piece: Piece) -> list[Piece]:
        lister = listers.get(piece.route)
        if lister is None or share == 1:
            return [piece]
        if isinstance(lister, ListedKeys):
            return cut(piece, await lister.cuts(KeyRange(piece.after, piece.upto), share))
        return cut(piece, await _points(lister, piece, share)) if lister.divisible else [piece]

    return [part for parts in await each(pieces, probe) for part in parts]


async def _points(lister: Lister, piece: Piece, wanted: int) -> list[str]:
    """`wanted` - 1 keys or a few more at which the piece is cut, as far as it has keys."""
    at = len(lister.location.key)
    alphabet = ""
    points: list[str] = []
    page = await lister.page_after(piece.after or "")
    roots = _rooted(page, at, piece.upto, piece.upto)
    while roots and len(points) + 1 < wanted:
        roots.sort(key=lambda root: breadth(root.last, root.source_upto))
        root = roots.pop()
        alphabet = widened(alphabet, [root.first, root.last, *(item.key[at:] for item in page.objects[::SAMPLE_EVERY])])
        guesses = split_points(root.first, root.last, root.source_upto, alphabet, GUESSES, lister.location.key)
        pages = await each(guesses, lister.page_after)
        firsts = [item.objects[0].key[at:] if item.objects else None for item in pages]
        cuts = planned_cuts(guesses, firsts, Reach(root.last, root.upto, root.source_upto))
        if cuts is None:
            return []  # it is read by one
        upto, source_upto = root.upto, cuts.source_upto
        for point in cuts.points:
            page = pages[guesses.index(point)]
            roots += _rooted(page, at, upto, source_upto)
            points.append(point)
            upto = source_upto = point
        if cuts.points or cuts.source_upto != root.source_upto:
            roots.append(replace(root, upto=upto, source_upto=source_upto))
        elif root.pages < PAGES_FURTHER:  # nothing is known of it that was not before
            page = await lister.page_after(root.last)
            roots += _rooted(page, at, upto, source_upto, root.pages + 1)
    return points


def _rooted(page: Page, at: int, upto: str | None, source_upto: str | None, pages: int = 1) -> list[_Root]:
    """The range that goes on with this page; none where it ends with the page."""
    keys = [item.key[at:] for item in page.objects]
    if not keys or page.next_token is None or (upto is not None and keys[-1] >= upto):
        return []
    return [_Root(keys[0], keys[-1], upto, source_upto, pages)]
