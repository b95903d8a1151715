"""`Options`: how a command talks to S3 and to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.plan.document import Plan
from engine.sites.options import SiteOptions


@dataclass(frozen=True, slots=True)
class Options(SiteOptions):
    """How a command talks to S3 (`SiteOptions`) and to its caller.

    `ledger` None is `<plan name>.ledger` beside the plan (for one without a file: in the working folder).
    `conditional_writes` False leaves out the conditions on what is written; `allow_empty`: it is no mistake where a
    source holds nothing."""

    ledger: Path | None = None
    conditional_writes: bool = True
    allow_empty: bool = False


def ledger_path(plan: Plan, options: Options) -> Path:
    """`<plan name>.ledger` beside the plan, unless the options name another."""
    return options.ledger or Path(plan.folder) / f"{plan.name}.ledger"
