"""What stands in a route's target alone: listed, and looked at once more at the source before any of it is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio

from engine.errors import one_error
from engine.events import Listener, Notice, ignore
from engine.finish.batches import resting_on
from engine.finish.deleting import Check, Checked
from engine.finish.left_there import Batches, without, without_ledgers
from engine.finish.looking import Looker, There
from engine.finish.sending import Item
from engine.listing.ranges import RouteJoin
from engine.listing.unlisted import aside_of
from engine.model import ListedObject
from engine.plan.concern import is_extra
from engine.plan.route import Route
from engine.sites.sites import Sites


@asynccontextmanager
async def extras_under(
    opened: Sites, route: Route, tell: Listener = ignore
) -> AsyncIterator[AsyncIterator[list[ListedObject]]]:
    """Batches of what is listed under the target and not under the source, of what the route's patterns take and the
    source could have; `tell` hears of the rest, and of what lies there and cannot be an object. Raises what the
    listings raise."""
    async with one_error(), anyio.create_task_group() as group:
        join = opened.sources.join(group, opened.store, route, None)
        extras: Batches = _extras(join, route, Looker(opened.store(route.source)))
        if route.source.is_local:
            extras = without(extras, partial(_no_files, route), partial(_of_no_files, route), tell)
        yield without_ledgers(extras, opened.folders, route.target, tell)
        for key, thing in join.unlisted[-1].named():
            tell(aside_of(route.name, key, thing))
        join.close()


async def _extras(join: RouteJoin, route: Route, looker: Looker) -> AsyncIterator[list[ListedObject]]:
    while (rows := await join.next_rows()) is not None:
        found = [row for row in rows if is_extra(route, row)]
        if route.source.is_local:  # a directory with something in it is there without a marker
            directories = [route.source_key(row.key) for row in found if row.key.endswith("/")]
            looks = (await looker.look(route.source.bucket, directories)).looks
            there = {key for key, look in looks.items() if look.there is not None}
            found = [row for row in found if route.source_key(row.key) not in there]
        if found:
            yield [row.target for row in found if row.target is not None]


async def _no_files(route: Route, objects: list[ListedObject]) -> set[str]:
    """The keys in S3 that could be no file's in the source's folder: that they are not there says nothing of them."""
    from engine.folder.names import ANYWHERE, fault_of_object  # only where there is one

    here = len(route.target.key)
    return {item.key for item in objects if fault_of_object(route.source_key(item.key[here:]), item.size, ANYWHERE)}


def _of_no_files(route: Route, count: int, first: str) -> Notice:
    keys = "key that no file can have" if count == 1 else "keys that no file can have"
    said = f"{count:,} {keys} left in {route.target}, the first {first!r}: cartage delete removes such a key"
    return Notice("NoFilesLeft", said)


def not_at_source(opened: Sites, route: Route) -> Check:
    """Lets those go that the route's patterns take and that have no object at the source at that moment: whatever the
    snapshot's age, nothing goes that would have to come back. Nor does a directory with the last file in it, unless the
    source has none of its name."""
    looker = Looker(opened.store(route.source))
    cut = len(route.target.key)
    folders = opened.folders if route.target.is_local else None

    async def check(items: Sequence[Item]) -> Checked:
        keys = {item.key for item in items}
        directories = {above for key in keys for above in _above(key, cut)} - keys if folders is not None else set()
        sources = {key: route.source_key(key[cut:]) for key in sorted(keys | directories)}

        def may_go(key: str, there: There | None) -> bool:
            return there is None and (key in directories or route.selection.takes_key(key[cut:]))

        checked = await resting_on(looker, route.source.bucket, sources, may_go)
        if folders is not None:
            folders.keep_directories(route.target.bucket, directories - checked.may_go.keys())
        return checked

    return check


def _above(key: str, cut: int) -> list[str]:
    """The directories that a key is in, as keys (`a/`, `a/b/`), from its character `cut` on."""
    return [key[: at + 1] for at in range(cut, len(key) - 1) if key[at] == "/"]
