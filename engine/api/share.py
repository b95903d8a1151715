"""`share`: a page of links to everything under a location, for whoever is given it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.api.options import Options
from engine.api.watching import watched
from engine.errors import NothingThere, ObjectError, UsageError
from engine.events import Progress
from engine.freshness import running_s
from engine.listing.lister import KeyRange
from engine.listing.nearest import ALLOW_EMPTY, refuse_nothing
from engine.listing.pages import Prefix
from engine.model import ListedObject, Location, ObjectRef
from engine.plan.decide import is_archived
from engine.plan.locations import location_of
from engine.plan.selection import Selection, problem_of_pattern
from engine.references.local_files import write_private
from engine.shown import Result, asked_of_reports
from engine.sites.clock import dating_clock, now_ms
from engine.sites.links import MOST_S, Links, can_be_linked, links_into
from engine.sites.opening import open_place
from engine.store import HeadObject, ObjectStore

MOST_LINKS = 100_000
"""A page of more, 60 MB and above, is shown by no browser."""


@dataclass(frozen=True, slots=True)
class SharedObject:
    """`key` is what follows the location, `url` its link; empty where there can be none. An `archived` one has to be
    restored before its link gives anything."""

    key: str
    size: int
    modified: str
    url: str = field(repr=False)  # whoever has it may read the object
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Shared(Result):
    """Links that were signed at `made_s` and end at `ends_s` (seconds since the epoch, by the server's clock).
    `temporary`: they were signed with a session's credentials, and end with that session at the latest, of which
    `ends_s` knows where it is told."""

    location: str
    made_s: int
    ends_s: int
    temporary: bool
    objects: tuple[SharedObject, ...]

    @property
    def linked(self) -> list[SharedObject]:
        return [item for item in self.objects if item.url]

    @property
    def html(self) -> str:
        """The page, whole in itself: nothing is loaded from anywhere, and no script is in it."""
        text: str = asked_of_reports("share", "shared_page")(self)
        return text

    @property
    def text(self) -> str:
        """The links alone, a line each."""
        return "".join(f"{item.url}\n" for item in self.linked)

    def write(self, path: str | Path) -> Path:
        """Write the page to a file with mode 0600; one that is there is replaced as a whole. Gives its path. Raises
        `UsageError` where it cannot be written."""
        return write_private(Path(path), self.html, "page", "--output")

    def write_links(self, path: str | Path) -> Path:
        """The same with the links alone."""
        return write_private(Path(path), self.text, "list of links", "--list")


@watched
async def share(
    where: str | Location,
    options: Options | None = None,
    *,
    expires_s: int = 86_400,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Shared:
    """Links to everything under a location in S3 ("s3://bucket/prefix/", or one exact key), each signed with your
    credentials, for so many seconds from now on by the server's clock: a week at most, which is S3's limit. Patterns
    choose by what follows the location, as a route's do. Nothing is made public and nothing written to S3: whoever has
    a link may read that object until then, as you may now.

    Raises `UsageError` for what is no location of S3, a time that no link can last, and more than 100,000 objects;
    `NothingThere`, and `StoreError`."""
    options = options or Options()
    place = location_of(where)
    if place.is_local:
        raise UsageError(f"{place} is a local path, and links lead into S3.", advice="Write it as s3://bucket/prefix/.")
    if not 0 < expires_s <= MOST_S:
        raise UsageError(
            f"a link lasts a second to a week, and not {expires_s:,} s.",
            advice="S3 refuses a longer one: make the page anew when it has ended." if expires_s > 0 else "",
        )
    chosen = Selection(tuple(include), tuple(exclude))
    for pattern in (*chosen.include, *chosen.exclude):
        if why := problem_of_pattern(pattern):
            raise UsageError(f'the pattern "{pattern}" {why}')
    async with open_place(place, options) as opened:
        site = opened.site(place)
        assert site.session is not None
        found: list[ListedObject] = []
        listed = 0
        async for objects, ended in Prefix(site.store, place).pages(KeyRange()):
            listed += len(objects)
            found += [item for item in objects if chosen.takes_key(item.key[len(place.key) :])]
            options.listener(Progress.of_listing(listed, ended=ended))
            if len(found) > MOST_LINKS:
                raise UsageError(
                    f"{place} holds more than {MOST_LINKS:,} objects, and no browser shows a page of so many links.",
                    advice="Choose with --include, or share a deeper prefix at a time.",
                )
        if not listed and not options.allow_empty:
            await refuse_nothing(site.store, place)
        if not found and not options.allow_empty:
            raise NothingThere(f"no object under {place} is one that the patterns take", ALLOW_EMPTY)
        made_s = await _now_s(site.store, ObjectRef(place.bucket, found[0].key)) if found else now_ms() // 1000
        links = await links_into(site.session, place.bucket, made_s, expires_s)
        shared = tuple(_shared(item, place, links) for item in found)
        return Shared(str(place), links.made_s, links.ends_s, links.temporary, shared)


async def _now_s(store: ObjectStore, ref: ObjectRef) -> int:
    """The server's clock, by which links end; this machine's where the object is gone, or no date is sent."""
    with suppress(ObjectError):
        head = await store.head_object(HeadObject(ref))
        if (clock := dating_clock(head.date, running_s())) is not None:
            return clock() // 1000
    return now_ms() // 1000


def _shared(item: ListedObject, place: Location, links: Links) -> SharedObject:
    url = links.link(item.key) if can_be_linked(item.key) else ""
    archived = is_archived(item)
    key = item.key[len(place.key) :] if place.is_prefix else item.key.rpartition("/")[2]
    return SharedObject(key or item.key, item.size, item.modified, url, archived)
