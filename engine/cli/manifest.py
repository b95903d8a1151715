"""`cartage manifest FILE`: the project's manifest brought up to date from the ledger, shown, written, put back."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api.consent import Act
from engine.api.manifest import manifest
from engine.cli.codes import ASIDE, DONE
from engine.cli.flags import assume_flag, shared_flags, unguarded_flag
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.references.replacing import all_back
from engine.report.manifest import manifest_page, manifest_values


@click.command("manifest")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--apply", is_flag=True, help="Write it, only if nobody changed it since.")
@click.option("--undo", is_flag=True, help="Put back what was there before.")
@click.option("--create", is_flag=True, help="Make a new one where there is none.")
@shared_flags
@unguarded_flag
@assume_flag
def manifest_command(invocation: Invocation, file: Path, apply: bool, undo: bool, create: bool) -> None:
    """Show what [manifest] of the plan in FILE changes in the JSON object that it names: path, size, number of files
    and description of each data set, from what the ledger holds, and the values that are set. Everything else in it
    stays as it is, to the last character."""
    plan = invocation.plan(file)
    if undo and (apply or create):
        raise UsageError("--undo stands alone: it puts back what was there.")
    act = Act.UNDO if undo else Act.APPLY if apply else Act.SHOW
    result = invocation.run(lambda options, _: manifest(plan, options, act=act, create=create))
    invocation.say(manifest_page(plan, result, invocation.took_s, create=create))
    invocation.end(DONE if all_back(result.restored) else ASIDE, manifest_values(result))
