"""`cartage fingerprint LOCATION`: one short line that is equal for equal trees."""

from __future__ import annotations

import click

from engine.api.fingerprint import fingerprint
from engine.cli.codes import DONE
from engine.cli.flags import assume_flag, empty_flag, shared_flags
from engine.cli.invocation import Invocation
from engine.proof.fingerprint import Basis


@click.command("fingerprint")
@click.argument("location")
@click.option(
    "--by",
    type=click.Choice([basis.value for basis in Basis]),
    default=Basis.ETAG.value,
    show_default=True,
    help="What counts besides key and size: nothing, ETags that are MD5s, or all bytes, read.",
)
@shared_flags
@empty_flag
@assume_flag
def fingerprint_command(invocation: Invocation, location: str, by: str) -> None:
    """Print one line for everything under LOCATION (s3://bucket/prefix/, one exact key, or a local folder): a figure
    that does not depend on order, the number of objects and bytes, and what the figure is over. Two trees are the same
    if their two lines are."""
    line = invocation.run(lambda options, _: fingerprint(location, options, basis=Basis(by)))
    if not invocation.json:
        click.echo(line)
    invocation.end(DONE, {"location": location, "fingerprint": line})
