"""Which ledger a command is about, and which plan, where no plan file has to be named."""

from __future__ import annotations

from pathlib import Path

import anyio

from engine.api.asked import asked_plan
from engine.api.load import load_plan
from engine.api.options import ledger_path
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.plan.document import Plan
from engine.report.text import first_of

NAMED = 10


def ledger_of(file: Path | None, invocation: Invocation) -> Path:
    """The ledger that a command without S3 is about: --ledger, the plan's, or the only one here."""
    if invocation.options.ledger is not None:
        return invocation.options.ledger
    if file is not None:
        return ledger_path(load_plan(file), invocation.options)
    here = sorted((invocation.options.state_dir or Path()).glob("*.ledger"))
    if len(here) == 1:
        return here[0]
    where = str(invocation.options.state_dir or "")
    place = f"in {where}" if where else "here"
    what = f"there is no ledger {place}"
    if here:
        what = f"there are {len(here):,} ledgers {place}: {first_of([path.name for path in here], NAMED)}"
    raise UsageError(f"{what}.", advice="Name the plan's file, or the ledger with --ledger FILE.")


def followed(file: Path | None, invocation: Invocation, *, rows: bool = True) -> None:
    """With --state, have this machine's view of the ledger say what is known there, before it is read; `rows` as for
    `follow`. Raises `UsageError` where no plan is known."""
    if invocation.options.state is None:
        return
    from engine.api.following import follow  # what speaks to S3 takes long to import, and is not needed else

    plan, invocation = plan_of(file, invocation)
    invocation.run(lambda options, _: follow(plan, options, rows=rows))


def plan_of(file: Path | None, invocation: Invocation) -> tuple[Plan, Invocation]:
    """The plan in a file, or the one that the ledger of a copy without a file was made for; that ledger is used then.

    Raises `UsageError` where the ledger is a plan file's."""
    plan, invocation = plan_if_known(file, invocation)
    if plan is None:
        raise UsageError(f"{invocation.options.ledger} is the ledger of a plan file: name that.")
    return plan, invocation


def plan_if_known(file: Path | None, invocation: Invocation) -> tuple[Plan | None, Invocation]:
    """As `plan_of`; None where only a plan file's ledger is known."""
    if file is not None:
        return invocation.plan(file), invocation
    path = ledger_of(None, invocation)
    asked = anyio.run(asked_plan, path)
    return (invocation.named(asked) if asked is not None else None), invocation.having(ledger=path)
