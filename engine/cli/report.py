"""`cartage report FILE`: a page to look at, from the ledger alone; --follow keeps it current."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import click

from engine.api.options import Options, ledger_path
from engine.api.report import Report, kept_current, report_on
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import followed, plan_if_known
from engine.errors import LedgerMissing
from engine.events import Doing
from engine.ledger import is_there
from engine.plan.document import Plan
from engine.report.pictures import what_they_need
from engine.report.report import report_lines
from engine.report.standing import NOT_BEGUN
from engine.report.text import safe

NO_LONGER = "no longer kept current: the page is as it was written last; whoever is at work goes on"
UNWRITTEN = "interrupted: no page was written"
NICE = 10
"""How far a page that is kept current stands back from the work that it shows."""


def report_command(invocation: Invocation, file: Path | None, output: Path | None, follow: bool) -> None:
    followed(file, invocation)
    plan, invocation = plan_if_known(file, invocation)
    page = output or _beside(plan, invocation)
    if follow:
        os.nice(NICE) if hasattr(os, "nice") else None
        if plan is not None and not invocation.quiet and not is_there(ledger := ledger_path(plan, invocation.options)):
            click.echo(f"there is no ledger at {safe(str(ledger))} yet: it is waited for", err=True)
        report = invocation.run(lambda options, _: _follow(plan, options, page), leaving=NO_LONGER)
    else:
        report = invocation.run(lambda options, _: report_on(plan, options), leaving=UNWRITTEN)
        _write(report, page)
    invocation.say(report_lines(report, page))
    invocation.end(DONE, report, file=page, pictures=not what_they_need())


def _write(report: Report, page: Path) -> None:
    """Raises `LedgerMissing` where a page that tells of a ledger would be replaced by one that tells of none."""
    if not report.ledger.exists() and page.exists() and f": {NOT_BEGUN}</title>".encode() not in page.read_bytes():
        raise LedgerMissing(
            f"there is no ledger at {report.ledger}, and the report {page} may tell of one: it is left as it is.",
            advice="Name the ledger with --ledger, or another page with --output.",
        )
    report.write(page)


def _beside(plan: Plan | None, invocation: Invocation) -> Path:
    ledger = ledger_path(plan, invocation.options) if plan is not None else invocation.options.ledger
    assert ledger is not None  # by that alone it is known whose plan is not
    return ledger.with_name(f"{plan.name if plan is not None else ledger.stem}.report.html")


async def _follow(plan: Plan | None, options: Options, page: Path) -> Report:
    """Keep the page current until stdin ends: whoever began this closes it, and a killed one does too. Raises
    `LedgerMissing` where its ledger is gone: the page is then as it was last, and not looked at anew, as it is where
    a signal ends this."""
    over = _end_of_stdin()
    options.listener(Doing("keeping the page current"))

    async def ended(wait_s: float) -> bool:
        with anyio.move_on_after(wait_s):
            await over.wait()
        return over.is_set()

    report: Report | None = None
    try:
        async for found in kept_current(plan, options, ended):
            await anyio.to_thread.run_sync(_write, found, page)
            report = found
    except (LedgerMissing, anyio.get_cancelled_exc_class()):
        if report is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(replace(report, refresh_s=0).write, page)
        raise
    assert report is not None
    return report


def _end_of_stdin() -> anyio.Event:
    """Set when stdin ends. It is read by a thread that nobody waits for: at a terminal it ends when someone types."""
    over, loop = anyio.Event(), asyncio.get_running_loop()

    def read() -> None:
        with suppress(OSError):  # the terminal is gone
            while os.read(sys.stdin.fileno(), 4096):
                pass
        with suppress(RuntimeError):  # the loop is over before
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=read, name="end-of-stdin", daemon=True).start()
    return over
