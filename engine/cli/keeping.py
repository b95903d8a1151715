"""A report that is kept current while a command goes on (`--report`)."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from engine.api.options import Options, ledger_path
from engine.api.report import Report, report_on, unbegun
from engine.api.stopping import StopSignal
from engine.cli.invocation import Invocation
from engine.errors import LedgerMissing, UsageError
from engine.ledger.shard_places import index_path
from engine.plan.document import Plan
from engine.process import CARTAGE
from engine.report.text import safe

LOOKS_S = 0.1
"""How often it is looked whether a ledger is there, where only that says what its copies are of."""


@contextmanager
def kept_page(plan: Plan, invocation: Invocation, page: Path) -> Iterator[None]:
    """Keep a report current while the work inside goes on: by a process of its own, which stands back from it, and
    which goes on to the last page also where this one is killed. Raises `UsageError` where there can be none."""

    async def first(options: Options, _: StopSignal) -> Report:
        try:
            return await report_on(plan, options)
        except LedgerMissing:  # the work makes it
            return unbegun(ledger_path(plan, options), plan)

    report = invocation.run(first, offline=True, leaving="interrupted: nothing was begun")
    try:
        report.write(page)
    except UsageError as error:
        error.advice = "Choose a file with --report."  # which is what this flag is called here
        raise
    invocation.say(f"report: {safe(str(page))}, kept current")
    keeper = _Keeper(plan, ledger_path(plan, invocation.options), page)
    try:
        yield
    finally:
        if why := keeper.end():
            click.echo(f"the report was not kept current: {why}", err=True)


class _Keeper:
    """The process, from when it can tell what the work is: at once where a file says so, else with the ledger."""

    def __init__(self, plan: Plan, ledger: Path, page: Path) -> None:
        words = ["--ledger", str(ledger), "--output", str(page), "--follow", "--quiet"]
        self._words = [*CARTAGE, "report", *filter(None, [plan.source]), *words]
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._waiting = threading.Thread(target=self._wait_for, args=(ledger,), daemon=True)
        if plan.source:
            self._begin()
        else:
            self._waiting.start()

    def _wait_for(self, ledger: Path) -> None:
        # It is not opened: closing it here would lift the locks that the work holds on it.
        def is_there() -> bool:
            return ledger.is_file() or index_path(ledger).exists()

        while not is_there() and not self._over.wait(LOOKS_S):
            pass
        if is_there():  # also where the work was over before it was looked again
            self._begin()

    def _begin(self) -> None:
        with _for_the_work():
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

    def end(self) -> str:
        """Have it write the last page; gives why that was not to be."""
        self._over.set()
        if self._waiting.ident is not None:
            self._waiting.join()
        if self._process is None:  # nothing was begun: the page says that
            return ""
        _, said = self._process.communicate()  # ends its stdin, and so has it write the last page
        if not self._process.returncode:
            return ""
        return safe(said.decode("utf-8", "replace").strip().splitlines()[0]) if said.strip() else "it was killed"


@contextmanager
def _for_the_work() -> Iterator[None]:
    """Ctrl-C, and SIGTERM to every process of a service, are for the work: the page of how that ended is still to be
    written. A process inherits what the thread that begins it has blocked; this one ends with its stdin."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
