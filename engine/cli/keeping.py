"""A report that is kept current while a command goes on (`run --report`)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import click

from engine.api.options import ledger_path
from engine.api.report import report_on
from engine.cli.invocation import Invocation
from engine.plan.document import Plan
from engine.report.text import safe


@contextmanager
def kept_page(plan: Plan, invocation: Invocation, page: Path) -> Iterator[None]:
    """Keep a report current while the work inside goes on: by a process of its own, which stands back from it, and
    which goes on to the last page also where this one is killed. Raises `UsageError` where there can be none."""
    anyio.run(report_on, plan, invocation.options).write(page)
    invocation.say(f"report: {safe(str(page))}, kept current")
    words = [plan.source, "--ledger", str(ledger_path(plan, invocation.options)), "--output", str(page)]
    keeper = subprocess.Popen(
        [sys.executable, "-m", "engine.cli.main", "report", *words, "--follow", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the work: the page of how that ended is still to be written
    )
    try:
        yield
    finally:
        _, said = keeper.communicate()  # ends its stdin, and so has it write the last page
        if keeper.returncode:
            why = safe(said.decode("utf-8", "replace").strip().splitlines()[0]) if said.strip() else "it was killed"
            click.echo(f"the report was not kept current: {why}", err=True)
