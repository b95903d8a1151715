"""ETags that cannot be what they look like are told from digests, wherever a store shows them.

Gateways were seen to give every object of N parts one and the same `…-N`, or every object the MD5 of nothing. What
looks like a digest and is none would "prove" that two objects are equal which are not. Two things show it: an ETag that
an object of its size cannot have (`plan.integrity.is_impossible`), and one ETag on objects of different sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.decorator import StoreDecorator
from engine.events import Listener, Notice, ignore
from engine.model import UNKNOWN_SIZE, ListedObject, ObjectHead, OpaqueEtag, Page
from engine.plan.integrity import NOTHING, is_impossible
from engine.store import HeadObject, ListPage, ObjectStore

REMEMBERED = 4_096
"""How many ETags are kept with their sizes, and how many doubtful ones (a page's may come on top): equal objects mostly
lie near each other."""


class DoubtingStore(StoreDecorator):
    """Gives doubtful ETags as `OpaqueEtag`. Says so once."""

    def __init__(self, inner: ObjectStore, listener: Listener = ignore) -> None:
        super().__init__(inner)
        self._listener = listener
        self._sizes: dict[str, int] = {}
        self._doubtful: set[str] = set()
        self._said = False

    async def list_page(self, request: ListPage) -> Page:
        page = await self._inner.list_page(request)
        doubtful = self._doubtful_of(page.objects)
        if not doubtful:
            return page
        self._say(next(item.key for item in page.objects if item.etag in doubtful))
        return page._replace(
            objects=[
                item._replace(etag=OpaqueEtag(item.etag)) if item.etag in doubtful else item for item in page.objects
            ]
        )

    async def head_object(self, request: HeadObject) -> ObjectHead:
        head = await self._inner.head_object(request)
        if request.part_number is None and head.size != UNKNOWN_SIZE:
            is_doubtful = head.etag in self._doubtful_of([head])
        else:  # of a part the size may be the part's
            is_doubtful = head.etag in self._doubtful or is_impossible(head.etag, head.size)
        if not is_doubtful:
            return head
        self._say(request.ref.key)
        return head._replace(etag=OpaqueEtag(head.etag))

    def _doubtful_of(self, objects: Sequence[ListedObject] | Sequence[ObjectHead]) -> set[str]:
        """The ETags of a page, or of one HEAD, that prove nothing. Most pages have as many ETags as objects, and none
        of them: they are looked at once."""
        sizes = {item.etag: item.size for item in objects}
        odd = [etag for etag in sizes if len(etag) != 32 or etag == NOTHING]
        found = {etag for etag in odd if is_impossible(etag, sizes[etag])}
        if len(sizes) < len(objects):
            found |= {item.etag for item in objects if sizes[item.etag] != item.size}
        found |= {etag for etag in sizes.keys() & self._sizes.keys() if self._sizes[etag] != sizes[etag]}
        found.discard("")
        if len(self._doubtful) < REMEMBERED:
            self._doubtful |= found
        if len(self._sizes) + len(sizes) > REMEMBERED:
            self._sizes = {}
        self._sizes |= sizes
        return found | (sizes.keys() & self._doubtful)

    def _say(self, key: str) -> None:
        if self._said:
            return
        self._said = True
        self._listener(
            Notice(
                "DoubtfulEtags",
                f"the server gives ETags that cannot be what they look like (first on {key!r}): they prove nothing "
                "here, and proof rests on checksums, or on reading the bytes",
            )
        )
