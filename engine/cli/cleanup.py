"""`cartage cleanup FILE`: what still keeps the sources from being deleted; with --delete, deletes what is proven."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from engine.api.cleanup import CleanupRefused, CleanupResult, cleanup
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.cli.codes import ASIDE, DONE, GATE
from engine.cli.confirming import ask, can_ask, require
from engine.cli.invocation import Invocation
from engine.plan.document import Plan
from engine.report.cleanup import cleaned_page, gate_page
from engine.report.text import amount_text

LEFT = "interrupted: the same command again looks at all that is left anew"


def cleanup_command(
    invocation: Invocation,
    file: Path,
    delete: bool,
    confirm: str | None,
) -> None:
    plan, said = invocation.plan(file), invocation.consent_flags
    if delete and confirm is None and can_ask(invocation):
        first = _run(invocation, plan, delete=False)
        invocation.show(gate_page(plan, first, invocation.took_s, said))
        if not first.open or not first.objects:
            _end(invocation, plan, first, said, delete=True)
        confirm = ask(plan.name, f"{amount_text(first.objects, first.bytes, 'source')} for good")
    if delete:
        require(plan.name, confirm)
    result = _run(invocation, plan, delete=delete)
    invocation.say(gate_page(plan, result, invocation.took_s, said))
    _end(invocation, plan, result, said, delete=delete)


def _run(invocation: Invocation, plan: Plan, *, delete: bool) -> CleanupResult:
    async def work(options: Options, stop: StopSignal) -> CleanupResult:
        try:
            return await cleanup(plan, options, consent=invocation.consent, delete=delete, stop=stop)
        except CleanupRefused as refused:
            return refused.result

    return invocation.run(work, asides=False, leaving=LEFT)


def _end(invocation: Invocation, plan: Plan, result: CleanupResult, said: Sequence[str], *, delete: bool) -> NoReturn:
    cleaned = result.cleaned
    if cleaned is not None:
        invocation.say(["", *cleaned_page(plan, result, cleaned, invocation.took_s, said)])
        if cleaned.interrupted:
            invocation.end_interrupted(result)
    if not result.open:
        invocation.end(GATE, result)
    left = result.unsettled or (cleaned is not None and not cleaned.is_whole)
    invocation.end(ASIDE if delete and left else DONE, result)
