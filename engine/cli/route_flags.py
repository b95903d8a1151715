"""What `cp` and `sync` have in common: the plan that two locations and the rules of one route make."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from engine.api.load import home_folder, place_of
from engine.cli.grammar.shared import CONNECTION_OF_A_SIDE, SIDES
from engine.cli.invocation import Invocation
from engine.errors import UsageError, refused_as
from engine.plan.document import Plan
from engine.plan.locations import parse_location
from engine.plan.settings import Connection


def plan_of_flags(invocation: Invocation, source: str, target: str, given: dict[str, Any], **more: Any) -> Plan:
    """The plan that the flags of a route ask for. Raises `UsageError`, `PlanError`."""
    here, home = Path.cwd(), home_folder()
    _refuse_a_missing_slash(source, target)
    for side, text in (("from", source), ("to", target)):
        connection = Connection(**{name: given.pop(f"{side}_{name}") for name in CONNECTION_OF_A_SIDE})
        if connection == Connection():
            continue
        if place_of(text).is_local:
            name = next(iter(connection.said)).replace("_", "-")
            message = f"--{side}-{name} says where a place in S3 is, and {SIDES[side]} is the local path {text}."
            raise UsageError(message, advice="Leave it out.")
        more["source_connection" if side == "from" else "target_connection"] = connection
    if given.pop("no_tags"):
        if given["tags"]:
            raise UsageError("--tag and --no-tags contradict each other")
        given["properties"] = {"tags": "drop"}
    for name, flag in (("tags", "--tag"), ("metadata", "--metadata")):
        given[name] = pairs(flag, given[name])
    rules = {name: value for name, value in given.items() if value}
    return invocation.named(with_list_kept(Plan.of(source, target, folder=here, home=home, **rules, **more)))


def _refuse_a_missing_slash(source: str, target: str) -> None:
    """Raise `UsageError` for a folder, or everything under a prefix, where one file or key was written."""
    try:
        start, there, end = (
            parse_location(source, folder=Path.cwd(), home=home_folder()),
            place_of(source),
            parse_location(target, folder=Path.cwd(), home=home_folder()),
        )
        is_folder = there.is_prefix and not start.is_prefix and not Path(start.bucket, start.key).is_symlink()
    except (UsageError, OSError):
        return  # said with everything else that is wrong
    if is_folder:
        raise UsageError(f"{source} is a folder: write {source}/ for everything in it")
    if start.is_prefix and not end.is_prefix:
        one = "file" if end.is_local else "exact key"
        raise UsageError(f"{target} is one {one}, and {source} is everything under it: write {target}/")


def with_list_kept(plan: Plan) -> Plan:
    """The plan; a list that comes through a pipe can be read once, and a copy reads it for its question and after it:
    it is kept as long as this process lives. Raises `UsageError` where it cannot be."""
    key_list = plan.routes[0].key_list
    if key_list is None or not key_list.at or not Path(key_list.at).is_fifo():
        return plan
    kept = Path(_own_folder().name) / "keys"
    with (
        refused_as(f"the list {key_list} cannot be kept in {kept.parent}"),
        Path(key_list.at).open("rb") as pipe,
        kept.open("wb") as file,
    ):
        shutil.copyfileobj(pipe, file)
    return plan.with_list_at(str(kept))


@cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cartage-list-")


def pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE texts as a table. Raises `UsageError` for one without "="."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f'{flag} takes KEY=VALUE, and not "{text}"')
        pairs[name] = value
    return pairs
