"""What a carrier does about what is at the target already, however it carries: looks, compares, brings up to date."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from engine.errors import AttemptError, NotFound, ObjectError
from engine.model import ABSENT, ObjectHead
from engine.plan.integrity import Agreement, Evidence, compare_etags, evidence_of_heads, full_object, is_md5
from engine.plan.lifecycle import State
from engine.plan.record import NOT_KEPT, Outcome, UploadRecord
from engine.plan.route import PropertyRule
from engine.store import HeadObject, ObjectStore, PutTags, head_or_none
from engine.transfer.carrier import Conflicting, Ended, Task, copied, outcome_of
from engine.transfer.comparing import Compared, compare_properties
from engine.transfer.drift import as_listed
from engine.transfer.uploading import Uploader

COMPARISONS = 3
"""How often both sides are compared of what is brought up to date, with something mended in between."""

WRITTEN = "the target was written by someone else since it was "


class Existing(ABC):
    """A carrier's look at both sides, each by its own store; how it carries is its subclass's."""

    def __init__(self, source: ObjectStore, target: ObjectStore, uploader: Uploader) -> None:
        self.source = source
        self.target = target
        self._uploader = uploader

    async def carry(self, task: Task) -> Outcome:
        """As `Carrier.carry`."""
        try:
            if task.inspect:
                return await self._inspect(task)
            if task.mend:
                return await self._mend(task)
            if task.claim and (ours := await self._claim(task)) is not None:
                return ours
            return await self._copy(task)
        except (Ended, ObjectError, AttemptError) as error:
            return outcome_of(task, error)

    @abstractmethod
    def _copy(self, task: Task) -> Coroutine[Any, Any, Outcome]:
        """Bring the object to the target, where its place is as the task says. Raises `Ended` and what stores raise."""

    async def discard(self, upload: UploadRecord) -> None:
        """As `Carrier.discard`."""
        await self._uploader.discard(upload)

    async def _evidence(self, task: Task, source: ObjectHead, target: ObjectHead) -> tuple[Agreement, Evidence]:
        """What both sides prove of each other's bytes."""
        return evidence_of_heads(source, target)

    async def _inspect(self, task: Task) -> Outcome:
        """The target was there before us, as long as the source, with an ETag that cannot be compared."""
        found = await self._source_head(task, checksums=True)
        target = await self._target_head(task, checksums=True)
        source = as_listed(task, found, 2)
        if target is None:
            return await self.carry(task._replace(inspect=False, target_condition=ABSENT))
        if target.etag != task.target_condition:
            raise conflict(task, target.etag, WRITTEN + "listed")
        agreement, evidence = await self._evidence(task, source, target)
        if agreement is Agreement.EQUAL:
            checksum = full_object(target.checksums)
            return copied(task, task.target_condition, checksum, evidence, "found", 2)
        if task.route.overwrites_different:
            return await self.carry(task._replace(inspect=False))
        why = (
            f"the target holds other content by {evidence.compared}"
            if agreement is Agreement.DIFFERENT
            else "the target has the same size, and S3 gives nothing else to compare"
        )
        raise conflict(task, task.target_condition, why, 2)

    async def _claim(self, task: Task) -> Outcome | None:
        """A target appeared while an earlier run's copy was under way: a conflict where it is certainly not ours. Where
        it may be, it is copied again over exactly what was seen (None): a server does that without our reading it."""
        if compare_etags(task.source.etag, task.target_condition) is not Agreement.DIFFERENT:
            return None  # a look would tell no more
        target = await self._target_head(task)
        if target is not None and target.etag == task.target_condition and await self._differs(task, target):
            raise conflict(task, target.etag, "the target was written by someone else while a copy was under way")
        return None

    async def _mend(self, task: Task) -> Outcome:
        """Bring a target up to date that holds the right bytes, and perhaps not what its source carries.

        Where both sides agree nothing is copied; where only tags differ they are put in place; else the source is
        copied again over exactly the target that was seen, in the way that its size and ETag ask for: CopyObject of a
        target onto itself would turn the ETag of one of parts into another, and goes to 5 GiB only. What came of it is
        seen by comparing again: a target that bears the right ETag already tells nothing of an answer that was lost."""
        if task.upload is not None and task.target_condition != ABSENT:
            # Of an earlier run that mended it; what the source carried then it may not carry now.
            await self.discard(task.upload)
            task = task._replace(upload=None)
        task, may_write = task._replace(mend=False), not task.found or task.route.overwrites_different
        requests, method, differed = 0, "found" if task.found else "", ""
        for turn in range(1, COMPARISONS + 1):
            if task.target_condition != ABSENT:
                requests += 2
                compared = await compared_now(self.source, self.target, task, requests)
                if compared is None:
                    task = task._replace(target_condition=ABSENT)
                else:
                    agreement, found = await self._found(task, compared, method, requests)
                    if agreement is Agreement.DIFFERENT and not may_write:
                        why = "the target holds other content by its checksum"
                        raise conflict(task, compared.target.etag, why, requests)
                    if agreement is not Agreement.DIFFERENT:
                        if compared.found == differed:  # with a copy between the two
                            return found._replace(properties=NOT_KEPT + differed)
                        if compared.agrees or not may_write or turn == COMPARISONS:
                            return found
                        differed = compared.found
                        if compared.tags is not None and task.route.properties.tags is not PropertyRule.DROP:
                            requests += 1
                            await self.target.put_tags(PutTags(task.target_ref, compared.tags))
                            continue
            carried = await self.carry(task)
            requests += carried.requests
            if carried.state is not State.COPIED:
                return carried._replace(requests=requests)
            method = carried.method
            task = task._replace(target_condition=carried.target_etag, upload=None, found=False)
        raise conflict(task, "", "the target came and went while it was being brought up to date", requests)

    async def _found(self, task: Task, compared: Compared, method: str, requests: int) -> tuple[Agreement, Outcome]:
        """What both sides prove, and the outcome that says so with what differs."""
        target = compared.target
        agreement, evidence = await self._evidence(task, compared.source, target)
        outcome = copied(task, target.etag, full_object(target.checksums), evidence, method, requests)
        if not compared.agrees:
            outcome = outcome._replace(code="PropertiesDiffer", message=compared.found)
        return agreement, outcome._replace(properties=compared.found)

    async def _differs(self, task: Task, target: ObjectHead) -> bool:
        """Whether a target of the same size certainly holds other bytes: both ETags are MD5s, and differ."""
        if compare_etags(task.source.etag, target.etag) is not Agreement.DIFFERENT:
            return False
        source = await self._source_head(task)
        if source is None or not task.is_listed(source.etag):
            return False
        return is_md5(source.properties.encryption) and is_md5(target.properties.encryption)

    async def _source_head(self, task: Task, *, checksums: bool = False) -> ObjectHead | None:
        return await head_or_none(self.source, HeadObject(task.source_ref, checksums=checksums))

    async def _target_head(self, task: Task, *, checksums: bool = False) -> ObjectHead | None:
        return await head_or_none(self.target, HeadObject(task.target_ref, checksums=checksums))


async def compared_now(source: ObjectStore, target: ObjectStore, task: Task, requests: int) -> Compared | None:
    """What both sides carry, each as it was listed; None where one of them is not there. `requests` is what it cost to
    know. Raises `Ended` where one is another by now."""
    try:
        compared = await compare_properties(source, target, task.route, task.source, task.target_ref, checksums=True)
    except NotFound:
        return None
    as_listed(task, compared.source, requests)
    if compared.target.etag != task.target_condition:
        raise conflict(task, compared.target.etag, WRITTEN + "listed", requests)
    return compared


def conflict(task: Task, etag_there: str, why: str, requests: int = 1) -> Conflicting:
    return Conflicting(requests, condition=task.target_condition, etag_there=etag_there, why=why)
