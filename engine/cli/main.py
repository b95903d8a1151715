"""`cartage`: one verb a file, each of them flags → options → one call of `engine.api`."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import sys
from typing import Any

import click

from engine.version import __version__

VERBS: dict[str, str] = {
    "demo": "Run the whole job on an embedded S3: plan, copy, kill, resume, verify.",
    "check": "Who am I, which endpoint, does the bucket answer, what may I do.",
    "init": "Write a commented plan to start from.",
    "cp": "Copy between S3, other endpoints and local folders, without a plan file.",
    "sync": "Bring a target up to date; --delete removes what stands there alone.",
    "plan": "Show what a run would do and cost. Writes nothing to S3.",
    "run": "Copy what the plan says; resumes if there is a ledger.",
    "status": "What the ledger says, at once; --failed lists what is not done.",
    "verify": "Compare both sides and the ledger; exit 4 where anything differs.",
    "accept": "Accept a named difference, with a reason that is kept.",
    "export": "The ledger as CSV, NDJSON, Parquet or a list for xxh128sum -c.",
    "fingerprint": "One line for a tree, to compare two on two machines.",
    "manifest": "The project's manifest from the ledger's figures; --apply writes it.",
    "rewrite": "What still names the old paths; --apply changes it, --undo puts it back.",
    "cleanup": "What keeps the sources from being deleted; --delete deletes what is proven.",
    "revert": "Take a migration back: --delete removes the copies that it made.",
    "receipt": "A document of what was done and proven; --check tells whether one holds.",
    "ls": "What lies under a location; --summarize counts it by first-level prefix.",
    "delete": "Delete a whole project: exactly what a snapshot of its listing holds.",
    "sandbox": "Start the embedded S3 on loopback and print what to export.",
}
"""Each command and its short help. The module of its name in `engine.cli` holds it, and is imported when it is used."""


class Verbs(click.Group):
    """Commands in the order in which a user meets them, loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"engine.cli.{cmd_name}"), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        command.short_help = VERBS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cartage")
def cli() -> None:
    """Moves objects in S3 in bulk, as fast as S3 itself allows, and proves that nothing was lost."""


def main() -> None:
    """The entry point. Ends with the documented exit codes; no traceback reaches a user."""
    _calm_collector()
    _escape_what_cannot_be_shown()
    command = next((argument for argument in sys.argv[1:] if argument in VERBS), "")
    try:
        raise SystemExit(cli.main(prog_name="cartage", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        _summarise(command, error.exit_code, {"error": "Usage", "message": error.format_message(), "advice": ""})
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        _summarise(command, 130, {"interrupted": True})
        raise SystemExit(130) from None
    except Exception as error:
        from engine.cli.ending import end

        end(error, command, as_json="--json" in sys.argv)


def _calm_collector() -> None:
    """Look for cycles less often: listed objects and imported modules live long and form none, and looking at them
    every 700 allocations costs a quarter of a copy's processor time, and a tenth of the start."""
    gc.set_threshold(20_000, 20, 20)
    atexit.register(gc.freeze)  # nor look through everything once more before the process ends


def _escape_what_cannot_be_shown() -> None:
    """Characters that the terminal's or the pipe's encoding does not have are written as escapes: no key, and no word
    of ours, ends a command by its letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _summarise(command: str, exit_code: int, values: dict[str, Any]) -> None:
    """The summary line of a command that never began."""
    if "--json" in sys.argv:
        from engine.cli.ending import summarize

        summarize(command, exit_code, values)


if __name__ == "__main__":
    main()
