"""`cartage ls LOCATION`: what lies there, by level, object or first-level prefix."""

from __future__ import annotations

import click

from engine.api.ls import ls
from engine.cli.common import DONE, Invocation, Teller, assume_flag, empty_flag, fail, run, shared_flags
from engine.errors import EngineError
from engine.events import Event
from engine.plan.locations import parse_location
from engine.report.ls import listed_line, summary_text, summary_values


@click.command("ls", short_help="What lies under a location; --summarize counts it by first-level prefix.")
@click.argument("location")
@click.option("--recursive", "-r", is_flag=True, help="Every object under it.")
@click.option("--summarize", "-s", is_flag=True, help="Objects, bytes, classes, oldest and newest, by prefix.")
@shared_flags
@empty_flag
@assume_flag
def ls_command(invocation: Invocation, location: str, recursive: bool, summarize: bool) -> None:
    """List LOCATION, s3://bucket/prefix/ (what is under it) or s3://bucket/key (that one): its first level, every
    object with --recursive, the figures by first-level prefix with --summarize, or both."""
    teller = Teller(invocation, "ls")
    try:
        where = parse_location(location)
    except EngineError as error:
        fail(error, "ls", teller)

    def tell(event: Event) -> None:
        if invocation.json:
            teller.listener(event)
        else:
            invocation.say(listed_line(event))

    found = run(
        invocation,
        "ls",
        lambda options, _: ls(where, options, tell=tell, recursive=recursive, sums=summarize),
        teller=teller,
    )
    if found is not None and summarize:
        if invocation.json:
            for event in found.events():
                teller.listener(event)
        invocation.say(("\n" if recursive else "") + summary_text(found))
    teller.summary("ls", DONE, {"location": str(where), **(summary_values(found) if found is not None else {})})
