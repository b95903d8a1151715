"""The sites of a plan, each opened once: which side of a route is where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.at_once import each
from engine.bucket_facts import BucketFacts
from engine.errors import AccessDenied, AttemptError, NotFound, ObjectError, RunError, one_error
from engine.events import Listener, Notice
from engine.listing.sources import Sources
from engine.model import FILE_SITE, Location, ObjectHead, ObjectRef
from engine.plan.integrity import MD5_ENCRYPTIONS
from engine.plan.locations import is_access_point
from engine.plan.misnamed import Misnames
from engine.plan.route import Route
from engine.sites.governor.sharing import Share
from engine.sites.known import Notes
from engine.sites.pacing import Tally
from engine.sites.site import Gauges, Site
from engine.sites.traits import Answer, Traits, pin_sentences, sentences
from engine.store import GetRange, HeadObject, ListPage, ObjectStore

if TYPE_CHECKING:
    from engine.folder.store import FolderStore

ASKED = 10
"""Objects of the source that are asked for, one after the other, until one of them tells."""


class Sites:
    """Whoever handles one side of a route asks here for its site, or for its store. `home` is the plan's own
    connection (or the only site, where there is no plan), `sources` are those of its routes, where they were opened.
    `emptied` are places from which cleanup took everything, and one of which is gone: nothing is asked of them."""

    def __init__(self, opened: Mapping[str, Site]) -> None:
        self._opened = opened
        self._paces = {name: site.pace for name, site in opened.items() if site.pace is not None}
        self.home = opened.get("") or next(iter(opened.values()))
        self.sources = Sources()
        self.emptied: set[Location] = set()
        self._reads: dict[tuple[str, Location], Answer] = {}

    def site(self, where: Location) -> Site:
        """The site that a location is on."""
        return self._opened[where.site]

    @property
    def folders(self) -> FolderStore | None:
        """The store of local folders, where a route has one."""
        site = self._opened.get(FILE_SITE)
        return site.folder if site is not None else None

    @property
    def endpoints(self) -> dict[str, str]:
        """The URL of each, by its name."""
        return {name: site.endpoint for name, site in self._opened.items()}

    def store(self, where: Location) -> ObjectStore:
        return self.site(where).store

    def store_of_all(self, places: Sequence[Location]) -> ObjectStore:
        """The store of places that are on one site together; of no place, the plan's own connection's."""
        return self.store(places[0]) if places else self.home.store

    def source(self, route: Route) -> Site:
        return self.site(route.source)

    def target(self, route: Route) -> Site:
        return self.site(route.target)

    def copies(self, route: Route) -> bool:
        """Whether a server copies a route's objects by itself: both sides are one site's, or one endpoint's, and the
        target's credentials were found to read the source (`find_reading`). What is not known is a no."""
        source, target = self.source(route), self.target(route)
        return source is target or self._reads.get((target.name, route.source)) is Answer.YES

    def keeps_digests(self, route: Route) -> bool:
        """Whether two plain ETags that differ tell a route that what bears them differs: both buckets keep MD5s, and
        the plan has nothing written otherwise. By what was asked of the buckets before."""
        asked = route.set_encryption
        if asked is not None and asked.algorithm not in MD5_ENCRYPTIONS:
            return False
        return all(self.site(where).keeps_digests(where.bucket) for where in (route.source, route.target))

    def compares(self, route: Route, algorithm: str) -> bool:
        """Whether a checksum by `algorithm` of a route's target is known to be of its bytes, where bytes may have been
        sent there."""
        target = self.target(route)
        return self.source(route) is target or target.known.compares(route.target.bucket, algorithm)

    async def misnames(self, routes: Iterable[Route]) -> dict[str, Misnames]:
        """By the routes' names: what the keys of those that lead into folders may not be. Raises as `room` of them."""
        found: dict[str, Misnames] = {}
        for route in routes:
            if (folder := self.target(route).folder) is not None:
                found[route.name] = await folder.misnames(route.target.bucket, route.target.key)
        return found

    async def find_reading(self, routes: Iterable[Route]) -> None:
        """Find out, for `copies`, where the target's credentials read the source: asked once a command."""
        asked = {
            (self.target(route).name, route.source): route
            for route in routes
            if self.source(route) is not self.target(route) and self.target(route).reaches(self.source(route))
        }

        async def ask(route: Route) -> Answer:
            return await reads(self.target(route).store, self.source(route).store, route.source)

        open_ones = [place for place in asked if place not in self._reads]
        async with one_error():
            found = await each([asked[place] for place in open_ones], ask)
        self._reads |= dict(zip(open_ones, found, strict=True))

    def trusts(self, route: Route) -> bool:
        """Whether neither side of a route has to be tried out first."""
        return self.source(route).known.trusted and self.target(route).known.trusted

    def hides_names(self, where: Location) -> bool:
        """Whether a bucket may be another one's by a second name. On AWS two names are two buckets, and one has no
        second name but those of access points ("Bucket naming rules", S3 User Guide)."""
        return not self.site(where).is_aws or is_access_point(where.bucket)

    def may_lag(self, one: Location, other: Location) -> bool:
        """Whether what is done at one place may show at the other a while later: where two servers keep them, which may
        hand on what is done. Two sites of AWS do so by rules that it tells of."""
        if one.site == other.site or one.is_local or other.is_local:
            return False
        return not (self.site(one).is_aws and self.site(other).is_aws)

    def by_site(self, places: Iterable[Location]) -> list[tuple[Site, list[str]]]:
        """The buckets of these places, site by site."""
        found: dict[str, list[str]] = {}
        for where in buckets_of(places):
            found.setdefault(where.site, []).append(where.bucket)
        return [(self._opened[name], buckets) for name, buckets in found.items()]

    def gauges(self) -> Gauges:
        """All sites together."""
        return Gauges(*map(sum, zip(*(site.gauges() for site in self._opened.values()), strict=True)))

    def tallies(self) -> dict[str, list[Tally]]:
        """What came of the requests of each site, by bucket and direction."""
        return {name: pace.tallies() for name, pace in self._paces.items()}

    def hold(self, where: Location, share: Share | None, *, reads: bool) -> None:
        """Have a bucket's requests in one direction go no faster than a share; None: as fast as the server lets."""
        if where.site in self._paces:
            self._paces[where.site].hold(where.bucket, share, reads=reads)

    def begin_beside(self, neighbours: int) -> None:
        """Of so many processes that begin together, have this one take its part of the ramp."""
        for pace in self._paces.values():
            pace.begin_beside(neighbours)

    def expect(self, where: Location, met_rps: float, *, reads: bool) -> None:
        """Have a bucket's requests in one direction begin no faster than where neighbours met the limit."""
        if where.site in self._paces:
            self._paces[where.site].expect(where.bucket, met_rps, reads=reads)

    async def facts(
        self, places: Iterable[Location], *, anew: bool = False, lacking: bool = False
    ) -> dict[Location, BucketFacts]:
        """What is known of the buckets that these places are in, in order, asked all at once; `lacking`: without those
        of which nothing may be known. Of what is `emptied` nothing is known either. Raises as `Site.facts`."""

        async def ask(where: Location) -> BucketFacts | None:
            try:
                return await self.site(where).facts(where.bucket, anew=anew)
            except ObjectError:
                if not lacking:
                    raise
                return None

        wanted = [where for where in buckets_of(places) if where not in self.emptied]
        async with one_error():
            found = await each(wanted, ask)
        return {where: facts for where, facts in zip(wanted, found, strict=True) if facts is not None}

    async def remember(self, notes: Notes, older_bucket: str) -> None:
        """As `KnownTraits.remember`, for each site; what is older than sites is of the plan's own connection."""
        for name, site in self._opened.items():
            await site.known.remember(notes, older_bucket if not name else "")

    async def remove_leftovers(self) -> None:
        """Remove what trials left behind that were cut short, or whose deletes were refused."""
        for site in self._opened.values():
            await site.known.remove_leftovers()

    async def tell_leftovers(self, routes: Iterable[Route], listener: Listener, *, remove: bool) -> None:
        """What earlier runs left of files that they did not finish, of what the listings of the targets' folders met:
        removed, where `remove` says that no run is in want of it any more and it is safe; else named. It is no part of
        anything either way. What may be a user's is named alone."""
        folders = self.folders
        if folders is None:
            return
        for where in dict.fromkeys(item.target for item in routes if item.target.is_local and item.target.is_prefix):
            removed, left, apart = await folders.sweep(where.bucket, where.key, remove=remove)
            if removed:
                files = "file that an earlier run had" if removed == 1 else "files that earlier runs had"
                listener(Notice("UnfinishedRemoved", f"{removed:,} {files} not finished removed from {where}"))
            if left:
                listener(
                    Notice(
                        "UnfinishedLeft",
                        f"{len(left):,} not finished by earlier runs left in {where}, the first {left[0]}: a run that "
                        "leaves nothing undone removes what no process has open and was not written to for an hour",
                    )
                )
            for path, name in apart:
                of = repr(name) if name else "a file that is gone"
                listener(
                    Notice(
                        "VersionKept",
                        f"{path} is a version of {of}: a run was stopped just as it replaced that, and this may be "
                        "the last that was saved there; give it its name back if it is the one to keep, else delete it",
                    )
                )

    async def try_routes(self, routes: Sequence[Route]) -> None:
        """Know what a run of these routes relies on: of each target's bucket all, of a source's bucket its pins."""
        targets = {route.target.whole_bucket: route.target for route in reversed(routes)}
        sources = {route.source.whole_bucket: route for route in reversed(routes)}
        for target in dict.fromkeys(targets[route.target.whole_bucket] for route in routes):
            await self.site(target).known.traits_of(target)
        for route in dict.fromkeys(sources[route.source.whole_bucket] for route in routes):
            if self.source(route) is self.target(route):  # a pin is one on a copy that the server makes by itself
                await self.source(route).known.pins_of(route.source, route.target)

    def traits(self, routes: Sequence[Route]) -> dict[str, Traits]:
        """What is known of every bucket in S3 of these routes, targets first, by name (`Location.bucket_name`)."""
        places = buckets_of([*(route.target for route in routes), *(route.source for route in routes)])
        return {where.bucket_name: self._known(where) for where in places if not where.is_local}

    def sentences(self, routes: Sequence[Route]) -> list[str]:
        """What is promised less of on these routes, a sentence each; with the bucket's name where they differ."""
        targets = {route.target.bucket_name for route in routes}
        pinned = {route.source.bucket_name for route in routes if self.source(route) is self.target(route)}
        said: dict[str, list[str]] = {}
        known = self.traits(routes)
        for bucket, traits in known.items():
            pins = pin_sentences(traits) if bucket in pinned else ()
            for line in sentences(traits) if bucket in targets else pins:
                said.setdefault(line, []).append(bucket)
        return [f"{', '.join(buckets)}: {line}" if len(known) > 1 else line for line, buckets in said.items()]

    def _known(self, where: Location) -> Traits:
        return self.site(where).known.known(where.bucket)


def buckets_of(places: Iterable[Location]) -> list[Location]:
    """The buckets that these places are in, each once."""
    return list(dict.fromkeys(where.whole_bucket for where in places))


# --- whether the one who writes a route's target can read its source: only then can a server copy by itself -----------


async def reads(reader: ObjectStore, source: ObjectStore, where: Location) -> Answer:
    """Whether `reader` may read what `source` lists under a location, and finds the very objects there: an endpoint may
    keep a bucket of one name for each of its accounts. What cannot be found out is not known."""
    try:
        page = await source.list_page(ListPage(where.bucket, where.key, max_keys=ASKED))
    except (ObjectError, AttemptError):
        return Answer.UNKNOWN
    for item in page.objects:
        if where.holds(item.key):
            answer = await _reads(reader, source, ObjectRef(where.bucket, item.key), item.size)
            if answer is not Answer.UNKNOWN:
                return answer
    return Answer.UNKNOWN


async def _reads(reader: ObjectStore, source: ObjectStore, ref: ObjectRef, size: int) -> Answer:
    """One byte of one object, by a GET, since a HEAD does not ask for the key that an object is encrypted with; then
    both look at what it is."""
    end = 0 if size else None
    try:
        await reader.get_range(GetRange(ref, first=end, last=end))
        theirs = await reader.head_object(HeadObject(ref))
    except AccessDenied:
        return Answer.REFUSED
    except NotFound:
        return Answer.NO
    except (ObjectError, AttemptError, RunError):  # archived, or out of reach
        return Answer.UNKNOWN
    try:
        ours = await source.head_object(HeadObject(ref))
    except (ObjectError, AttemptError):  # gone meanwhile
        return Answer.UNKNOWN
    return Answer.YES if _told(ours) == _told(theirs) else Answer.NO


def _told(head: ObjectHead) -> tuple[object, ...]:
    """What an object tells of itself whoever asks: a lock is hidden from who may not read it."""
    return head.size, head.etag, head.modified, head.properties._replace(lock=None)
