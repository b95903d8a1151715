"""What lies under one location: objects, bytes, classes, oldest and newest, by first-level prefix, in flat memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.events import Listener, ObjectListed, PrefixSummed, Progress
from engine.listing.lister import KeyRange
from engine.listing.pages import level_of, pages_of
from engine.listing.unlisted import UnlistedThings
from engine.listing.whole import listed_under
from engine.model import ListedObject, Location
from engine.shown import Result
from engine.store import ObjectStore

PREFIXES_KEPT = 10_000
"""First-level prefixes with figures of their own; a bucket that has more has the rest in one line."""

OTHERS = "…"
DIRECTLY = ""
"""The prefix of what lies directly under the location."""


@dataclass(slots=True)
class Figures:
    """Times are as S3 writes them, which sorts as time does; empty where there is no object."""

    objects: int = 0
    bytes: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    oldest: str = ""
    newest: str = ""

    def add(self, item: ListedObject) -> None:
        self.objects += 1
        self.bytes += item.size
        self.classes[item.storage_class] = self.classes.get(item.storage_class, 0) + 1
        if not self.oldest or item.modified < self.oldest:
            self.oldest = item.modified
        if item.modified > self.newest:
            self.newest = item.modified


@dataclass(slots=True)
class Summary(Result):
    """Figures in all and by first-level prefix. `cut` is where a key's part under the location begins."""

    cut: int
    total: Figures = field(default_factory=Figures)
    prefixes: dict[str, Figures] = field(default_factory=dict)

    def add(self, objects: Iterable[ListedObject]) -> None:
        for item in objects:
            self.total.add(item)
            self._of(first_level(item.key, self.cut)).add(item)

    def _of(self, prefix: str) -> Figures:
        found = self.prefixes.get(prefix)
        if found is None:
            if len(self.prefixes) >= PREFIXES_KEPT:
                prefix = OTHERS
            found = self.prefixes.setdefault(prefix, Figures())
        return found

    def events(self) -> list[PrefixSummed]:
        """A line for each prefix, in key order."""
        return [
            PrefixSummed(prefix, item.objects, item.bytes, dict(sorted(item.classes.items())), item.oldest, item.newest)
            for prefix, item in sorted(self.prefixes.items(), key=lambda pair: (pair[0] == OTHERS, pair[0]))
        ]


def first_level(key: str, cut: int) -> str:
    """What follows the location up to its first slash, with it; empty for an object that lies directly there."""
    end = key.find("/", cut)
    return DIRECTLY if end < 0 else key[cut : end + 1]


async def summarize(store: ObjectStore, location: Location, listener: Listener) -> Summary:
    """List everything under the location, by many ranges at once. `listener` also hears of each thing there that cannot
    be an object. Raises what the listing raises."""
    summary = Summary(len(location.key))
    async with listed_under(store, location, listener) as batches:
        async for objects in batches:
            summary.add(objects)
            listener(_progress(summary, done=False))
    listener(_progress(summary, done=True))
    return summary


async def list_objects(store: ObjectStore, location: Location, tell: Listener, summary: Summary) -> None:
    """Tell every object under the location, in key order, and each thing there that cannot be one."""
    async for objects, _ in pages_of(store, location, KeyRange(), unlisted=UnlistedThings(tell=tell)):
        summary.add(objects)
        for item in objects:
            tell(_listed(item))


async def list_level(store: ObjectStore, location: Location, tell: Listener) -> int:
    """Tell what lies directly under the location: prefixes and objects, in key order of each page, and each thing
    that is neither. Gives how many of the former. Raises what the listing raises."""
    if not location.is_prefix:
        summary = Summary(len(location.key))
        await list_objects(store, location, tell, summary)
        return summary.total.objects
    count = 0
    async for page in level_of(store, location, tell):
        for prefix in page.common_prefixes:
            tell(PrefixSummed(prefix[len(location.key) :]))
        for item in page.objects:
            tell(_listed(item))
        count += len(page.common_prefixes) + len(page.objects)
    return count


def _listed(item: ListedObject) -> ObjectListed:
    return ObjectListed(item.key, item.size, item.etag, item.modified, item.storage_class)


def _progress(summary: Summary, *, done: bool) -> Progress:
    total = summary.total
    return Progress.of_listing(total.objects, total.bytes, ended=done)
