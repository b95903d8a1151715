"""`cartage status`: what a ledger says now, without asking S3; also while a run is going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import click

from engine.api import status as api
from engine.api.opening import ledger_path
from engine.cli.common import DONE, Invocation, Teller, fail, shared_flags
from engine.errors import EngineError, UsageError
from engine.plan.document import Plan
from engine.report.status import aside_line, status_text, status_values


@click.command("status", short_help="What the ledger says, at once; --failed lists what is not done.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--failed", is_flag=True, help="List every object that is failed, drifted, in conflict, archived, damaged."
)
@shared_flags
def status_command(invocation: Invocation, file: Path | None, failed: bool) -> None:
    """Read the ledger of the plan in FILE (or --ledger) alone: no request is made, and a run may be going on."""
    teller = Teller(invocation, "status")
    try:
        path = ledger_of(file, invocation)
        status = anyio.run(api.status, path)
        values = status_values(status)
        if failed:
            values["objects"] = anyio.run(_list_aside, invocation, path)
        else:
            invocation.say(status_text(status))
    except EngineError as error:
        fail(error, "status", teller)
        return
    teller.summary("status", DONE, values)


async def _list_aside(invocation: Invocation, path: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    async for records in api.objects_aside(path):
        for record in records:
            invocation.say(aside_line(record))
            if invocation.json:
                found.append(
                    {
                        "route": record.route,
                        "key": record.key,
                        "state": record.state.value,
                        "code": record.code,
                        "message": record.message,
                    }
                )
    return found


def ledger_of(file: Path | None, invocation: Invocation) -> Path:
    """The ledger that a command without S3 is about: --ledger, the plan's, or the only one here."""
    if invocation.options.ledger is not None:
        return invocation.options.ledger
    if file is not None:
        return ledger_path(Plan.load(file), invocation.options)
    here = sorted(Path().glob("*.ledger"))
    if len(here) == 1:
        return here[0]
    what = "there is no ledger here" if not here else f"there are {len(here)} ledgers here"
    raise UsageError(f"{what}.", advice="Name the plan's file, or the ledger with --ledger FILE.")


def plan_of(file: Path | None, invocation: Invocation) -> tuple[Plan, Invocation]:
    """The plan in a file, or the one that the ledger of a copy without a file was made for; that ledger is used then.

    Raises `UsageError` where the ledger is a plan file's."""
    if file is not None:
        return invocation.plan(file), invocation
    path = ledger_of(None, invocation)
    plan = anyio.run(api.asked_plan, path)
    if plan is None:
        raise UsageError(f"{path} is the ledger of a plan file: name that.")
    return invocation.named(plan), replace(invocation, options=replace(invocation.options, ledger=path))
