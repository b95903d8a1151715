"""What is asked before anything is done: a yes; or a name that is typed, on a terminal or by `--confirm`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from engine.api.commands import typed
from engine.api.consent import Act
from engine.cli.codes import FATAL
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.plan.sizes import parse_duration


def can_ask(invocation: Invocation) -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin.isatty() and not invocation.json


def agree(question: str, otherwise: str) -> None:
    """Have a person say yes; a no ends the command, and `otherwise` says that nothing was done."""
    if not click.confirm(question):
        click.echo(otherwise, err=True)
        raise SystemExit(FATAL)


def require(name: str, given: str | None, meant: Callable[[str], str] = str) -> None:
    """Raise `UsageError` unless `name` was given by `--confirm`; `meant` reads what was given as the name was read."""
    if given is None:
        raise UsageError(
            f"nothing is deleted before {name!r} is typed.",
            advice=f"Type it on a terminal, or give it with {typed('--confirm', name)}.",
        )
    if meant(given) != name:
        raise UsageError(
            f"--confirm says {given!r}, and this is {name!r}: nothing was deleted.",
            advice=f"If this is what is meant, give {typed('--confirm', name)}.",
        )


def ask(name: str, what: str, meant: Callable[[str], str] = str) -> str:
    """Have the name typed. Raises `UsageError` for another. `meant` is as for `require`."""
    given = str(click.prompt(f"\nTo delete {what}, type {name}", prompt_suffix=": ", default="", show_default=False))
    if meant(given) != name:
        advice = "Run the same command again, and type the name as it is shown."
        raise UsageError(f"you typed {given!r}, and this is {name!r}: nothing was deleted.", advice=advice)
    return given


def chosen_act(apply: bool, undo: bool, *, more: bool = False) -> Act:
    """What is to be done to what was looked at; `more` was asked of that, besides. Raises `UsageError` where --undo is
    given with any other."""
    if undo and (apply or more):
        raise UsageError("--undo stands alone: it puts back what was there before.")
    return Act.APPLY if apply else Act.UNDO if undo else Act.SHOW


def seconds(flag: str, text: str) -> int:
    """A duration that a flag gives. Raises `UsageError` for what is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error
