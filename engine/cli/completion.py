"""`cartage completion SHELL`: the script that has a shell complete what is typed."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from engine.cli.main import cli

VARIABLE = "_CARTAGE_COMPLETE"
"""By which the script asks `cartage` for what may stand next (click, "Shell Completion")."""


def completion_command(shell: str) -> None:
    """Print it."""
    click.echo(script(shell), nl=False)


def script(shell: str) -> str:
    """The script for "bash", "zsh" or "fish": the same text on every machine, to be kept as a file or evaluated.

    It asks for the words at each key, so that it need not be written anew with a new version."""
    kind = get_completion_class(shell)
    assert kind is not None, f"there is none for {shell}"
    # The base class's own: bash's looks for a bash on this machine first.
    return ShellComplete.source(kind(cli, {}, "cartage", VARIABLE)).strip() + "\n"
