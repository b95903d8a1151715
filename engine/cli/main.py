"""`cartage`: what is typed is in `engine.cli.grammar`, what a command does in the module of its name: flags → options →
one call of `engine.api`."""

from __future__ import annotations

import importlib
import io
import sys
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import click

from engine.process import open_closed_streams, settle


class Group(NamedTuple):
    """Commands that a user meets together: each with its short help. `module` of the grammar holds them."""

    title: str
    module: str
    verbs: dict[str, str]


GROUPS = (
    Group(
        "A move, day by day",
        "move",
        {
            "init": "Write a commented plan to start from.",
            "plan": "Show what a run would do and cost; writes nothing to S3.",
            "run": "Copy what the plan says; resumes if there is a ledger.",
            "verify": "Compare both sides and the ledger; exit 4 if they differ.",
            "accept": "Accept a named difference, with a reason that is kept.",
            "rewrite": "What still names the old paths; --apply changes it.",
            "manifest": "The project's manifest from the ledger's figures.",
            "receipt": "A document of what was done and proven.",
            "cleanup": "What keeps the sources; --delete deletes what is proven.",
            "revert": "Take a migration back: --delete removes its copies.",
        },
    ),
    Group(
        "Look",
        "look",
        {
            "check": "Who am I, which endpoint, what may I do there.",
            "status": "What the ledger says, at once; --failed lists the rest.",
            "report": "A page to look at: how it stands, how it went, what is left.",
            "export": "The ledger as CSV, NDJSON, Parquet or for xxh128sum -c.",
            "ls": "What lies under a location, or how much by prefix.",
            "fingerprint": "One line for a tree, to compare two on two machines.",
        },
    ),
    Group(
        "Everyday copies, without a plan",
        "everyday",
        {
            "cp": "Copy between S3, other endpoints and local folders.",
            "sync": "Bring a target up to date; --delete removes the rest.",
            "delete": "Delete a whole project: exactly what a snapshot holds.",
        },
    ),
    Group(
        "A project as a unit",
        "project",
        {
            "set": "Class, tags and metadata of objects, where they are.",
            "lifecycle": "What a bucket's rules do there; one rule proposed, written.",
            "share": "A page of signed links to it, for a week at most.",
            "policy": "The smallest bucket policy for a colleague who reads.",
            "restore": "What is archived, what having it back costs; asks for it.",
        },
    ),
    Group(
        "Try it out",
        "trying",
        {
            "demo": "The whole job on an embedded S3: copy, kill, resume, verify.",
            "sandbox": "Start the embedded S3 on loopback; print what to export.",
        },
    ),
    Group(
        "The command line itself",
        "trying",
        {
            "help": "A command's help; what the flags of all mean; variables.",
            "completion": "Have bash, zsh or fish complete what is typed.",
        },
    ),
)
VERBS = {verb: text for group in GROUPS for verb, text in group.verbs.items()}
"""Each command and its short help, in the order in which a user meets them."""

_OTHER_NAMES = {
    "copy": "cp", "migrate": "run", "resume": "run", "list": "ls", "dir": "ls",
    "du": "ls", "rm": "delete", "remove": "delete", "undo": "revert", "rollback": "revert", "mirror": "sync",
    "whoami": "check", "new": "init", "hash": "fingerprint",
    "tag": "set", "retag": "set", "chclass": "set", "presign": "share", "link": "share", "expire": "lifecycle",
}  # fmt: skip
"""Names that other tools have for ours, which no measure of likeness would find."""


class Commands(click.Group):
    """The commands in their groups, each defined when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for group in GROUPS:
            if cmd_name in group.verbs:
                command = getattr(importlib.import_module(f"engine.cli.grammar.{group.module}"), cmd_name)
                assert isinstance(command, click.Command)
                command.short_help = VERBS[cmd_name]
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"There is no command {name!r}.{did_you_mean(name)}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group in GROUPS:
            with formatter.section(group.title):
                formatter.write_dl(list(group.verbs.items()))
        with formatter.section("Flags"):
            formatter.write_dl(
                [
                    ("-h, --help", "This; after a command: what it does, its flags, examples."),
                    ("--version", "Versions."),
                ]
            )
        with formatter.section("Examples"):
            for line in ("cartage demo --scale 0.01", "cartage init plan.toml", "cartage run --help"):
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def did_you_mean(name: str) -> str:
    """A sentence that names the command most like `name`, after a space; empty where none is."""
    import difflib

    if name in ("mv", "move"):
        return " A move is cp (or a plan), verify, cleanup: cartage help cleanup"
    alike = _OTHER_NAMES.get(name) or next(iter(difflib.get_close_matches(name.lower(), VERBS, n=1)), "")
    return f" Did you mean {alike!r}?" if alike else ""


def _show_versions(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from engine.cli.versions import versions

        click.echo(versions())
        context.exit()


@click.group(
    cls=Commands,
    subcommand_metavar="COMMAND [FLAGS] …",
    options_metavar="",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 140},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_versions)
@click.pass_context
def cli(context: click.Context) -> None:
    """Moves objects in S3 in bulk, as fast as S3 itself allows, and proves that nothing was lost."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


def main() -> None:
    """What `engine.cli.entry` begins. Ends with the documented exit codes; no traceback reaches a user."""
    open_closed_streams()
    _let_stderr_fail()
    settle()
    _escape_what_cannot_be_shown()
    command = _command()
    try:
        _carry_out(command)
    except SystemExit:
        try:
            sys.stdout.flush()  # later, Python itself would, and say what it thinks of a disk that is full
        except OSError as error:
            from engine.cli.ending import end

            error.filename = "stdout"
            end(error, command, as_json=False)
        raise


def _carry_out(command: str) -> NoReturn:
    try:
        raise SystemExit(cli.main(prog_name="cartage", standalone_mode=False))
    except click.ClickException as error:
        from engine.cli.grammar.mistakes import advice_for, sentence_of

        message, advice = sentence_of(error), advice_for(error, sys.argv[1:])
        lines = "".join(f"\n  {line}" for line in advice)
        click.echo(f"cartage{command and f' {command}'}: {message}{lines}", err=True)
        _summarise(command, error.exit_code, {"error": "Usage", "message": message, "advice": "\n".join(advice)})
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        interrupted()
    except BaseExceptionGroup as group:  # a signal before anything listened to it, within a group of tasks
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        interrupted()
    except Exception as error:
        from engine.cli.ending import end

        end(error, command, as_json="--json" in sys.argv)


def interrupted() -> NoReturn:
    """End a command that a signal met before it could be stopped gently."""
    click.echo("interrupted", err=True)
    _summarise(_command(), 130, {"interrupted": True})
    raise SystemExit(130) from None


def _command() -> str:
    return next((argument for argument in sys.argv[1:] if argument in VERBS), "")


class _TakesAll(io.FileIO):
    """A stream whose end no write tells of."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            return super().write(data) or len(data)
        return len(data)


def _let_stderr_fail() -> None:
    """Have a stderr that takes nothing (a full disk, a pipe that nobody reads any more) be written to in vain: what is
    said there is no part of the work, and the work goes on."""
    stream = sys.stderr
    if type(stream) is io.TextIOWrapper and type(getattr(stream.buffer, "raw", stream.buffer)) is io.FileIO:
        raw = _TakesAll(stream.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), stream.encoding, stream.errors, newline="\n", line_buffering=True
        )


def _escape_what_cannot_be_shown() -> None:
    """Characters that the terminal's or the pipe's encoding does not have are written as escapes: no key, and no word
    of ours, ends a command by its letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _summarise(command: str, exit_code: int, values: dict[str, Any]) -> None:
    """The summary line of a command that never began."""
    if "--json" in sys.argv:
        from engine.cli.ending import conclude

        conclude(command, exit_code, values, as_json=True)


if __name__ == "__main__":
    main()
