"""What is said of a line that cannot be read: one sentence, how the command is used, and the example most like it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from engine.cli.grammar.words import Example, Verb

NOT_NEEDED = dict.fromkeys(("--recursive", "-r", "-R"), "A slash at the end of a location takes all below it.")
"""Flags of other tools that ours do without: how."""


def sentence_of(error: click.ClickException) -> str:
    """What is wrong, on one line."""
    if isinstance(error, click.NoSuchOption) and error.option_name in NOT_NEEDED:
        return " ".join(error.message.split())  # no flag of ours that is spelled alike does the same
    return " ".join(error.format_message().split())


def advice_for(error: click.ClickException, words: Sequence[str]) -> list[str]:
    """Lines that say what to type in place of `words`."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return []
    usage = " ".join(context.get_usage().split())
    example = nearest_example(context.command.examples, words) if isinstance(context.command, Verb) else None
    more = f"More: {context.command_path} --help"
    how = NOT_NEEDED.get(error.option_name) if isinstance(error, click.NoSuchOption) else None
    return [*filter(None, [how]), usage, *([f"As in: {example.line}"] if example is not None else []), more]


def nearest_example(examples: Sequence[Example], words: Sequence[str]) -> Example:
    """The one that shares most with what was typed; the first where none does."""

    def shared(example: Example) -> int:
        return sum(bool(difflib.get_close_matches(word, example.line.split(), n=1, cutoff=0.75)) for word in words)

    return max(examples, key=shared)
