"""Verification: both sides are listed again, joined with the ledger, and each copy's proof is raised or withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from engine.errors import AttemptError, ObjectError
from engine.events import Listener, ObjectAside, Progress
from engine.ledger import Ledger
from engine.listing.sources import Sources
from engine.model import Location, ObjectHead, ObjectRef, Proof
from engine.plan.decide import is_audited
from engine.plan.integrity import Agreement, evidence_of_heads, is_md5, why_not_comparable
from engine.plan.join import Joined
from engine.plan.lifecycle import SETTLED, State
from engine.plan.noted import NOTHING, PROPERTIES, Noted, accepted_states
from engine.plan.record import Outcome
from engine.plan.route import Route
from engine.proof.depth import Depth, Sampling
from engine.proof.digest import ByteReader
from engine.proof.fingerprint import Fingerprint, digest_of_etag
from engine.proof.judge import Finding, Kind, Look, judge, verified
from engine.proof.reading import DeepReading
from engine.store import HeadObject, StoreOf, head_or_none
from engine.transfer.comparing import compare_properties

HEADS_AT_ONCE = 64
DIFFERENCES_KEPT = 1_000
"""How many differences a report carries; every one of them is in the ledger and in the events."""

ENTRIES_A_READ = 5_000
PROGRESS_EVERY_S = 0.25

AGREEING = frozenset({Kind.OK, Kind.SOURCE_GONE, Kind.SOURCE_DELETED})


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not what it should be."""

    route: str
    key: str
    kind: Kind
    message: str


@dataclass(slots=True)
class RouteVerification:
    """What was found on one route. `extra` counts as a difference only where the route is marked exact; `accepted` are
    kinds that someone accepted for the very objects that they are found of."""

    route: str
    exact: bool = False
    objects: int = 0
    bytes: int = 0
    verified: int = 0
    by_proof: dict[Proof, int] = field(default_factory=dict)
    by_kind: dict[Kind, int] = field(default_factory=dict)
    snapshot_closed: bool = True
    source_tree: Fingerprint = field(default_factory=Fingerprint)
    target_tree: Fingerprint = field(default_factory=Fingerprint)
    accepted: frozenset[Kind] = frozenset()

    @property
    def standing(self) -> int:
        """Targets that were compared and stand, while their sources are deleted or gone."""
        return self.by_kind.get(Kind.SOURCE_DELETED, 0) + self.by_kind.get(Kind.SOURCE_GONE, 0)

    @property
    def differing(self) -> int:
        ignored = (AGREEING if self.exact else AGREEING | {Kind.EXTRA}) | self.accepted
        return sum(count for kind, count in self.by_kind.items() if kind not in ignored)


@dataclass(slots=True)
class Verification:
    """What a verification found, by route, and the first differences in the order in which they were found. `empty` has
    a sentence for each source that holds nothing, and never did; `properties_differ` is what the ledger has recorded of
    properties, now or before."""

    routes: list[RouteVerification] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    stopped: bool = False
    objects_read: int = 0
    bytes_read: int = 0
    properties_compared: int = 0
    empty: list[str] = field(default_factory=list)
    properties_differ: Noted = NOTHING

    @property
    def standing(self) -> int:
        """Targets that were compared and stand, while their sources are deleted or gone."""
        return sum(route.standing for route in self.routes)

    @property
    def differing(self) -> int:
        """How many differences there are in all."""
        return sum(route.differing for route in self.routes)

    @property
    def agrees(self) -> bool:
        """Whether everything was looked at to its end, and nothing differs."""
        whole = not self.stopped and not self.empty and all(route.snapshot_closed for route in self.routes)
        return whole and self.differing == 0


class Verifier:
    """Verifies routes against the ledger. `depth` asks for bytes to be read as well, `properties` for a HEAD an
    object that says whether the target carries what the route gives it. `minimum` is the proof that the plan asks for:
    what has no source any more, and less, is withdrawn."""

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
    ) -> None:
        self._store_of = store_of
        self._sources = sources
        self._ledger = ledger
        self._listener = listener
        self._heads = anyio.CapacityLimiter(HEADS_AT_ONCE)
        self._md5: dict[str, bool] = {}
        self._md5_asked: dict[str, anyio.Lock] = {}
        self._depth = depth
        self._deep: DeepReading | None = None
        self._read_counted = 0
        self._properties = properties
        self._minimum = minimum
        self._seen = 0
        self._seen_bytes = 0
        self._done = 0
        self._done_bytes = 0
        self.report = Verification()

    def stop(self) -> None:
        """Stop after the pages at hand; what was found is kept."""
        self.report.stopped = True
        if self._deep is not None:
            self._deep.stopping = True

    async def verify(self, routes: Sequence[Route]) -> Verification:
        """List both sides again and compare. Raises what the listings raise: then nothing is concluded of the rest."""
        if self._depth is not None:
            depth = await self._settled(self._depth, routes)
            self._deep = DeepReading(
                self._store_of, ByteReader(self._store_of(routes[0].source)), depth, self._ledger.conclude
            )
            self._deep.stopping = self.report.stopped
        closed = {item.route for item in await self._ledger.snapshots() if item.closed_ms}
        async with anyio.create_task_group() as telling:
            telling.start_soon(self._tell)
            async with anyio.create_task_group() as group:
                for route in routes:
                    report = RouteVerification(route.name, route.exact, snapshot_closed=route.name in closed)
                    self.report.routes.append(report)
                    group.start_soon(self._verify_route, route, report)
            telling.cancel_scope.cancel()
        await self._take_acceptances()
        if self._deep is not None:
            self.report.objects_read, self.report.bytes_read = self._deep.objects_read, self._deep.bytes_read
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
        while self._deep is not None:
            await anyio.sleep(PROGRESS_EVERY_S)
            self._listener(self._progress(done=False))

    async def _settled(self, depth: Depth, routes: Sequence[Route]) -> Depth:
        """A sample of so many objects is so many places, once it is known how many keys there are."""
        if not depth.count:
            return depth
        sampling = Sampling(depth.count)
        for route in routes:
            after: str | None = None
            while entries := await self._ledger.entries(route.name, after, None, ENTRIES_A_READ):
                sampling.add(route.name, [entry.key for entry in entries if entry.state in SETTLED])
                after = entries[-1].key
        return replace(depth, places=sampling.places)

    async def _verify_route(self, route: Route, report: RouteVerification) -> None:
        read = partial(self._ledger.entries, route.name)
        async with anyio.create_task_group() as group:
            join = self._sources.join(group, self._store_of, route, read)
            while not self.report.stopped and (rows := await join.next_rows()) is not None:
                if not route.selects_all or route.key_list is not None:
                    rows = [row for row in rows if is_audited(route, row)]
                await self._verify_page(route, report, rows)
            join.close()

    async def _verify_page(self, route: Route, report: RouteVerification, rows: list[Joined]) -> None:
        sources = [row.source for row in rows if row.source is not None]
        self._seen += len(sources)
        self._seen_bytes += sum(source.size for source in sources)
        findings: list[Finding | None] = [judge(row, self._minimum) for row in rows]
        looks = [at for at, finding in enumerate(findings) if finding is not None and finding.look is not Look.NOTHING]
        if looks:
            async with anyio.create_task_group() as group:
                for at in looks:
                    finding = findings[at]
                    assert finding is not None
                    group.start_soon(self._look_closer, route, rows[at], finding, findings, at)
        if self._deep is not None:
            self._read_counted += await self._deep.look(route, rows, findings)
        if self._properties:
            await self._look_at_properties(route, rows, findings)
        outcomes: list[Outcome] = []
        for row, finding in zip(rows, findings, strict=True):
            if finding is None:
                continue
            self._count(route, report, row, finding)
            if finding.outcome is not None:
                outcomes.append(finding.outcome)
        if outcomes:
            await self._ledger.conclude(route.name, outcomes)
        self._listener(self._progress(done=False))

    async def _look_closer(
        self, route: Route, row: Joined, finding: Finding, findings: list[Finding | None], at: int
    ) -> None:
        """Ask S3 what the listings cannot tell, and put the finding that then stands in its place. What may not be
        asked keeps the proof that it has, and is told: one object does not end a verification."""
        try:
            await self._ask(route, row, finding, findings, at)
        except (ObjectError, AttemptError) as error:
            findings[at] = finding._replace(kind=Kind.UNREAD, message=f"S3 would not say what it keeps of it: {error}")

    async def _ask(self, route: Route, row: Joined, finding: Finding, findings: list[Finding | None], at: int) -> None:
        assert row.source is not None and row.target is not None and finding.outcome is not None
        etag = row.target.etag
        if finding.look is Look.ENCRYPTION and await self._etags_are_md5(route, row.target.key):
            findings[at] = finding._replace(outcome=verified(row.key, etag, Proof.DIGEST, "etag"))
            return
        source = await self._head(route.source, row.source.key)
        target = await self._head(route.target, row.target.key)
        if source is None or target is None or source.etag != row.source.etag or target.etag != etag:
            return  # changed under our eyes: the size stands, and the next verification sees the change
        agreement, evidence = evidence_of_heads(source, target, why_not_comparable(source, target))
        if agreement is Agreement.DIFFERENT:
            message = f"the two sides differ by {evidence.compared}"
            outcome = Outcome(row.key, State.DAMAGED, etag, requests=0, code="DigestDiffers", message=message)
            findings[at] = Finding(Kind.DIGEST, row.key, message, outcome)
            return
        checksum = next((str(item) for item in target.checksums if item.type == "FULL_OBJECT"), "")
        findings[at] = finding._replace(outcome=verified(row.key, etag, evidence.proof, evidence.compared, checksum))

    async def _etags_are_md5(self, route: Route, key: str) -> bool:
        """Whether the target is encrypted in a way that leaves plain ETags MD5s: one HEAD a route."""
        async with self._md5_asked.setdefault(route.name, anyio.Lock()):
            known = self._md5.get(route.name)
            if known is None:
                head = await self._head(route.target, key)
                if head is None:
                    return False
                known = self._md5[route.name] = is_md5(head.properties.encryption)
            return known

    async def _look_at_properties(self, route: Route, rows: list[Joined], findings: list[Finding | None]) -> None:
        async def one(at: int, row: Joined, finding: Finding) -> None:
            assert row.source is not None and row.target is not None and finding.outcome is not None
            source, target = (
                ObjectRef(route.source.bucket, row.source.key),
                ObjectRef(route.target.bucket, row.target.key),
            )
            async with self._heads:
                try:
                    compared = await compare_properties(
                        self._store_of(route.source), self._store_of(route.target), route, row.source, source, target
                    )
                except (ObjectError, AttemptError) as error:
                    message = f"its properties could not be read: {error}"
                    findings[at] = finding._replace(kind=Kind.UNREAD, message=message)
                    return
            self.report.properties_compared += 1
            outcome = finding.outcome._replace(properties=compared.found)
            if compared.agrees:
                findings[at] = finding._replace(outcome=outcome)
            else:
                findings[at] = Finding(Kind.PROPERTIES, row.key, compared.found, outcome)

        async with anyio.create_task_group() as group:
            for at, (row, finding) in enumerate(zip(rows, findings, strict=True)):
                if finding is not None and finding.kind is Kind.OK and finding.outcome is not None:
                    group.start_soon(one, at, row, finding)

    async def _head(self, side: Location, key: str) -> ObjectHead | None:
        async with self._heads:
            return await head_or_none(self._store_of(side), HeadObject(ObjectRef(side.bucket, key), checksums=True))

    def _count(self, route: Route, report: RouteVerification, row: Joined, finding: Finding) -> None:
        kind = finding.kind
        _add_to_trees(report, row, finding)
        report.by_kind[kind] = report.by_kind.get(kind, 0) + 1
        size = row.source.size if row.source is not None else 0
        if row.source is not None:
            report.objects += 1
            report.bytes += size
            self._done += 1
            self._done_bytes += size
        if kind in (Kind.OK, Kind.PROPERTIES) and finding.outcome is not None:
            report.verified += 1
            proof = finding.outcome.proof
            report.by_proof[proof] = report.by_proof.get(proof, 0) + 1
        if kind not in AGREEING and (kind is not Kind.EXTRA or route.exact):
            self._listener(ObjectAside(route.name, finding.key, kind.value, kind.name, finding.message))
            if len(self.report.differences) < DIFFERENCES_KEPT:
                self.report.differences.append(Difference(route.name, finding.key, kind, finding.message))

    @property
    def _reading_bytes(self) -> int:
        """What was read of objects whose page is not done yet; of both sides, and so half."""
        return max(0, self._deep.bytes_read // 2 - self._read_counted) if self._deep is not None else 0

    def _progress(self, *, done: bool) -> Progress:
        verified_count = sum(route.verified for route in self.report.routes)
        return Progress(
            listed=self._seen,
            listed_bytes=self._seen_bytes,
            listing_done=done,
            done=self._done,
            done_bytes=self._done_bytes + self._reading_bytes,
            found=verified_count,
            aside=self.report.differing,
        )


def _add_to_trees(report: RouteVerification, row: Joined, finding: Finding) -> None:
    """Add a key to each side's fingerprint. A digest counts only where both sides have one of like form: two ETags that
    cannot be compared would make two figures differ that are of one content."""
    source, target = row.source, row.target
    one = digest_of_etag(source.etag) if source is not None else ""
    other = digest_of_etag(target.etag) if target is not None else ""
    # Two that agree by other proof, and differ here, are encrypted by KMS: no MD5s, for all their form.
    agreed = finding.kind in (Kind.OK, Kind.PROPERTIES, Kind.UNREAD)
    if source is not None and target is not None and one != other and (agreed or not one or not other):
        one = other = ""
    if source is not None:
        report.source_tree.add(row.key, source.size, one)
    if target is not None and (finding.kind is not Kind.EXTRA or report.exact):
        report.target_tree.add(row.key, target.size, other)
