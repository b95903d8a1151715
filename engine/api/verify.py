"""`verify`: both sides listed again, compared with the ledger, proof raised or withdrawn."""

from __future__ import annotations

from engine.api.empty import nothing_there, objects_of
from engine.api.opening import one_error, open_ledger, open_plan, server_clock
from engine.api.options import Options, ledger_path
from engine.api.stopping import StopSignal
from engine.events import RunStarted
from engine.plan.document import Plan
from engine.proof.depth import Depth
from engine.proof.verify import Verification, Verifier


async def verify(
    plan: Plan,
    options: Options | None = None,
    *,
    depth: Depth | None = None,
    properties: bool = False,
    stop: StopSignal | None = None,
) -> Verification:
    """List both sides again, compare them with the ledger, and raise or withdraw each copy's proof. `depth` has bytes
    read on both sides too, `properties` has headers, metadata, tags and the like compared, a HEAD a side.

    Raises as `migrate`, and `LedgerMissing` where the plan was never run."""
    options = options or Options()
    async with one_error(), open_plan(plan, options, now=True) as opened:
        path = ledger_path(plan, options)
        clock = await server_clock(plan, opened)
        async with await open_ledger(
            plan, path, opened, create=False, clock=clock, listener=options.listener
        ) as ledger:
            options.listener(RunStarted("verify", plan.name, str(path), opened.home.endpoint, True))
            verifier = Verifier(
                opened.home.store,
                opened.sources,
                ledger,
                options.listener,
                depth=depth,
                properties=properties,
                minimum=plan.cleanup.proof,
            )
            if stop is not None:
                stop.listen(verifier.stop)
            report = await verifier.verify(plan.routes)
            if not report.stopped:
                report.empty += await nothing_there(plan, options, opened, objects_of(await ledger.tallies()))
            return report
