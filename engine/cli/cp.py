"""`cartage cp SRC DST`: copy one location to another without a plan file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.api.load import home_folder, place_of
from engine.cli.invocation import Invocation
from engine.cli.plan import dry_run
from engine.cli.route_flags import Mistakes, plan_of_flags
from engine.cli.run import carry_out
from engine.errors import UsageError
from engine.plan.locations import parse_location


def cp_command(
    invocation: Invocation, source: str, target: str, yes: bool, dry: bool, report: Path | None, **rules: Any
) -> None:
    mistakes = Mistakes()
    with mistakes.kept():
        target = landing(source, target)
    plan = plan_of_flags(invocation, source, target, rules, mistakes)
    if dry:
        dry_run(invocation, plan)
    carry_out(invocation, plan, yes=yes, report=report)


def landing(source: str, target: str) -> str:
    """Where one key goes that is copied to a place with a slash at its end: below it, by its own last name, as with cp
    and `aws s3 cp`. Any other target stays what it is.

    Raises `UsageError` for a folder in whose place a file was to be."""
    try:
        start, end = place_of(source), parse_location(target, folder=Path.cwd(), home=home_folder())
    except (UsageError, OSError):
        return target  # said with everything else that is wrong with the plan, or by whoever reads it
    name = start.key.rpartition("/")[2]
    if start.is_prefix or name in (".", ".."):
        return target
    below = f"{target.removesuffix('/')}/{name}"
    if end.is_prefix:
        return below
    with suppress(OSError):  # a name that the system does not take
        if end.is_local and Path(end.bucket, end.key).is_dir():
            raise UsageError(f"{target} is a folder, and no file can take its place: write {below}")
    return target
