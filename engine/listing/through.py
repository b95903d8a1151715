"""Reading the routes of a plan through, so many at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from engine.at_once import each
from engine.plan.route import Route

ROUTES_AT_ONCE = 32
"""Each holds pages of both of its sides."""

Report = TypeVar("Report")


async def read_through(
    routes: Sequence[Route], reports: Sequence[Report], read: Callable[[Route, Report], Awaitable[None]]
) -> None:
    """Have `read` read each route from end to end, with its own of the reports. Raises as a task group does."""
    await each(zip(routes, reports, strict=True), lambda both: read(*both), anyio.CapacityLimiter(ROUTES_AT_ONCE))
