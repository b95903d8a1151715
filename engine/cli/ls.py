"""`cartage ls LOCATION`: what lies there, by level, object or first-level prefix."""

from __future__ import annotations

import click

from engine.api.load import place_of
from engine.api.ls import ls
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.cli.codes import DONE
from engine.cli.flags import assume_flag, empty_flag, shared_flags
from engine.cli.invocation import Invocation
from engine.events import Event
from engine.finish.project import Summary
from engine.report.ls import listed_line, summary_page, summary_values


@click.command("ls")
@click.argument("location")
@click.option("--recursive", "-r", is_flag=True, help="Every object under it.")
@click.option("--summarize", "-s", is_flag=True, help="Objects, bytes, classes, oldest and newest, by prefix.")
@shared_flags
@empty_flag
@assume_flag
def ls_command(invocation: Invocation, location: str, recursive: bool, summarize: bool) -> None:
    """List LOCATION: s3://bucket/prefix/ or a local folder, ./project/ (what is under it), or s3://bucket/key or a
    local file (that one). Its first level, every object with --recursive, the figures by first-level prefix with
    --summarize, or both."""
    where = place_of(location)

    async def work(options: Options, _: StopSignal) -> Summary | None:
        def show(event: Event) -> None:
            invocation.say(listed_line(event))

        tell = options.listener if invocation.json else show
        found = await ls(where, options, tell=tell, recursive=recursive, sums=summarize)
        if found is not None and summarize and invocation.json:
            for event in found.events():
                tell(event)
        return found

    found = invocation.run(work)
    if found is not None and summarize:
        invocation.say([*([""] if recursive else []), *summary_page(found, invocation.took_s)])
    invocation.end(DONE, {"location": str(where), **(summary_values(found) if found is not None else {})})
