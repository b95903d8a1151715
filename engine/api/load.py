"""Reads a plan's file, and knows where local paths begin: plans themselves touch no disk."""

from __future__ import annotations

from pathlib import Path

from engine.api.commands import typed
from engine.errors import UsageError
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.likeness import nearest
from engine.plan.locations import parse_location


def load_plan(path: str | Path) -> Plan:
    """The plan in a file. Raises `UsageError` where there is none to read, or a ledger, and `PlanError` where it is
    refused."""
    from engine.ledger.files import SQLITE_HEADER  # here: not every command that reads a location has a ledger

    if isinstance(path, str) and path.startswith(("s3://", "file://")):
        raise UsageError(f"{path} is a location, and a plan is read from a file.", advice="Copy it here first.")
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(len(SQLITE_HEADER))
            if data == SQLITE_HEADER:
                advice = f"Give it with {typed('--ledger', str(path))}"
                raise UsageError(f"{path} is a ledger, and no plan.", advice=advice)
            data += file.read()
    except FileNotFoundError:
        alike = nearest(path.name, [item.name for item in path.parent.glob("*.toml")])
        advice = f"{typed('cartage', 'init', str(path))} writes one to start from."
        raise UsageError(f"there is no plan at {path}{alike}", advice=advice) from None
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror or error}") from error
    return Plan.parse(data, str(path), folder=Path.cwd(), home=home_folder())


def place_of(where: str | Location) -> Location:
    """A location as a person writes it, in S3 or a local path from the working folder; a location stays what it is. A
    local path without a slash at its end that is a directory is meant as one.

    Raises `UsageError` for what is no location."""
    if not isinstance(where, str):
        return where
    place = parse_location(where, folder=Path.cwd(), home=home_folder())
    if place.is_local and not place.is_prefix and (path := Path(place.bucket, place.key)).is_dir():
        return Location(f"{path.as_posix()}", "", place.site)
    return place


def home_folder() -> Path | None:
    """What "~" stands for; None where the machine does not say."""
    try:
        return Path.home()
    except RuntimeError:
        return None
