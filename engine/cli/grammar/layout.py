"""How help is laid out: prose in lines that can be read, then examples, then the flags by group. The groups that nearly
every command has are only named there; `cartage help flags` says what they mean."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.cli.grammar.words import Example, Flag, Verb

WIDEST = 140
PROSE = 100
"""How wide a paragraph gets at most, in columns: longer lines are hard to read."""
FLAGS_AT_MOST = 34
"""Where the column of what flags mean begins at the latest; a longer flag has a line to itself."""


def write_help(verb: Verb, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """All of `cartage VERB --help`."""
    from engine.cli.grammar.words import SHARED

    verb.format_usage(ctx, formatter)
    for paragraph in verb.paragraphs:
        formatter.write_paragraph()
        with formatter.indentation():
            write_prose(formatter, paragraph)
    write_examples(formatter, verb.examples)
    groups = list(verb.grouped())
    for title, flags in groups:
        if title not in SHARED:
            write_flags(formatter, title, flags)
    named = [flag for title, flags in groups if title in SHARED for flag in flags]
    if named:
        with formatter.section("Connection, ledger, output (cartage help flags)"):
            write_prose(formatter, ", ".join(flag.spelling.replace(" ", "\0") for flag in named), widest=WIDEST)


def write_prose(formatter: click.HelpFormatter, text: str, *, widest: int = PROSE) -> None:
    """A paragraph; what NUL joins stays on one line."""
    indent = " " * formatter.current_indent
    width = min(formatter.width, widest)
    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    formatter.write("\n".join(lines).replace("\0", " ") + "\n")


def write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    """Each with what it does beside it where all fit, else above it, as a comment."""
    longest = max((len(example.line) for example in examples), default=0)
    beside = all(longest + len(example.does) + 6 <= formatter.width for example in examples)
    with formatter.section("Examples"):
        for example in examples:
            indent = " " * formatter.current_indent
            if beside:
                formatter.write(f"{indent}{example.line:<{longest}}  # {example.does}\n")
            else:
                formatter.write(f"{indent}# {example.does}\n{indent}{example.line}\n")


def write_flags(formatter: click.HelpFormatter, title: str, flags: Iterable[Flag]) -> None:
    """One group, what each flag means beside it."""
    with formatter.section(title):
        formatter.write_dl([(flag.spelling, flag.meaning) for flag in flags], col_max=FLAGS_AT_MOST)
