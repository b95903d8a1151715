"""`cartage help [TOPIC]`: a command's help, the flags that nearly every command takes, the variables that stand for
flags."""

from __future__ import annotations

import click

from engine.cli.grammar.reference import shared_flags, variables
from engine.cli.grammar.words import WIDEST, write_flags, write_prose
from engine.cli.main import VERBS, cli, did_you_mean


def help_command(topic: str | None) -> None:
    """Show it on stdout."""
    context = click.Context(cli, info_name="cartage", max_content_width=WIDEST)
    if topic in VERBS:
        command = cli.get_command(context, topic)
        assert command is not None
        click.echo(command.get_help(click.Context(command, info_name=topic, parent=context)))
    elif topic == "flags":
        click.echo(_flags(context))
    elif topic == "variables":
        click.echo(_variables(context))
    elif topic is None:
        click.echo(cli.get_help(context))
    else:
        raise click.UsageError(f"There is no help on {topic!r}.{did_you_mean(topic)}")


def _flags(context: click.Context) -> str:
    formatter = context.make_formatter()
    write_prose(formatter, "Flags that nearly every command takes:")
    for title, flags in shared_flags():
        write_flags(formatter, title, flags)
    return formatter.getvalue().rstrip("\n")


def _variables(context: click.Context) -> str:
    formatter = context.make_formatter()
    write_prose(
        formatter,
        "A variable stands for a flag wherever that is not given. None does for what says which objects are meant, "
        "what is deleted, set or written over, or what is not asked: that is said on the command's own line.",
    )
    with formatter.section("Variables"):
        formatter.write_dl([(flag.variable, f"{flag.opts[0]}: {flag.meaning}") for flag in variables()])
    return formatter.getvalue().rstrip("\n")
