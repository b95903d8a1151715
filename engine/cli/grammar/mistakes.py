"""What is said of a line that cannot be read: one sentence, how the command is used, and the example most like it."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence

import click

from engine.cli.grammar.words import Example, Verb

NOT_NEEDED = dict.fromkeys(("--recursive", "-r", "-R"), "A slash at the end of a location takes all below it.")
"""Flags of other tools that ours do without: how."""


def sentence_of(error: click.ClickException) -> str:
    """What is wrong, on one line."""
    if isinstance(error, click.NoSuchOption) and error.option_name in NOT_NEEDED:
        return " ".join(error.message.split())  # no flag of ours that is spelled alike does the same
    sentence = " ".join(error.format_message().split())
    values = _values_of(error)
    return f"{sentence} There are {', '.join(values[:-1])} and {values[-1]}." if values else sentence


def _values_of(error: click.ClickException) -> list[str]:
    """What may stand behind a flag that lacks its value, where that is one of a few words."""
    if not isinstance(error, click.BadOptionUsage) or error.ctx is None:
        return []
    flag = next((param for param in error.ctx.command.params if error.option_name in param.opts), None)
    return (
        [str(value) for value in flag.type.choices] if flag is not None and isinstance(flag.type, click.Choice) else []
    )


def advice_for(error: click.ClickException, words: Sequence[str]) -> list[str]:
    """Lines that say what to type in place of `words`."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return []
    usage = " ".join(context.get_usage().split())
    example = nearest_example(context.command.examples, words) if isinstance(context.command, Verb) else None
    more = f"More: {context.command_path} --help"
    how = NOT_NEEDED.get(error.option_name) if isinstance(error, click.NoSuchOption) else _joined(context, words)
    return [*filter(None, [how]), usage, *([f"As in: {example.line}"] if example is not None else []), more]


def _joined(context: click.Context, words: Sequence[str]) -> str | None:
    """How a value is written that stands alone behind a flag which takes one only with an equals sign."""
    flags = [param for param in context.command.params if str(param.metavar or "").startswith("[=")]
    alone = [
        f"{word}={value}"
        for word, value in itertools.pairwise(words)
        if not value.startswith("-")
        and not value.endswith((".toml", ".ledger"))
        and any(word in flag.opts for flag in flags)
    ]
    return f"Write {alone[0]}, with the equals sign." if alone else None


def nearest_example(examples: Sequence[Example], words: Sequence[str]) -> Example:
    """The one that shares most with what was typed; the first where none does."""

    def shared(example: Example) -> int:
        return sum(bool(difflib.get_close_matches(word, example.line.split(), n=1, cutoff=0.75)) for word in words)

    return max(examples, key=shared)
