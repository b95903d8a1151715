"""`cartage plan FILE`: what a run would do, what it costs, and whether it is what the owner expects."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from engine.api.options import Options, ledger_path
from engine.api.plan import SurveyResult, survey
from engine.cli.codes import ASIDE, DONE, USAGE
from engine.cli.invocation import Invocation
from engine.events import Notice
from engine.ledger.files import IN_ANOTHER
from engine.plan.document import Plan
from engine.plan.estimate import WRITES_PER_S
from engine.plan.permissions import policy
from engine.report.plan import plan_next, plan_page, plan_values
from engine.report.text import amount_text


def plan_command(
    invocation: Invocation, file: Path, max_rps: float, probe: bool, policy_of: str | None, site: str | None
) -> None:
    plan = invocation.plan(file)
    if policy_of is not None:
        document = policy(plan, policy_of, "" if site == "connection" else site, state=invocation.options.state)
        invocation.give(json.dumps(document, indent=2))
        invocation.end(DONE, {"policy": document})
    show_plan(invocation, plan, max_rps, probe=probe)


def show_plan(
    invocation: Invocation,
    plan: Plan,
    max_rps: float = WRITES_PER_S,
    *,
    probe: bool = False,
    deletes: bool = False,
    dry: bool = False,
) -> NoReturn:
    """Show what a run of the plan would do, and end. `deletes`: what stands in the target alone would go too; `dry`: no
    ledger is made for it."""
    result = invocation.run(lambda options, _: _survey(plan, options, probe=probe, dry=dry))
    page = plan_page(result, max_rps, invocation.took_s)
    if deletes and page:
        surplus = sum(item.surplus for item in result.routes)
        size_bytes = sum(item.surplus_bytes for item in result.routes)
        page.append(f"\ndeletes    {amount_text(surplus, size_bytes)} in the target alone")
    invocation.say([*page, *plan_next(result)])
    invocation.say_empty(result.empty)
    invocation.say_no_room(result.no_room)
    code = USAGE if result.empty or result.no_room else ASIDE if result.refused else DONE
    invocation.end(code, plan_values(result, max_rps))


def dry_run(invocation: Invocation, plan: Plan, *, deletes: bool = False) -> NoReturn:
    """As `show_plan`, and nothing is written, unless there is a ledger already."""
    show_plan(invocation, plan, deletes=deletes, dry=not ledger_path(plan, invocation.options).exists())


async def _survey(plan: Plan, options: Options, *, probe: bool, dry: bool) -> SurveyResult:
    """The survey; where no ledger is to be made, or none can be, what it notes goes into one for the moment."""
    path = ledger_path(plan, options)
    closed = not dry and _is_closed(path)
    if not (dry or closed):
        return await survey(plan, options, probe=probe)
    if closed:
        said = f"no ledger can be made in {path.parent.absolute()}, so that nothing of this is remembered"
        options.listener(Notice("NoLedger", f"{said}; a run needs another folder: {IN_ANOTHER}"))
    with tempfile.TemporaryDirectory(prefix="cartage-dry-") as folder:
        of_the_moment = replace(options, ledger=Path(folder) / path.name)
        return replace(await survey(plan, of_the_moment, probe=probe), ledger=path)


def _is_closed(ledger: Path) -> bool:
    """Whether there is no ledger, in a folder where this user may make none."""
    by_effect = os.access in os.supports_effective_ids
    folder = ledger.parent
    may_write = os.access(folder, os.W_OK | os.X_OK, effective_ids=by_effect)
    return not may_write and folder.is_dir() and not ledger.exists()
