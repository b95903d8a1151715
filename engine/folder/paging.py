"""Pages of folders' listings: a walk is kept between two of its pages, and begun anew where it was not."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import replace

from engine.errors import Rejected
from engine.folder.leftovers import Leftovers
from engine.folder.roots import Root
from engine.folder.walking import Manner, Position, Shut, Spared, Walk
from engine.model import Page
from engine.store import ListPage

WALKS_HELD = 32
"""Listings that are remembered between two of their pages. One that was forgotten is begun anew where it was."""

_TOKEN = re.compile(r"([0-9]{1,12}) (after|after-all):(.*)", re.DOTALL).fullmatch
"""A page's token: how many pages there were, and where the next one begins. The number tells one from the last where a
page held nothing but what is no object."""


class Walks:
    """The listings that are under way. May be used by several threads."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._targets: dict[str, Leftovers] = {}
        self._left_out: dict[str, list[Spared]] = {}
        self._held: OrderedDict[tuple[str, str, str, str], Walk] = OrderedDict()
        self._lock = threading.Lock()

    def is_target(self, bucket: str) -> None:
        """Of this folder every directory is shown as a marker, also one that something is in; and what its listings
        meet of unfinished files is kept."""
        self._targets.setdefault(bucket, Leftovers())

    def leaves_out(self, bucket: str, spared: Spared) -> None:
        """Of a folder that routes lead to or come from, for each of them: what it asks nothing of."""
        self._left_out.setdefault(bucket, []).append(spared)

    def leftovers(self, bucket: str) -> Leftovers:
        """What the listings of a target met until now of files that were not finished."""
        return self._targets.get(bucket, Leftovers())

    def page(self, root: Root, request: ListPage, shut: Shut | None = None) -> Page:
        """The page that is asked for; `shut` as for a `Walk`. Raises `Rejected` for a token that is none of ours, and
        what a `Walk` raises."""
        position = _position_of(request)
        listing = (request.bucket, request.prefix, request.delimiter)
        with self._lock:
            walk = self._held.pop((*listing, request.token), None) if request.token is not None else None
        if walk is None:
            leftovers = self._targets.get(request.bucket)
            manner = replace(self._manner, markers="all") if leftovers is not None else self._manner
            routes = self._left_out.get(request.bucket)
            walk = Walk(
                root,
                manner,
                request.prefix,
                position,
                delimiter=request.delimiter,
                leftovers=leftovers,
                shut=shut,
                spared=(lambda key: all(spared(key) for spared in routes)) if routes else None,
            )
        found = walk.take(request.max_keys)
        token = None if found.ended else token_of(walk.position, request.token)
        if token is not None:
            self._keep((*listing, token), walk)
        return Page(found.objects, token, tuple(found.prefixes), tuple(found.unlisted))

    def _keep(self, place: tuple[str, str, str, str], walk: Walk) -> None:
        with self._lock:
            self._held[place] = walk
            forgotten = [self._held.popitem(last=False)[1] for _ in range(len(self._held) - WALKS_HELD)]
        for old in forgotten:
            old.close()

    def close(self) -> None:
        """Forget all of them."""
        with self._lock:
            for walk in self._held.values():
                walk.close()
            self._held.clear()


def token_of(position: Position, before: str | None) -> str:
    """The token of a page that ends at `position`; `before` is that of the page before it."""
    found = _TOKEN(before or "")
    number = int(found[1]) + 1 if found else 1
    return f"{number} {'after-all' if position.whole else 'after'}:{position.key}"


def _position_of(request: ListPage) -> Position:
    if request.token is None:
        return Position(request.start_after)
    found = _TOKEN(request.token)
    if found is None:
        said = "this is no token of a folder's listing"
        raise Rejected(said, operation=request.operation, ref=request.bucket, code="InvalidArgument")
    return Position(found[3], found[2] == "after-all")
