"""Everything that can be typed, as data: what the page of all commands, the man page and `cartage help` are made of."""

from __future__ import annotations

from typing import NamedTuple

import click

from engine.cli.grammar.words import SHARED, Example, Flag, Verb
from engine.cli.main import GROUPS, cli


class VerbText(NamedTuple):
    """A command: its place among the others, its line, what it does in paragraphs, examples, and its own flags by
    group. The shared flags are apart (`shared_flags`); `shares` says whether it takes them."""

    name: str
    group: str
    short: str
    usage: str
    paragraphs: tuple[str, ...]
    examples: tuple[Example, ...]
    flags: tuple[tuple[str, list[Flag]], ...]
    shares: bool


def reference() -> list[VerbText]:
    """Every command, in the order in which a user meets them."""
    top = click.Context(cli, info_name="cartage")
    found = []
    for group in GROUPS:
        for name, short in group.verbs.items():
            verb = _verb(name)
            words = verb.collect_usage_pieces(click.Context(verb, info_name=name, parent=top))
            own = tuple((title, flags) for title, flags in verb.grouped() if title not in SHARED)
            usage = " ".join(["cartage", name, *words])
            found.append(VerbText(name, group.title, short, usage, verb.paragraphs, verb.examples, own, not verb.bare))
    return found


def shared_flags() -> list[tuple[str, list[Flag]]]:
    """The flags that nearly every command takes, by group."""
    return [(title, flags) for title, flags in _verb("run").grouped() if title in SHARED]


def variables() -> list[Flag]:
    """The flags that a variable stands for, each once."""
    found: dict[str, Flag] = {}
    for name in cli.list_commands(click.Context(cli)):
        for flag in _verb(name).flags:
            if flag.variable:
                found.setdefault(flag.variable, flag)
    return [found[name] for name in sorted(found)]


def _verb(name: str) -> Verb:
    verb = cli.get_command(click.Context(cli), name)
    assert isinstance(verb, Verb)
    return verb
