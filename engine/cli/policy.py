"""`cartage policy LOCATION --read ARN`: the bucket policy on stdout, what it does not give on stderr."""

from __future__ import annotations

import json

import click

from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.plan.permissions import bucket_policy


def policy_command(invocation: Invocation, location: str, read: str) -> None:
    made = bucket_policy(location, read)
    invocation.give(json.dumps(made.document, indent=2, ensure_ascii=False))
    if not invocation.json and not invocation.quiet:
        for note in made.notes:
            click.echo(note, err=True)
    invocation.end(DONE, {"location": location, "policy": made.document, "notes": list(made.notes)})
