"""`cartage run FILE` and `cartage cp SRC DST`: copy, or go on where an earlier run ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from engine.api import running
from engine.cli.common import (
    ASIDE,
    DONE,
    FATAL,
    USAGE,
    Invocation,
    Teller,
    copy_flags,
    empty_flag,
    interrupted,
    run,
    say_empty,
    shared_flags,
)
from engine.errors import UsageError
from engine.plan.document import Plan
from engine.report.run import result_text, result_values


@click.command("run", short_help="Copy what the plan says; resumes if there is a ledger.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@shared_flags
@empty_flag
@copy_flags
def run_command(invocation: Invocation, file: Path, yes: bool) -> None:
    """Carry out the plan in FILE. Run it again after an interruption, an error or a change: it goes on from its
    ledger, copies what is missing and takes new arrivals along."""
    carry_out(invocation, "run", invocation.plan(file), yes=yes)


@click.command("cp", short_help="Copy one location to another, without a plan file.")
@click.argument("source")
@click.argument("target")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only keys that match; may be given again.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No keys that match; wins over --include.")
@click.option(
    "--overwrite",
    type=click.Choice(["never", "if-different", "always"]),
    default="never",
    show_default=True,
    help="What may happen to a target that holds something else.",
)
@click.option("--since", default="", metavar="TIME", help="Only what was modified at this time or later.")
@click.option("--until", default="", metavar="TIME", help="Only what was modified before this time.")
@click.option("--min-size", default="", metavar="SIZE", help="Only objects of at least this size, such as 5MB.")
@click.option("--max-size", default="", metavar="SIZE", help="Only objects of at most this size.")
@click.option("--keys", default="", metavar="FILE", help="A list of keys in place of a listing; local or in S3.")
@click.option("--inventory", default="", metavar="MANIFEST", help="An S3 Inventory in place of a listing.")
@click.option("--storage-class", default="", metavar="CLASS", help="The targets' storage class.")
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the targets, in place of the sources'."
)
@click.option("--no-tags", is_flag=True, help="Leave the sources' tags out; they are not read either.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Metadata laid over the sources' own.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@shared_flags
@empty_flag
@copy_flags
def cp_command(
    invocation: Invocation,
    source: str,
    target: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    tags: tuple[str, ...],
    no_tags: bool,
    metadata: tuple[str, ...],
    yes: bool,
    **rules: str,
) -> None:
    """Copy SOURCE to TARGET, both s3://bucket/prefix/ (everything under it) or both s3://bucket/key (that one)."""
    given: dict[str, Any] = {name: value for name, value in rules.items() if value}
    if no_tags:
        if tags:
            raise UsageError("--tag and --no-tags contradict each other")
        given["properties"] = {"tags": "drop"}
    plan = Plan.of(
        source,
        target,
        include=include,
        exclude=exclude,
        tags=_pairs("--tag", tags) if tags else None,
        metadata=_pairs("--metadata", metadata),
        **given,
    )
    carry_out(invocation, "cp", invocation.named(plan), yes=yes)


def _pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE texts as a table. Raises `UsageError` for one without "="."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f'{flag} takes KEY=VALUE, and not "{text}"')
        pairs[name] = value
    return pairs


def carry_out(invocation: Invocation, command: str, plan: Plan, *, yes: bool) -> None:
    """Ask if a person is there to be asked, migrate, say what came of it."""
    if not yes and sys.stdin.isatty() and not invocation.json:
        from engine.report.plan import plan_text

        survey = run(invocation, command, lambda options, _: running.look(plan, options))
        click.echo(plan_text(plan, survey, 3500.0))
        say_empty(command, survey.empty)
        if not click.confirm("\nCopy?"):
            click.echo("nothing was copied", err=True)
            raise SystemExit(FATAL)
    teller = Teller(invocation, command)
    result = run(invocation, command, lambda options, stop: running.migrate(plan, options, stop=stop), teller=teller)
    values: dict[str, Any] = result_values(result)
    invocation.say(result_text(plan, result))
    if result.stopped:
        interrupted(teller, command, values)
    say_empty(command, result.empty)
    code = USAGE if result.empty else ASIDE if result.aside else DONE
    teller.summary(command, code, values)
    raise SystemExit(code)
