"""One route's three-way join, read by as many key ranges at once as it takes to keep its receiver busy.

It begins with a single range. Whenever the receiver has to wait, the widest range is cut: list pages are asked for at a
few guessed keys (`engine.plan.ranges`); where one finds keys, that page is the first of a new range, which takes over
the rest of the old one, source and target alike. So a thousand keys cost no extra call, a million are read by many
ranges within a second, and a run whose copies are slower than its listing stays with few.

Order is looked at inside a page, from page to page, and where two ranges meet: what the one saw first beyond its end
has to be what the other began with. So no key is left out unseen by a server that lists in another order than S3's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from engine.at_once import each
from engine.errors import one_error
from engine.events import Listener, ignore
from engine.listing.lister import KeyRange, Lister
from engine.listing.pages import PageReader, Prefix, RangeJoin, ReadEntries, broken
from engine.listing.sorted_keys import PagesOnDisk
from engine.listing.unlisted import UnlistedThings
from engine.model import ListedObject, Location, Page
from engine.plan.join import Joined, Side
from engine.plan.ranges import Reach, breadth, planned_cuts, split_points, widened
from engine.store import ObjectStore

MOST_RANGES = 32
"""Ranges at once. At 200 ms a page, 32 of them read what one core can join; each holds four pages at most, a page of a
thousand objects is half a megabyte."""

GUESSES = 8
"""Pages asked for to cut one range."""

PATIENCE_S = 0.003
"""How long the receiver waits before it wants more ranges: less than a list page takes anywhere but on loopback."""

BUSY_S = 0.0015
"""A timer that comes later than this says that the event loop has enough to do."""

TRIALS = 3
"""How often two ranges have to miss each other at the same key before the server is called one that lists out of order.
"""

MOST_QUESTIONS = 30
"""How often they are asked at all, where others write or delete just there all the while."""

SAMPLE_EVERY = 24
"""Every so many keys of a page tell which characters keys are made of."""


class _Seen(NamedTuple):
    """What a range saw of one side at its end: its own last key, and the first beyond; None for the end of all."""

    newest: str | None
    beyond: str | None


class Batch(NamedTuple):
    """Rows of one range, in key order: everything that is known of the keys after `after` and up to `upto`."""

    rows: list[Joined]
    after: str | None
    upto: str | None


@dataclass(slots=True, eq=False)
class _Seam:
    """Where one range ends, `at` a key that need not be there, and the next begins: what the two saw there, of each
    side, once they have ended. `outer`: the next is not of this join, and what it begins with has to be asked for. The
    range that ends here handed on what it has up to `read_upto`."""

    at: str
    outer: bool = False
    read_upto: str | None = None
    before: dict[Side, _Seen] | None = None
    after: dict[Side, str | None] | None = None


@dataclass(slots=True, eq=False)
class _Range:
    """One range under way, between its seams (None: an end of the whole). No key of the source lies between
    `source_upto` and the range's end."""

    join: RangeJoin
    source_upto: str | None
    begins: _Seam | None = None
    ends: _Seam | None = None
    read_upto: str | None = None  # the last key handed on, or where it began
    cutting: bool = False
    uncut: list[ListedObject] | None = None  # its newest page when nothing to cut was seen


class RouteJoin:
    """Everything known of each key of a range (of all, unless given) under two locations, in batches of about a page;
    each batch is in key order, and holds no key of another. The batches of a listing that came to its end cover the
    whole range.

    `target` None stands for an empty target, `read_entries` None for an empty ledger. `is_route` False: it is a plain
    listing, and no route's. Errors of the listings end `group`."""

    def __init__(
        self,
        group: TaskGroup,
        source: Lister,
        target: Lister | None,
        read_entries: ReadEntries | None,
        keys: KeyRange | None = None,
        *,
        is_route: bool = True,
        most_ranges: int = MOST_RANGES,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._is_route = is_route
        self._source = source
        self._target = target
        self._read_entries = read_entries
        self._keys = replace(keys) if keys is not None else KeyRange()  # of its own: it shrinks where it is cut
        self._patience_s = patience_s
        self._most = most_ranges if source.divisible else 1
        self._cut_at = len(source.location.key)
        self._sides = {Side.SOURCE: source, **({Side.TARGET: target} if target is not None else {})}
        self._send, self._receive = anyio.create_memory_object_stream[Batch](1)
        self._tasks = anyio.create_task_group()
        self._ranges: list[_Range] = []
        self._probing = 0
        self._alphabet = ""
        self._waiting = 0
        self._since_s = self._due_s = 0.0
        self._closed = False
        self._ending = False
        self.rest: list[KeyRange] = []
        """What was left unread after `end_early`."""
        group.start_soon(self._run)

    async def next_rows(self) -> list[Joined] | None:
        """The next rows, of whichever range has some; None when every range has ended, or after `close`. May be awaited
        by several at once."""
        while (batch := await self.next_batch()) is not None:
            if batch.rows:
                return batch.rows
        return None

    async def next_batch(self) -> Batch | None:
        """As `next_rows`, with what they cover. What was seen to hold nothing more is a batch without rows: the end of
        a range, once what it saw there is known to meet what the next one began with."""
        try:
            return self._receive.receive_nowait()
        except anyio.WouldBlock:
            pass
        except anyio.EndOfStream:
            return None
        self._wait_patiently()
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            return None
        finally:
            self._waiting -= 1

    @property
    def unlisted(self) -> list[UnlistedThings]:
        """What each side's pages met until now that cannot be an object; the source's first."""
        return [lister.unlisted for lister in self._sides.values()]

    def judged(self, rows: list[Joined]) -> list[Joined]:
        """Without the rows whose place in the target is taken by what cannot be an object, or lies below such a thing:
        of it that is said, and it is neither missing nor another."""
        there = self._target.unlisted if self._target is not None else None
        return [row for row in rows if not there.covers(row.key)] if there is not None and there.met else rows

    def end_early(self) -> None:
        """Read no further than what is on its way: the batches that `next_rows` still gives are the last, and what
        lies beyond them is in `rest` then."""
        self._ending = True

    def close(self) -> None:
        """Stop reading; batches that wait are dropped."""
        self._closed = True
        self._tasks.cancel_scope.cancel()

    # --- reading --------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Read all ranges to their end. After an error nobody may take the stream's end for the listing's: it is
        closed only where every range has ended."""
        if self._closed:
            self._send.close()
            return
        try:
            async with self._tasks:
                pages = PageReader(self._tasks, self._source, self._keys)
                whole = self._begin(self._keys, self._keys.upto, self._target, pages)
                after, upto = self._keys.after, self._keys.upto
                if upto is not None and (after is None or after < upto):
                    whole.ends = _Seam(upto, outer=True)
        finally:
            self._closed = True
        self._send.close()

    def _begin(self, keys: KeyRange, source_upto: str | None, target: Lister | None, pages: PageReader) -> _Range:
        join = RangeJoin(self._tasks, self._source, target, self._read_entries, keys, pages, is_route=self._is_route)
        item = _Range(join, source_upto, read_upto=keys.after)
        self._ranges.append(item)
        self._tasks.start_soon(self._drive, item)
        return item

    async def _drive(self, item: _Range) -> None:
        while (rows := None if self._ending else await item.join.next_rows()) is not None:
            await self._send.send(Batch(rows, item.read_upto, rows[-1].key))
            item.read_upto = rows[-1].key
        self._ranges.remove(item)
        join = item.join.join
        if self._ending and not join.done:
            item.join.close()
            if item.read_upto is None or item.read_upto != join.upto:
                self.rest.append(KeyRange(item.read_upto, join.upto))
            if item.begins is not None:
                item.begins.outer = True  # perhaps nothing was read of what comes after it
                await self._close_seam(item.begins)
            return  # whoever reads the rest goes on after a key that was shown here
        if item.begins is not None:
            item.begins.after = {side: join.sides[side].first for side in self._sides}
            await self._close_seam(item.begins)
        if item.ends is None:
            await self._send.send(Batch([], item.read_upto, join.upto))
        else:
            item.ends.read_upto = item.read_upto
            item.ends.before = {at: _Seen(join.sides[at].newest, join.sides[at].beyond) for at in self._sides}
            await self._close_seam(item.ends)

    # --- order from range to range --------------------------------------------------------------------------

    async def _close_seam(self, seam: _Seam) -> None:
        """Once the ranges on both sides of it have ended: raise `ListingBroken` where a key may lie between them.

        Each was in order by itself. Where the one saw first, beyond its end, what the other began with, the two are one
        listing without a gap, whatever order the server lists in; and then it is in order, for both are. Else somebody
        wrote or deleted there meanwhile, or the server lists in another order and has left out what lies between."""
        if seam.before is None or (seam.after is None and not seam.outer):
            return
        for side, lister in self._sides.items():
            if isinstance(lister, PagesOnDisk):
                continue  # its order is SQLite's, and it shows nothing beyond a range
            seen = seam.before[side]
            same = seam.after is not None and seen.beyond == seam.after[side]
            if not same and not await meets(lister, seen.newest, seam.at):
                raise broken(
                    lister.location, f"from {seam.at!r} on it shows other keys than after the key before that one"
                )
        if seam.read_upto != seam.at:
            await self._send.send(Batch([], seam.read_upto, seam.at))

    # --- cutting --------------------------------------------------------------------------------------------

    def _wait_patiently(self) -> None:
        """The receiver waits: want more ranges if it still does after a while."""
        self._waiting += 1
        self._since_s = time.monotonic()
        if self._due_s == 0.0:
            self._set_alarm(self._since_s)

    def _set_alarm(self, now: float) -> None:
        self._due_s = now + self._patience_s
        asyncio.get_running_loop().call_later(self._patience_s, self._on_alarm)

    def _on_alarm(self) -> None:
        now = time.monotonic()
        busy = now > self._due_s + BUSY_S  # the event loop: more pages at once would only wait in line
        self._due_s = 0.0
        if not self._waiting or self._closed or self._ending or self._tasks.cancel_scope.cancel_called:
            return  # what was begun now would keep an error from ending the ranges
        if busy or now < self._since_s + 0.9 * self._patience_s or any(item.join.reads_ledger for item in self._ranges):
            self._set_alarm(now)
        else:
            self._cut_widest()
            self._set_alarm(now)

    def _cut_widest(self) -> None:
        """Cut the range that has most of the key space before it."""
        room = self._most - len(self._ranges) - self._probing
        if room <= 0:
            return
        cut = self._cut_at
        able = [item for item in self._ranges if item.join.sources.newest and not self._cannot_be_cut(item)]
        able.sort(key=lambda item: breadth(item.join.sources.newest[-1].key[cut:], item.source_upto), reverse=True)
        guesses = min(room, GUESSES)
        for item in able:
            page = item.join.sources.newest
            self._alphabet = widened(self._alphabet, [listed.key[cut:] for listed in page[::SAMPLE_EVERY]])
            first, last = page[0].key[cut:], page[-1].key[cut:]
            prefix = self._source.location.key
            points = split_points(first, last, item.source_upto, self._alphabet, guesses, prefix)
            if points:
                item.cutting = True
                self._probing += len(points)
                self._tasks.start_soon(self._probe, item, points)
                return
            item.uncut = page

    def _cannot_be_cut(self, item: _Range) -> bool:
        """Being cut already, with no page of the source to come, or with nothing to cut since its newest."""
        return item.cutting or item.join.sources.ended or item.uncut is item.join.sources.newest

    async def _probe(self, item: _Range, points: list[str]) -> None:
        """Ask for a page at each point, and cut where keys were found."""
        try:
            found = await each(points, self._source.page_after)
        finally:
            item.cutting = False
            self._probing -= len(points)
        self._cut(item, points, dict(zip(points, found, strict=True)))

    def _cut(self, item: _Range, points: list[str], pages: dict[str, Page]) -> None:
        """Hand the parts of `item` that begin at `points` over to ranges of their own. All at once: nothing may be
        read in between."""
        reader = item.join.sources
        if item not in self._ranges or reader.ended:
            return  # it came to its end meanwhile, and covered all of it
        cut = self._cut_at
        firsts = [pages[point].objects[0].key[cut:] if pages[point].objects else None for point in points]
        reach = Reach(reader.newest[-1].key[cut:], item.join.keys.upto, item.source_upto)
        cuts = planned_cuts(points, firsts, reach)
        if cuts is None:
            self._most = 1  # from now on nothing is cut
            return
        item.source_upto = cuts.source_upto
        for point in cuts.points:
            self._hand_over(item, point, pages[point])

    def _hand_over(self, item: _Range, point: str, page: Page) -> None:
        """Give everything of `item` after `point` to a range of its own, whose first page is read already."""
        keys = KeyRange(point, item.join.keys.upto)
        reader = PageReader(self._tasks, self._source, keys, 0, page)
        target = None if item.join.target_ends_before(point) else self._target
        following = self._begin(keys, item.source_upto, target, reader)
        seam = _Seam(point)
        following.begins, following.ends, item.ends = seam, item.ends, seam
        item.join.hand_over(point)
        item.source_upto = point


async def meets(lister: Lister, newest: str | None, at: str) -> bool:
    """Whether what follows the key `newest` goes on beyond `at` with what a listing from `at` on shows: asked anew.

    What was written or deleted between two of the questions shows in the next ones: a no is that the same key, or the
    end, stayed there and was not shown."""
    witness: str | None = None
    same = 0
    for _ in range(MOST_QUESTIONS):
        there = next(iter(await _beyond(lister, KeyRange(newest, at), at)), None)
        same = same + 1 if there == witness else 1
        witness = there
        shown = await _beyond(lister, KeyRange(at), at)
        if there in shown or (there is None and not shown):
            return True
        if same >= TRIALS:
            return False
    return False


async def _beyond(lister: Lister, keys: KeyRange, at: str) -> list[str]:
    """The keys beyond `at` on the first page of `keys` that has any."""
    cut = len(lister.location.key)
    async for objects, _ in lister.pages(keys):
        if objects and objects[-1].key[cut:] > at:
            return [key for item in objects if (key := item.key[cut:]) > at]
    return []


# --- everything under one location ----------------------------------------------------------------------------------


@asynccontextmanager
async def listed_under(
    store: ObjectStore, location: Location, tell: Listener = ignore
) -> AsyncIterator[AsyncIterator[list[ListedObject]]]:
    """Batches of about a page; each is in key order, and holds no key of another. Reading ends with the context. `tell`
    hears of each thing there that cannot be an object, as an `ObjectAside`.

    Raises what the listing raises, which is never its end."""
    async with one_error(), anyio.create_task_group() as group:
        join = RouteJoin(group, Prefix(store, location, tell=tell), None, None, is_route=False)
        yield _batches(join)
        join.close()


async def _batches(join: RouteJoin) -> AsyncIterator[list[ListedObject]]:
    while (rows := await join.next_rows()) is not None:
        yield [row.source for row in rows if row.source is not None]
