"""What lies under one location: objects, bytes, classes, oldest and newest, what they cost in a month, by first-level
prefix or whatever else groups them, in flat memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.events import GroupSummed, Listener, ObjectListed, PrefixSummed, Progress
from engine.finish.grouping import Group, Grouping, Odd, first_level, rank
from engine.listing.lister import KeyRange
from engine.listing.pages import Prefix, level_of
from engine.listing.ranges import listed_under
from engine.model import ListedObject, Location
from engine.plan.prices import dollars_a_month
from engine.shown import Result
from engine.store import ObjectStore

GROUPS_KEPT = 10_000
"""Named groups with figures of their own; where there are more, the rest is in one line."""

OTHERS = "…"


@dataclass(slots=True)
class Figures:
    """Times are as S3 writes them, which sorts as time does; empty where there is no object. `dollars` a month are
    those of objects whose class has a price; `unpriced` is how many have none."""

    objects: int = 0
    bytes: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    oldest: str = ""
    newest: str = ""
    dollars: float = 0.0
    unpriced: int = 0

    def add(self, item: ListedObject, dollars: float | None = None) -> None:
        self.objects += 1
        self.bytes += item.size
        self.classes[item.storage_class] = self.classes.get(item.storage_class, 0) + 1
        if not self.oldest or "" < item.modified < self.oldest:
            self.oldest = item.modified
        if item.modified > self.newest:
            self.newest = item.modified
        if dollars is None:
            self.unpriced += 1
        else:
            self.dollars += dollars


@dataclass(slots=True)
class Summary(Result):
    """Figures in all and by group, which is a text or `Odd`. `cut` is where a key's part under the location begins.
    `by` is what they are grouped by, as it was asked for; then it is reckoned what they cost as well, unless they are
    not `priced`: files have no price. Empty: by first-level prefix, and that is not reckoned.

    `tags_asked` is how many objects were asked for their tags, `unread` why of the first that could not be read."""

    cut: int
    by: str = ""
    priced: bool = True
    total: Figures = field(default_factory=Figures)
    groups: dict[Group, Figures] = field(default_factory=dict)
    tags_asked: int = 0
    unread: str = ""

    def add(self, objects: Sequence[ListedObject], groups: Sequence[Group] | None = None) -> None:
        """Count these, of which each is in the group beside it; by its first-level prefix unless that is given."""
        cut, reckons = self.cut, bool(self.by) and self.priced
        for item, group in zip(objects, groups or [first_level(item.key, cut) for item in objects], strict=True):
            dollars = dollars_a_month(item.storage_class, item.size) if reckons else None
            self.total.add(item, dollars)
            self._of(group).add(item, dollars)

    def _of(self, group: Group) -> Figures:
        found = self.groups.get(group)
        if found is None:
            if len(self.groups) >= GROUPS_KEPT and isinstance(group, str):
                group = Odd.OTHERS
            found = self.groups.setdefault(group, Figures())
        return found

    def sorted(self) -> list[tuple[Group, Figures]]:
        """Every group, in the order in which a table has them."""
        return sorted(self.groups.items(), key=lambda pair: rank(self.by or "prefix", pair[0], pair[1].bytes))

    def events(self) -> list[PrefixSummed] | list[GroupSummed]:
        """A line for each group, in the order of `sorted`."""
        if not self.by:
            return [
                PrefixSummed(group if isinstance(group, str) else OTHERS, *_figures(item))
                for group, item in self.sorted()
            ]
        return [
            GroupSummed(
                self.by,
                group if isinstance(group, str) else "",
                "" if isinstance(group, str) else group.value,
                *_figures(item),
                dollars_a_month=item.dollars,
                unpriced=item.unpriced,
            )
            for group, item in self.sorted()
        ]


def _figures(item: Figures) -> tuple[int, int, dict[str, int], str, str]:
    return item.objects, item.bytes, dict(sorted(item.classes.items())), item.oldest, item.newest


async def summarize(
    store: ObjectStore,
    location: Location,
    listener: Listener,
    summary: Summary | None = None,
    grouping: Grouping | None = None,
) -> Summary:
    """List everything under the location, by many ranges at once, and count it in `summary` by `grouping`: a new one by
    first-level prefix, unless given. `listener` also hears of each thing there that cannot be an object. Raises what
    the listing raises, and what `grouping` does."""
    summary = summary or Summary(len(location.key))
    async with listed_under(store, location, listener) as batches:
        async for objects in batches:
            summary.add(objects, await grouping.groups_of(objects) if grouping is not None else None)
            listener(_progress(summary, done=False))
    listener(_progress(summary, done=True))
    return summary


async def list_objects(
    store: ObjectStore, location: Location, tell: Listener, summary: Summary, grouping: Grouping | None = None
) -> None:
    """Tell every object under the location, in key order, and each thing there that cannot be one; counted as
    `summarize` does."""
    async for objects, _ in Prefix(store, location, tell=tell).pages(KeyRange()):
        summary.add(objects, await grouping.groups_of(objects) if grouping is not None else None)
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
