"""`cartage rewrite FILE`: everything that still names an old path, shown, changed on request, and put back."""

from __future__ import annotations

from pathlib import Path

from engine.api.rewrite import rewrite
from engine.cli.codes import ASIDE, DONE
from engine.cli.confirming import chosen_act
from engine.cli.invocation import Invocation
from engine.references.undoing import all_back
from engine.report.rewrite import changed_pages, rewrite_page


def rewrite_command(invocation: Invocation, file: Path, apply: bool, undo: bool, include_moved: bool) -> None:
    plan = invocation.plan(file)
    act = chosen_act(apply, undo)
    result = invocation.run(lambda options, _: rewrite(plan, options, act=act, include_moved=include_moved))
    if not invocation.quiet and not invocation.json:
        for page in changed_pages(result):
            invocation.say(page)
    invocation.say(rewrite_page(plan, result, invocation.took_s))
    refused = result.done is not None and result.done.refused
    invocation.end(DONE if all_back(result.restored) and not refused else ASIDE, result)
