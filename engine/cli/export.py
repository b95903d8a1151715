"""`cartage export FILE`: the ledger as CSV, NDJSON, Parquet or a checksum list."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click

from engine.api.commands import command, typed
from engine.api.export import ExportRow, export
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import followed, ledger_of, plan_if_known
from engine.errors import UsageError, refused_as
from engine.events import Listener, Looking
from engine.ledger import open_to_read
from engine.references.local_files import refuse_ours, writing_new
from engine.report.drawing import writing_to
from engine.report.export import is_marker, writing_lines
from engine.report.page import next_step
from engine.report.text import pace_text, plural, safe

PARQUET = "parquet"
CHECKSUMS = "checksums"


def export_command(invocation: Invocation, file: Path | None, form: str, output: Path | None) -> None:
    if invocation.json and output is None:
        raise UsageError("--json and the export itself cannot both be on stdout.", advice="Add --output FILE.")
    if form == PARQUET and output is None and sys.stdout.isatty():
        raise UsageError("a Parquet file is nothing for a terminal.", advice="Add --output FILE, or lead it into one.")
    followed(file, invocation)
    began_s = time.monotonic()
    ledger = ledger_of(file, invocation)
    if output is None and sys.stdout.isatty():
        invocation = replace(invocation, progress=False)  # a bar would be drawn over the rows
    written, left_out, markers, is_local = invocation.run(
        lambda options, _: _write(ledger, form, output, options.listener),
        offline=True,
        leaving="interrupted: what was written is not all" if output is None else "interrupted: no file was written",
    )
    if left_out and not invocation.quiet:
        unread = left_out - markers
        why = [f"{plural(unread, 'object')} whose bytes were not read: verify them with --deep"] if unread else []
        why += [f"{plural(markers, 'directory marker')}, which no checksum is for"] if markers else []
        click.echo(f"left out: {'; '.join(why)}", err=True)
    if output is not None:
        took = pace_text(written, time.monotonic() - began_s, nouns="rows")
        following = []
        if form == CHECKSUMS and written and is_local:
            following = [next_step(typed("xxh128sum", "-c", str(output.absolute())))]
        elif form == CHECKSUMS and (plan := plan_if_known(file, invocation)[0]) is not None:
            following = [next_step(command(plan, ledger, "verify", "--deep"))]
        invocation.say([f"wrote {plural(written, 'row')} to {safe(str(output))} in {took}", *following])
    values = {"format": form, "objects": written, "left_out": left_out, "output": str(output) if output else ""}
    invocation.end(DONE, values)


async def _write(ledger: Path, form: str, output: Path | None, listener: Listener) -> tuple[int, int, int, bool]:
    """How many objects were written, and how many this format leaves out; how many of those are directory markers; and
    whether all targets lie in folders."""
    written = left_out = markers = 0
    is_local = True
    async with await open_to_read(ledger) as reader:
        total = sum(tally.objects for tally in await reader.tallies())
    batches = export(ledger)
    batch = await anext(batches, None)  # what is wrong with the ledger is raised before anything is written
    with _private_file(output) if output is not None else _stdout() as file, _writing(form, file) as write:
        while batch is not None:
            count = write(batch)
            written += count
            left_out += len(batch) - count
            if form == CHECKSUMS:
                markers += sum(map(is_marker, batch))
                is_local = is_local and not any(row.target_bucket for row in batch)
            listener(Looking(max(total, written + left_out), listing_done=True, done=written + left_out))
            batch = await anext(batches, None)
    return written, left_out, markers, is_local


def _writing(form: str, file: BinaryIO) -> AbstractContextManager[Callable[[list[ExportRow]], int]]:
    """What takes batches into a file of this format, and says how many of them it wrote."""
    if form != PARQUET:
        return writing_lines(form, file)
    from engine.report.arrow import writing_parquet

    return writing_parquet(file)


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    """In bytes: line ends and characters are exactly as written, whatever the terminal's own are."""
    with writing_to(sys.stdout), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
        yield file


@contextmanager
def _private_file(path: Path) -> Iterator[BinaryIO]:
    """A file that only its owner may read, there as a whole or not at all."""
    refuse_ours(path)
    with refused_as(f"{path} cannot be written"), writing_new(path) as file:
        yield file
