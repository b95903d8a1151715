"""`cartage accept FILE WHAT`: a named difference from the expectation, accepted for exactly one figure."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api import accepting
from engine.cli.common import DONE, Invocation, Teller, run, shared_flags
from engine.plan.document import Plan


@click.command("accept", short_help="Accept a named difference, with a reason that is kept.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("what")
@click.option("--found", required=True, help="The figure that is accepted; it is not accepted for any other.")
@click.option("--because", required=True, help="Why; kept with the date and shown in the receipt.")
@shared_flags
def accept_command(invocation: Invocation, file: Path, what: str, found: str, because: str) -> None:
    """Accept WHAT (such as processed.objects, as `cartage plan` names it) as it was found."""
    plan = Plan.load(file)
    teller = Teller(invocation, "accept")
    run(invocation, "accept", lambda options, _: accepting.accept(plan, options, what, found, because), teller=teller)
    invocation.say(f"accepted: {what} = {found} ({because})")
    teller.summary("accept", DONE, {"what": what, "found": found, "because": because})
