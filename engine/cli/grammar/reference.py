"""Everything that can be typed, as data: what the page of all commands, the man page and `cartage help` are made of."""

from __future__ import annotations

import click

from engine.cli.grammar.words import SHARED, Flag, Verb
from engine.cli.main import VERBS, cli


def reference() -> list[Verb]:
    """Every command, in the order in which a user meets them."""
    return [_verb(name) for name in VERBS]


def shared_flags() -> list[tuple[str, list[Flag]]]:
    """The flags that nearly every command takes, by group."""
    return [(title, flags) for title, flags in _verb("run").grouped() if title in SHARED]


def variables() -> list[Flag]:
    """The flags that a variable stands for, each once."""
    found: dict[str, Flag] = {}
    for verb in reference():
        for flag in verb.flags:
            if flag.variable:
                found.setdefault(flag.variable, flag)
    return [found[name] for name in sorted(found)]


def _verb(name: str) -> Verb:
    verb = cli.get_command(click.Context(cli), name)
    assert isinstance(verb, Verb)
    return verb
