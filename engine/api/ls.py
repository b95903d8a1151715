"""`ls`: what lies under a location."""

from __future__ import annotations

from engine.api.options import Options
from engine.errors import one_error
from engine.events import Listener
from engine.finish.project import Summary, list_level, list_objects, summarize
from engine.listing.nearest import refuse_nothing
from engine.model import Location
from engine.plan.settings import Connection
from engine.sites.opening import open_site


async def ls(
    location: Location, options: Options | None = None, *, tell: Listener, recursive: bool = False, sums: bool = False
) -> Summary | None:
    """Tell what lies under a location: its first level, or (`recursive`) every object. With `sums` the figures by
    first-level prefix are given; alone they are read by many ranges at once, and no object is told.

    Raises `NothingThere` where nothing does, and what the listing raises."""
    options = options or Options()
    async with one_error(), open_site(Connection(), options) as opened:
        store = opened.store
        summary: Summary | None = None
        if sums and not recursive:
            summary = await summarize(store, location, options.listener)
        elif recursive:
            summary = Summary(len(location.key))
            await list_objects(store, location, tell, summary)
        count = summary.total.objects if summary is not None else await list_level(store, location, tell)
        if not count and not options.allow_empty:
            await refuse_nothing(store, location)
        return summary
