"""`cartage`: one verb a file, each of them flags → options → one call of `engine.api`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

VERBS: dict[str, str] = {
    "demo": "demo",
    "check": "check",
    "init": "init",
    "cp": "run",
    "plan": "plan",
    "run": "run",
    "status": "status",
    "verify": "verify",
    "accept": "accept",
    "export": "export",
    "fingerprint": "fingerprint",
    "manifest": "manifest",
    "rewrite": "rewrite",
    "cleanup": "cleanup",
    "revert": "revert",
    "receipt": "receipt",
    "ls": "ls",
    "delete": "delete",
    "sandbox": "sandbox",
}
"""Each command and the module of `engine.cli` that holds it, imported only when it is used."""


class Verbs(click.Group):
    """Commands in the order in which a user meets them, loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"engine.cli.{VERBS[cmd_name]}"), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cartage", prog_name="cartage")
def cli() -> None:
    """Moves objects in S3 in bulk, as fast as S3 itself allows, and proves that nothing was lost."""


def main() -> None:
    """The entry point. Ends with the documented exit codes; no traceback reaches a user."""
    command = next((argument for argument in sys.argv[1:] if argument in VERBS), "")
    try:
        raise SystemExit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        _summarise(command, error.exit_code, {"error": "Usage", "message": error.format_message(), "advice": ""})
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        _summarise(command, 130, {"interrupted": True})
        raise SystemExit(130) from None
    except Exception as error:
        from engine.cli.common import end

        end(error, command, as_json="--json" in sys.argv)


def _summarise(command: str, exit_code: int, values: dict[str, Any]) -> None:
    """The summary line of a command that never began."""
    if "--json" in sys.argv:
        from engine.report.ndjson import NdjsonWriter

        NdjsonWriter(sys.stdout).summary(command, exit_code, values)


if __name__ == "__main__":
    main()
