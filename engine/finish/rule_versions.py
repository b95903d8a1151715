"""Older versions and delete markers under a location, told to what reckons with them."""

from __future__ import annotations

from engine.model import ListedVersion, Location
from engine.plan.rule_effects import Effects
from engine.store import ListVersions, ObjectStore


async def add_versions(store: ObjectStore, place: Location, effects: Effects) -> None:
    """List every version, a request a thousand, and tell `effects` of those that are not current. A version became one
    when the next newer was written. Raises what the store raises."""
    after = ("", "")
    last: ListedVersion | None = None
    newer = alone = 0
    while True:
        page = await store.list_versions(ListVersions(place.bucket, place.key, after))
        for item in page.versions:
            if not place.is_prefix and item.key != place.key:
                continue
            if last is None or item.key != last.key:
                _end(last, alone, effects)
                newer, alone = 0, 1
            else:
                alone += 1
                if not item.is_marker:
                    effects.add_version(item, last.modified, newer)
                newer += 1
            last = item
        if page.next is None:
            _end(last, alone, effects)
            return
        after = page.next


def _end(last: ListedVersion | None, alone: int, effects: Effects) -> None:
    if last is not None and last.is_marker and alone == 1:
        effects.add_lone_marker(last.key)
