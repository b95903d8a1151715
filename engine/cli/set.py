"""`cartage set LOCATION`: storage class, tags and metadata of objects, set where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.api.load import home_folder
from engine.cli.confirming import can_ask
from engine.cli.invocation import Invocation
from engine.cli.plan import dry_run
from engine.cli.route_flags import Mistakes, pairs, with_list_kept
from engine.cli.run import carry_out
from engine.errors import UsageError
from engine.plan.document import Plan


def set_command(
    invocation: Invocation,
    location: str,
    tags: tuple[str, ...],
    metadata: tuple[str, ...],
    replace_tags: bool,
    yes: bool,
    dry: bool,
    **rules: Any,
) -> None:
    mistakes = Mistakes()
    if replace_tags and not tags:
        mistakes.add("--replace-tags needs the tags that take the place of all others: give --tags")
    given = {name: value for name, value in rules.items() if value}
    tables = {"tags": pairs("--tags", tags, mistakes), "metadata": pairs("--metadata", metadata, mistakes)}
    with mistakes.kept():
        plan = Plan.setting(
            location,
            tags=tables["tags"] if tags else None,
            metadata=tables["metadata"],
            replace_tags=replace_tags,
            folder=Path.cwd(),
            home=home_folder(),
            **given,
        )
    mistakes.end()
    plan = invocation.named(with_list_kept(plan))
    if dry:
        dry_run(invocation, plan)
    if not yes and not can_ask(invocation):
        raise UsageError(
            "nothing is set before somebody said so.",
            advice="Look at what it would cost with --dry-run; then say it with --yes, or on a terminal.",
        )
    carry_out(invocation, plan, yes=yes)
