"""Reads a plan's file: plans themselves touch no disk."""

from __future__ import annotations

from pathlib import Path

from engine.errors import UsageError
from engine.plan.document import Plan


def load_plan(path: str | Path) -> Plan:
    """The plan in a file. Raises `UsageError` where there is none to read, `PlanError` where it is refused."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no plan at {path}", advice="cartage init writes one to start from.") from None
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror or error}") from error
    return Plan.parse(data, str(path), folder=Path.cwd(), home=home_folder())


def home_folder() -> Path | None:
    """What "~" stands for; None where the machine does not say."""
    try:
        return Path.home()
    except RuntimeError:
        return None
