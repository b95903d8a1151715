"""`cartage restore PLAN|LOCATION`: what is archived, what having it back costs; asks for it, once agreed to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.api.commands import command, typed
from engine.api.load import place_of
from engine.api.options import Options
from engine.api.restore import RestoreResult, restore
from engine.api.stopping import StopSignal
from engine.archive.restoring import refused_tier
from engine.cli.codes import ASIDE, DONE
from engine.cli.confirming import agree, can_ask
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.events import Event, Listener, RunStarted
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.locations import SCHEME
from engine.plan.retrieval import ArchiveOutlook
from engine.report.restore import asked_page, next_lines, outlook_page


def restore_command(invocation: Invocation, what: str, days: int, tier: str, yes: bool) -> None:
    thing: Plan | Location = place_of(what) if what.startswith(SCHEME) else invocation.plan(Path(what))
    words = ("--days", str(days), "--tier", tier, "--yes")
    if isinstance(thing, Plan):
        name, to_wait = thing.name, command(thing, invocation.options.ledger, "run", "--wait-restore")
        to_ask = command(thing, invocation.options.ledger, "restore", *words)
    else:
        name, to_wait = str(thing), ""
        to_ask = typed("cartage", "restore", name, *words, *invocation.connection_flags)

    def go(agreed: ArchiveOutlook | None) -> RestoreResult:
        async def work(options: Options, stop: StopSignal) -> RestoreResult:
            if agreed is not None:  # it goes on with what was begun to be looked at
                options = replace(options, listener=_unless_begun(options.listener))
            return await restore(thing, options, days=days, tier=tier, agreed=agreed, stop=stop)

        return invocation.run(work, asides=False)

    result = go(None)
    outlook = result.outlook
    page = outlook_page(name, outlook)
    if not outlook.shares or not (yes or can_ask(invocation)):
        invocation.say([*page, *next_lines(outlook, to_ask, to_wait)])
        if not outlook.shares and (refused := refused_tier(outlook)):
            raise UsageError(f"none of it can be asked for: {refused}.")
        invocation.end(ASIDE if outlook.unseen else DONE, result)
    if yes:
        invocation.say(page)
    else:
        invocation.show(page)
        agree("\nAsk for it?", "has it restored at the price that is shown", "nothing was asked for")
    result = go(outlook)
    assert result.asked is not None
    invocation.say(["", *asked_page(result.asked, to_ask, to_wait)])
    if result.asked.stopped:
        invocation.end_interrupted(result)
    invocation.end(ASIDE if result.asked.left else DONE, result)


def _unless_begun(listener: Listener) -> Listener:
    """The listener, which is not told once more that the command began."""

    def hear(event: Event) -> None:
        if not isinstance(event, RunStarted):
            listener(event)

    return hear
