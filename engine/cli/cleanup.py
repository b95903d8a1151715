"""`cartage cleanup FILE`: what still keeps the sources from being deleted; with --delete, deletes what is proven."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api.assembly import Options
from engine.api.cleanup import CleanupRefused, CleanupResult, Consent, cleanup
from engine.api.opening import StopSignal
from engine.cli.common import ASIDE, DONE, GATE, Invocation, Teller, assume_flag, fail, interrupted, run, shared_flags
from engine.cli.confirming import ask, is_asked, require
from engine.errors import UsageError
from engine.plan.document import Plan
from engine.report.cleanup import cleaned_text, gate_text, gate_values
from engine.report.text import plural, size_text


@click.command("cleanup", short_help="What keeps the sources from being deleted; --delete deletes what is proven.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--delete", is_flag=True, help="Delete the sources, if the gate is open and the plan's name is typed.")
@click.option("--confirm", metavar="NAME", help="The plan's name, in place of typing it.")
@click.option("--allow-commands", is_flag=True, help="Let the plan's own commands run as probes.")
@click.option("--accept-delete-markers", is_flag=True, help="Delete in a bucket that keeps versions; kept with date.")
@click.option("--unconditional", is_flag=True, help="Also on a server that cannot delete by ETag.")
@shared_flags
@assume_flag
def cleanup_command(
    invocation: Invocation,
    file: Path,
    delete: bool,
    confirm: str | None,
    allow_commands: bool,
    accept_delete_markers: bool,
    unconditional: bool,
) -> None:
    """Show what keeps the sources of the plan in FILE from being deleted, a reason a line: every object verified, the
    hold passed, both sides unchanged just now, what was expected, the probes, what still names the old paths, and what
    the buckets would do to the targets. Exit 5 while any of it is closed. With --delete, and everything open, deletes
    exactly what the ledger holds as proven, each source only while it bears the ETag that was proven."""
    plan = invocation.plan(file)
    consent = Consent(allow_commands, unconditional, accept_delete_markers)
    teller = Teller(invocation, "cleanup", asides=False)
    if delete and is_asked(invocation, confirm):
        first = _run(invocation, plan, consent, teller, delete=False)
        click.echo(gate_text(plan, first))
        if first.open and first.objects:
            confirm = ask(plan.name, f"{plural(first.objects, 'source')} ({size_text(first.bytes)}) for good")
        if not first.open or not first.objects:
            _end(invocation, plan, first, teller, shown=True)
    if delete:
        try:
            require(plan.name, confirm)
        except UsageError as error:
            fail(error, "cleanup", teller)
    _end(invocation, plan, _run(invocation, plan, consent, teller, delete=delete), teller, shown=False)


def _run(invocation: Invocation, plan: Plan, consent: Consent, teller: Teller, *, delete: bool) -> CleanupResult:
    async def work(options: Options, stop: StopSignal) -> CleanupResult:
        try:
            return await cleanup(plan, options, consent=consent, delete=delete, stop=stop)
        except CleanupRefused as refused:
            return refused.result

    return run(invocation, "cleanup", work, teller=teller)


def _end(invocation: Invocation, plan: Plan, result: CleanupResult, teller: Teller, *, shown: bool) -> None:
    cleaned, values = result.cleaned, gate_values(result)
    if not shown:
        invocation.say(gate_text(plan, result))
    if cleaned is not None:
        invocation.say(cleaned_text(cleaned))
        if cleaned.interrupted:
            interrupted(teller, "cleanup", values)
    code = GATE if not result.open else DONE
    if cleaned is not None and not cleaned.is_whole:
        code = ASIDE
    teller.summary("cleanup", code, values)
    raise SystemExit(code)
