"""`cartage report FILE`: a page to look at, from the ledger alone; --follow keeps it current."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import anyio.to_thread

from engine.api.report import Report, kept_current, report_on
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import followed, plan_if_known
from engine.errors import LedgerMissing
from engine.plan.document import Plan
from engine.report.report import report_lines, report_values

NICE = 10
"""How far a page that is kept current stands back from the work that it shows."""


def report_command(invocation: Invocation, file: Path | None, output: Path | None, follow: bool) -> None:
    followed(file, invocation)
    plan, invocation = plan_if_known(file, invocation)
    page = output or _beside(plan, invocation)
    if follow:
        os.nice(NICE) if hasattr(os, "nice") else None
        report = anyio.run(_follow, plan, invocation, page)
    else:
        report = anyio.run(report_on, plan, invocation.options)
        if page.exists() and not report.ledger.exists():
            raise LedgerMissing(
                f"there is no ledger at {report.ledger}, and the report {page} may tell of one: it is left as it is.",
                advice="Name the ledger with --ledger, or another page with --output.",
            )
        report.write(page)
    invocation.say(report_lines(report, page))
    invocation.end(DONE, report_values(report, page))


def _beside(plan: Plan | None, invocation: Invocation) -> Path:
    ledger = invocation.options.ledger
    folder = ledger.parent if ledger is not None else Path(plan.folder) if plan is not None else Path()
    name = plan.name if plan is not None else ledger.stem if ledger is not None else "cartage"
    return folder / f"{name}.report.html"


async def _follow(plan: Plan | None, invocation: Invocation, page: Path) -> Report:
    """Keep the page current until stdin ends: whoever began this closes it, and a killed one does too."""
    over = anyio.Event()

    async def ended(wait_s: float) -> bool:
        with anyio.move_on_after(wait_s):
            await over.wait()
        return over.is_set()

    async def listen() -> None:
        await anyio.to_thread.run_sync(_read_to_the_end, abandon_on_cancel=True)
        over.set()

    report: Report | None = None
    async with anyio.create_task_group() as beside:
        beside.start_soon(listen)
        async for report in kept_current(plan, invocation.options, ended):
            await anyio.to_thread.run_sync(report.write, page)
        beside.cancel_scope.cancel()
    assert report is not None
    return report


def _read_to_the_end() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
