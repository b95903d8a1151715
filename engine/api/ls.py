"""`ls`: what lies under a location."""

from __future__ import annotations

from engine.api.load import place_of
from engine.api.options import Options
from engine.api.watching import watched
from engine.errors import UsageError
from engine.events import Listener, Notice
from engine.finish.grouping import ByTag, grouping
from engine.finish.project import Summary, list_level, list_objects, summarize
from engine.listing.nearest import refuse_nothing
from engine.model import Location
from engine.plan.locations import SCHEME
from engine.plan.prices import CLASSES, SAID, STANDARD
from engine.plan.settings import Connection
from engine.sites.clock import now_ms
from engine.sites.opening import open_place, open_site

_THOUSAND = "${0.reads_per_1000:.4g} a thousand"
TAGS_ASKED = (
    "no listing tells tags: each object is asked for its own, a GetObjectTagging each, "
    f"{_THOUSAND.format(STANDARD)} of STANDARD and {_THOUSAND.format(CLASSES['GLACIER_IR'])} of GLACIER_IR, by {SAID}"
)


@watched
async def ls(
    location: str | Location,
    options: Options | None = None,
    *,
    tell: Listener | None = None,
    recursive: bool = False,
    sums: bool = False,
    by: str = "",
) -> Summary | None:
    """Tell what lies under a location ("s3://bucket/prefix/", one exact key, or a local folder or file): its first
    level, as `ObjectListed` and `PrefixSummed`, or (`recursive`) every object, in key order. `tell` hears it,
    `Options.listener` where there is none; of what lies in a folder and cannot be an object (a link, a pipe, a name
    that is no UTF-8) an `ObjectAside` each. With `sums` the figures by first-level prefix are given; alone they are
    read by many ranges at once, and no object is told. "s3://" alone tells the buckets there are, as `BucketListed`.

    `by` gives the figures, with what the objects cost in a month, by "prefix", "class", "age" or "suffix", or by
    "tag=NAME": that asks each object for its tags, a request and AWS's price of a GET each.

    Raises `NothingThere` where nothing does (unless `Options.allow_empty`), `UsageError` for what is no location or
    nothing to sum up by, and `StoreError`."""
    options = options or Options()
    tell, sums = tell or options.listener, sums or bool(by)
    if location == SCHEME:
        if recursive or sums:
            raise UsageError("the objects of all buckets are not listed at once.", advice="Name one: s3://bucket/")
        await _tell_buckets(options, tell)
        return None
    location = place_of(location)
    async with open_place(location, options) as opened:
        store = opened.store(location)
        summary = Summary(len(location.key), by, priced=not location.is_local)
        groups = grouping(by, location, store, options.workers, now_ms()) if by else None
        if isinstance(groups, ByTag):
            options.listener(Notice("TagsAsked", TAGS_ASKED))
        if recursive:
            await list_objects(store, location, tell, summary, groups)
        elif sums:
            await summarize(store, location, options.listener, summary, groups)
        count = summary.total.objects if recursive or sums else await list_level(store, location, tell)
        if not count and not options.allow_empty:
            await refuse_nothing(store, location)
        if isinstance(groups, ByTag):
            summary.tags_asked, summary.unread = groups.asked, groups.unread
        return summary if recursive or sums else None


async def _tell_buckets(options: Options, tell: Listener) -> None:
    async with open_site(Connection(), options) as opened:
        assert opened.session is not None
        for bucket in await opened.session.buckets():
            tell(bucket)
