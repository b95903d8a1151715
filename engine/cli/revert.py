"""`cartage revert FILE`: take a migration back; with --delete, remove the copies that it made."""

from __future__ import annotations

from pathlib import Path

from engine.api.revert import RevertResult, revert
from engine.cli.codes import ASIDE, DONE, GATE
from engine.cli.confirming import ask, can_ask, require
from engine.cli.invocation import Invocation
from engine.report.revert import revert_page


def revert_command(
    invocation: Invocation,
    file: Path,
    delete: bool,
    confirm: str | None,
) -> None:
    plan, said = invocation.plan(file), invocation.consent_flags

    def go(*, delete: bool) -> RevertResult:
        return invocation.run(
            lambda options, stop: revert(plan, options, consent=invocation.consent, delete=delete, stop=stop),
            asides=False,
        )

    if delete and confirm is None and can_ask(invocation):
        first = go(delete=False)
        invocation.show(revert_page(plan, first, invocation.took_s, said))
        if first.way_back is not None or not first.has_work or first.is_shut:
            invocation.end(_code(first, delete=delete), first)
        confirm = ask(plan.name, f"{first.outlook.removable:,} copies")
    if delete:
        require(plan.name, confirm)
    result = go(delete=delete)
    invocation.say(revert_page(plan, result, invocation.took_s, said))
    done = result.reverted
    if done is not None and done.interrupted:
        invocation.end_interrupted(result)
    invocation.end(_code(result, delete=delete), result)


def _code(result: RevertResult, *, delete: bool) -> int:
    """A revert that was to delete, and left copies of ours where they are, is not done; nor is a way back that lacks
    routes."""
    if not delete or result.way_back is not None:
        return ASIDE if result.left_out else DONE
    done = result.reverted
    if done is None and result.is_shut:
        return GATE
    return ASIDE if result.outlook.changed or (done is not None and not done.is_whole) else DONE
