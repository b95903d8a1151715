"""`cartage cp SRC DST`: copy one location to another without a plan file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.cli.invocation import Invocation
from engine.cli.plan import dry_run
from engine.cli.route_flags import plan_of_flags
from engine.cli.run import carry_out


def cp_command(
    invocation: Invocation, source: str, target: str, yes: bool, dry: bool, report: Path | None, **rules: Any
) -> None:
    plan = plan_of_flags(invocation, source, target, rules)
    if dry:
        dry_run(invocation, plan)
    carry_out(invocation, plan, yes=yes, report=report)
