"""`cartage export FILE`: the ledger as CSV, NDJSON, Parquet or a checksum list."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
import click

from engine.api.commands import typed
from engine.api.export import ExportRow, export
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import followed, ledger_of
from engine.errors import UsageError, refused_as
from engine.references.local_files import refuse_ours, writing_new
from engine.report.export import writing_lines
from engine.report.page import next_step
from engine.report.text import pace_text, plural, safe

PARQUET = "parquet"


def export_command(invocation: Invocation, file: Path | None, form: str, output: Path | None) -> None:
    if invocation.json and output is None:
        raise UsageError("--json and the export itself cannot both be on stdout.", advice="Add --output FILE.")
    if form == PARQUET and output is None and sys.stdout.isatty():
        raise UsageError("a Parquet file is nothing for a terminal.", advice="Add --output FILE, or lead it into one.")
    followed(file, invocation)
    began_s = time.monotonic()
    written, left_out = anyio.run(_write, ledger_of(file, invocation), form, output)
    if left_out and not invocation.quiet:
        click.echo(
            f"left out: {plural(left_out, 'object')} whose bytes were not read: verify them with --deep", err=True
        )
    if output is not None:
        took = pace_text(written, time.monotonic() - began_s, nouns="rows")
        invocation.say([f"wrote {plural(written, 'row')} to {safe(str(output))} in {took}", *_next(form, output)])
    values = {"format": form, "objects": written, "left_out": left_out, "output": str(output) if output else ""}
    invocation.end(DONE, values)


def _next(form: str, output: Path) -> list[str]:
    """A list of checksums is there to be checked."""
    return [next_step(typed("xxh128sum", "-c", str(output.absolute())))] if form == "checksums" else []


async def _write(ledger: Path, form: str, output: Path | None) -> tuple[int, int]:
    """How many objects were written, and how many this format leaves out."""
    written = left_out = 0
    batches = export(ledger)
    batch = await anext(batches, None)  # what is wrong with the ledger is raised before anything is written
    with _private_file(output) if output is not None else _stdout() as file, _writing(form, file) as write:
        while batch is not None:
            count = write(batch)
            written += count
            left_out += len(batch) - count
            batch = await anext(batches, None)
    return written, left_out


def _writing(form: str, file: BinaryIO) -> AbstractContextManager[Callable[[list[ExportRow]], int]]:
    """What takes batches into a file of this format, and says how many of them it wrote."""
    if form != PARQUET:
        return writing_lines(form, file)
    from engine.report.arrow import writing_parquet

    return writing_parquet(file)


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    # Bytes: line ends and characters are exactly as written, whatever the terminal's own are.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
        yield file


@contextmanager
def _private_file(path: Path) -> Iterator[BinaryIO]:
    """A file that only its owner may read, there as a whole or not at all."""
    refuse_ours(path)
    with refused_as(f"{path} cannot be written"), writing_new(path) as file:
        yield file
