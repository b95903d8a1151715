"""`cartage rewrite FILE`: everything that still names an old path, shown, changed on request, and put back."""

from __future__ import annotations

from pathlib import Path

from engine.api.consent import Act
from engine.api.rewrite import rewrite
from engine.cli.codes import ASIDE, DONE
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.references.undoing import all_back
from engine.report.rewrite import rewrite_page


def chosen_act(apply: bool, undo: bool) -> Act:
    """Raises `UsageError` for both at once."""
    if apply and undo:
        raise UsageError("--apply and --undo are two different things: give one of them.")
    return Act.APPLY if apply else Act.UNDO if undo else Act.SHOW


def rewrite_command(invocation: Invocation, file: Path, apply: bool, undo: bool, include_moved: bool) -> None:
    plan = invocation.plan(file)
    act = chosen_act(apply, undo)
    result = invocation.run(lambda options, _: rewrite(plan, options, act=act, include_moved=include_moved))
    invocation.say(rewrite_page(plan, result, invocation.took_s))
    refused = result.done is not None and result.done.refused
    invocation.end(DONE if all_back(result.restored) and not refused else ASIDE, result)
