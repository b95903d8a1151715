"""Files whose version tells too little: a copy that bears another ctime, and all else that it bore, is read, and is
what was written where its bytes have the xxh3-128, or else the checksum, that the ledger keeps.

Some file systems (FUSE) give a file its ctime anew once it was closed, so that every copy is met so once.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.to_thread
import xxhash

from engine.checksums import hasher, is_known
from engine.errors import AttemptError, NotFound, ObjectError, PreconditionFailed
from engine.ledger import LedgerReader
from engine.model import ListedObject, ObjectRef, Proof
from engine.plan.integrity import is_plain
from engine.plan.join import Joined
from engine.plan.record import ObjectRecord
from engine.plan.route import Route
from engine.proof.digest import RANGE_BYTES
from engine.proof.judge import Finding, Kind, Question, reread
from engine.proof.stages import Judged, replaced
from engine.store import GetRange, ObjectStore, StoreOf

XXH3 = "xxh3-128"
FILES_AT_ONCE = 4
"""Each holds `RANGE_BYTES` in memory."""

GoesOn = Callable[[int], bool]
"""Told of so many more bytes read: whether to read on."""


class Rereading:
    """The stage that reads them. What cannot be told so stays what the listing says: another than was written; or,
    where no source is left to mend it from, what the ledger says. `minimum` as `judge` has it."""

    def __init__(self, store_of: StoreOf, ledger: LedgerReader, minimum: Proof = Proof.NONE) -> None:
        self._store_of = store_of
        self._ledger = ledger
        self._minimum = minimum
        self._limiter = anyio.CapacityLimiter(FILES_AT_ONCE)
        self.stopping = False
        self.under_way_bytes = 0  # what was read of pages that are not done yet

    async def prove(self, route: Route, judged: Sequence[Judged]) -> list[Judged]:
        """Read those of a page's targets whose findings ask for it; gives the findings that stand then, without those
        that were not read because it is stopping."""
        read_bytes = 0

        def goes_on(count: int) -> bool:
            nonlocal read_bytes
            read_bytes += count
            self.under_way_bytes += count
            return not self.stopping

        async def find(row: Joined, finding: Finding) -> Finding:
            async with self._limiter:
                found = await self._find(route, row, finding, goes_on)
            return found._replace(question=Question.NOTHING) if found is not None else finding

        found = await replaced(judged, lambda _, finding: finding.question is Question.BYTES, find)
        self.under_way_bytes -= read_bytes
        return [item for item in found if item[1].question is not Question.BYTES]

    async def _find(self, route: Route, row: Joined, finding: Finding, goes_on: GoesOn) -> Finding | None:
        """What stands of one target; None where it was not read to its end because it is stopping."""
        assert row.target is not None
        if self.stopping:
            return None
        record = await self._ledger.record_of(route.name, row.key)
        algorithm, value = known_digest(record) if record is not None else ("", "")
        if record is None or not algorithm:
            return _untold(row, finding, "and this ledger keeps nothing that its bytes could be compared with")
        ref = ObjectRef(route.target.bucket, row.target.key)
        try:
            found = await _digest(self._store_of(route.target), ref, row.target, algorithm, goes_on)
        except (NotFound, PreconditionFailed):
            return _untold(row, finding, "and changed again since it was listed, a moment ago")
        except (ObjectError, AttemptError) as error:
            return Finding(Kind.UNREAD, row.key, f"the target could not be read: {error}")
        if found is None:
            return None
        return reread(row, self._minimum, record) if found == value else finding


def _untold(row: Joined, finding: Finding, why: str) -> Finding:
    """What stands of one whose bytes tell nothing. Without a source, and not lost before, it is not called lost."""
    if row.source is not None or finding.outcome is None:
        return finding
    return Finding(Kind.UNREAD, row.key, f"its source is gone; the target bears another ctime, {why}")


def known_digest(record: ObjectRecord) -> tuple[str, str]:
    """The algorithm and the value, as that spells it, of what the ledger keeps of an object's bytes, of all of both
    sides first; empty where that is nothing that reading them can confirm."""
    if record.xxh3:
        return XXH3, record.xxh3
    algorithm, _, value = record.checksum.split(":", 2) if record.checksum else ("", "", "")
    if value and is_known(algorithm):
        return algorithm, value
    if record.proof >= Proof.DIGEST and record.compared == "etag" and is_plain(record.source_etag):
        return "MD5", base64.b64encode(bytes.fromhex(record.source_etag)).decode()
    if not record.size:
        return "MD5", hasher("MD5").value()
    return "", ""


async def _digest(
    store: ObjectStore, ref: ObjectRef, listed: ListedObject, algorithm: str, goes_on: GoesOn
) -> str | None:
    """As `known_digest` has it, of all of a file that must bear the version that was listed; None where it does not go
    on to its end. Raises what the store raises."""
    count: Any = xxhash.xxh3_128() if algorithm == XXH3 else hasher(algorithm)
    for first in range(0, listed.size, RANGE_BYTES):
        last = min(first + RANGE_BYTES, listed.size) - 1
        body = await store.get_range(GetRange(ref, first, last, listed.etag, listed.size))
        await anyio.to_thread.run_sync(count.update, body.data)
        if not goes_on(len(body.data)):
            return None
    return str(count.hexdigest() if algorithm == XXH3 else count.value())
