"""`receipt`: a document of what was done and proven, and whether one still holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread

from engine.api.opening import at_work
from engine.api.options import Options
from engine.api.watching import watched
from engine.errors import UsageError, refused_as
from engine.finish.acceptances import accepted_in
from engine.ledger import LedgerReader
from engine.plan.barred import BARRED
from engine.plan.document import Plan
from engine.plan.misnamed import MISNAMED
from engine.plan.sizes import server_ms
from engine.proof.receipt import (
    Sums,
    ledger_differences,
    read_receipt,
    receipt_values,
    refuse_unfinished,
    said_otherwise,
    sum_up,
    target_differences,
)
from engine.shown import Result
from engine.sites.clock import now_ms, time_text
from engine.version import __version__


@dataclass(frozen=True, slots=True)
class ReceiptCheck(Result):
    """The receipt that was read, and what no longer agrees with it, a sentence each; `lost` counts the targets that are
    not what the ledger says either: without any, a new receipt is the answer."""

    receipt: dict[str, Any]
    differences: list[str] = field(default_factory=list)
    lost: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything agrees."""
        return not self.differences


@watched
async def receipt(plan: Plan, options: Options | None = None) -> dict[str, Any]:
    """A document of what was done and proven, as JSON values: figures, proof and fingerprints by route, who accepted
    what, times, and digests of plan and ledger.

    Raises `ReceiptRefused` where something is not listed to its end or not verified, `LedgerError`, and
    `StoreError`."""
    options = options or Options()
    async with at_work("receipt", plan, options) as (opened, ledger):
        sums = await sum_up(ledger, listener=options.listener)
        noted, accepted = await ledger.noted(), await ledger.accepted()
        never = await ledger.failed_by(MISNAMED), await ledger.failed_by(BARRED)
        refuse_unfinished(sums, await ledger.snapshots(), noted, accepted, await ledger.left(), *never)
        where = plan.routes[0].target
        server = server_ms((await opened.site(where).facts(where.bucket, anew=True)).date)
        return await _values(plan, opened.home.endpoint, ledger, sums, server)


async def _values(plan: Plan, endpoint: str, ledger: LedgerReader, sums: Sums, server: int | None) -> dict[str, Any]:
    """The receipt that the ledger gives; `server` is the server's clock."""
    return receipt_values(
        plan,
        sums,
        await ledger.snapshots(),
        [
            {
                "what": item.name,
                "found": item.found,
                "because": item.because,
                "by": item.by,
                "at": time_text(item.accepted_ms),
            }
            for item in await accepted_in(ledger)
        ],
        endpoint=endpoint,
        version=__version__,
        at_ms=server if server is not None else now_ms(),
        clock="server" if server is not None else "this machine",
    )


@watched
async def check_receipt(file: str | Path, plan: Plan, options: Options | None = None) -> ReceiptCheck:
    """Whether the receipt in a JSON file still holds: its own seal, the plan, the ledger to its last row, and every
    target listed again.

    Raises `UsageError` where there is no receipt to read, `LedgerError`, and `StoreError`. What does not hold is no
    error: it is in the result."""
    options, file = options or Options(), Path(file)
    with refused_as(f"the receipt {file} cannot be read"):
        body = await anyio.to_thread.run_sync(file.read_bytes)
    if file.suffix != ".json" and not body.lstrip().startswith(b"{"):  # one that was damaged is not trusted
        if file.name.endswith(".receipt.md"):
            raise UsageError(f"{file} is the page to read; --check takes {file.with_suffix('.json')}.")
        raise UsageError(
            f"{file} is no receipt of Cartage.", advice="--check takes the .receipt.json that was written."
        )
    try:
        given = read_receipt(body)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        return ReceiptCheck({}, [f"the receipt {file} is not to be trusted: {why}"])
    async with at_work("receipt", plan, options) as (opened, ledger):
        sums = await sum_up(ledger, given["ledger"]["columns"], options.listener, form=given["receipt"])
        found = ledger_differences(given, plan, sums)
        found += said_otherwise(given, await _values(plan, opened.home.endpoint, ledger, sums, None), plan.source)
        known, lost = {route["name"]: route for route in given["routes"]}, 0
        for route in plan.routes:
            if route.name in known:
                differences, count = await target_differences(
                    opened.target(route).store, ledger, route, known[route.name], options.listener
                )
                found, lost = found + differences, lost + count
        return ReceiptCheck(given, found, lost)
