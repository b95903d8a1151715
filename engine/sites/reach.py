"""Whether the one who writes a route's target can read its source: only then can a server copy by itself."""

from __future__ import annotations

from engine.errors import AccessDenied, AttemptError, NotFound, ObjectError, RunError
from engine.model import ListedObject, Location, ObjectRef
from engine.sites.traits import Answer
from engine.store import GetRange, ListPage, ObjectStore

ASKED = 10
"""Objects of the source that are asked for, one after the other, until one of them tells."""


async def reads(reader: ObjectStore, source: ObjectStore, where: Location) -> Answer:
    """Whether `reader` may read what `source` lists under a location: one byte of one object, by a GET, since a HEAD
    does not ask for the key that an object is encrypted with. What cannot be found out is not known."""
    try:
        page = await source.list_page(ListPage(where.bucket, where.key, max_keys=ASKED))
    except (ObjectError, AttemptError):
        return Answer.UNKNOWN
    for item in page.objects:
        if where.is_prefix or item.key == where.key:
            answer = await _reads(reader, where, item)
            if answer is not Answer.UNKNOWN:
                return answer
    return Answer.UNKNOWN


async def _reads(reader: ObjectStore, where: Location, item: ListedObject) -> Answer:
    end = 0 if item.size else None
    try:
        await reader.get_range(GetRange(ObjectRef(where.bucket, item.key), first=end, last=end))
    except AccessDenied:
        return Answer.REFUSED
    except NotFound:  # another bucket of that name, or another one's object: what it copied would be something else
        return Answer.NO
    except (ObjectError, AttemptError, RunError):  # archived, gone meanwhile, or out of reach
        return Answer.UNKNOWN
    return Answer.YES
