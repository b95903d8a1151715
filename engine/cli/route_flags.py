"""What `cp` and `sync` have in common: the plan that two locations and the rules of one route make."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from engine.api.load import home_folder
from engine.cli.grammar.shared import CONNECTION_OF_A_SIDE, SIDES
from engine.cli.invocation import Invocation
from engine.errors import PlanError, UsageError, refused_as
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.locations import parse_location
from engine.plan.settings import Connection


class Mistakes:
    """What is wrong with a command line, collected, so that all of it is said at once."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, problem: str) -> None:
        """Report one."""
        self._found.append(problem)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Report what the block inside is refused for, and go on after it."""
        try:
            yield
        except PlanError as error:
            self._found += error.problems
        except UsageError as error:
            self._found.append(error.advised)

    def end(self) -> None:
        """Raise `PlanError` where there are any."""
        if self._found:
            raise PlanError(self._found)


def plan_of_flags(
    invocation: Invocation, source: str, target: str, given: dict[str, Any], mistakes: Mistakes, **more: Any
) -> Plan:
    """The plan that the flags of a route ask for. Raises `PlanError` with every problem, those of `mistakes` among
    them."""
    if _lacks_a_slash(source):
        mistakes.add(f"{SIDES['from']}: {source} is a folder: write {source}/ for everything in it")
        source += "/"  # the rest is judged as it was meant
    # What is said of both holds for a side of which more is said: else --endpoint-url would be for no side at all.
    common = invocation.options.connection(Connection())
    for side, text in (("from", source), ("to", target)):
        connection = Connection(**{name: given.pop(f"{side}_{name}") for name in CONNECTION_OF_A_SIDE})
        if side == "from" and given.pop("from_no_sign_request"):
            connection = replace(connection, credentials="none")
        if connection == Connection():
            continue
        if (place := _place(text)) is not None and place.is_local:
            name = next(iter(connection.said)).replace("_", "-")
            flag = f"--{side}-{'no-sign-request' if name == 'credentials' else name}"
            which = f"{SIDES[side]} is the local path {text}"
            mistakes.add(f"{flag} says where a place in S3 is, and {which}: leave it out")
        else:
            connection = replace(common, **connection.said)
            more["source_connection" if side == "from" else "target_connection"] = connection
    if given.pop("no_tags"):
        if given["tags"]:
            mistakes.add("--tag and --no-tags contradict each other")
        else:
            given["properties"] = {"tags": "drop"}
    for name, flag in (("tags", "--tag"), ("metadata", "--metadata")):
        given[name] = pairs(flag, given[name], mistakes)
    rules = {name: value for name, value in given.items() if value}
    with mistakes.kept():
        plan = Plan.of(source, target, folder=Path.cwd(), home=home_folder(), **rules, **more)
    mistakes.end()
    return invocation.named(with_list_kept(plan))


def _place(text: str) -> Location | None:
    """The location that is written; None for what is none, which is said with everything else that is wrong."""
    with suppress(UsageError):
        return parse_location(text, folder=Path.cwd(), home=home_folder())
    return None


def _lacks_a_slash(source: str) -> bool:
    """Whether a folder is written as one file of that name would be; a link to one may be meant as what it is."""
    place = _place(source)
    if place is None or not place.is_local or place.is_prefix:
        return False
    path = Path(place.bucket, place.key)
    with suppress(OSError):  # a name that the system does not take
        return path.is_dir() and not path.is_symlink()
    return False


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


def pairs(flag: str, texts: tuple[str, ...], mistakes: Mistakes) -> dict[str, str]:
    """KEY=VALUE texts as a table. One without "=" is a mistake, and is in the table all the same, so that what else
    is wrong is judged as if it were not."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            mistakes.add(f'{flag} takes KEY=VALUE, and not "{text}"')
        pairs[name or "_"] = value
    return pairs
