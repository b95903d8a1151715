"""`cartage ls LOCATION`: what lies there, by level, object or first-level prefix."""

from __future__ import annotations

from engine.api.load import place_of
from engine.api.ls import ls
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.cli.codes import ASIDE
from engine.cli.invocation import Invocation
from engine.events import Event, ObjectAside
from engine.finish.project import Summary
from engine.plan.locations import SCHEME
from engine.report.ls import listed_line, summary_page, summary_values


def ls_command(invocation: Invocation, location: str, recursive: bool, summarize: bool, by: str) -> None:
    summarize = summarize or bool(by)
    where = location if location == SCHEME else place_of(location)

    async def work(options: Options, _: StopSignal) -> Summary | None:
        def show(event: Event) -> None:
            if isinstance(event, ObjectAside):
                options.listener(event)
            else:
                invocation.give(listed_line(event))

        tell = options.listener if invocation.json else show
        found = await ls(where, options, tell=tell, recursive=recursive, sums=summarize, by=by)
        if found is not None and summarize and invocation.json:
            for event in found.events():
                tell(event)
        return found

    found = invocation.run(work, asides=False)
    if found is not None and summarize:
        invocation.give([*([""] if recursive else []), *summary_page(found, invocation.took_s)])
    figures = summary_values(found) if found is not None else {}
    code = ASIDE if found is not None and found.unread else invocation.done()
    invocation.end(code, {"location": str(where), **figures, "unlisted": invocation.left.count})
