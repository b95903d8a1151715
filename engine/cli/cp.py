"""`cartage cp SRC DST`: copy one location to another without a plan file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from engine.api.load import home_folder
from engine.cli.flags import copy_flags, empty_flag, shared_flags
from engine.cli.invocation import Invocation
from engine.cli.run import carry_out
from engine.errors import UsageError
from engine.plan.document import Plan


@click.command("cp")
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
        folder=Path.cwd(),
        home=home_folder(),
        **given,
    )
    carry_out(invocation, invocation.named(plan), yes=yes)


def _pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE texts as a table. Raises `UsageError` for one without "="."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f'{flag} takes KEY=VALUE, and not "{text}"')
        pairs[name] = value
    return pairs
