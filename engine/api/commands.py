"""Commands that are shown to be typed: each can be run as it stands, in the folder in which it was shown. Pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.api.options import Options, ledger_path
from engine.plan.document import Plan
from engine.plan.shell import shell_word

STATE_DIR = "--state-dir"
STATE = "--state"
REASON = "WHY"
"""What stands for a reason that is the user's own to give."""


def command(plan: Plan, ledger: Path | None, verb: str, *words: str) -> str:
    """`cartage VERB PLAN …` with the connection's flags as they were given, and with `--ledger` where the ledger is not
    the plan's own; in the plan's place for a copy that has no plan file."""
    named = [plan.source] if plan.source else []
    flags = list(plan.flags)
    folder = Path(flags[flags.index(STATE_DIR) + 1]) if STATE_DIR in flags else None
    own = bool(plan.source) and ledger in (None, ledger_path(plan, Options(state_dir=folder)))
    apart = [] if own or ledger is None else ["--ledger", str(ledger)]
    if apart and folder is not None:  # one of the two says where the ledger is
        at = flags.index(STATE_DIR)
        del flags[at : at + 2]
    return typed("cartage", verb, *named, *words, *apart, *flags)


def kept_at(plan: Plan, state: str | None) -> Plan:
    """The plan, whose commands have `--state` as its ledger needs it, whether it was given or not."""
    return plan if state is None or STATE in plan.flags else replace(plan, flags=(*plan.flags, STATE, state))


def of_ledger(ledger: Path, verb: str, *words: str) -> str:
    """A command that needs the ledger alone."""
    return typed("cartage", verb, "--ledger", str(ledger), *words)


def what_is_not_done(plan: Plan | None, ledger: Path, state: str | None) -> str:
    """What lists each object that is not done. Of a ledger that is kept in S3 this machine has a view, without the rows
    of shards that others carried."""
    words = "status", "--failed"
    return of_ledger(ledger, *words) if plan is None or state is None else command(plan, ledger, *words)


def accept_command(plan: Plan, ledger: Path | None, name: str, found: str) -> str:
    """What accepts a difference for the figure that was found."""
    return command(plan, ledger, "accept", name, "--found", found, "--because", REASON)


def typed(*words: str) -> str:
    """Words as a shell takes them."""
    return " ".join(map(shell_word, words))
