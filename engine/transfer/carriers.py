"""Which carrier takes a route's objects: chosen here and nowhere else, by where its two sides are.

| source and target | carrier |
|---|---|
| one and the same | `in_place` |
| buckets of one endpoint, where the target's credentials read the source | server-side copy (`server_copy`) |
| a local folder, another one | `local_copy` |
| S3, a local folder | `download` |
| a local folder, S3 | `upload` |
| any other two buckets | `relay` |
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.bodies import Disk
from engine.events import Listener, Notice
from engine.model import MIB
from engine.plan.route import Route
from engine.plan.sizes import plural
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.transfer.buffers import Buffers
from engine.transfer.carrier import Carrier, Pause, Task, pause
from engine.transfer.guard import Conditions
from engine.transfer.origin import Origin
from engine.transfer.orphans import Orphans
from engine.transfer.server_copy import CopyBetweenSites, ServerSideCopy
from engine.transfer.server_parts import ServerParts
from engine.transfer.sums import Sums
from engine.transfer.uploading import Uploader, UploadJournal
from engine.transfer.work import WorkQueue

if TYPE_CHECKING:
    from engine.transfer.download import Download

UPLOAD_BYTES = 42 * MIB
"""Of files, in memory at once, each with its connection: five parts of large ones, which read from a disk and are soon
gone, or 192 small ones, which is what S3's 5,500 requests a second take at 30 ms each."""

RELAY_BYTES = 96 * MIB
"""The same of what comes from another endpoint, where every part waits for two servers."""

DOWNLOAD_BYTES = 37 * MIB
"""Of small objects on their way into files: 169 at once, as many as 5,500 a second take at 30 ms each. Ranges of large
ones take none."""

AS_TEXT = (
    "written as files of the link's text: {} with a symbolic link's metadata; --links keep makes links of such, with a "
    "new ledger"
)

QUEUE_BOUND = 2_000
"""Objects waiting for a worker: two pages, so that a page is always ready and little is planned ahead of a crash."""


class Carriers:
    """The carriers of one run, one for each pair of sites that a route needs, and the queue that they share. What they
    begin is remembered in `journal`; `guarded` is as for `Conditions`, `now_ms` and `outdated_before` are as for
    `Uploader`."""

    def __init__(
        self,
        sites: Sites,
        journal: UploadJournal,
        listener: Listener,
        now_ms: Callable[[], int],
        *,
        guarded: bool = True,
        outdated_before: Mapping[str, int] | None = None,
        pause: Pause = pause,
    ) -> None:
        self.queue: WorkQueue[Task] = WorkQueue(QUEUE_BOUND)
        self._sites = sites
        self._journal = journal
        self._listener = listener
        self._now_ms = now_ms
        self._guarded = guarded
        self._outdated_before = outdated_before or {}
        self._pause = pause
        self._disk = Disk()
        self._conditions: list[Conditions] = []
        self._downloads: list[Download] = []
        self._made: dict[tuple[str, str, bool, bool], Carrier] = {}

    def carrier_for(self, route: Route) -> Carrier:
        """What takes the objects of this route: the same one for every route between two sites, as far as the server
        copies by itself."""
        source, target = self._sites.source(route), self._sites.target(route)
        copies = self._sites.copies(route)
        pair = source.name, target.name, copies, route.in_place
        if pair not in self._made:
            self._made[pair] = self._make(source, target, copies=copies, in_place=route.in_place)
        return self._made[pair]

    def _make(self, source: Site, target: Site, *, copies: bool, in_place: bool) -> Carrier:
        # What is not needed is not loaded: a run from bucket to bucket starts a tenth sooner without the others.
        if target.folder is not None:
            if source.folder is not None:
                from engine.transfer.local_copy import LocalCopy

                return LocalCopy(target.folder, self.queue, self._disk)
            from engine.transfer.download import Download

            download = Download(source.store, target.folder, self.queue, self._disk, Buffers(DOWNLOAD_BYTES))
            self._downloads.append(download)
            return download
        if source.folder is not None:
            from engine.transfer.upload import Files

            return self._passing(Files(source.folder, self._disk), source, target, UPLOAD_BYTES)
        if not copies:
            return self._relay(source, target)
        conditions = self._conditions_of(source, target)
        parts = ServerParts(source.store, target.store, self._uploader(target, conditions), conditions)
        if in_place:
            from engine.transfer.in_place import InPlace

            return InPlace(parts, self._pause, trusts=target.known.trusted)
        if source is target:
            return ServerSideCopy(parts, self._pause)
        relay = functools.cache(lambda: self._relay(source, target))
        return CopyBetweenSites(parts, self._pause, relay, self._listener)

    async def remember(self) -> None:
        """Have the next command know what the carriers found out of their sites."""
        for conditions in self._conditions:
            await conditions.remember()

    def close(self) -> None:
        """End the threads of the disk, and say what no outcome does. Nothing is carried any more."""
        self._disk.close()
        if count := sum(carrier.links_as_text for carrier in self._downloads):
            self._listener(Notice("LinksAsText", AS_TEXT.format(plural(count, "object"))))

    def _relay(self, source: Site, target: Site) -> Carrier:
        from engine.transfer.relay import Elsewhere

        return self._passing(Elsewhere(source.store), source, target, RELAY_BYTES)

    def _passing(self, origin: Origin, source: Site, target: Site, memory: int) -> Carrier:
        from engine.transfer.passing import Passing

        conditions = self._conditions_of(target, target)  # a GET's pin is looked at in its answer
        return Passing(
            origin,
            source.store,
            target.store,
            self._uploader(target, conditions),
            conditions,
            Sums(target.known, self._listener),
            Buffers(memory),
            self._pause,
        )

    def _conditions_of(self, source: Site, target: Site) -> Conditions:
        conditions = Conditions(source.known, target.known, self._listener, guarded=self._guarded)
        self._conditions.append(conditions)
        return conditions

    def _uploader(self, target: Site, conditions: Conditions) -> Uploader:
        return Uploader(
            target,
            self._journal,
            self.queue,
            Orphans(target.store, self._listener),
            self._now_ms,
            conditions,
            self._outdated_before,
        )
