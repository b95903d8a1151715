"""Which carrier takes a route's objects: chosen here and nowhere else, by where its two sides are.

| source and target | carrier |
|---|---|
| buckets of one endpoint | server-side copy (`server_copy`) |
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping

import anyio

from engine.events import Listener
from engine.plan.route import Route
from engine.store import ObjectStore
from engine.transfer.carrier import Carrier, Task
from engine.transfer.guard import Conditions
from engine.transfer.orphans import Orphans
from engine.transfer.server_copy import ServerSideCopy
from engine.transfer.server_parts import ServerParts
from engine.transfer.uploading import Uploader, UploadJournal
from engine.transfer.work import WorkQueue

QUEUE_BOUND = 2_000
"""Objects waiting for a worker: two pages, so that a page is always ready and little is planned ahead of a crash."""


class Carriers:
    """The carriers of one run, one for each pair of sites that a route needs, and the queue that they share. What they
    begin is remembered in `journal`; dates are as for `Uploader`."""

    def __init__(
        self,
        store: ObjectStore,
        journal: UploadJournal,
        conditions: Conditions,
        listener: Listener,
        now_ms: Callable[[], int],
        *,
        outdated_before: Mapping[str, int] | None = None,
        server_now_ms: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self.queue: WorkQueue[Task] = WorkQueue(QUEUE_BOUND)
        orphans = Orphans(store, listener)
        uploader = Uploader(store, journal, self.queue, orphans, now_ms, conditions, outdated_before, server_now_ms)
        parts = ServerParts(store, store, uploader, conditions)
        self._server_side = ServerSideCopy(store, store, parts, conditions, sleep, jitter or random.Random())

    def carrier_for(self, route: Route) -> Carrier:
        """What takes the objects of this route. Every site is one endpoint's today."""
        return self._server_side
