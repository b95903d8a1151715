"""`verify`: both sides listed again, compared with the ledger, proof raised or withdrawn."""

from __future__ import annotations

from engine.api.history import remembered
from engine.api.opening import at_work
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.errors import UsageError
from engine.listing.nearest import empty_routes
from engine.plan.document import Plan
from engine.plan.record import objects_by_route
from engine.proof.depth import Depth
from engine.proof.verification import Verification
from engine.proof.verify import Verifier
from engine.references.undo_order import untold, written


@watched
async def verify(
    plan: Plan,
    options: Options | None = None,
    *,
    depth: Depth | None = None,
    properties: bool = False,
    stop: StopSignal | None = None,
) -> Verification:
    """List both sides again, compare them with the ledger, and raise or withdraw each copy's proof. `depth` says of
    which objects the bytes are read on both sides too (None: of none), `properties` has headers, metadata, tags and the
    like compared, a HEAD a side. `stop` ends it gently. What was read and did not change is not read again.

    What was set in place (`Plan.setting`) has one side, which is held against what the ledger knows of it from before.

    Raises as `migrate`, `LedgerMissing` where the plan was never run, and `UsageError` for `depth` of what was set in
    place. A difference is no error: it is in the result."""
    options, stop = options or Options(), stop or StopSignal()
    if depth is not None and plan.in_place:
        raise UsageError("what was set where it is has no other side whose bytes could be read.")
    async with (
        at_work("verify", plan, options, lists=True, dated=True) as (opened, ledger),
        remembered(opened, ledger, "verify", options, stop) as options,
    ):
        verifier = Verifier(
            opened.store,
            opened.sources,
            ledger,
            options.listener,
            depth=depth,
            properties=properties,
            minimum=plan.cleanup.proof,
            digests=opened.keeps_digests,
            compares=opened.compares,
            keeps_links=opened.folders is not None and opened.folders.manner.links == "keep",
        )
        stop.listen(verifier.stop)
        report = await verifier.verify(plan.routes)
        report.taken_back = await ledger.taken_back()
        report.untold = tuple(untold(plan, await written(ledger, plan)))
        if not report.stopped and not options.allow_empty:
            report.empty += await empty_routes(opened.store, plan.routes, objects_by_route(await ledger.tallies()))
        return report
