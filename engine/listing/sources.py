"""Which lister is whose: a plan's routes, each with its own source of objects.

Two routes with one source are two listings where their lists differ, and no other listing ever meets a route's list.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from engine.errors import PlanError
from engine.events import ObjectAside
from engine.listing.inventory_join import InventoryJoin
from engine.listing.kept import Keeping, Kept, KeptListings
from engine.listing.key_lists import ListedKeys
from engine.listing.lister import KeyRange, Lister
from engine.listing.pages import EntriesOf, Prefix
from engine.listing.ranges import RouteJoin
from engine.listing.sorted_keys import remove_others
from engine.listing.unlisted import lost_of
from engine.plan.document import Plan
from engine.plan.join import Side
from engine.plan.route import Route
from engine.store import StoreOf

MISSING_NAMED = 10


class Sources:
    """Gives each route its lister. `lists` holds those that a file names the keys of, by route; every other route's
    source is what S3 lists under it.

    `now`: wanted is what stands there now. An inventory tells what stood there once, so that its route's source is
    listed like any other; the keys of a list are looked at one by one whenever it is read. Set before anything is
    listed, `keep` is where what is listed is kept, once `keep_all` says so, and `listed` what stands for listings that
    another command has just kept, as far as it goes."""

    def __init__(
        self, lists: Mapping[str, ListedKeys] | None = None, *, now: bool = False, kept_in: Path | None = None
    ) -> None:
        self.lists = lists or {}
        self._now = now
        self._kept_in = kept_in
        self.keep: KeptListings | None = None
        self._keeping: list[Keeping] = []
        self.listed: KeptListings | None = None
        self.was_read: set[str] = set()
        """The routes whose very inventories a run read to their end before."""
        self._kept: dict[Path, Kept] = {}

    def lister(self, store_of: StoreOf, route: Route) -> Lister:
        """Where the route's objects come from; a prefix is listed by the store of its site.

        Raises LookupError for a route with a list that was not opened: its prefix holds other objects."""
        if route.key_list is None or (self._now and route.key_list.kind == "inventory"):
            return Prefix(store_of(route.source), route.source, route.selection.takes_key)
        if route.name not in self.lists:
            raise LookupError(f"the list of route {route.name} was not opened")
        return self.lists[route.name]

    async def keep_all(self) -> None:
        """Every listing reached its end: who is given the same `KeptListings` need not list."""
        for item in self._keeping:
            await item.done()

    def join(
        self,
        group: TaskGroup,
        store_of: StoreOf,
        route: Route,
        entries_of: EntriesOf | None,
        *,
        target: bool = True,
        keys: KeyRange | None = None,
    ) -> RouteJoin:
        """Everything known of each of the route's keys, or of those in a range of them; without `target`, as if nothing
        were there, and the source as it is now; without `entries_of`, as if the ledger were empty. Of a route in place
        there is one side, the source."""
        source = self.lister(store_of, route)
        entries = None if entries_of is None else partial(entries_of, route.name)
        join: Callable[..., RouteJoin] = RouteJoin
        if isinstance(source, ListedKeys) and source.is_inventory:
            join = partial(InventoryJoin, route, source, route.name in self.was_read)
        if not target:
            return join(group, source, None, entries, keys)
        there: Lister | None = None
        if not route.in_place:
            listed = Prefix(store_of(route.target), route.target, route.selection.takes_key, restores=False)
            there = self.once(route, Side.TARGET, listed)
        return join(group, self.once(route, Side.SOURCE, source), there, entries, keys)

    def once(self, route: Route, side: Side, lister: Lister) -> Lister:
        """A side that is listed once for two commands: kept, or as it was kept."""
        if lister.location.is_local:
            return lister
        if self.keep is not None:
            self._keeping.append(keeping := Keeping(lister, self.keep.path(route.name, side)))
            return keeping
        if self.listed is not None:
            path = self.listed.path(route.name, side)
            with suppress(LookupError):
                if path not in self._kept:
                    self._kept[path] = Kept(lister, path)
                return self._kept[path]
        return lister

    def close(self) -> None:
        """Close what is open of lists and listings, and remove what was not finished."""
        for item in (*self.lists.values(), *self._kept.values()):
            item.close()
        for keeping in self._keeping:
            keeping.give_up()

    async def forget_older(self) -> None:
        """Remove what is kept of lists that were in place of these. No other command may be at work on the plan."""
        if self._kept_in is not None:
            current = [await listed.file_name() for listed in self.lists.values()]
            await anyio.to_thread.run_sync(remove_others, self._kept_in, current)

    def missing(self) -> dict[str, set[str]]:
        """By route, the relative keys of its list that S3 was asked for and does not have."""
        return {
            name: {key[len(listed.location.key) :] for key in listed.missing}
            for name, listed in self.lists.items()
            if listed.missing
        }

    async def lost(self, knows: Callable[[str, str], Awaitable[bool]]) -> dict[str, list[str]]:
        """Those of them, in order, that `knows(route, relative key)` does not know either: what a cleanup deleted is no
        mistake, and nothing that was asked for is left out unseen."""
        found = {name: [item.key for item in await self.lost_of(name, knows)] for name in self.missing()}
        return {name: keys for name, keys in found.items() if keys}

    async def lost_of(self, route: str, knows: Callable[[str, str], Awaitable[bool]]) -> list[ObjectAside]:
        """The same of one route, with what is told of each."""
        keys = sorted(self.missing().get(route, ()))
        return [lost_of(route, key) for key in keys if not await knows(route, key)]

    async def refuse_missing(self, knows: Callable[[str, str], Awaitable[bool]], *, dealt: bool = True) -> None:
        """Raise `PlanError` for what is `lost`. `dealt`: everything else was dealt with."""
        self.refuse(await self.lost(knows), dealt=dealt)

    def refuse(self, lost: Mapping[str, Iterable[str]], *, dealt: bool = True) -> None:
        """Raise `PlanError` where any relative keys are `lost`, by route."""
        problems: list[str] = []
        for name, relative in lost.items():
            keys = sorted(relative)
            root = self.lists[name].location.key
            problems += [f'route "{name}": there is no object "{root}{key}"' for key in keys[:MISSING_NAMED]]
            if len(keys) > MISSING_NAMED:
                problems.append(f'route "{name}": and {len(keys) - MISSING_NAMED:,} more that its list names')
        if problems:
            others = "Everything else was dealt with. " if dealt else ""
            raise PlanError(problems, advice=f"{others}Take these keys out of the list.")


@asynccontextmanager
async def open_sources(
    store_of: StoreOf,
    plan: Plan,
    *,
    now: bool = False,
    kept_in: Path | None = None,
    sorted_at: Mapping[str, Path] | None = None,
) -> AsyncIterator[Sources]:
    """The sources of a plan's routes; lists that lie in S3, and the keys of lists, are asked for on their own sites.
    No list is read before it is asked for; in order they are kept in a folder `kept_in`, for other commands as well, or
    as long as this is open. `sorted_at` are those that another process has in order, by route."""
    routes = [(route, route.key_list) for route in plan.routes if route.key_list is not None]
    with ExitStack() as stack:
        folder = kept_in
        if folder is None and routes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cartage-keys-")))
        lists = {
            route.name: ListedKeys(store_of, plan, route, key_list, folder, (sorted_at or {}).get(route.name))
            for route, key_list in routes
            if folder is not None
        }
        yield stack.enter_context(closing(Sources(lists, now=now, kept_in=kept_in)))
