"""Objects of our own, made for a moment to try something out: whether one is seen, and removing it."""

from __future__ import annotations

import anyio

from engine.errors import AccessDenied, EngineError, NotFound
from engine.model import ObjectRef
from engine.store import DeleteObject, HeadObject, ListPage, ObjectStore

ATTEMPTS = 5
"""How often something is done with an object of our own while its outcome is not known: nobody else knows its name."""

BASE_S = 0.1
"""How long it rests before it does so again; twice as long each time."""


async def is_seen(store: ObjectStore, ref: ObjectRef) -> bool:
    """Whether an object is there. Raises what the store raises where it may not be looked at."""
    try:
        await store.head_object(HeadObject(ref))
        return True
    except NotFound:
        return False
    except AccessDenied:
        pass  # one who may not list the whole bucket is not told what is not there
    page = await store.list_page(ListPage(ref.bucket, ref.key, max_keys=1))
    return any(item.key == ref.key for item in page.objects)


async def remove_own(store: ObjectStore, ref: ObjectRef) -> bool:
    """Delete an object of our own; whether it is known to be gone. An answer that does not say so (a 200, a reset, a
    404, which S3 gives to no delete of a key) is followed by a look, and by another delete only where it is there."""
    for attempt in range(ATTEMPTS):
        denied = False
        try:
            await store.delete_object(DeleteObject(ref))
            return True
        except AccessDenied:
            denied = True  # it may never have been put
        except EngineError:
            pass
        try:
            if not await is_seen(store, ref):
                return True
        except EngineError:
            return False
        if denied:
            return False
        await anyio.sleep(BASE_S * 2**attempt)  # the retry layer sends no delete again that carries no ETag
    return False
