"""Whether what is archived can be read, also on a server whose listings do not tell it.

Some servers know RestoreObject, and say in HEAD alone what became of it (LocalStack 4.9, moto 5). There what a listing
shows in an archive class is asked for by itself; until a listing has told it once.
"""

from __future__ import annotations

from functools import partial

import anyio

from engine.at_once import each
from engine.decorator import StoreDecorator
from engine.errors import ObjectError
from engine.model import ObjectRef, Page
from engine.plan.retrieval import ARCHIVE_CLASSES
from engine.store import HeadObject, ListPage, ObjectStore

HEADS_AT_ONCE = 32


class RestoresTold(StoreDecorator):
    """Lists with `ListedObject.restore` as HEAD has it, where it is asked for and the listing is not known to say it.
    What cannot be asked for counts as not restored."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self._tells: set[str] = set()
        self._heads = anyio.CapacityLimiter(HEADS_AT_ONCE)

    async def list_page(self, request: ListPage) -> Page:
        page = await self._inner.list_page(request)
        if not request.restore_status or request.bucket in self._tells:
            return page
        archived = [at for at, item in enumerate(page.objects) if item.storage_class in ARCHIVE_CLASSES]
        if any(page.objects[at].restore for at in archived):
            self._tells.add(request.bucket)
        elif archived:
            await each(archived, partial(self._ask, request.bucket, page), self._heads)
        return page

    async def _ask(self, bucket: str, page: Page, at: int) -> None:
        listed = page.objects[at]
        try:
            head = await self._inner.head_object(HeadObject(ObjectRef(bucket, listed.key)))
        except ObjectError:
            return
        if head.etag == listed.etag:
            page.objects[at] = listed._replace(restore=head.restore)
