"""One run on one ledger, from what is known of the buckets to what was carried: of a whole plan, or of one shard."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from engine.ledger import Ledger
from engine.plan.document import Plan
from engine.sites.clock import now_ms
from engine.sites.options import SiteOptions
from engine.sites.sites import Sites
from engine.store import StoreOf
from engine.transfer.carriers import Carriers
from engine.transfer.configuration import NOTE as SETTINGS_NOTE
from engine.transfer.configuration import outdated_before
from engine.transfer.pipeline import Extent, Run


async def carry_out(
    plan: Plan,
    opened: Sites,
    ledger: Ledger,
    options: SiteOptions,
    *,
    store_of: StoreOf,
    guarded: bool,
    begun: Callable[[Run], None] | None = None,
    extent: Extent,
) -> Run:
    """Run the plan's routes to the end, as far as the `extent` goes; their buckets were asked about, and the ledger has
    what was noted of their settings already. `begun` is given the run, which may be ended gently.

    Raises as `Run.go`."""
    carriers = Carriers(
        opened,
        ledger,
        options.listener,
        now_ms,
        guarded=guarded,
        outdated_before=outdated_before(await ledger.note(SETTINGS_NOTE)),
    )
    await opened.find_reading(plan.routes)
    run = Run(
        store_of,
        opened.sources,
        ledger,
        plan.routes,
        carriers.carrier_for,
        carriers.queue,
        concurrency=options.workers,
        listener=options.listener,
        gauges=opened.gauges,
        extent=extent,
        digests=opened.keeps_digests,
        misnames=await opened.misnames(plan.routes),
    )
    if begun is not None:
        begun(run)
    with closing(carriers):
        await run.go(fresh=ledger.fresh)
    await carriers.remember()
    return run
