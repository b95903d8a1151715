"""`cartage run FILE`: copy, or go on where an earlier run ended."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engine.api.plan import survey
from engine.api.run import MigrationResult, migrate
from engine.cli.codes import ASIDE, DONE, FATAL, USAGE
from engine.cli.invocation import Invocation
from engine.plan.document import Plan
from engine.plan.estimate import WRITES_PER_S
from engine.report.plan import plan_page
from engine.report.run import result_page, result_values


def run_command(invocation: Invocation, file: Path, yes: bool) -> None:
    carry_out(invocation, invocation.plan(file), yes=yes)


def carry_out(invocation: Invocation, plan: Plan, *, yes: bool) -> None:
    """Ask if a person is there to be asked, migrate, say what came of it."""
    ask_to_copy(invocation, plan, yes=yes)
    result = invocation.run(lambda options, stop: migrate(plan, options, stop=stop))
    values = result_values(result)
    invocation.say(result_page(plan, result, invocation.took_s))
    if result.stopped:
        invocation.end_interrupted(values)
    invocation.say_empty(result.empty)
    invocation.end(exit_code(result), values)


def ask_to_copy(invocation: Invocation, plan: Plan, *, yes: bool) -> None:
    """Show what would be done and ask, if a person is there to be asked; end where the answer is no."""
    if yes or invocation.json or not sys.stdin.isatty():
        return
    found = invocation.run(lambda options, _: survey(plan, options))
    invocation.show(plan_page(plan, found, WRITES_PER_S, invocation.took_s))
    invocation.say_empty(found.empty)
    if found.no_room:
        invocation.say_no_room(found.no_room)
        raise SystemExit(USAGE)
    if not click.confirm("\nCopy?"):
        click.echo("nothing was copied", err=True)
        raise SystemExit(FATAL)


def exit_code(result: MigrationResult) -> int:
    """What a run that came to its end ends with."""
    return USAGE if result.empty else ASIDE if result.aside or result.unlisted_count else DONE
