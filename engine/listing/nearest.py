"""What to say of a location that holds nothing: a slash that was forgotten, a name that was mistyped.

A source that holds nothing looks, to whoever only counts, like one of which everything is in place.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from engine.errors import NothingThere
from engine.model import Location
from engine.plan.locations import undecoded
from engine.plan.route import Route
from engine.plan.shell import shell_word
from engine.store import ListPage, ObjectStore, StoreOf

NEAREST_NAMED = 3
OURS = (".ledger", ".deletion")
"""In the names of what Cartage itself keeps in a folder: it is named after what was copied, and so begins alike."""


ALLOW_EMPTY = "--allow-empty"
"""By what a command that has it is told that there may be nothing."""


async def refuse_nothing(store: ObjectStore, location: Location, said_by: str = ALLOW_EMPTY) -> None:
    """Raise `NothingThere` for a location that holds nothing. An empty bucket was not mistyped, and is let through."""
    if location.key and (said := await why_nothing(store, location)):
        raise NothingThere(said, said_by)


async def empty_routes(store_of: StoreOf, routes: Sequence[Route], known: Mapping[str, int]) -> list[str]:
    """A sentence for each route whose source holds nothing, and of which nothing is known either: `known` counts what
    was listed, or is in the ledger, by route. What a cleanup deleted, and what filters leave out, is something."""
    found = []
    for route in routes:
        if known.get(route.name) or route.allow_empty:
            continue
        if route.key_list is not None:
            found.append(f'route "{route.name}": its list, {route.key_list}, names no object')
        elif said := await why_nothing(store_of(route.source), route.source):
            found.append(f'route "{route.name}": {said}')
    return found


async def why_nothing(store: ObjectStore, location: Location) -> str:
    """What to say of a location that holds nothing, with what is near it; empty where it holds something."""
    if not location.is_prefix:
        return await _no_such_key(store, location)
    page = await store.list_page(ListPage(location.bucket, location.key, max_keys=1))
    if page.objects or page.next_token is not None:
        return ""
    if not location.key:
        return f"the {'folder' if location.is_local else 'bucket'} {location.bucket} is empty"
    near = ", ".join(str(place) for place in await _nearest(store, location))
    return f"{location} holds nothing{undecoded(location.key)}" + (f"; near it hold something: {near}" if near else "")


async def _nearest(store: ObjectStore, location: Location) -> list[Location]:
    """Places under the innermost folder above `location` that holds something, those spelled most alike first."""
    above = location.key.rstrip("/")
    while above:
        above, _, name = above.rpartition("/")
        folder = f"{above}/" if above else ""
        page = await store.list_page(ListPage(location.bucket, folder, delimiter="/"))
        if page.common_prefixes:
            names = {prefix[len(folder) :].rstrip("/"): prefix for prefix in page.common_prefixes}
            alike = difflib.get_close_matches(name, names, n=NEAREST_NAMED, cutoff=0.0)
            return [location.at(names[one]) for one in alike]
        if page.objects:
            return [location.at(folder)]
    return []


async def _no_such_key(store: ObjectStore, location: Location) -> str:
    """Of an exact key: perhaps a slash was forgotten."""
    page = await store.list_page(ListPage(location.bucket, location.key, max_keys=1000))
    if thing := next((item for item in page.unlisted if item.key == location.key), None):
        return f"{location} cannot be an object: {thing.message}"
    if any(item.key == location.key for item in page.objects):
        return ""
    under = sum(item.key.startswith(location.key + "/") for item in page.objects)
    beside = [item.key for item in page.objects if not item.key.startswith(location.key + "/")]
    said = f"there is no object with exactly the key {location}"
    if location.is_local:
        beside = [key for key in beside if not any(mark in key for mark in OURS)]
        said = f"there is no file {location}"
    said += undecoded(location.key)
    folder, slash, name = location.key.rpartition("/")
    if name == "*":
        said += f"; no wildcard is needed: write {location.at(folder + slash)}"
    elif "*" in name or "?" in name:
        chosen = f"{shell_word(str(location.at(folder + slash)))} --include {shell_word(name)}"
        said += f"; a location holds no pattern: cp and sync choose by {chosen}"
    more = "or more " if page.next_token else ""
    if under:
        lie = "lies" if under == 1 and not more else "lie"
        said += f"; {under} {more}{lie} under {location}/ (a trailing slash means everything under it)"
    if beside:
        said += f"; {len(beside)} {more}only begin alike, such as {beside[0]!r}, and are not meant by it"
    return said
