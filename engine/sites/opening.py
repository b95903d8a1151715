"""Opens sites: connection, plane, governor, retry layer. The only place where decorators are put on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from logging import INFO
from typing import TYPE_CHECKING, TypeVar

from engine.errors import StoreError, Throttled
from engine.events import OutOfReach, SlowedDown
from engine.logs import REQUESTS, log, requests_are_logged
from engine.model import FILE_SITE, Location
from engine.plan.concern import asks_nothing_under
from engine.plan.document import Plan
from engine.plan.route import Route
from engine.plan.settings import Connection
from engine.s3.session import Session
from engine.sites.doubting import DoubtingStore
from engine.sites.known import KnownTraits
from engine.sites.listings import listing_all
from engine.sites.measuring import MeasuredStore
from engine.sites.options import SiteOptions
from engine.sites.pacing import PacedStore
from engine.sites.restores import RestoresTold
from engine.sites.retrying import RetryingStore
from engine.sites.site import Gauges, Site
from engine.sites.sites import Sites
from engine.sites.tolerating import ToleratingStore

if TYPE_CHECKING:
    from engine.s3.s3_store import S3Store

Plane = TypeVar("Plane", bound="S3Store")

SPARE_CONNECTIONS = 64
"""For listings and looks beside the copies, so that they never wait in line for one."""


@asynccontextmanager
async def open_site(connection: Connection, options: SiteOptions, name: str = "") -> AsyncIterator[Site]:
    """Open a site; what the options say of the connection is of the one without a name. Raises `UsageError` and what
    credentials raise."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            Session(connection) if name else Session(options.connection(connection), options.session)
        )
        plane = _plane(session, options)
        await stack.enter_async_context(plane)
        meter = options.meter
        sending = MeasuredStore(plane, meter, name) if meter is not None else plane
        is_logged = requests_are_logged()

        def retried(error: StoreError) -> None:
            if isinstance(error, Throttled):
                options.listener(SlowedDown())
            if meter is not None:
                meter.retried(name, error)
            if is_logged:
                said = {"operation": error.operation, "ref": error.ref, "error": error.code}
                REQUESTS.debug("retry", extra={"fields": said})

        paced = PacedStore(sending, max_rps=options.max_rps, concurrency=options.concurrency)
        retrying = RetryingStore(
            paced,
            options.patience,
            refresh=plane.refresh,
            follow=plane.move,
            observe=retried,
            outage=lambda since_s, why: options.listener(OutOfReach(since_s, why)),
            site=name,
        )
        tolerant = DoubtingStore(ToleratingStore(retrying, options.listener), options.listener)

        def gauges() -> Gauges:
            pace = paced.statistics()
            sent = retrying.requests, retrying.throttled, pace.rate_rps, pace.in_flight
            return Gauges(*sent, pace.waiting, plane.in_line)

        if meter is not None:
            stack.enter_context(meter.watching(name, gauges))
        known = KnownTraits(tolerant, trusted=options.assume == "aws" or session.is_aws, site=name)
        store = listing_all(tolerant, known, options.listener)
        if not known.trusted:
            store = RestoresTold(store)
        log(INFO, "site", site=name, endpoint=session.endpoint, region=session.region, store=options.store)
        yield Site(name, session.endpoint, store, known, gauges, session, pace=paced)


@asynccontextmanager
async def open_sites(plan: Plan, options: SiteOptions) -> AsyncIterator[Sites]:
    """Open the sites that a plan names, each with a session, patience and pace of its own. Raises as `open_site`."""
    async with AsyncExitStack() as stack:
        opened = {"": await stack.enter_async_context(open_site(plan.connection, options))}
        for name, connection in plan.sites:
            try:
                opened[name] = await stack.enter_async_context(open_site(connection, options, name))
            except StoreError as error:  # credentials
                error.site = name
                raise
        if FILE_SITE in plan.sites_in_use:
            opened[FILE_SITE] = stack.enter_context(_open_folders(options, plan.routes))
        yield Sites(opened)


@asynccontextmanager
async def open_place(where: Location, options: SiteOptions) -> AsyncIterator[Sites]:
    """Open the one site that a location is at, without a plan: a local folder, or S3 as the options say. Raises as
    `open_site`."""
    if where.is_local:
        with _open_folders(options) as folders:
            yield Sites({FILE_SITE: folders})
    else:
        async with open_site(Connection(), options) as site:
            yield Sites({"": site})


@contextmanager
def _open_folders(options: SiteOptions, routes: Sequence[Route] = ()) -> Iterator[Site]:
    """The site of every local folder: no server stands between, so that nothing is retried, paced or tried out.
    Folders that `routes` lead to are made with their first file; others must be there."""
    from engine.folder.owned import Owned  # only where there is one
    from engine.folder.store import FolderStore
    from engine.folder.walking import Manner
    from engine.ledger.files import BESIDE, is_of_a_ledger

    owned = Owned(options.own_files, is_of_a_ledger, BESIDE)
    folders = FolderStore(Manner(options.links or "skip"), durability=options.durability, owned=owned)
    try:
        sources = {route.source.bucket for route in routes if route.source.is_local}
        for route in routes:
            for where in (route.source, route.target):
                if where.is_local:
                    folders.leaves_out(where.bucket, partial(asks_nothing_under, route, where))
            if route.target.is_local:
                folders.is_target(route.target.bucket)
                if route.target.bucket not in sources:
                    folders.may_be_missing(route.target.bucket)
            if route.stays_here:
                folders.are_opposite(route.source.bucket, route.target.bucket)
        yield Site(FILE_SITE, "", folders, KnownTraits(folders, trusted=True, site=FILE_SITE), folder=folders)
    finally:
        folders.close()


def _plane(session: Session, options: SiteOptions) -> S3Store:
    """The store that the options name, to be opened. Only one is loaded."""
    if options.store == "boto":
        from engine.s3.boto_store import BotoStore

        return _logged(BotoStore)(session, max_connections=options.workers)
    from engine.s3.wire_store import WireStore

    return _logged(WireStore)(session, max_connections=options.workers + SPARE_CONNECTIONS)


def _logged(plain: type[Plane]) -> type[Plane]:
    """The store itself, or where requests are logged, the same with a line in the log for each exchange."""
    if not requests_are_logged():
        return plain
    from engine.s3.logged import LoggedStore

    return type(f"Logged{plain.__name__}", (LoggedStore, plain), {})
