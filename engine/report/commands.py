"""Commands that are shown to be typed: each can be run as it stands, in the folder in which it was shown."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.api.assembly import Options
from engine.api.opening import ledger_path
from engine.plan.document import Plan
from engine.report.text import safe

REASON = "WHY"
"""What stands for a reason that is the user's own to give."""


def command(plan: Plan, ledger: Path | None, verb: str, *words: str) -> str:
    """`cartage VERB PLAN …`, with `--ledger` where the ledger is not the plan's own, and instead of the plan for a copy
    that has no plan file."""
    named = [plan.source] if plan.source else []
    own = bool(plan.source) and ledger in (None, ledger_path(plan, Options()))
    apart = [] if own or ledger is None else ["--ledger", str(ledger)]
    return typed("cartage", verb, *named, *words, *apart)


def of_ledger(ledger: Path, verb: str, *words: str) -> str:
    """A command that needs the ledger alone."""
    return typed("cartage", verb, "--ledger", str(ledger), *words)


def accept_command(plan: Plan, ledger: Path | None, name: str, found: str) -> str:
    """What accepts a difference for the figure that was found."""
    return command(plan, ledger, "accept", name, "--found", found, "--because", REASON)


def typed(*words: str) -> str:
    """Words as a shell takes them; nothing in other people's keys reaches the terminal."""
    return safe(shlex.join(words))
