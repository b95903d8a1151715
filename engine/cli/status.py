"""`cartage status`: what a ledger says now, without asking S3; also while a run is going on."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.api.asked import asked_plan
from engine.api.status import objects_aside, status
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import ledger_of
from engine.plan.document import Plan
from engine.report.status import aside_line, aside_values, status_page, status_values


def status_command(invocation: Invocation, file: Path | None, failed: bool) -> None:
    path = ledger_of(file, invocation)
    found = anyio.run(status, path)
    values = status_values(found)
    if failed:
        values["objects"] = anyio.run(_list_aside, invocation, path)
    else:
        invocation.say(status_page(found, _plan(file, invocation, path)))
    invocation.end(DONE, values)


def _plan(file: Path | None, invocation: Invocation, ledger: Path) -> Plan | None:
    """The plan in a file, or that of a copy without one; None where the ledger is a plan file's that was not named."""
    if file is not None:
        return invocation.plan(file)
    asked = anyio.run(asked_plan, ledger)
    return invocation.named(asked) if asked is not None else None


async def _list_aside(invocation: Invocation, path: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    async for records in objects_aside(path):
        for record in records:
            invocation.say(aside_line(record))
            if invocation.json:
                found.append(aside_values(record))
    return found
