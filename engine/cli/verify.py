"""`cartage verify FILE`: list both sides again and raise or withdraw each copy's proof."""

from __future__ import annotations

from pathlib import Path

from engine.api.options import ledger_path
from engine.api.verify import verify
from engine.cli.codes import DIFFERENT, DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import plan_of
from engine.proof.depth import parse_depth
from engine.report.verify import verification_page


def verify_command(invocation: Invocation, file: Path | None, deep: str | None, properties: bool) -> None:
    depth = parse_depth(deep) if deep is not None else None
    plan, invocation = plan_of(file, invocation)
    report = invocation.run(
        lambda options, stop: verify(plan, options, depth=depth, properties=properties, stop=stop), asides=False
    )
    if report.stopped:
        invocation.end_interrupted(report)
    invocation.say(verification_page(plan, ledger_path(plan, invocation.options), report, invocation.took_s))
    invocation.say_empty(report.empty)
    invocation.end(DONE if report.agrees else DIFFERENT, report)
