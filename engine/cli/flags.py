"""Flags that several commands take; each is a field of `Options`, but for those of how a command tells what goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from engine.api.options import Options
from engine.cli.ending import end
from engine.cli.invocation import Invocation

Command = Callable[..., Any]


def as_given(value: Any) -> Any:
    return value


class Flag:
    """A flag that is a field of `Options`. `read` makes the field's value of the flag's; a flag that was not given
    leaves the options' own."""

    def __init__(self, field: str, *names: str, read: Callable[[Any], Any] = as_given, **attributes: Any) -> None:
        self.field = field
        self.option = click.option(*(names or [f"--{field.replace('_', '-')}"]), field, **attributes)
        self.read = read


ENDPOINT = (
    Flag("endpoint_url", metavar="URL", help="An S3-compatible server instead of AWS."),
    Flag("region", metavar="NAME", help="The buckets' region."),
    Flag("profile", metavar="NAME", help="A profile of the AWS configuration."),
    Flag(
        "request_payer",
        is_flag=True,
        read=lambda given: "requester" if given else None,
        help="Pay for requests to a bucket that has its requesters pay.",
    ),
    Flag(
        "links",
        type=click.Choice(["skip", "follow", "keep"]),
        help="Symbolic links in local folders: set aside (the default), followed, or kept as links.",
    ),
    Flag("ledger", type=click.Path(path_type=Path, dir_okay=False), help="The ledger's file."),
    Flag("store", type=click.Choice(["wire", "boto"]), help="How to speak to S3."),
    Flag(
        "give_up_after_s",
        "--give-up-after",
        type=click.FloatRange(min=0),
        default=300.0,
        metavar="SECONDS",
        show_default=True,
        help="How long S3 may be out of reach.",
    ),
)
ASSUME = Flag(
    "assume",
    type=click.Choice(["aws"]),
    help="Take the server for one that honours all that AWS does, without trying it.",
)
ALLOW_EMPTY = Flag("allow_empty", is_flag=True, help="It is no mistake where there is nothing.")


def _conditional_writes(help_text: str) -> Flag:
    return Flag(
        "conditional_writes",
        "--no-conditional-writes",
        is_flag=True,
        read=lambda without: not without,
        help=help_text,
    )


COPYING = (
    Flag("concurrency", type=click.IntRange(min=1), help="At most so many requests under way."),
    Flag("processes", type=click.IntRange(min=1), help="So many processes, each with shards of the plan."),
    Flag("max_rps", type=click.FloatRange(min=0.1), help="At most so many requests a second."),
    _conditional_writes("Leave out If-Match and If-None-Match on the target, for servers that answer 501 to them."),
    Flag(
        "durability",
        type=click.Choice(["none", "object"]),
        help="Of local files that are written: object (the default) has each on the disk before it counts as copied; "
        "none is faster, and a power cut may lose what was copied.",
    ),
    ASSUME,
)


def declared(flags: Sequence[Flag], command: Command) -> Command:
    """The command with these flags, in the order in which the help shows them."""
    for flag in reversed(flags):
        command = flag.option(command)
    return command


def take(flags: Sequence[Flag], given: dict[str, Any]) -> dict[str, Any]:
    """The options that the flags chose, taken out of what a command was given."""
    values = [(flag, given.pop(flag.field)) for flag in flags]
    return {flag.field: flag.read(value) for flag, value in values if value is not None}


def laid_over(*flags: Flag) -> Callable[[Command], Command]:
    """Flags laid over the invocation's options."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_flags(*, invocation: Invocation, **given: Any) -> Any:
            chosen = take(flags, given)
            return command(invocation=invocation.having(**chosen), **given)

        return declared(flags, with_flags)

    return decorate


assume_flag = laid_over(ASSUME)
empty_flag = laid_over(ALLOW_EMPTY)
copy_flags = laid_over(*COPYING)
unguarded_flag = laid_over(_conditional_writes("For servers that cannot write by ETag (If-Match)."))


def shared_flags(command: Command) -> Command:
    """The flags that every command takes, as one `Invocation`. What the command raises ends it, with a sentence and an
    exit code."""

    @click.option("--json", "as_json", is_flag=True, help="NDJSON on stdout: events, then one summary line.")
    @click.option("--quiet", "-q", is_flag=True, help="Only errors.")
    @click.option("--progress/--no-progress", default=None, help="A progress bar on stderr; by default on a terminal.")
    @functools.wraps(command)
    def with_flags(*, as_json: bool, quiet: bool, progress: bool | None, **given: Any) -> Any:
        verb = str(click.get_current_context().info_name)
        options = Options(**take(ENDPOINT, given))
        try:
            return command(invocation=Invocation(verb, options, as_json, quiet, progress), **given)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            end(error, verb, as_json=as_json)

    return declared(ENDPOINT, with_flags)
