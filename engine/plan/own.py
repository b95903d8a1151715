"""The names of the objects that the engine makes for itself, and which no route takes along. Pure.

A claim stands at the root of a bucket while something is deleted there (`finish.claim`); probes stand for a moment
where something is tried (`sites.trial`, `finish.names`). Both may be left by a crash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.model import ListedObject, Location
from engine.plan.route import Route

MARK = ".cartage-"
CLAIM = f"{MARK}claim"
"""The whole key of a claim. It is never taken along, whatever the prefix: neither is a copy of one."""

PROBE = f"{MARK}probe-"
_PROBE = re.compile(rf"{re.escape(PROBE)}[0-9a-f]{{16}}[^/]*").fullmatch


def is_claim(key: str) -> bool:
    """Whether a key, under whatever prefix, has the name of a claim."""
    return key.endswith(CLAIM) and (len(key) == len(CLAIM) or key[-len(CLAIM) - 1] == "/")


def is_own(key: str) -> bool:
    """Whether a key has the name of a claim or of a probe."""
    return is_claim(key) or _PROBE(key.rpartition("/")[2]) is not None


def without_own(objects: list[ListedObject], *, probes: bool) -> list[ListedObject]:
    """A page without claims, and (`probes`) without probes. The very list where there are none: a page is read at
    every few microseconds a key."""
    if not any(MARK in item.key for item in objects):
        return objects
    own = is_own if probes else is_claim
    return [item for item in objects if not own(item.key)]


def own_place(routes: Iterable[Route], bucket: Location) -> Location:
    """Where objects of our own may be in a bucket for a moment: beside a target, else where no route's listing meets
    them, as far as there is such a place."""
    return next((route.target for route in routes if route.target.whole_bucket == bucket), bucket)
