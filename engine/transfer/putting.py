"""One PutObject whose body passes through this machine: sent, and after an answer that tells nothing, looked for.

A write is never sent again before a look at the target. What stands there is ours where it is what we sent, by a
checksum or an ETag that its server made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.errors import Ambiguous, Conflict, PreconditionFailed, Rejected, StoreError, Unsupported
from engine.model import ABSENT, CopyResult, ObjectHead
from engine.plan.integrity import Agreement, evidence_of_heads
from engine.store import HeadObject, ObjectStore, PutObject, head_or_none
from engine.transfer.carrier import Failed, Pause, Task
from engine.transfer.completing import NotOurs, SeenComplete, as_answer
from engine.transfer.existing import WRITTEN, conflict
from engine.transfer.guard import Conditions
from engine.transfer.server_copy import ATTEMPTS, OPEN
from engine.transfer.sums import Sums
from engine.windows import Source


class Sent(NamedTuple):
    """What is known of a write so far. `open`: the answer of one was lost, so that it may have landed; `unexplained`:
    412 came while the target was as the condition says."""

    request: PutObject
    open: bool = False
    unexplained: bool = False


class Putter:
    """Writes objects of `store` in one request each."""

    def __init__(self, store: ObjectStore, conditions: Conditions, sums: Sums, pause: Pause) -> None:
        self._store = store
        self._conditions = conditions
        self._sums = sums
        self._pause = pause

    async def put(
        self, task: Task, request: PutObject, source: Source, passes: Callable[[], ObjectHead]
    ) -> tuple[CopyResult, int]:
        """What the server says of the object, and how many requests it took. `passes` is what is known of the bytes,
        once they have been read.

        Raises `Ended` and what the store and the source raise."""
        bucket, wanted = request.ref.bucket, task.target_condition
        condition = self._conditions.target("put", bucket, wanted)
        sent = Sent(request._replace(target_condition=condition))
        requests = 0
        for attempt in range(ATTEMPTS):
            requests += 1
            try:
                result = await self._store.send_from(sent.request, source)
            except OPEN as error:
                step, asked = await self._settle(task, sent, error, passes())
                requests += asked
                if isinstance(step, CopyResult):
                    return step, requests
                if attempt == ATTEMPTS - 1:
                    raise Failed(requests, error=error) from error
                sent = step
                if isinstance(error, (Ambiguous, Conflict)):
                    await self._pause(attempt)
            else:
                self._learn(task, request, sent, condition, result)
                return result, requests
        raise AssertionError("the last attempt ends above")

    def _learn(self, task: Task, first: PutObject, sent: Sent, condition: str | None, result: CopyResult) -> None:
        """Keep what the write had to be sent without."""
        bucket = first.ref.bucket
        if sent.request.target_condition is None and condition is not None:
            self._conditions.refuse_target("put", bucket, task.target_condition)
        if first.checksum is not None and sent.request.checksum is None:
            self._sums.refused(bucket, first.checksum.algorithm)
        elif first.checksum is not None:
            self._sums.answered(bucket, first.checksum.algorithm, result.checksums)

    async def _settle(
        self, task: Task, sent: Sent, error: StoreError, passed: ObjectHead
    ) -> tuple[CopyResult | Sent, int]:
        """After an answer that is no success: what came of it, or how the write is sent next."""
        request = sent.request
        if isinstance(error, (Unsupported, Rejected)):
            if error.refuses:  # neither the checksum nor the condition
                raise error
            if request.checksum is not None and self._sums.may_be_why(request.ref.bucket, error):
                return sent._replace(request=request._replace(checksum=None)), 0
            if request.target_condition is None or not isinstance(error, Unsupported):
                raise error
            return sent._replace(request=request._replace(target_condition=None)), 0
        target = await head_or_none(self._store, HeadObject(request.ref, checksums=True))
        condition = request.target_condition
        lost = sent.open or isinstance(error, Ambiguous)  # else each of our writes was refused, as by 409
        if target is not None and target.etag != task.target_condition and _is_ours(passed, target):
            return as_answer(target, SeenComplete if lost else NotOurs), 1
        if isinstance(error, PreconditionFailed):
            return self._after_412(task, sent, target, passed), 1
        if target is None:
            return sent._replace(
                request=request._replace(target_condition=condition if condition is None else ABSENT),
                open=lost,
            ), 1
        if condition is not None and target.etag != condition:
            if not lost or _is_other(passed, target):
                raise conflict(task, target.etag, "the target was written by someone else while a write was open", 2)
            request = request._replace(target_condition=target.etag)  # perhaps ours: again over exactly this one
        return Sent(request, lost, sent.unexplained), 1

    def _after_412(self, task: Task, sent: Sent, target: ObjectHead | None, passed: ObjectHead) -> Sent:
        """The target is not as the condition says; or it is, and the server cannot do the condition."""
        request = sent.request
        condition = request.target_condition
        if condition == (target.etag if target is not None else ABSENT):
            if sent.unexplained:  # met twice
                return sent._replace(request=request._replace(target_condition=None))
            return sent._replace(unexplained=True)
        if target is None:
            return sent._replace(request=request._replace(target_condition=ABSENT))
        if sent.open and not _is_other(passed, target):
            return sent._replace(request=request._replace(target_condition=target.etag))
        raise conflict(task, target.etag, WRITTEN + "looked at", 2)


def _is_ours(passed: ObjectHead, target: ObjectHead) -> bool:
    """The target holds the bytes that were sent, as its server says."""
    return evidence_of_heads(passed, target)[0] is Agreement.EQUAL


def _is_other(passed: ObjectHead, target: ObjectHead) -> bool:
    """The target certainly holds other bytes."""
    return evidence_of_heads(passed, target)[0] is Agreement.DIFFERENT
