"""What is asked before anything is done: a yes; or a name that is typed, on a terminal or by `--confirm`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

import click

from engine.api.commands import typed
from engine.api.consent import Act
from engine.cli.codes import FATAL
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.plan.sizes import parse_duration
from engine.report.text import safe


def can_ask(invocation: Invocation) -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin.isatty() and not invocation.json


_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def agree(question: str, yes: str, otherwise: str) -> None:
    """Have a person say yes; `yes` is what that does. A no ends the command, as does the end of stdin, and `otherwise`
    says that nothing was done."""
    while (agreed := _ANSWERS.get(given := _typed(f"{question} [y/N]: ", otherwise).strip().lower())) is None:
        click.echo(f'"{safe(given)}" is neither yes nor no: y {yes}; n, or Enter alone, ends it here', err=True)
    if not agreed:
        _leave(otherwise)


def _typed(question: str, otherwise: str) -> str:
    """What a person types. Where stdin ends instead, nobody answers any more."""
    if not (line := line_after(question)):
        click.echo(err=True)
        _leave(otherwise)
    return line.rstrip("\r\n")


def line_after(question: str) -> str:
    """The line that is typed after a question, empty at the end of stdin. It is asked on stderr: there it is seen also
    where stdout goes into a file."""
    click.echo(question, nl=False, err=True)
    return sys.stdin.buffer.readline().decode(sys.stdin.encoding, "replace")


def _leave(otherwise: str) -> NoReturn:
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
    given = _typed(f"\nTo delete {what}, type {name}: ", "nothing was deleted")
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
