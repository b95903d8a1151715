"""`cartage plan FILE`: what a run would do, what it costs, and whether it is what the owner expects."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engine.api.plan import survey
from engine.cli.codes import DONE, USAGE
from engine.cli.flags import assume_flag, empty_flag, shared_flags
from engine.cli.invocation import Invocation
from engine.plan.permissions import COMMANDS, policy
from engine.report.plan import plan_text, plan_values


@click.command("plan")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--max-rps",
    type=click.FloatRange(min=0.1),
    default=3500.0,
    show_default=True,
    help="Requests a second that the time floor is reckoned with.",
)
@click.option(
    "--probe",
    is_flag=True,
    help="Also try which of S3's conditions the server honours, on small objects of our own under the targets.",
)
@click.option(
    "--policy",
    "policy_of",
    type=click.Choice(COMMANDS),
    help="Print the smallest IAM policy of a command instead, without asking S3.",
)
@click.option(
    "--site", metavar="NAME", help='With --policy: the site whose policy it is; "connection" for the plan\'s own.'
)
@shared_flags
@assume_flag
@empty_flag
def plan_command(
    invocation: Invocation, file: Path, max_rps: float, probe: bool, policy_of: str | None, site: str | None
) -> None:
    """List source and target of every route in FILE and show, per route and in total, what a run would do, what is
    expected against what is found, requests, cost, time floor and the IAM actions needed."""
    plan = invocation.plan(file)
    if policy_of is not None:
        document = policy(plan, policy_of, "" if site == "connection" else site)
        invocation.say(json.dumps(document, indent=2))
        invocation.end(DONE, {"policy": document})
    result = invocation.run(lambda options, _: survey(plan, options, probe=probe))
    invocation.say(plan_text(plan, result, max_rps))
    invocation.say_empty(result.empty)
    invocation.end(USAGE if result.empty else DONE, plan_values(plan, result, max_rps))
