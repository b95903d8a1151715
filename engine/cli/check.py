"""`cartage check [LOCATION]`: who am I, which region and endpoint, does the bucket answer, what may I do."""

from __future__ import annotations

import click

from engine.api.check import check
from engine.cli.codes import DONE, FATAL
from engine.cli.flags import shared_flags
from engine.cli.invocation import Invocation
from engine.plan.locations import parse_location
from engine.report.check import check_page, check_values


@click.command("check")
@click.argument("location", required=False)
@click.option("--write", is_flag=True, help="Also try the write actions, on an object of its own that it removes.")
@shared_flags
def check_command(invocation: Invocation, location: str | None, write: bool) -> None:
    """Say who the credentials belong to, and which endpoint and region are used. With LOCATION (s3://bucket/prefix/),
    try the actions that a migration needs there: reading by itself, writing only with --write."""
    where = parse_location(location) if location else None
    report = invocation.run(lambda options, _: check(where, options, write=write))
    invocation.say(check_page(report, location, invocation.took_s, invocation.connection_flags))
    denied = any(item.verdict == "denied" for item in report.actions)
    invocation.end(FATAL if denied else DONE, check_values(report))
