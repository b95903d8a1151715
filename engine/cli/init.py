"""`cartage init`: a commented plan to start from."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api.commands import typed
from engine.errors import EngineError, UsageError
from engine.folder.first import write_first
from engine.plan.starter import starter_plan
from engine.report.text import safe


def init_command(file: Path) -> None:
    try:
        write_first(file, starter_plan(file=file.name).encode())
    except FileExistsError:
        raise UsageError(f"{file} is there already, and is left as it is.", advice="Name another file.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
    then = f"put your locations in it, then: {typed('cartage', 'plan', str(file))}"
    try:
        click.echo(f"wrote {safe(str(file))}; {then}")
    except BrokenPipeError:
        raise
    except OSError as error:  # to run it again would meet the file
        raise EngineError(
            f"{file} is written; stdout takes nothing: {error.strerror or error}.", advice=then
        ) from error
