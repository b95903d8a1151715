"""How a command ends: what went wrong as an error that a user can be told. Whatever was raised, no traceback is how a
command ends."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from engine.cli.codes import FATAL
from engine.cli.entry import was_interrupted
from engine.errors import EngineError, PlanError, StoreError, UsageError, each_error
from engine.logs import log
from engine.process import MORE_FILES, OUT_OF_FILES
from engine.report.bar import broken
from engine.report.drawing import draw, terminal_width
from engine.report.ndjson import NdjsonWriter
from engine.report.page import Tone, Toned
from engine.report.text import safe

TRACEBACK = "CARTAGE_TRACEBACK"
"""Set to 1, an unexpected error's traceback is shown too, for a report."""

LONGEST_TEXT = 300

NO_THREAD = "can't start new thread"
"""Python's own words, as it has no error of its own for that."""


class UnexpectedError(EngineError):
    """A mistake in Cartage itself."""


def conclude(verb: str, code: int, values: dict[str, Any], *, as_json: bool) -> None:
    """The last line of `--json` after an error that was told on stderr: a stdout that takes nothing is not told as
    well."""
    try:
        if as_json:
            NdjsonWriter(sys.stdout).summary(verb, code, values)
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def end(error: BaseException, verb: str, *, as_json: bool, example: str = "") -> NoReturn:
    """Say what went wrong and what to do, and end with the error's exit code. `example` is what is told to whoever
    asked for what makes no sense, and whom nothing better is said. Raises `KeyboardInterrupt` where a signal was what
    went wrong."""
    if any(map(was_interrupted, each_error(error))):
        raise KeyboardInterrupt from None
    known = explain(error)
    if known is None:  # the reader of stdout has gone: nobody is left to be told
        _silence_stdout()
        raise SystemExit(FATAL)
    if isinstance(known, UsageError) and not known.advice:
        known.advice = example
    log(logging.ERROR, "error", **{name: value for name, value in error_values(known).items() if name != "advice"})
    sentence, advice = _sentence(known), safe(known.advice)
    whose = f"cartage{verb and f' {verb}'}: "
    width = terminal_width(sys.stderr, os.environ) if sys.stderr.isatty() else None
    # Broken between words alone: what stands there may be a path or a command to be copied.
    said: list[str] = [Toned(broken(f"{whose}{sentence}", width, len(whose)), Tone.BAD, whole=True)]
    if advice:
        said.append(Toned(broken(f"  {advice}", width), whole=True))
    draw(said, sys.stderr)
    conclude(verb, known.exit_code, error_values(known), as_json=as_json)
    raise SystemExit(known.exit_code)


def _silence_stdout() -> None:
    """Else the interpreter would flush what is left, and complain (Python's notes on SIGPIPE)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explain(error: BaseException) -> EngineError | None:
    """The engine's error for what ended a command, the one that matters out of a group; None for what is no error of
    a command's own: the reader of a pipe that is gone."""
    errors = list(each_error(error))
    for item in errors:
        if isinstance(item, EngineError):
            return item
    if any(isinstance(item, BrokenPipeError) for item in errors):
        return None
    first = errors[0]
    no_thread = isinstance(first, RuntimeError) and str(first) == NO_THREAD
    if no_thread or (isinstance(first, BlockingIOError) and first.strerror == os.strerror(errno.EAGAIN)):
        return EngineError(
            f"the system lets this process begin no further {'thread' if no_thread else 'process'}.",
            advice="It bounds memory or processes (ulimit -v, ulimit -u, a container's limits). Raise that, and run "
            "the same command again: it goes on.",
        )
    if isinstance(first, OSError) and first.strerror:
        about = f"{os.fsdecode(first.filename)}: " if first.filename else ""
        advice = MORE_FILES if first.errno in OUT_OF_FILES else "Mend that and run the same command again."
        return EngineError(f"{about}{first.strerror}.", advice=advice)
    if isinstance(first, UnicodeEncodeError) and first.encoding == sys.getfilesystemencoding():
        return EngineError(
            f"{first.object} cannot be a file's name here: by its locale this system's names are {first.encoding}.",
            advice="Set LC_ALL=C.UTF-8, or PYTHONUTF8=1, and run the same command again.",
        )
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


def _sentence(error: EngineError) -> str:
    if not isinstance(error, StoreError):
        return "\n".join(safe(line) for line in error.message.split("\n"))
    if Path(error.ref).is_absolute():  # a local folder or file: nothing of S3 was asked
        return safe(error.message if error.ref in error.message else f"{error.ref}: {error.message}")
    request = f" (request id {safe(error.request_id)})" if error.request_id else ""
    return safe(str(error)) + request


def error_values(error: EngineError) -> dict[str, Any]:
    """An error as the summary line of `--json` has it (docs/json.md)."""
    values: dict[str, Any] = {
        "error": getattr(error, "code", "") or type(error).__name__,
        "message": error.message,
        "advice": error.advice,
    }
    if isinstance(error, StoreError):
        values |= {"operation": error.operation, "ref": error.place, "request_id": error.request_id}
    if isinstance(error, PlanError):
        values["problems"] = list(error.problems)
    return values
