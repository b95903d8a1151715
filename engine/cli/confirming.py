"""Typing a name before anything is deleted: on a terminal, or by `--confirm`."""

from __future__ import annotations

import shlex
import sys

import click

from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.plan.sizes import parse_duration


def is_asked(invocation: Invocation, confirm: str | None) -> bool:
    """Whether a person is there to be asked, and has to be."""
    return confirm is None and sys.stdin.isatty() and not invocation.json


def require(name: str, given: str | None) -> None:
    """Raise `UsageError` unless `name` was given by `--confirm`."""
    if given is None:
        raise UsageError(
            f"nothing is deleted before {name!r} is typed.",
            advice=f"Type it on a terminal, or give it with --confirm {shlex.quote(name)}.",
        )
    if given != name:
        raise UsageError(f"--confirm says {given!r}, and this is {name!r}: nothing was deleted.")


def ask(name: str, what: str) -> str:
    """Have the name typed. Raises `UsageError` for another."""
    given = str(click.prompt(f"\nTo delete {what}, type {name}", prompt_suffix=": ", default="", show_default=False))
    if given != name:
        raise UsageError(f"you typed {given!r}, and this is {name!r}: nothing was deleted.")
    return given


def seconds(flag: str, text: str) -> int:
    """A duration that a flag gives. Raises `UsageError` for what is none."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error
