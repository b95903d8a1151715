"""Deep verification of one page of the join: the bytes of both sides, and what the reading says of each object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio

from engine.at_once import each
from engine.errors import AttemptError, IntegrityError, NotFound, ObjectError, PreconditionFailed
from engine.ledger import Ledger
from engine.model import MIB, ObjectRef, Proof
from engine.plan.join import Joined
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.plan.route import Route
from engine.proof.depth import Depth
from engine.proof.digest import ByteBudget, ByteReader, Read, checksum_of_s3
from engine.proof.judge import Finding, Kind, off, unread, verified
from engine.proof.rereading import XXH3, known_digest
from engine.proof.stages import Judged, replaced
from engine.store import StoreOf

COMPARED = "xxh3-128 of the bytes"
COMMIT_BYTES = 64 * MIB
"""What was read since the last commit may have to be read again after a crash."""

OBJECTS_AT_ONCE = 256
SIDES = ("source", "target")

STANDING = (Kind.SOURCE_DELETED, Kind.SOURCE_GONE)
"""What has no source any more: its target is held against what the ledger keeps of the bytes."""


class DeepReading:
    """Reads what `depth` takes of the objects that the listings already agree on. Small ones are read many at once,
    large ones one or two, so that each is done, and committed, as soon as it can be."""

    def __init__(self, store_of: StoreOf, reader: ByteReader, depth: Depth, ledger: Ledger) -> None:
        self._store_of = store_of
        self._reader = reader
        self._depth = depth
        self._ledger = ledger
        self._objects = anyio.CapacityLimiter(OBJECTS_AT_ONCE)
        # Twice what can be in memory: the next object begins while the one before comes to its end.
        self._begun = ByteBudget(2 * reader.budget.total_bytes)
        self._done_bytes = 0
        self.stopping = False
        self.objects_read = self.objects_bereft = 0

    @property
    def bytes_read(self) -> int:
        return self._reader.bytes_read

    @property
    def under_way_bytes(self) -> int:
        """What was read of objects whose page is not done yet; of both sides, and so half."""
        return max(0, self.bytes_read // 2 - self._done_bytes)

    async def read(self, route: Route, judged: Sequence[Judged]) -> list[Judged]:
        """Read what is wanted of a page's objects; gives the findings that stand then."""
        read_bytes = 0
        unsaved: list[Outcome] = []
        unsaved_bytes = 0

        async def one(row: Joined, finding: Finding) -> Finding:
            nonlocal unsaved, unsaved_bytes, read_bytes
            assert row.target is not None
            size = row.target.size
            claim = min(2 * size, self._reader.budget.total_bytes)
            await self._begun.take(claim)
            try:
                async with self._objects:
                    if self.stopping:
                        return finding
                    read_bytes += size
                    do = self._compare if row.source is not None else self._reread
                    finding = await do(route, row, finding)
            finally:
                self._begun.give(claim)
            if finding.outcome is not None:
                unsaved.append(finding.outcome)
                unsaved_bytes += size
            if unsaved_bytes >= COMMIT_BYTES:
                batch, unsaved, unsaved_bytes = unsaved, [], 0
                await self._ledger.conclude(route.name, batch)
            return finding

        found = await replaced(judged, partial(self._wants, route), one)
        self._done_bytes += read_bytes
        return found

    def _wants(self, route: Route, row: Joined, finding: Finding) -> bool:
        if row.target is None or row.entry is None:
            return False
        if finding.kind in STANDING:
            return self._depth.takes(route.name, row.key, row.entry.proof)
        if finding.kind is not Kind.OK or finding.outcome is None or row.source is None:
            return False
        return self._depth.takes(route.name, row.key, finding.outcome.proof)

    async def _reread(self, route: Route, row: Joined, finding: Finding) -> Finding:
        """Read a target whose source is gone, and hold it against what the ledger keeps of the bytes."""
        assert row.target is not None and row.entry is not None
        record = await self._ledger.record_of(route.name, row.key)
        algorithm, value = known_digest(record) if record is not None else ("", "")
        if not algorithm:
            self.objects_bereft += 1
            return finding
        ref, etag = ObjectRef(route.target.bucket, row.target.key), row.target.etag
        asked = "" if algorithm == XXH3 else algorithm
        try:
            read = await self._reader.read(self._store_of(route.target), ref, etag, row.target.size, asked)
        except (ObjectError, AttemptError, IntegrityError) as error:
            return unread(finding, f"the target could not be read: {error}")
        self.objects_read += 1
        ours = read.of_s3 if asked else read.xxh3
        if ours == value:
            return finding
        said = f"the target's bytes give {algorithm} {ours}, and were proven with {value}; no source is left"
        outcome = Outcome.seen(row.key, State.LOST, row.entry.target_etag, "BytesDiffer", said, row.entry.proof)
        return Finding(Kind.LOST, row.key, said, outcome)

    async def _compare(self, route: Route, row: Joined, finding: Finding) -> Finding:
        """Read both sides of one object."""
        assert row.source is not None and row.target is not None
        sides = [
            (self._store_of(at), ObjectRef(at.bucket, listed.key), listed)
            for at, listed in ((route.source, row.source), (route.target, row.target))
        ]
        try:
            kept = [await checksum_of_s3(*side) for side in sides]
        except (ObjectError, AttemptError) as error:
            return unread(finding, f"neither side was read: {error}")

        async def read(number: int) -> Read | Exception:
            store, ref, listed = sides[number]
            try:
                return await self._reader.read(store, ref, listed.etag, listed.size, kept[number][0])
            except (ObjectError, AttemptError, IntegrityError) as error:
                return error

        of_source, of_target = await each(range(2), read)
        if isinstance(of_source, Exception):
            return _not_read(row, finding, "source", of_source)
        if isinstance(of_target, Exception):
            return _not_read(row, finding, "target", of_target)
        self.objects_read += 1
        if of_source.xxh3 != of_target.xxh3:
            return _damaged(
                row, f"the bytes differ: xxh3-128 {of_source.xxh3} in the source, {of_target.xxh3} in the target"
            )
        confirmed = ""
        for name, (algorithm, value), ours in zip(SIDES, kept, (of_source.of_s3, of_target.of_s3), strict=True):
            if value and value != ours:
                return _damaged(row, f"the {name}'s bytes give {algorithm} {ours}, and S3 keeps {value} for them")
            if value:
                confirmed = f", as S3's own {algorithm}"
        return finding._replace(
            outcome=verified(row.key, row.target.etag, Proof.BYTES, COMPARED + confirmed)._replace(xxh3=of_source.xxh3)
        )


def _not_read(row: Joined, finding: Finding, side: str, error: Exception) -> Finding:
    """One side could not be read to its end: it changed since it was listed, or nothing is known."""
    if not isinstance(error, (PreconditionFailed, NotFound)):
        return unread(finding, f"the {side} could not be read: {error}")
    said = f"the {side} changed since it was listed, a moment ago"
    if side == "source":
        return off(row, Kind.DRIFTED, State.DRIFTED, "SourceChanged", said)
    return off(row, Kind.DAMAGED, State.DAMAGED, "TargetChanged", said)


def _damaged(row: Joined, message: str) -> Finding:
    return off(row, Kind.DIGEST, State.DAMAGED, "BytesDiffer", message)
