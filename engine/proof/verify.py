"""Verification: both sides are listed again, joined with the ledger, and each copy's proof is raised or withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import anyio

from engine.events import Doing, Listener, ObjectAside, Progress
from engine.ledger import Ledger
from engine.listing.sources import Sources
from engine.listing.through import read_through
from engine.model import Proof
from engine.plan.concern import audited
from engine.plan.join import Joined
from engine.plan.lifecycle import IN_PLACE
from engine.plan.noted import PROPERTIES, accepted_states
from engine.plan.route import Route
from engine.proof.depth import Depth, Sampling
from engine.proof.digest import ByteReader
from engine.proof.judge import Finding, Kind, judge, judge_in_place
from engine.proof.reading import DeepReading
from engine.proof.rereading import Rereading
from engine.proof.stages import Heads
from engine.proof.verification import Difference, RouteVerification, Verification
from engine.store import StoreOf

DIFFERENCES_KEPT = 1_000
"""How many differences a report carries; every one of them is in the ledger and in the events."""

ENTRIES_A_READ = 5_000
PROGRESS_EVERY_S = 0.25


class Verifier:
    """Verifies routes against the ledger. `depth` asks for bytes to be read as well, `properties` for a HEAD an
    object that says whether the target carries what the route gives it. `minimum` is the proof that the plan asks for:
    what has no source any more, and less, is withdrawn. `digests`: whether a route's ETags are, as `decide` has it;
    `compares` and `keeps_links` as in `Heads`."""

    def __init__(
        self,
        store_of: StoreOf,
        sources: Sources,
        ledger: Ledger,
        listener: Listener,
        *,
        depth: Depth | None = None,
        properties: bool = False,
        minimum: Proof = Proof.NONE,
        digests: Callable[[Route], bool] = lambda route: True,
        compares: Callable[[Route, str], bool] = lambda route, algorithm: True,
        keeps_links: bool = False,
    ) -> None:
        self._store_of = store_of
        self._sources = sources
        self._ledger = ledger
        self._listener = listener
        self._heads = Heads(store_of, compares, keeps_links=keeps_links)
        self._rereading = Rereading(store_of, ledger, minimum)
        self._depth = depth
        self._deep: DeepReading | None = None
        self._properties = properties
        self._minimum = minimum
        self._digests = digests
        self._seen = 0
        self._seen_bytes = 0
        self._done = 0
        self._done_bytes = 0
        self.report = Verification()

    def stop(self) -> None:
        """Stop after the pages at hand; what was found is kept."""
        self.report.stopped = self._rereading.stopping = True
        if self._deep is not None:
            self._deep.stopping = True

    async def verify(self, routes: Sequence[Route]) -> Verification:
        """List both sides again and compare. Raises what the listings raise: then nothing is concluded of the rest."""
        if self._depth is not None:
            depth = await self._with_places(self._depth, routes)
            self._deep = DeepReading(self._store_of, ByteReader(), depth, self._ledger)
            self._deep.stopping = self.report.stopped
        tallies = await self._ledger.tallies()
        whole = sum(tally.objects for tally in tallies), sum(tally.bytes for tally in tallies)
        self._listener(Doing("verifying", 0.0, *whole))
        closed = {item.route for item in await self._ledger.snapshots() if item.closed_ms}
        async with anyio.create_task_group() as telling:
            telling.start_soon(self._tell)
            reports = [
                RouteVerification(route.name, route.exact, snapshot_closed=route.name in closed) for route in routes
            ]
            self.report.routes += reports
            await read_through(routes, reports, self._verify_route)
            telling.cancel_scope.cancel()
        await self._take_acceptances()
        if self._deep is not None:
            self.report.objects_read, self.report.bytes_read = self._deep.objects_read, self._deep.bytes_read
            self.report.objects_bereft = self._deep.objects_bereft
        self.report.properties_compared = self._heads.properties_compared
        self._listener(self._progress(done=True))
        return self.report

    async def _take_acceptances(self) -> None:
        """What has no source any more is no difference once it was accepted, for these very objects."""
        found = await self._ledger.noted()
        self.report.properties_differ = found[PROPERTIES]
        states = accepted_states(found, await self._ledger.accepted())
        kinds = frozenset(Kind(state.value) for state in states)
        for route in self.report.routes:
            route.accepted = kinds

    async def _tell(self) -> None:
        """Reading takes minutes a page: say how far it is in between."""
        while True:
            await anyio.sleep(PROGRESS_EVERY_S)
            if self._deep is not None or self._rereading.under_way_bytes:
                self._listener(self._progress(done=False))

    async def _with_places(self, depth: Depth, routes: Sequence[Route]) -> Depth:
        """A sample of so many objects is so many places, once it is known how many keys there are."""
        if not depth.count:
            return depth
        self._listener(Doing("reading the ledger"))
        sampling = Sampling(depth.count)
        for route in routes:
            after: str | None = None
            while not self.report.stopped and (
                entries := await self._ledger.entries(route.name, after, None, ENTRIES_A_READ)
            ):
                sampling.add(route.name, [entry.key for entry in entries if entry.state in IN_PLACE])
                after = entries[-1].key
        return replace(depth, places=sampling.places)

    async def _verify_route(self, route: Route, report: RouteVerification) -> None:
        async with anyio.create_task_group() as group:
            join = self._sources.join(group, self._store_of, route, self._ledger.entries)
            while not self.report.stopped and (rows := await join.next_rows()) is not None:
                await self._verify_page(route, report, join.judged(audited(route, rows)))
            for things in join.unlisted:
                for key, item in things.named():
                    self._add_unread(route, report, key, item.message)
                if unnamed := things.count - len(things.named()):
                    report.by_kind[Kind.UNREAD] += unnamed
            if not self.report.stopped:
                for lost in await self._sources.lost_of(route.name, self._ledger.knows):
                    self._add_unread(route, report, lost.key, lost.message)
            join.close()

    def _add_unread(self, route: Route, report: RouteVerification, key: str, message: str) -> None:
        finding = Finding(Kind.UNREAD, key, message)
        report.add(Joined(key, None, None, None), finding)
        self._tell_difference(route, finding)

    async def _verify_page(self, route: Route, report: RouteVerification, rows: list[Joined]) -> None:
        if route.in_place:
            rows = [row._replace(target=row.source) for row in rows]
        sources = [row.source for row in rows if row.source is not None]
        self._seen += len(sources)
        self._seen_bytes += sum(source.size for source in sources)
        found = partial(judge_in_place, route=route)
        if not route.in_place:
            digests = self._digests(route)
            found = partial(judge, minimum=self._minimum, policy=route.overwrite, digests=digests)
        judged = [(row, finding) for row in rows if (finding := found(row)) is not None]
        judged = await self._rereading.prove(route, judged)
        judged = await self._heads.prove(route, judged)
        if self._deep is not None:
            judged = await self._deep.read(route, judged)
        if self._properties:
            judged = await self._heads.compare(route, judged)
        for row, finding in judged:
            report.add(row, finding)
            if row.source is not None:
                self._done += 1
                self._done_bytes += row.source.size
            if report.differs(finding.kind):
                self._tell_difference(route, finding)
        outcomes = [finding.outcome for _, finding in judged if finding.outcome is not None]
        if outcomes:
            await self._ledger.conclude(route.name, outcomes)
        self._listener(self._progress(done=False))

    def _tell_difference(self, route: Route, finding: Finding) -> None:
        kind = finding.kind
        self._listener(ObjectAside(route.name, finding.key, kind.value, kind.name, finding.message))
        if len(self.report.differences) < DIFFERENCES_KEPT:
            self.report.differences.append(Difference(route.name, finding.key, kind, finding.message))

    def _progress(self, *, done: bool) -> Progress:
        reading_bytes = self._rereading.under_way_bytes
        reading_bytes += self._deep.under_way_bytes if self._deep is not None else 0
        verified_count = sum(route.verified for route in self.report.routes)
        return Progress(
            listed=self._seen,
            listed_bytes=self._seen_bytes,
            listing_done=done,
            done=self._done,
            done_bytes=self._done_bytes + reading_bytes,
            found=verified_count,
            aside=self.report.differing,
        )
