"""Sources that hold nothing: an end of their own for every command that would else call everything in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.api.options import Options
from engine.listing.nearest import empty_routes
from engine.plan.document import Plan
from engine.plan.record import Tally, by_route
from engine.sites.sites import Sites


async def nothing_there(plan: Plan, options: Options, opened: Sites, known: Mapping[str, int]) -> list[str]:
    """A sentence for each route whose source holds nothing and of which nothing is known (`known`, by route), unless
    that was said to be all right."""
    return [] if options.allow_empty else await empty_routes(opened.store, plan.routes, known)


def objects_of(tallies: Iterable[Tally]) -> dict[str, int]:
    """How many objects the ledger knows, by route."""
    return {route: objects for route, (objects, _) in by_route(tallies).items()}
