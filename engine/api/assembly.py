"""Puts a store together: connection, plane, governor, retry layer. The only place where decorators are put on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from engine.errors import UsageError
from engine.events import Listener, ignore
from engine.listing.sources import Sources
from engine.plan.settings import Connection
from engine.s3.session import Session
from engine.sites.doubting import DoubtingStore
from engine.sites.listings import listing_all
from engine.sites.pacing import PacedStore
from engine.sites.patience import RetryPolicy
from engine.sites.retrying import RetryingStore
from engine.sites.site import Gauges
from engine.sites.sites import Sites
from engine.sites.tolerating import ToleratingStore
from engine.store import ObjectStore

StoreKind = Literal["wire", "boto"]

SPARE_CONNECTIONS = 64
"""For listings and looks beside the copies, so that they never wait in line for one."""

CONCURRENCY: dict[StoreKind, int] = {"wire": 1024, "boto": 128}
"""Copies under way at once unless told otherwise. The wire: at 9,000 requests a second of 100 ms each, 900 are in
flight. botocore costs about 1.2 ms of processor a call, so that more than 128 of its calls only wait in line."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a command talks to S3 and to its caller. None leaves the plan's or the AWS environment's own value.

    `ledger` None is `<plan name>.ledger` beside the plan (for one without a file: in the working folder).
    `give_up_after_s` is how long S3 may be unreachable before the run stops; `assume` "aws" takes a server for one that
    honours all that AWS does, without trying it; `allow_empty`: it is no mistake where a source holds nothing."""

    ledger: Path | None = None
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    request_payer: Literal["requester"] | None = None
    store: StoreKind = "wire"
    concurrency: int | None = None
    max_rps: float | None = None
    give_up_after_s: float = 300.0
    conditional_writes: bool = True
    assume: Literal["", "aws"] = ""
    allow_empty: bool = False
    listener: Listener = ignore

    def connection(self, base: Connection) -> Connection:
        """The plan's connection with these options over it."""
        chosen = {
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "profile": self.profile,
            "request_payer": self.request_payer,
        }
        return replace(base, **{name: value for name, value in chosen.items() if value is not None})

    @property
    def workers(self) -> int:
        """How many copies may be under way at once. Raises `UsageError` below one."""
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError("--concurrency must be at least 1")
        return self.concurrency or CONCURRENCY[self.store]


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store ready for use, and what is known around it. `sites` knows what the server does, bucket by bucket;
    `sources` are those of a plan's routes, where it was opened for one (`opening.open_plan`)."""

    store: ObjectStore
    sites: Sites
    session: Session
    endpoint: str
    gauges: Callable[[], Gauges]
    sources: Sources = field(default_factory=Sources)


@asynccontextmanager
async def open_store(connection: Connection, options: Options) -> AsyncIterator[OpenStore]:
    """Open the store that the options ask for. Raises `UsageError` and what credentials raise."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            Session(options.connection(connection), max_connections=options.workers)
        )
        plane, refresh = await _plane(stack, session, options)
        paced = PacedStore(plane, max_rps=options.max_rps, concurrency=options.concurrency)
        retrying = RetryingStore(paced, RetryPolicy(give_up_after_s=options.give_up_after_s), refresh=refresh)
        tolerant = DoubtingStore(ToleratingStore(retrying, options.listener), options.listener)

        def gauges() -> Gauges:
            pace = paced.statistics()
            return Gauges(retrying.requests, retrying.throttled, pace.rate_rps, pace.in_flight)

        sites = Sites(tolerant, trusted=options.assume == "aws" or session.is_aws)
        store = listing_all(tolerant, sites, options.listener)
        yield OpenStore(store, sites, session, session.endpoint, gauges)


async def _plane(
    stack: AsyncExitStack, session: Session, options: Options
) -> tuple[ObjectStore, Callable[[], Awaitable[None]]]:
    """The store that the options name, and what looks for fresh credentials for it. Only one is loaded."""
    if options.store == "boto":
        from engine.s3.boto_store import BotoStore

        return BotoStore(session), session.refresh
    from engine.s3.wire_store import WireStore

    wire = await stack.enter_async_context(WireStore(session, max_connections=options.workers + SPARE_CONNECTIONS))
    return wire, wire.refresh


def now_ms() -> int:
    """Epoch milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000
