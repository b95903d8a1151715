"""Where a route's objects come from: one small protocol, and whoever reads a source asks it for nothing else.

A `Lister` gives objects in the order of their keys: what lies under a prefix now (`engine.listing.pages`), what a list
of keys or an S3 Inventory names (`engine.listing.key_lists`). `engine.listing.sources` says which one is a route's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from engine.listing.unlisted import UnlistedThings
from engine.model import ListedObject, Location, Page

Feed = tuple[list[ListedObject], bool]
"""One page's objects, and whether it is the last."""


@dataclass(slots=True)
class KeyRange:
    """A half-open interval of relative keys, `after` exclusive to `upto` inclusive; None is unbounded. `upto` may be
    lowered while the range is being read (`Join.shrink`), when another takes over its end."""

    after: str | None = None
    upto: str | None = None


class Lister(Protocol):
    """Gives the objects of `location` in the order of their keys' UTF-8 bytes.

    `divisible`: several ranges of it may be read side by side, which is worth while where each page costs an answer's
    time. `unlisted`: what its pages met until now that lies there and cannot be an object; nothing is to be concluded
    from its absence, nor from that of what would lie below it."""

    @property
    def location(self) -> Location: ...
    @property
    def divisible(self) -> bool: ...
    @property
    def unlisted(self) -> UnlistedThings: ...

    def pages(self, keys: KeyRange, first: Page | None = None) -> AsyncIterator[Feed]:
        """The pages of `keys`, each with whether it is the last; objects beyond its end may come with the last one.
        `first` is a first page that was read already. Raises what reading raises, which is never a listing's end."""
        ...

    async def page_after(self, relative: str) -> Page:
        """One page of what comes after a relative key: where a range may be cut."""
        ...
