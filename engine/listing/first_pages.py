"""The first page of every listing of a run, asked for before anyone wants it.

A run knows its buckets and has its ledger open before it lists. On a real network that takes an answer's time, in which
the first pages can be on their way as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from engine.decorator import StoreDecorator
from engine.model import Location, Page
from engine.plan.route import Route
from engine.store import ListPage, ObjectStore, StoreOf

MOST_ROUTES = 8
"""Routes whose first pages are asked for: two pages each wait in memory, half a megabyte a page."""


@asynccontextmanager
async def first_pages(store_of: StoreOf, routes: Sequence[Route]) -> AsyncIterator[StoreOf]:
    """The stores, with the first pages of the routes under way: who lists there gets them, each once. An error of one
    reaches whoever asks for that page, and nobody else."""
    pages: dict[int, FirstPages] = {}  # by store
    for route in routes[:MOST_ROUTES]:
        if route.key_list is None and route.source.is_prefix:
            for location in (route.source, route.target):
                store = store_of(location)
                if id(store) not in pages:
                    pages[id(store)] = FirstPages(store)
                pages[id(store)].ask(ListPage(location.bucket, location.key, restore_status=location is route.source))

    def listed_by(where: Location) -> ObjectStore:
        store = store_of(where)
        return pages.get(id(store), store)

    try:
        yield listed_by
    finally:
        with anyio.CancelScope(shield=True):
            for asked in pages.values():
                await asked.give_up()


class FirstPages(StoreDecorator):
    """A store that has asked for some pages already."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self._asked: dict[ListPage, asyncio.Future[Page]] = {}

    def ask(self, request: ListPage) -> None:
        """Have the page on its way from now on."""
        if request not in self._asked:
            self._asked[request] = asyncio.ensure_future(self._inner.list_page(request))

    async def list_page(self, request: ListPage) -> Page:
        asked = self._asked.pop(request, None)
        return await (self._inner.list_page(request) if asked is None else asked)

    async def give_up(self) -> None:
        """Want none of what is still under way."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
