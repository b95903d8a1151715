"""From a line that was read to the command's own function: the shared flags become its `Invocation`."""

from __future__ import annotations

import sys
from typing import Any

import click

from engine.api.options import Options
from engine.cli.ending import end
from engine.cli.grammar.mistakes import nearest_example
from engine.cli.grammar.words import Verb
from engine.cli.invocation import Invocation
from engine.cli.logs import logging_command


def call(verb: Verb, given: dict[str, Any]) -> Any:
    """Carry out a command. What it raises ends it, with a sentence and an exit code."""
    name = str(verb.name)
    as_json, quiet, progress = given.pop("as_json"), given.pop("quiet"), given.pop("progress")
    verbose, log_file = given.pop("verbose"), given.pop("log_file")
    if verbose and log_file is None and progress is None:
        progress = False  # a bar would be drawn over the lines
    try:
        with logging_command(name, verbose, log_file):
            return _carried_out(verb, Invocation(name, options_of(verb, given), as_json, quiet, progress), given)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:  # the log itself
        end(error, name, as_json=as_json)


def _carried_out(verb: Verb, invocation: Invocation, given: dict[str, Any]) -> Any:
    try:
        return verb.function(invocation=invocation, **given)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        example = nearest_example(verb.examples, sys.argv[1:])
        end(error, invocation.verb, as_json=invocation.json, example=f"As in: {example.line}")


def options_of(verb: Verb, given: dict[str, Any]) -> Options:
    """The options that the flags chose, taken out of what was given; a flag that was not given leaves the options'
    own."""
    values = [(flag, given.pop(flag.field)) for flag in verb.flags if flag.field]
    options = Options(**{flag.field: flag.read(value) for flag, value in values if value is not None})
    if options.state_dir is not None:
        options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return options
