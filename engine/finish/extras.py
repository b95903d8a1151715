"""What stands in a route's target alone: listed, and looked at once more at the source before any of it is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from engine.errors import one_error
from engine.events import Listener, Notice, ignore
from engine.finish.batches import resting_on
from engine.finish.deleting import Check, Checked
from engine.finish.ledgers_left import without_ledgers
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
        extras = _extras(join, route, Looker(opened.store(route.source)), tell)
        yield without_ledgers(extras, opened.folders, route.target, tell)
        for key, thing in join.unlisted[-1].named():
            tell(aside_of(route.name, key, thing))
        join.close()


async def _extras(join: RouteJoin, route: Route, looker: Looker, tell: Listener) -> AsyncIterator[list[ListedObject]]:
    no_files: list[str] = []
    while (rows := await join.next_rows()) is not None:
        found = [row for row in rows if is_extra(route, row)]
        if route.source.is_local:  # a directory with something in it is there without a marker
            directories = [route.source_key(row.key) for row in found if row.key.endswith("/")]
            looks = (await looker.look(route.source.bucket, directories)).looks
            there = {key for key, look in looks.items() if look.there is not None}
            found = [row for row in found if route.source_key(row.key) not in there]
        extras = [row.target for row in found if row.target is not None]
        if route.source.is_local:
            no_files += [item.key for item in extras if _no_file(route, item)]
            extras = [item for item in extras if not _no_file(route, item)]
        if extras:
            yield extras
    if no_files:
        keys = "key that no file can have" if len(no_files) == 1 else "keys that no file can have"
        said = f"{len(no_files):,} {keys} left in {route.target}, the first {no_files[0]!r}: cartage delete removes"
        tell(Notice("NoFilesLeft", f"{said} such a key"))


def _no_file(route: Route, item: ListedObject) -> bool:
    """Whether a key in S3 could be no file's in the source's folder: that it is not there says nothing of it."""
    from engine.folder.names import THERE, fault_of_object  # only where there is one

    return fault_of_object(route.source_key(item.key[len(route.target.key) :]), item.size, THERE) is not None


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
