"""Pages of one key range, and the three-way join driven over them. The join itself is pure (`engine.plan.join`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from engine.errors import EngineError, ListingBroken, Rejected
from engine.events import Listener, ignore
from engine.listing.lister import Feed, KeyRange, Lister
from engine.listing.unlisted import UnlistedThings, aside_of
from engine.model import FilledDirectory, ListedObject, Location, Page
from engine.plan.join import Join, Joined, Side
from engine.plan.order import fault_of
from engine.plan.own import without_own
from engine.plan.record import Entry
from engine.store import ListPage, ObjectStore

PAGES_AHEAD = 1
"""Finished pages that may wait for the join, beside the one that is under way: a page's latency is hidden, and memory
stays flat."""

ENTRIES_A_READ = 1000
"""Ledger rows read at once: about a page."""

EMPTY_PAGES = 100_000
"""As many pages without anything in a row are no way past what was deleted: a page passes by thousands of that."""

ReadEntries = Callable[[str | None, str | None, int], Awaitable[list[Entry]]]
"""`(after, upto, limit)` → ledger rows in key order."""

EntriesOf = Callable[[str, str | None, str | None, int], Awaitable[list[Entry]]]
"""The same of any route, whose name is given first."""


class Prefix:
    """What is listed under a location now: everything under a prefix, or one exact key. `takes`: which relative keys
    are asked for; `tell` hears of each thing that cannot be an object. `restores`: it matters whether what is archived
    can be read."""

    def __init__(
        self,
        store: ObjectStore,
        location: Location,
        takes: Callable[[str], bool] | None = None,
        tell: Listener | None = None,
        *,
        restores: bool = True,
    ) -> None:
        self._store = store
        self._restores = restores
        self.location = location
        self.divisible = location.is_prefix and not location.is_local  # a folder is read in one walk
        self.unlisted = UnlistedThings(takes, tell)

    async def pages(self, keys: KeyRange, first: Page | None = None) -> AsyncIterator[Feed]:
        """A location of one exact key gives that key or nothing. Raises `ListingBroken` where a page repeats its token,
        begins with what came before it, or is not in order: nothing is taken from a page before all of it was looked
        at."""
        location = self.location
        if not location.is_prefix:
            page = await self._store.list_page(ListPage(location.bucket, location.key, max_keys=1))
            yield [item for item in page.objects if item.key == location.key], True
            return
        start_after = location.key + keys.after if keys.after is not None else ""
        token: str | None = None
        newest = start_after or None
        tokens = _Tokens(location)
        reading = self.unlisted.reading(keys.after)
        while True:
            try:
                page, first = first or await self._page(start_after, token), None
            except Rejected:
                # Some servers forget a token that is still gone on with: the newest key says as much.
                if token is None or newest is None or newest == start_after:
                    raise
                start_after, token = newest, None
                continue
            token = tokens.after(page)
            if page.unlisted:
                named = [(item.key.removeprefix(location.key), item) for item in page.unlisted]
                self.unlisted.add(reading, [item for item in named if keys.upto is None or item[0] <= keys.upto])
            if page.objects:
                if fault := fault_of([item.key for item in page.objects], location.key, newest):
                    raise broken(location, fault)
                newest = page.objects[-1].key
            last = token is None or _goes_beyond(page, location, keys)  # the join drops what lies beyond
            yield page.objects, last
            if last or _goes_beyond(page, location, keys):  # the range may have shrunk meanwhile
                return

    async def page_after(self, relative: str) -> Page:
        page = await self._page(self.location.key + relative)
        if fault := fault_of([item.key for item in page.objects], self.location.key):
            raise broken(self.location, fault)
        return page

    async def _page(self, start_after: str, token: str | None = None) -> Page:
        location, restores = self.location, self._restores
        return await self._store.list_page(
            ListPage(location.bucket, location.key, start_after, token, restore_status=restores)
        )


async def level_of(store: ObjectStore, location: Location, tell: Listener = ignore) -> AsyncIterator[Page]:
    """The pages of what lies directly under a prefix: objects, and the prefixes of the next level; `tell` hears
    of each thing there that cannot be an object. Raises `ListingBroken` as `Prefix.pages`."""
    token: str | None = None
    tokens = _Tokens(location)
    start_after = newest = ""
    while True:
        try:
            page = await store.list_page(ListPage(location.bucket, location.key, start_after, token, delimiter="/"))
        except Rejected:
            if token is None or newest == start_after:
                raise
            start_after, token = newest, None  # as `Prefix.pages`
            continue
        if page.common_prefixes[:1] == (start_after,):  # what lies under it comes after its name
            page = page._replace(common_prefixes=page.common_prefixes[1:])
        token = tokens.after(page)
        for names in (list(page.common_prefixes), [item.key for item in page.objects]):
            if fault := fault_of(names, location.key, newest):
                raise broken(location, fault)
        for thing in page.unlisted:
            tell(aside_of("", thing.key.removeprefix(location.key), thing))
        newest = max([*page.common_prefixes[-1:], *(item.key for item in page.objects[-1:]), newest])
        yield page
        if token is None:
            return


class _Tokens:
    """The tokens that a listing went on with since a page had something in it. Pages without anything are S3's way past
    what was deleted: many may follow each other, but none leads back."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._had: set[str] = set()

    def after(self, page: Page) -> str | None:
        """What to go on with after this page. Raises `ListingBroken` for what was gone on with already, or leads to no
        end."""
        token = page.next_token
        if token in self._had:
            raise broken(self._location, "it repeats its continuation token")
        if page.objects or page.common_prefixes or page.unlisted:
            self._had.clear()
        if token is not None:
            self._had.add(token)
            if len(self._had) > EMPTY_PAGES:
                raise broken(self._location, f"{EMPTY_PAGES:,} pages without anything follow each other")
        return token


def broken(location: Location, why: str) -> ListingBroken:
    """The error for a listing that is none: it has no end, or not S3's order."""
    if location.is_local:
        advice = "Its file system gave a name more than once; nothing was concluded from it. Run the command again."
    else:
        advice = (
            "This server does not list as S3's general-purpose buckets do, to an end and in the order of UTF-8 bytes; "
            "nothing was concluded from it."
        )
    return ListingBroken(
        f"the listing of {location} cannot be used: {why}",
        operation="ListObjectsV2",
        ref=str(location),
        code="ListingBroken",
        advice=advice,
    )


def _goes_beyond(page: Page, location: Location, keys: KeyRange) -> bool:
    return keys.upto is not None and bool(page.objects) and page.objects[-1].key > location.key + keys.upto


class PageReader:
    """A lister's pages in a task of its own, at most `ahead` finished pages before whoever receives them.

    An error of the listing reaches the receiver as itself, after the pages before it. The task ends with the listing,
    or with `group`. `newest` is the newest page that has objects, received or not; `ended`: no other will come."""

    def __init__(
        self, group: TaskGroup, lister: Lister, keys: KeyRange, ahead: int = PAGES_AHEAD, first: Page | None = None
    ) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[Feed](ahead)
        self._error: EngineError | None = None
        self._cancelled = False
        self.newest: list[ListedObject] = first.objects if first is not None else []
        self.ended = False
        group.start_soon(self._fetch, lister.pages(keys, first))

    async def _fetch(self, pages: AsyncIterator[Feed]) -> None:
        with self._send:
            try:
                async for page in pages:
                    self.newest = page[0] or self.newest
                    self.ended = page[1]
                    await self._send.send(page)
            except EngineError as error:
                self._error = error
            except anyio.BrokenResourceError:
                return  # the receiver has enough
            except anyio.get_cancelled_exc_class():
                self._cancelled = True
                raise

    async def receive(self) -> Feed:
        """The next page and whether it is the last. Raises what the listing raised."""
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            if self._error is not None:
                raise self._error from None
            if self._cancelled:
                await anyio.sleep_forever()  # the receiver is in the same group: its own cancellation is on the way
            raise

    def close(self) -> None:
        """Want no more pages."""
        self._receive.close()


class RangeJoin:
    """Everything known of each key of one range, in batches of about a page.

    `sources` reads the source's range, and is under way. `target` None stands for an empty target, `read_entries` None
    for an empty ledger. `is_route`: not a plain listing, also where there is no target. An error while listing is
    raised and is never the listing's end."""

    def __init__(
        self,
        group: TaskGroup,
        source: Lister,
        target: Lister | None,
        read_entries: ReadEntries | None,
        keys: KeyRange,
        sources: PageReader,
        *,
        is_route: bool,
    ) -> None:
        self._is_route = is_route
        self._unlisted = source.unlisted
        is_local = source.location.is_local or (target is not None and target.location.is_local)
        self._has_folder = is_local and source.location.is_prefix
        self._target_key = target.location.key if target is not None else ""
        self.join = Join(source.location.key, self._target_key, after=keys.after, upto=keys.upto)
        self.keys = keys
        self.sources = sources
        self._targets = PageReader(group, target, keys) if target is not None else None
        self._read_entries = read_entries
        self.reads_ledger = False
        if target is None:
            self.join.feed(Side.TARGET, [], last=True)
        if read_entries is None:
            self.join.feed(Side.LEDGER, [], last=True)

    async def next_rows(self) -> list[Joined] | None:
        """The next rows in key order; None when the range has ended."""
        while True:
            rows = self.join.take()
            if rows and self._has_folder:
                rows = [row for row in rows if (row.source and row.key) or row.entry or not _is_directory(row)]
            if rows and self._unlisted.met:  # what is not listed is not gone
                rows = [row for row in rows if row.source is not None or not self._unlisted.covers(row.key)]
            if rows:
                return rows
            if self.join.done:
                self.close()
                return None
            await self._feed(self.join.wants)

    async def _feed(self, side: Side | None) -> None:
        if side is Side.LEDGER and self._read_entries is not None:
            after = self.join.sides[Side.LEDGER].frontier
            self.reads_ledger = True
            entries = await self._read_entries(
                after if after is not None else self.keys.after, self.join.upto, ENTRIES_A_READ
            )
            self.reads_ledger = False
            self.join.feed(Side.LEDGER, entries, last=len(entries) < ENTRIES_A_READ)
        elif side is Side.SOURCE:
            self._feed_page(side, *await self.sources.receive())
        elif side is Side.TARGET and self._targets is not None:
            self._feed_page(side, *await self._targets.receive())

    def _feed_page(self, side: Side, objects: list[ListedObject], last: bool) -> None:
        """All of a page tells how far a listing has come. What is the engine's own is taken out only then: no route
        takes it along; of a plain listing only claims are no part."""
        self.join.feed(side, objects, last=last)
        others = without_own(objects, probes=self._is_route)
        if others is not objects:
            self.join.leave_out(side, {item.key for item in objects}.difference(item.key for item in others))

    def target_ends_before(self, key: str) -> bool:
        """Whether the target's listing has come to its end without a key after `key`: none need be asked for."""
        targets = self._targets
        if targets is None:
            return True
        return targets.ended and (not targets.newest or targets.newest[-1].key <= self._target_key + key)

    def hand_over(self, after: str) -> None:
        """Leave everything after `after` to another range. What was decided is not affected: `Join.shrink`."""
        self.join.shrink(after)
        self.keys.upto = after

    def close(self) -> None:
        """Stop reading ahead."""
        self.sources.close()
        if self._targets is not None:
            self._targets.close()


def _is_directory(row: Joined) -> bool:
    """Whether it is a directory that is no object: one with something in it, which the source has no marker of; or the
    folder itself, whose marker on the other side (as consoles make one) stands for what is there anyhow."""
    if not row.key:
        return not any(item.size for item in (row.source, row.target) if item is not None)
    return row.source is None and isinstance(row.target, FilledDirectory)
