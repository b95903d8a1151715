"""What the answer to a write proves of the bytes that were to be written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from engine.model import CopyResult, ObjectHead, UploadedPart
from engine.plan.integrity import (
    OTHER_PARTS,
    Agreement,
    Compares,
    differ_in_parts,
    evidence_of_copy,
    evidence_told,
    full_object,
    is_impossible,
    is_md5,
    predicted_etag,
    same_etag,
    without_echoes,
)
from engine.plan.record import Outcome
from engine.store import HeadObject, ObjectStore, head_or_none
from engine.transfer.carrier import Differs, Task, copied
from engine.transfer.completing import NotOurs


async def judged(
    target: ObjectStore,
    task: Task,
    source: ObjectHead,
    result: CopyResult,
    method: str,
    requests: int,
    parts: Sequence[UploadedPart] = (),
    alike: Callable[[], Awaitable[bool]] | None = None,
    compares: Compares = lambda algorithm: True,
) -> Outcome:
    """The outcome of a write that took so many requests: its answer against `source`, what is known of the bytes.
    What they do not prove, a look at the target may. `alike` tells whether the `parts` of an upload are cut as those
    that the source's ETag is made of: then two that differ are a mismatch, unless the target's server makes of its
    parts' ETags something else. `compares` is of a server that was sent the bytes.

    Raises `Differs`, and what the store raises."""
    checksums = result.checksums
    if isinstance(result, NotOurs):
        method = "found"
    agreement, evidence = evidence_of_copy(
        source_etag=source.etag,
        target_etag=result.etag,
        target_encryption=result.encryption,
        source_checksums=source.checksums,
        target_checksums=without_echoes(checksums, source.checksums, compares),
        source_is_md5=is_md5(source.properties.encryption),
    )
    if agreement is not Agreement.EQUAL:
        requests += 1
        there = await head_or_none(target, HeadObject(task.target_ref, checksums=True))
        if there is not None and there.etag == result.etag:
            checksums = there.checksums or checksums
            agreement, evidence = evidence_told(source, there, compares, evidence.compared)
            are_told = not any(is_impossible(part.etag, part.size) for part in parts)
            of_its_parts = agreement is Agreement.UNKNOWN and are_told and same_etag(there.etag, predicted_etag(parts))
            if of_its_parts and differ_in_parts(source, there) and alike is not None and await alike():
                agreement, evidence = Agreement.DIFFERENT, OTHER_PARTS
    checksum = full_object(checksums)
    if agreement is Agreement.DIFFERENT:
        why = f"S3 says that the copy differs from its source by {evidence.compared}; the next run copies it again"
        raise Differs(requests, target_etag=result.etag, checksum=checksum, method=method, message=why)
    return copied(task, result.etag, checksum, evidence, method, requests)
