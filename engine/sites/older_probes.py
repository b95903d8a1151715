"""What trials left that nothing noted: those of a `check` that was killed. They are known by their names."""

from __future__ import annotations

import re

from engine.errors import EngineError, RunError
from engine.model import Location, ObjectRef
from engine.plan.own import PROBE
from engine.plan.sizes import moment_ms
from engine.sites.known import STILL_COMING_MS
from engine.sites.trial import NAME_BYTES, SUFFIXES, probe_at, remove_probe
from engine.store import ListPage, ListUploads, ObjectStore

AT_ONCE = 20
"""So many are removed by one command: each takes a dozen requests."""


async def remove_older(store: ObjectStore, where: Location, at_ms: int) -> list[ObjectRef]:
    """Remove what trials at `where` left long enough ago that none of them can still be under way, by the server's
    time `at_ms`; gives what is not known to be gone. What may not be listed is not known of. Raises errors of scope
    `run`."""
    newest: dict[str, int] = {}  # of each trial, by its first key
    start = probe_at(where).key[: -2 * NAME_BYTES]
    assert start.endswith(PROBE)
    own = re.compile(
        f"({re.escape(start)}[0-9a-f]{{{2 * NAME_BYTES}}})(?:{'|'.join(map(re.escape, SUFFIXES))})"
    ).fullmatch

    def meet(key: str, moment: str) -> None:
        if name := own(key):
            first = name[1]
            newest[first] = max(newest.get(first, 0), moment_ms(moment) or at_ms)

    try:
        for item in (await store.list_page(ListPage(where.bucket, start))).objects:
            meet(item.key, item.modified)
        for upload in await store.list_uploads(ListUploads(where.bucket, start)):
            meet(upload.key, upload.initiated)
    except RunError:
        raise
    except EngineError:
        pass
    older = [key for key, moment in newest.items() if at_ms - moment > STILL_COMING_MS]
    return [ref for key in older[:AT_ONCE] for ref in await remove_probe(store, ObjectRef(where.bucket, key))]
