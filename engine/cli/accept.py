"""`cartage accept FILE WHAT`: a named difference, accepted for exactly the figure that was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.api.accept import accept, acceptances, take_back
from engine.api.commands import accept_command as to_accept
from engine.api.commands import command
from engine.api.options import Options
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import plan_of
from engine.errors import EngineError, UsageError
from engine.plan.document import Plan
from engine.report.accept import acceptances_page, accepted_line
from engine.report.page import next_step
from engine.report.text import safe


def accept_command(
    invocation: Invocation,
    file: Path | None,
    what: str | None,
    found: str | None,
    because: str | None,
    listed: bool,
    remove: str | None,
) -> None:
    if file is not None and what is None and found is not None:  # the one word is no plan's
        file, what = None, str(file)
    plan, invocation = plan_of(file, invocation)
    gate_next = [next_step(command(plan, invocation.options.ledger, "cleanup" if plan.source else "verify"))]
    values: dict[str, Any]
    if listed and what is None and remove is None:
        all_of_it = invocation.run(lambda options, _: acceptances(plan, options))
        invocation.say(acceptances_page(plan, invocation.options.ledger, all_of_it))
        values = all_of_it.to_dict()
    elif remove is not None and what is None and not listed:
        gone = invocation.run(lambda options, _: take_back(plan, options, name=remove))
        for item in gone:
            invocation.say(f"no longer accepted: {accepted_line(item)}")
        invocation.say(gate_next)
        values = {"removed": gone}
    elif what is not None and found is not None and because is not None and not listed and remove is None:
        invocation.run(lambda options, _: accept(plan, options, name=what, found=found, because=because))
        invocation.say([f"accepted: {safe(what)} = {safe(found)} ({safe(because)})", *gate_next])
        values = {"what": what, "found": found, "because": because}
    elif what is not None and not listed and remove is None:
        figure = invocation.run(lambda options, _: _found(plan, options)).get(what) or found or "FIGURE"
        raise UsageError(
            f"say with --found and --because as what {what} was found, and why that is right.",
            advice=f"next: {to_accept(plan, invocation.options.ledger, what, figure)}",
        )
    else:
        raise UsageError(
            "say what is accepted, as what it was found and why; or --list, or --remove NAME.",
            advice="The gate shows for each difference the command that accepts it.",
        )
    invocation.end(DONE, values)


async def _found(plan: Plan, options: Options) -> Mapping[str, str]:
    """What was found of what may be accepted; nothing where that cannot be looked up."""
    try:
        return (await acceptances(plan, options)).open
    except EngineError:
        return {}
