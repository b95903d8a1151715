"""The first page of every listing of a run, asked for before anyone wants it.

A run knows its buckets and has its ledger open before it lists. On a real network that takes an answer's time, in which
the first pages can be on their way as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from engine.errors import EngineError
from engine.model import Page
from engine.plan.route import Route
from engine.store import ListPage, ObjectStore, StoreDecorator

Request = TypeVar("Request")
Answer = TypeVar("Answer")

MOST_ROUTES = 8
"""Routes whose first pages are asked for: two pages each wait in memory, half a megabyte a page."""


@asynccontextmanager
async def first_pages(store: ObjectStore, routes: Sequence[Route]) -> AsyncIterator[ObjectStore]:
    """`store`, with the first pages of the routes under way: who lists there gets them, each once. An error of one
    reaches whoever asks for that page, and nobody else."""
    async with anyio.create_task_group() as group:
        asked = FirstPages(store)
        for route in routes[:MOST_ROUTES]:
            if route.key_list is None and route.source.is_prefix:
                for location in (route.source, route.target):
                    asked.ask(group, ListPage(location.bucket, location.key))
        yield asked
        group.cancel_scope.cancel()


class FirstPages(StoreDecorator):
    """A store that has asked for some pages already."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self._asked: dict[ListPage, _Asked] = {}

    def ask(self, group: TaskGroup, request: ListPage) -> None:
        """Have the page on its way from now on."""
        if request in self._asked:
            return
        asked = self._asked[request] = _Asked()
        group.start_soon(self._fetch, request, asked)

    async def _fetch(self, request: ListPage, asked: _Asked) -> None:
        try:
            asked.page = await self._inner.list_page(request)
        except EngineError as error:
            asked.error = error
        asked.done.set()

    async def list_page(self, request: ListPage) -> Page:
        asked = self._asked.pop(request, None)
        if asked is None:
            return await self._inner.list_page(request)
        await asked.done.wait()
        if asked.error is not None:
            raise asked.error
        assert asked.page is not None
        return asked.page

    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        return await method(request)


class _Asked:
    """A page on its way: `done` is set when it, or the error in its place, is here."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.page: Page | None = None
        self.error: EngineError | None = None
