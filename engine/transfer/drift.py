"""Whether a source is still what was listed, in one place for all who ask."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from engine.errors import NotFound, PreconditionFailed
from engine.model import ObjectHead
from engine.store import Fetched, GetRange, HeadObject, ObjectStore, head_or_none
from engine.transfer.carrier import Drifted, Task
from engine.windows import Sink

Done = TypeVar("Done")


def as_listed(task: Task, head: ObjectHead | None, requests: int = 1) -> ObjectHead:
    """The source's head; `requests` is what it cost to know it. Raises `Drifted` where it is not what was listed."""
    if head is None or not task.is_listed(head.etag):
        raise Drifted(requests, etag_now=head.etag if head is not None else "")
    return head


async def source_now(store: ObjectStore, task: Task, requests: int = 1, *, checksums: bool = False) -> ObjectHead:
    """The source's head, asked for now. Raises as `as_listed`."""
    return as_listed(task, await head_or_none(store, HeadObject(task.source_ref, checksums=checksums)), requests)


async def fetched(store: ObjectStore, task: Task, request: GetRange, sink: Sink) -> Fetched:
    """Bytes of the source. Raises `Drifted` where a GET is refused since the source is another one now."""
    try:
        return await store.fetch_into(request, sink)
    except (PreconditionFailed, NotFound):
        await source_now(store, task, 2)
        raise


async def as_read(store: ObjectStore, task: Task, reading: Awaitable[Done]) -> Done:
    """What is read of a source's file, as it was listed. Raises `Drifted` where it is another one now, or changes while
    it is read; what is said of anything but a source goes on as it is."""
    try:
        return await reading
    except (NotFound, PreconditionFailed) as error:
        if error.operation != GetRange.operation:
            raise
        head = None
        if isinstance(error, PreconditionFailed):
            head = await head_or_none(store, HeadObject(task.source_ref))
        raise Drifted(0, etag_now=head.etag if head else "") from error
