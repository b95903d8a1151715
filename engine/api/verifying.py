"""`verify`: both sides listed again, compared with the ledger, proof raised or withdrawn."""

from __future__ import annotations

from engine.api.assembly import Options, open_store
from engine.api.opening import StopSignal, ledger_path, one_error, open_ledger
from engine.events import RunStarted
from engine.plan.document import Plan
from engine.proof.verify import Verification, Verifier


async def verify(plan: Plan, options: Options | None = None, *, stop: StopSignal | None = None) -> Verification:
    """List both sides again, compare them with the ledger, and raise or withdraw each copy's proof.

    Raises as `migrate`, and `LedgerMissing` where the plan was never run."""
    options = options or Options()
    async with one_error(), open_store(plan.connection, options) as opened:
        path = ledger_path(plan, options)
        async with await open_ledger(plan, path, opened, create=False) as ledger:
            options.listener(RunStarted("verify", plan.name, str(path), opened.endpoint, True))
            verifier = Verifier(opened.store, ledger, options.listener)
            if stop is not None:
                stop.listen(verifier.stop)
            return await verifier.verify(plan.routes)
