"""`cartage manifest FILE`: the project's manifest brought up to date from the ledger, shown, written, put back."""

from __future__ import annotations

from pathlib import Path

from engine.api.manifest import manifest
from engine.cli.codes import ASIDE, DONE
from engine.cli.confirming import chosen_act
from engine.cli.invocation import Invocation
from engine.references.undoing import all_back
from engine.report.manifest import manifest_page


def manifest_command(invocation: Invocation, file: Path, apply: bool, undo: bool, create: bool) -> None:
    plan = invocation.plan(file)
    act = chosen_act(apply, undo, more=create)
    result = invocation.run(lambda options, _: manifest(plan, options, act=act, create=create))
    invocation.say(manifest_page(plan, result, invocation.took_s, create=create))
    invocation.end(DONE if all_back(result.restored) else ASIDE, result)
