"""What went wrong, as an error that a user can be told: whatever was raised, no traceback is how a command ends."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

from engine.errors import EngineError, PlanError, StoreError

TRACEBACK = "CARTAGE_TRACEBACK"
"""Set to 1, an unexpected error's traceback is shown too, for a report."""

LONGEST_TEXT = 300


class UnexpectedError(EngineError):
    """A mistake in Cartage itself."""


def explain(error: BaseException) -> EngineError | None:
    """The engine's error for what ended a command, the one that matters out of a group; None for what is no error of
    a command's own: the reader of a pipe that is gone."""
    errors = _flat(error)
    for item in errors:
        if isinstance(item, EngineError):
            return item
    if any(isinstance(item, BrokenPipeError) for item in errors):
        return None
    first = errors[0]
    if isinstance(first, OSError) and first.strerror:
        about = f"{first.filename}: " if first.filename else ""
        return EngineError(f"{about}{first.strerror}.", advice="Mend that and run the same command again.")
    if isinstance(first, MemoryError):
        return EngineError("the machine has no memory left.", advice="Run the same command again: it goes on.")
    if os.environ.get(TRACEBACK) == "1":
        traceback.print_exception(error)
    where = traceback.extract_tb(first.__traceback__)
    at = f" at {Path(where[-1].filename).name}:{where[-1].lineno}" if where else ""
    return UnexpectedError(
        f"a mistake in Cartage: {type(first).__name__}{at}: {str(first)[:LONGEST_TEXT]}",
        advice=f"What was committed is safe. Please report it, with what the command says under {TRACEBACK}=1.",
    )


def error_values(error: EngineError) -> dict[str, Any]:
    """An error as the summary line of `--json` has it (docs/json.md)."""
    values: dict[str, Any] = {
        "error": getattr(error, "code", "") or type(error).__name__,
        "message": error.message,
        "advice": error.advice,
    }
    if isinstance(error, StoreError):
        values |= {"operation": error.operation, "ref": error.ref, "request_id": error.request_id}
    if isinstance(error, PlanError):
        values["problems"] = list(error.problems)
    return values


def _flat(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [item for inner in error.exceptions for item in _flat(inner)]
