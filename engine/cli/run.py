"""`cartage run FILE`: copy, or go on where an earlier run ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from engine.api.options import Options, ledger_path
from engine.api.plan import survey
from engine.api.run import MigrationResult, migrate
from engine.api.stopping import StopSignal
from engine.cli.codes import ASIDE, DONE, USAGE
from engine.cli.confirming import agree, can_ask
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.listing.kept import KeptListings
from engine.plan.document import Plan
from engine.plan.estimate import WRITES_PER_S
from engine.report.plan import plan_page
from engine.report.run import result_page


def run_command(invocation: Invocation, file: Path, yes: bool, dask: str | None, report: Path | None) -> None:
    if dask is not None and invocation.options.state is None:
        raise UsageError(
            "--dask needs --state.",
            advice="Name a place in S3 that no route touches: workers of several machines share the ledger there.",
        )
    carry_out(invocation, invocation.plan(file), yes=yes, dask=dask, report=report)


def carry_out(
    invocation: Invocation, plan: Plan, *, yes: bool, dask: str | None = None, report: Path | None = None
) -> None:
    """Ask if a person is there to be asked, migrate, say what came of it; `report` is a page that is kept current
    meanwhile."""
    invocation = writing(invocation, report)
    with asked_to_copy(invocation, plan, yes=yes) as listed, kept(invocation, plan, report):
        result = invocation.run(lambda options, stop: _migrate(plan, options, stop, dask, listed))
    invocation.say(result_page(plan, result, invocation.took_s))
    if result.stopped:
        invocation.end_interrupted(result)
    invocation.say_empty(result.empty)
    invocation.end(exit_code(result), result)


async def _migrate(
    plan: Plan, options: Options, stop: StopSignal, dask: str | None, listed: KeptListings | None
) -> MigrationResult:
    if dask is None:
        return await migrate(plan, options, stop=stop, listed=listed)
    from engine.shards.dask import dask_executor  # what it needs need not be installed

    with dask_executor(dask, options.listener) as (executor, workers):
        return await migrate(plan, replace(options, processes=workers), stop=stop, executor=executor, listed=listed)


def writing(invocation: Invocation, report: Path | None) -> Invocation:
    """The same, which knows of the page that it writes meanwhile."""
    return invocation.having(own_files=(report.absolute(),)) if report is not None else invocation


def kept(invocation: Invocation, plan: Plan, report: Path | None) -> AbstractContextManager[None]:
    """Where a page is asked for, it is kept current while the work inside goes on."""
    if report is None:
        return nullcontext()
    from engine.cli.keeping import kept_page  # only where there is one

    return kept_page(plan, invocation, report)


@contextmanager
def asked_to_copy(invocation: Invocation, plan: Plan, *, yes: bool) -> Iterator[KeptListings | None]:
    """Show what would be done and ask, if a person is there to be asked and anything is to be done; end where the
    answer is no. What was listed for it is kept for what is done then."""
    if yes or not can_ask(invocation):
        yield None
        return
    listed = KeptListings.beside(ledger_path(plan, invocation.options))
    try:
        _ask(invocation, plan, listed)
        yield listed
    finally:
        listed.remove()


def _ask(invocation: Invocation, plan: Plan, listed: KeptListings) -> None:
    found = invocation.run(lambda options, _: survey(plan, options, keep=listed))
    invocation.show(plan_page(found, WRITES_PER_S, invocation.took_s))
    invocation.say_empty(found.empty)
    if found.no_room:
        invocation.say_no_room(found.no_room)
        raise SystemExit(USAGE)
    waits = invocation.options.wait_restore
    if not any(item.to_copy + item.to_inspect + waits * item.archived for item in found.routes):
        if found.empty:
            raise SystemExit(USAGE)
        return  # nothing is written: what is there already is noted, and why the rest stays
    if plan.in_place:
        agree("\nSet?", "sets what is shown", "nothing was set")
    else:
        agree("\nCopy?", "copies what is shown", "nothing was copied")


def exit_code(result: MigrationResult) -> int:
    """What a run that came to its end ends with."""
    return USAGE if result.empty else ASIDE if result.aside or result.unlisted_count else DONE
