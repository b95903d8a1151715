"""What `cp` and `sync` have in common: two locations, and the rules of one route as flags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from engine.api.load import home_folder, place_of
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.plan.document import Plan
from engine.plan.settings import Connection

_CHOOSING = (
    click.option("--include", multiple=True, metavar="PATTERN", help="Only keys that match; may be given again."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="No keys that match; wins over --include."),
    click.option("--since", default="", metavar="TIME", help="Only what was modified at this time or later."),
    click.option("--until", default="", metavar="TIME", help="Only what was modified before this time."),
    click.option("--min-size", default="", metavar="SIZE", help="Only objects of at least this size, such as 5MB."),
    click.option("--max-size", default="", metavar="SIZE", help="Only objects of at most this size."),
    click.option("--keys", default="", metavar="FILE", help="A list of keys in place of a listing; local or in S3."),
    click.option("--inventory", default="", metavar="MANIFEST", help="An S3 Inventory in place of a listing."),
)
_WRITING = (
    click.option("--storage-class", default="", metavar="CLASS", help="The targets' storage class."),
    click.option(
        "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the targets, in place of the sources'."
    ),
    click.option("--no-tags", is_flag=True, help="Leave the sources' tags out; they are not read either."),
    click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Metadata laid over the sources' own."),
)
_SETTINGS = {
    "endpoint_url": ("URL", "{} is at this endpoint."),
    "region": ("NAME", "{} is in this region."),
    "profile": ("NAME", "{} is asked for with this profile of the AWS configuration."),
}
_SIDES = {"from": "SOURCE", "to": "TARGET"}
_ELSEWHERE = tuple(
    click.option(f"--{side}-{name.replace('_', '-')}", default="", metavar=word, help=text.format(end))
    for side, end in _SIDES.items()
    for name, (word, text) in _SETTINGS.items()
)


_ASKING = (
    click.option("--dry-run", "dry", is_flag=True, help="Show what would be done, as plan does; write nothing."),
    click.option("--yes", "-y", is_flag=True, help="Do not ask."),
)


def route_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """The rules of one route as flags, and whether it is carried out."""
    for option in reversed((*_CHOOSING, *_WRITING, *_ELSEWHERE, *_ASKING)):
        command = option(command)
    return command


def plan_of_flags(invocation: Invocation, source: str, target: str, given: dict[str, Any], **more: Any) -> Plan:
    """The plan that the flags of a route ask for. Raises `UsageError`, `PlanError`."""
    here, home = Path.cwd(), home_folder()
    for side, text in (("from", source), ("to", target)):
        connection = Connection(**{name: given.pop(f"{side}_{name}") for name in _SETTINGS})
        if connection == Connection():
            continue
        if place_of(text).is_local:
            flag = _flag(side, next(iter(connection.said)))
            message = f"{flag} says where a place in S3 is, and {_SIDES[side]} is the local path {text}."
            raise UsageError(message, advice="Leave it out.")
        more["source_connection" if side == "from" else "target_connection"] = connection
    if given.pop("no_tags"):
        if given["tags"]:
            raise UsageError("--tag and --no-tags contradict each other")
        given["properties"] = {"tags": "drop"}
    for name, flag in (("tags", "--tag"), ("metadata", "--metadata")):
        given[name] = _pairs(flag, given[name])
    rules = {name: value for name, value in given.items() if value}
    return invocation.named(Plan.of(source, target, folder=here, home=home, **rules, **more))


def _flag(side: str, name: str) -> str:
    return f"--{side}-{name.replace('_', '-')}"


def _pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE texts as a table. Raises `UsageError` for one without "="."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f'{flag} takes KEY=VALUE, and not "{text}"')
        pairs[name] = value
    return pairs
