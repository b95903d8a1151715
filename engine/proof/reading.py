"""Deep verification of one page of the join: the bytes of both sides, and what the reading says of each object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import anyio

from engine.errors import AttemptError, IntegrityError, NotFound, ObjectError, PreconditionFailed
from engine.model import MIB, ObjectRef, Proof
from engine.plan.join import Joined
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.plan.route import Route
from engine.proof.depth import Depth
from engine.proof.digest import ByteBudget, ByteReader, Read
from engine.proof.judge import Finding, Kind, off, verified
from engine.proof.stages import Judged, replaced
from engine.store import StoreOf

COMPARED = "xxh3-128 of the bytes"
COMMIT_BYTES = 64 * MIB
"""What was read since the last commit may have to be read again after a crash."""

OBJECTS_AT_ONCE = 256

Commit = Callable[[str, Sequence[Outcome]], Awaitable[None]]


class DeepReading:
    """Reads what `depth` takes of the objects that the listings already agree on. Small ones are read many at once,
    large ones one or two, so that each is done, and committed, as soon as it can be."""

    def __init__(self, store_of: StoreOf, reader: ByteReader, depth: Depth, commit: Commit) -> None:
        self._store_of = store_of
        self._reader = reader
        self._depth = depth
        self._commit = commit
        self._objects = anyio.CapacityLimiter(OBJECTS_AT_ONCE)
        # Twice what can be in memory: the next object begins while the one before comes to its end.
        self._begun = ByteBudget(2 * reader.budget.total_bytes)
        self._done_bytes = 0
        self.stopping = False
        self.objects_read = 0

    @property
    def bytes_read(self) -> int:
        return self._reader.bytes_read_of_all

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
            assert row.source is not None
            claim = min(2 * row.source.size, self._reader.budget.total_bytes)
            await self._begun.take(claim)
            try:
                async with self._objects:
                    if self.stopping:
                        return finding
                    read_bytes += row.source.size
                    finding = await self._compare(route, row, finding)
            finally:
                self._begun.give(claim)
            if finding.outcome is not None:
                unsaved.append(finding.outcome)
                unsaved_bytes += row.source.size
            if unsaved_bytes >= COMMIT_BYTES:
                batch, unsaved, unsaved_bytes = unsaved, [], 0
                await self._commit(route.name, batch)
            return finding

        found = await replaced(judged, partial(self._wants, route), one)
        self._done_bytes += read_bytes
        return found

    def _wants(self, route: Route, row: Joined, finding: Finding) -> bool:
        if finding.kind is not Kind.OK or finding.outcome is None or row.source is None:
            return False
        return row.target is not None and self._depth.takes(route.name, row.key, finding.outcome.proof)

    async def _compare(self, route: Route, row: Joined, finding: Finding) -> Finding:
        """Read both sides of one object."""
        source, target = row.source, row.target
        assert source is not None and target is not None
        source_ref, target_ref = ObjectRef(route.source.bucket, source.key), ObjectRef(route.target.bucket, target.key)
        readers = tuple(self._reader.of(self._store_of(side)) for side in (route.source, route.target))
        try:
            source_algorithm, source_value = await readers[0].checksum_of_s3(source_ref, source)
            target_algorithm, target_value = await readers[1].checksum_of_s3(target_ref, target)
        except (ObjectError, AttemptError) as error:
            return _unread(finding, f"neither side was read: {error}")
        sides: list[Read | Exception | None] = [None, None]

        async def read(number: int, *arguments: Any) -> None:
            try:
                sides[number] = await readers[number].read(*arguments)
            except (ObjectError, AttemptError, IntegrityError) as error:
                sides[number] = error

        async with anyio.create_task_group() as group:
            group.start_soon(read, 0, source_ref, source.etag, source.size, source_algorithm)
            group.start_soon(read, 1, target_ref, target.etag, target.size, target_algorithm)
        of_source, of_target = sides
        if isinstance(of_source, Exception):
            return _not_read(row, finding, "source", of_source)
        if isinstance(of_target, Exception):
            return _not_read(row, finding, "target", of_target)
        assert of_source is not None and of_target is not None
        self.objects_read += 1
        if of_source.xxh3 != of_target.xxh3:
            return _damaged(
                row, f"the bytes differ: xxh3-128 {of_source.xxh3} in the source, {of_target.xxh3} in the target"
            )
        confirmed = ""
        for name, algorithm, value, ours in (
            ("source", source_algorithm, source_value, of_source.of_s3),
            ("target", target_algorithm, target_value, of_target.of_s3),
        ):
            if value and value != ours:
                return _damaged(row, f"the {name}'s bytes give {algorithm} {ours}, and S3 keeps {value} for them")
            if value:
                confirmed = f", as S3's own {algorithm}"
        return finding._replace(
            outcome=verified(row.key, target.etag, Proof.BYTES, COMPARED + confirmed)._replace(xxh3=of_source.xxh3)
        )


def _not_read(row: Joined, finding: Finding, side: str, error: Exception) -> Finding:
    """One side could not be read to its end: it changed since it was listed, or nothing is known."""
    if not isinstance(error, (PreconditionFailed, NotFound)):
        return _unread(finding, f"the {side} could not be read: {error}")
    said = f"the {side} changed since it was listed, a moment ago"
    if side == "source":
        return off(row, Kind.DRIFTED, State.DRIFTED, "SourceChanged", said)
    return off(row, Kind.DAMAGED, State.DAMAGED, "TargetChanged", said)


def _damaged(row: Joined, message: str) -> Finding:
    return off(row, Kind.DIGEST, State.DAMAGED, "BytesDiffer", message)


def _unread(finding: Finding, message: str) -> Finding:
    """What was to be read and could not be: a difference, while what the listings prove stands."""
    return finding._replace(kind=Kind.UNREAD, message=message)
