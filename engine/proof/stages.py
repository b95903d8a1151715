"""What a verification asks of S3 beyond the listings. A stage takes the findings of a page, and gives those that stand
once it has asked: each of one object, all of a page at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import compress

import anyio

from engine.at_once import each
from engine.errors import AttemptError, ObjectError
from engine.model import Location, ObjectHead, ObjectRef, Proof
from engine.plan.integrity import Agreement, evidence_told, full_object, is_md5, why_not_comparable
from engine.plan.join import Joined
from engine.plan.lifecycle import State
from engine.plan.route import Route
from engine.proof.judge import Finding, Kind, Question, off, unread, verified
from engine.store import HeadObject, StoreOf, head_or_none
from engine.transfer.comparing import compare_properties

HEADS_AT_ONCE = 64
ASKED = 3
"""Objects of a page that are asked how they are encrypted: one may be gone meanwhile."""

Judged = tuple[Joined, Finding]


async def replaced(
    judged: Sequence[Judged],
    wants: Callable[[Joined, Finding], bool],
    find: Callable[[Joined, Finding], Awaitable[Finding]],
) -> list[Judged]:
    """The findings of a page, with what `find` finds in place of each that is wanted."""

    async def one(item: Judged) -> Judged:
        return item[0], await find(*item)

    wanted = [wants(*item) for item in judged]
    found = iter(await each(compress(judged, wanted), one))
    return [next(found) if is_wanted else item for item, is_wanted in zip(judged, wanted, strict=True)]


def _by_etag(row: Joined, finding: Finding) -> Judged:
    if finding.question is not Question.ENCRYPTION or row.target is None:
        return row, finding
    return row, finding._replace(outcome=verified(row.key, row.target.etag, Proof.DIGEST, "etag"))


class Heads:
    """The stages that ask for what stands at an object: proof that no listing gives, and properties. `compares`:
    whether the checksums of a route's targets, by an algorithm, are known to be of their bytes. `keeps_links`: folders
    keep symbolic links, so that a file in the place of one is no copy."""

    def __init__(self, store_of: StoreOf, compares: Callable[[Route, str], bool], *, keeps_links: bool = False) -> None:
        self._store_of = store_of
        self._compares = compares
        self._keeps_links = keeps_links
        self._limiter = anyio.CapacityLimiter(HEADS_AT_ONCE)
        self._md5: dict[str, bool] = {}
        self.properties_compared = 0

    async def prove(self, route: Route, judged: Sequence[Judged]) -> list[Judged]:
        """What the listings could not tell. What may not be asked keeps the proof that it has, and is told: one object
        does not end a verification."""

        async def find(row: Joined, finding: Finding) -> Finding:
            try:
                return await self._proven(route, row, finding)
            except (ObjectError, AttemptError) as error:
                return unread(finding, f"S3 would not say what it keeps of it: {error}")

        asked = [Question.CHECKSUMS]
        plain = [
            row.target.key for row, one in judged if one.question is Question.ENCRYPTION and row.target is not None
        ]
        if plain and await self._etags_are_md5(route, plain):  # a whole page by one answer, with no task for each of it
            judged = [_by_etag(row, finding) for row, finding in judged]
        else:
            asked.append(Question.ENCRYPTION)
        return await replaced(judged, lambda _, finding: finding.question in asked, find)

    async def compare(self, route: Route, judged: Sequence[Judged]) -> list[Judged]:
        """Whether each target whose bytes agree carries what the route gives it."""

        async def find(row: Joined, finding: Finding) -> Finding:
            async with self._limiter:
                try:
                    return await self._compared(route, row, finding)
                except (ObjectError, AttemptError) as error:
                    return unread(finding, f"its properties could not be read: {error}")

        return await replaced(judged, lambda _, finding: finding.kind is Kind.OK and finding.outcome is not None, find)

    async def _proven(self, route: Route, row: Joined, finding: Finding) -> Finding:
        assert row.source is not None and row.target is not None
        etag = row.target.etag
        if route.in_place:
            return finding  # both sides are one object, which says nothing of what it was before
        source = await self._head(route.source, row.source.key)
        target = await self._head(route.target, row.target.key)
        if source is None or target is None or source.etag != row.source.etag or target.etag != etag:
            return finding  # changed under our eyes: the size stands, and the next verification sees the change
        agreement, evidence = evidence_told(
            source, target, partial(self._compares, route), why_not_comparable(source, target)
        )
        if agreement is Agreement.DIFFERENT:
            said = f"the two sides differ by {evidence.compared}"
            return off(row, Kind.DIGEST, State.DAMAGED, "DigestDiffers", said)
        checksum = full_object(target.checksums)
        return finding._replace(outcome=verified(row.key, etag, evidence.proof, evidence.compared, checksum))

    async def _compared(self, route: Route, row: Joined, finding: Finding) -> Finding:
        assert row.source is not None and row.target is not None and finding.outcome is not None
        compared = await compare_properties(
            self._store_of(route.source),
            self._store_of(route.target),
            route,
            row.source,
            ObjectRef(route.target.bucket, row.target.key),
        )
        self.properties_compared += 1
        outcome = finding.outcome._replace(properties=compared.found)
        if compared.other_kind and self._keeps_links:
            return off(row, Kind.DAMAGED, State.DAMAGED, "KindDiffers", compared.found)
        if compared.agrees:
            return finding._replace(outcome=outcome)
        return Finding(Kind.PROPERTIES, row.key, compared.found, outcome)

    async def _etags_are_md5(self, route: Route, keys: Sequence[str]) -> bool:
        """Whether the target is encrypted in a way that leaves plain ETags MD5s, by the first of these of its keys that
        tells: one HEAD a route. Where none does, each object is asked for itself."""
        for key in keys[:ASKED]:
            if route.name in self._md5:
                break
            try:
                head = await self._head(route.target, key)
            except (ObjectError, AttemptError):
                break
            if head is not None:
                self._md5[route.name] = is_md5(head.properties.encryption)
        return self._md5.get(route.name, False)

    async def _head(self, side: Location, key: str) -> ObjectHead | None:
        async with self._limiter:
            return await head_or_none(self._store_of(side), HeadObject(ObjectRef(side.bucket, key), checksums=True))
