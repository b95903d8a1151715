"""`cartage cp SRC DST`: copy one location to another without a plan file."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.flags import copy_flags, empty_flag, shared_flags
from engine.cli.invocation import Invocation
from engine.cli.plan import dry_run
from engine.cli.route_flags import plan_of_flags, route_flags
from engine.cli.run import carry_out


@click.command("cp")
@click.argument("source")
@click.argument("target")
@click.option(
    "--overwrite",
    type=click.Choice(["never", "if-different", "always"]),
    default="never",
    show_default=True,
    help="What may happen to a target that holds something else.",
)
@route_flags
@shared_flags
@empty_flag
@copy_flags
def cp_command(invocation: Invocation, source: str, target: str, yes: bool, dry: bool, **rules: Any) -> None:
    """Copy SOURCE to TARGET. Each is s3://bucket/prefix/ or a local folder, ./project/ (everything under it), or
    s3://bucket/key or a local file, ./project/file (that one): both a folder, or both one object.

    The two may be at different endpoints, or belong to different accounts: the flags that begin with --from and --to
    say so for one side. What is between two endpoints, or goes to or from a local folder, passes through this
    machine."""
    plan = plan_of_flags(invocation, source, target, rules)
    if dry:
        dry_run(invocation, plan)
    carry_out(invocation, plan, yes=yes)
