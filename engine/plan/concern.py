"""Which rows of a join are any concern of who goes through them. Pure."""

from __future__ import annotations

from operator import itemgetter

from engine.errors import PlanError
from engine.model import Location
from engine.plan.join import Joined
from engine.plan.lifecycle import BEREFT
from engine.plan.locations import MAX_KEY_BYTES
from engine.plan.route import Route

PROBLEMS_SHOWN = 10


def taken(route: Route, rows: list[Joined]) -> list[Joined]:
    """Those that are any concern of a run. A source that was taken once is, whatever it is now: one that changed and
    grew out of a filter by time or size would stay drifted for ever."""
    if route.selects_all:
        return rows
    return [row for row in rows if row.source is None or _was_taken(row) or route.selects(row.source)]


def refuse_unmappable(route: Route, rows: list[Joined]) -> None:
    """A target key that S3 could not hold stops the run loudly, before anything of its page is decided.

    Raises `PlanError`."""
    if route.maps_any_key:
        return
    longest = max(map(len, map(itemgetter(0), rows)), default=0)
    if len(route.target.key) + longest <= MAX_KEY_BYTES // 4:  # a character is four bytes at most
        return
    problems = [
        f'route "{route.name}": {problem}'
        for row in rows
        if row.source is not None and (problem := route.problem_of(row.source.key))
    ]
    if problems:
        raise PlanError(problems[:PROBLEMS_SHOWN], advice="Shorten the target prefix, or exclude these keys.")


def is_extra(route: Route, row: Joined) -> bool:
    """Whether it stands in the target alone, and would be taken along if it stood in the source: what the patterns
    leave out is no concern of the route on either side."""
    return row.source is None and row.target is not None and route.selection.takes_key(row.key)


def audited(route: Route, rows: list[Joined]) -> list[Joined]:
    """Those that are any concern of who compares what stands there now with the ledger. As `taken`; but where an
    inventory names the route's objects all of the source was listed, and what was not in it was not asked for."""
    rows = [row for row in rows if row.source is not None or row.entry is not None or is_extra(route, row)]
    if route.key_list is None or route.key_list.kind != "inventory":
        return taken(route, rows)
    return [row for row in rows if row.source is None or _was_taken(row)]


def _was_taken(row: Joined) -> bool:
    return row.entry is not None and row.entry.state not in BEREFT


def asks_nothing_under(route: Route, where: Location, prefix: str) -> bool:
    """Whether it is certain that a route takes no key of one of its sides that begins with `prefix`."""
    return not where.holds(prefix) or route.selection.leaves_out_all_under(prefix[len(where.key) :])
