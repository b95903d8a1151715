"""Reading the routes of a plan through, so many at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from engine.at_once import each
from engine.plan.route import Route

ROUTES_AT_ONCE = 32
"""Each holds pages of both of its sides."""

Own = TypeVar("Own")


async def read_through(
    routes: Sequence[Route], own: Sequence[Own], read: Callable[[Route, Own], Awaitable[None]]
) -> None:
    """Have `read` read each route from end to end, with what is its own, the first ones first. Raises as a task group
    does."""
    await each(zip(routes, own, strict=True), lambda both: read(*both), anyio.CapacityLimiter(ROUTES_AT_ONCE))
