"""What one command listed, kept on disk for the one that follows upon a person's answer.

A run at a terminal first shows what it would do, which takes listings of both sides; what it then does rests on the
same listings, and not on second ones. That is as safe as any listing, which is old by the time its last page is there:
what has changed since is met by the conditions that every request bears. Local folders are walked anew.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import anyio
import anyio.to_thread
import msgspec

from engine.listing.key_lists import ListedKeys
from engine.listing.key_rows import KeyRow
from engine.listing.lister import Feed, KeyRange, Lister
from engine.listing.sorted_keys import KeySorter, PagesOnDisk, SortedKeys
from engine.model import UNKNOWN_SIZE, ListedObject, OpaqueEtag, Page
from engine.plan.join import Side

ENDING = ".listed"


@dataclass(frozen=True, slots=True)
class KeptListings:
    """Where the listings of one survey are; each is there only if it reached its end. Within an hour they have to be
    used: the command that comes later lists anew, and removes them. `lists` are the digests of what the routes' lists
    say, by route: of a list that was changed since nothing is kept."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    lists: tuple[tuple[str, str], ...] = ()

    @classmethod
    def beside(cls, ledger: Path) -> Self:
        """Of a plan with this ledger."""
        return cls(ledger.with_name(f"{ledger.name}.lists"))

    def of_lists(self, lists: tuple[tuple[str, str], ...]) -> Self:
        """The same, of routes whose lists say this now."""
        return replace(self, lists=lists)

    def path(self, route: str, side: Side) -> Path:
        """Where one side of a route is."""
        said = dict(self.lists).get(route, "") if side is Side.SOURCE else ""
        name = hashlib.sha256(f"{route}\0{said}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return self.folder / f"{self.token}-{name}-{side.name.lower()}{ENDING}"

    def remove(self) -> None:
        """Remove them, whether they were used or not."""
        for path in self.folder.glob(f"{self.token}-*"):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # there are lists in it, or it never was
            self.folder.rmdir()


class Keeping:
    """A lister that keeps what it gives."""

    def __init__(self, lister: Lister, path: Path) -> None:
        self.location = lister.location
        self.divisible = lister.divisible
        self.unlisted = lister.unlisted
        self._lister = lister
        self._path = path
        self._lock = anyio.Lock()
        self._sorter: KeySorter | None = None
        self._is_doubted = False

    async def pages(self, keys: KeyRange, first: Page | None = None) -> AsyncIterator[Feed]:
        async for objects, last in self._lister.pages(keys, first):
            self._is_doubted = self._is_doubted or any(type(item.etag) is OpaqueEtag for item in objects)
            await self._add([KeyRow(*msgspec.structs.astuple(item)) for item in objects])
            yield objects, last

    async def page_after(self, relative: str) -> Page:
        return await self._lister.page_after(relative)

    async def _add(self, rows: list[KeyRow]) -> None:
        async with self._lock:
            if self._sorter is None:
                self._sorter = await anyio.to_thread.run_sync(lambda: KeySorter(self._path.parent, scattered=True))
            await anyio.to_thread.run_sync(self._sorter.add, rows)

    async def done(self) -> None:
        """The listing reached its end. One that met what cannot be an object is not kept, nor one with an ETag that
        proves nothing: that it does not is no part of its text."""
        if isinstance(self._lister, ListedKeys):
            await self._add([KeyRow(key) for key in sorted(self._lister.missing)])
        if self._sorter is not None and not self.unlisted.met and not self._is_doubted:
            await anyio.to_thread.run_sync(self._sorter.done, self._path.name)
            self._sorter = None

    def give_up(self) -> None:
        """Leave nothing behind."""
        if self._sorter is not None:
            self._sorter.give_up()


class Kept(PagesOnDisk):
    """What `Keeping` kept of a lister, in its place. Raises LookupError where it kept nothing."""

    def __init__(self, lister: Lister, path: Path) -> None:
        super().__init__(lister.location)
        self._rows = SortedKeys(path)
        self._missing = lister.missing if isinstance(lister, ListedKeys) else set()

    async def _page(self, after: str, upto: str | None, limit: int) -> Page:
        rows = await anyio.to_thread.run_sync(self._rows.after, after, limit, upto)
        self._missing.update(row.key for row in rows if row.size == UNKNOWN_SIZE)
        objects = [ListedObject(*row) for row in rows if row.size != UNKNOWN_SIZE]
        return Page(objects, rows[-1].key if len(rows) == limit else None)

    def close(self) -> None:
        self._rows.close()
