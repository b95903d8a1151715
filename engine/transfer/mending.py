"""Bringing a target up to date that holds the right bytes, and perhaps not what its source carries.

Both sides are looked at. Where they agree nothing is copied; where only tags differ they are put in place; else the
source is copied again over exactly the target that was seen, in the way that its size and ETag ask for: CopyObject of
a target onto itself would turn the ETag of one of parts into another, and goes to 5 GiB only. What came of it is seen
by comparing again: a target that bears the right ETag already tells nothing of an answer that was lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.errors import NotFound
from engine.model import ABSENT
from engine.plan.integrity import Agreement, evidence_of_heads
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.plan.route import Keep
from engine.store import ObjectStore, PutTags
from engine.transfer.comparing import Compared, compare_properties
from engine.transfer.task import CopyTask, conflicting, drifted

LOOKS = 3
"""How often both sides are compared, with something mended in between."""


async def mend(store: ObjectStore, task: CopyTask, copy: Callable[[CopyTask], Awaitable[Outcome]]) -> Outcome:
    """Take a task that is to be mended to its outcome; `copy` copies it. Raises what the store raises."""
    task, requests, method = task._replace(mend=False), 0, "found" if task.found else ""
    may_write = not task.found or task.route.overwrites_different
    for look in range(1, LOOKS + 1):
        if task.target_condition != ABSENT:
            requests += 2
            compared = await _compare(store, task)
            if compared is None:
                task = task._replace(target_condition=ABSENT)
            elif compared.source.etag != task.source.etag:
                return drifted(task, compared.source.etag, requests=requests)
            elif compared.target.etag != task.target_condition:
                why = "the target was written by someone else since it was listed"
                return conflicting(task, compared.target.etag, why, requests=requests)
            else:
                agreement, outcome = _judged(task, compared, method, requests)
                same = agreement is not Agreement.DIFFERENT
                if same and (compared.agrees or not may_write or look == LOOKS):
                    return outcome
                if not same and not may_write:
                    why = "the target holds other content by its checksum"
                    return conflicting(task, compared.target.etag, why, requests=requests)
                if same and compared.tags is not None and task.route.properties.tags is not Keep.DROP:
                    requests += 1
                    await store.put_tags(PutTags(task.target_ref, compared.tags))
                    continue
        copied = await copy(task)
        requests += copied.requests
        if copied.state is not State.COPIED:
            return copied._replace(requests=requests)
        method = copied.method
        task = task._replace(target_condition=copied.target_etag, upload=None, found=False)
    return conflicting(task, "", "the target came and went while it was being brought up to date", requests=requests)


async def _compare(store: ObjectStore, task: CopyTask) -> Compared | None:
    """Both sides; None where one of them is not there."""
    try:
        return await compare_properties(
            store, task.route, task.source, task.source_ref, task.target_ref, checksums=True
        )
    except NotFound:
        return None


def _judged(task: CopyTask, compared: Compared, method: str, requests: int) -> tuple[Agreement, Outcome]:
    """What both sides prove, and the outcome that says so with what differs."""
    nothing = "size: nothing else is comparable"
    agreement, evidence = evidence_of_heads(compared.source, compared.target, nothing)
    checksum = next((str(item) for item in compared.target.checksums if item.type == "FULL_OBJECT"), "")
    told = "" if compared.agrees else "PropertiesDiffer"
    return agreement, Outcome(
        task.key,
        State.COPIED,
        compared.target.etag,
        checksum,
        evidence.proof,
        evidence.compared,
        method,
        requests,
        code=told,
        message=compared.found if told else "",
        properties=compared.found,
    )
