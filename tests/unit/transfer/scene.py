"""A run on the fake store: a plan of one route, a ledger in memory's place, and what came of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine.errors import Conflict, StoreError
from engine.events import Event
from engine.ledger import Binding, Ledger
from engine.listing.sources import Sources
from engine.model import ABSENT, Checksum, Encryption, ListedObject, Location, Overwrite
from engine.plan.binding import RouteBinding
from engine.plan.record import ObjectRecord, UploadRecord
from engine.plan.route import Route
from engine.sites.site import Gauges
from engine.transfer.carrier import Task
from engine.transfer.carriers import Carriers
from engine.transfer.pipeline import Extent, Run
from engine.transfer.server_copy import ServerSideCopy
from tests.fake_store import FakeStore, Held, sites_of

KMS = Encryption("aws:kms", "key-1")
NOW_MS = 1_767_323_000_000  # 45 s before START_S, when whatever the store holds was modified
ROUTE = Route("r", Location("bkt", "old/"), Location("bkt", "new/"))


class Journal:
    """What the uploader remembers, in order, without a ledger."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.known: list[Any] = []

    async def intend_upload(self, upload: UploadRecord) -> None:
        self.log.append(("intend", upload))

    async def set_upload_id(self, route: str, key: str, upload_id: str) -> None:
        self.log.append(("id", upload_id))

    async def record_parts(self, route: str, key: str, parts: Any) -> None:
        self.log.append(("parts", [part.number for part in parts]))

    async def finish_upload(self, route: str, key: str, how: str) -> None:
        self.log.append(("finish", how))

    async def parts(self, route: str, key: str) -> list[Any]:
        return self.known

    @property
    def ends(self) -> list[str]:
        return [value for name, value in self.log if name == "finish"]


class Bench:
    """A carrier and all it needs, for one object at a time."""

    def __init__(
        self,
        store: FakeStore | None = None,
        outdated_before: dict[str, int] | None = None,
        *,
        trusted: bool = True,
        route: Route = ROUTE,
    ) -> None:
        self.store = store or FakeStore()
        self.journal = Journal()
        self.events: list[Event] = []
        self.pauses: list[int] = []
        carriers = Carriers(
            sites_of(self.store, trusted=trusted),
            self.journal,
            self.events.append,
            lambda: NOW_MS,
            outdated_before=outdated_before,
            pause=self._pause,
        )
        self.queue = carriers.queue
        self.carrier = carriers.carrier_for(route)
        assert isinstance(self.carrier, ServerSideCopy)
        self.conditions = self.carrier.conditions

    async def _pause(self, attempt: int) -> None:
        self.pauses.append(attempt)

    def task(self, key: str = "k", *, condition: str = ABSENT, route: Route = ROUTE, **more: Any) -> Task:
        """A task for the source as it is now."""
        return Task(route, key, listed(self.store, route, key), condition, **more)


def conflict(operation: str) -> StoreError:
    return Conflict("another write was under way", operation=operation, code="ConditionalRequestConflict")


def crc64(text: str) -> Checksum:
    return Checksum("CRC64NVME", "FULL_OBJECT", base64.b64encode(hashlib.sha1(text.encode()).digest()[:8]).decode())


def listed(store: FakeStore, route: Route, key: str) -> ListedObject:
    held = store.get(f"{route.source}{key}")
    assert held is not None
    checksum = f"{held.checksums[0].algorithm}:{held.checksums[0].type}" if held.checksums else ""
    return ListedObject(
        route.source.key + key, held.size, held.etag, held.modified, held.properties.storage_class, checksum
    )


def target(store: FakeStore, key: str = "k") -> Held | None:
    return store.get(f"s3://bkt/new/{key}")


async def open_ledger(path: Path, *routes: Route) -> Ledger:
    bound = tuple(RouteBinding(route.name, str(route.source), str(route.target), "") for route in routes)
    return await Ledger.open(path, Binding("plan", "http://fake", bound), now_ms=lambda: NOW_MS)


def assemble(
    store: FakeStore,
    ledger: Any,
    *routes: Route,
    workers: int = 8,
    trusted: bool = True,
    listener: Callable[[Event], None] = lambda event: None,
    **more: Any,
) -> Run:

    async def at_once(attempt: int) -> None:
        return None

    sites = sites_of(store, trusted=trusted)
    carriers = Carriers(sites, ledger, listener, lambda: NOW_MS, pause=at_once)
    return Run(
        sites.store,
        Sources(),
        ledger,
        routes,
        carriers.carrier_for,
        carriers.queue,
        concurrency=workers,
        listener=listener,
        gauges=Gauges,
        extent=Extent(**more),
    )


async def run_once(
    store: FakeStore,
    path: Path,
    *,
    route: Route = ROUTE,
    before: Callable[[Run], Awaitable[None]] | None = None,
    **more: Any,
) -> tuple[Run, dict[str, ObjectRecord]]:
    """One whole run on the ledger at `path`, and the rows after it."""
    async with await open_ledger(path, route) as ledger:
        run = assemble(store, ledger, route, **more)
        if before is not None:
            await before(run)
        await run.go(fresh=ledger.fresh)
        rows = {record.key: record async for batch in ledger.records() for record in batch}
    return run, rows


def with_policy(policy: Overwrite) -> Route:
    return Route("r", Location("bkt", "old/"), Location("bkt", "new/"), policy)
