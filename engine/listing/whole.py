"""Everything under one location, read by as many key ranges at once as keep its reader busy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from engine.errors import one_error
from engine.events import Listener, ignore
from engine.listing.pages import Prefix
from engine.listing.ranges import RouteJoin
from engine.model import ListedObject, Location
from engine.store import ObjectStore


@asynccontextmanager
async def listed_under(
    store: ObjectStore, location: Location, tell: Listener = ignore
) -> AsyncIterator[AsyncIterator[list[ListedObject]]]:
    """Batches of about a page; each is in key order, and holds no key of another. Reading ends with the context. `tell`
    hears of each thing there that cannot be an object, as an `ObjectAside`.

    Raises what the listing raises, which is never its end."""
    async with one_error(), anyio.create_task_group() as group:
        join = RouteJoin(group, Prefix(store, location, tell=tell), None, None)
        yield _batches(join)
        join.close()


async def _batches(join: RouteJoin) -> AsyncIterator[list[ListedObject]]:
    while (rows := await join.next_rows()) is not None:
        yield [row.source for row in rows if row.source is not None]
