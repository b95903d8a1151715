"""`cartage plan FILE`: what a run would do, what it costs, and whether it is what the owner expects."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import NoReturn

from engine.api.options import ledger_path
from engine.api.plan import survey
from engine.cli.codes import ASIDE, DONE, USAGE
from engine.cli.invocation import Invocation
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
    invocation: Invocation, plan: Plan, max_rps: float = WRITES_PER_S, *, probe: bool = False, deletes: bool = False
) -> NoReturn:
    """Show what a run of the plan would do, and end. `deletes`: what stands in the target alone would go too."""
    result = invocation.run(lambda options, _: survey(plan, options, probe=probe))
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
    """As `show_plan`, and nothing is written: what is noted goes into a ledger for the moment, unless there is one."""
    if ledger_path(plan, invocation.options).exists():
        show_plan(invocation, plan, deletes=deletes)
    with tempfile.TemporaryDirectory(prefix="cartage-dry-") as folder:
        ledger = Path(folder) / f"{plan.name}.ledger"
        show_plan(invocation.having(ledger=ledger), plan, deletes=deletes)
