"""How many requests an object takes on its way, as far as a listing can tell. Pure."""

from __future__ import annotations

from engine.model import ListedObject
from engine.plan.route import Route
from engine.transfer import methods
from engine.transfer.download import WHOLE_BYTES, range_bytes
from engine.transfer.passing import SMALL_BYTES, part_layout


def requests_for(source: ListedObject, route: Route) -> tuple[int, int]:
    """How many write and read requests carrying this object takes. Two sites count as one endpoint's."""
    if route.source.is_local:
        return (1 if source.size <= SMALL_BYTES else part_layout(source.size).count + 2), 0
    if route.target.is_local:
        return 0, 1 if source.size <= WHOLE_BYTES else 1 + -(-source.size // range_bytes(source.size))
    return methods.requests_for(source)
