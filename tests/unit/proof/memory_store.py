"""A store in memory, of what proof asks of S3 and no more: listings, HEAD, ranges, tags. Objects are plain bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from engine.errors import NotFound, PreconditionFailed
from engine.model import Checksum, ListedObject, ObjectHead, ObjectRef, Page, Properties
from engine.store import Body, GetRange, HeadObject, ListPage

MODIFIED = "2026-01-01T00:00:00.000Z"


@dataclass
class Held:
    """One object. `etag` is the MD5 of the bytes unless the test says otherwise."""

    data: bytes
    etag: str = ""
    properties: Properties = field(default_factory=Properties)
    tags: tuple[tuple[str, str], ...] = ()
    checksums: tuple[Checksum, ...] = ()
    listed_checksum: str = ""

    def __post_init__(self) -> None:
        self.etag = self.etag or hashlib.md5(self.data).hexdigest()


class MemoryStore:
    """`on_get` is called before each read with the request; it may raise, wait or change what is held."""

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, Held] = {}
        self.calls: Counter[str] = Counter()
        self.in_flight_bytes = 0
        self.most_bytes = 0
        self.on_get: Callable[[GetRange], Any] | None = None

    def put(self, bucket: str, key: str, data: bytes, **values: Any) -> None:
        self.objects[ObjectRef(bucket, key)] = Held(data, **values)

    async def list_page(self, request: ListPage) -> Page:
        self.calls["list"] += 1
        found = [
            ListedObject(
                ref.key,
                len(held.data),
                held.etag,
                MODIFIED,
                held.properties.storage_class,
                held.listed_checksum,
            )
            for ref, held in self.objects.items()
            if ref.bucket == request.bucket and ref.key.startswith(request.prefix) and ref.key > request.start_after
        ]
        return Page(sorted(found))

    async def head_object(self, request: HeadObject) -> ObjectHead:
        self.calls["head"] += 1
        held = self._held(request.ref)
        return ObjectHead(
            len(held.data),
            held.etag,
            MODIFIED,
            replace(held.properties, tags=None),
            held.checksums if request.checksums else (),
            tag_count=len(held.tags),
        )

    async def get_tags(self, request: ObjectRef) -> tuple[tuple[str, str], ...]:
        self.calls["tags"] += 1
        return self._held(request).tags

    async def get_range(self, request: GetRange) -> Body:
        self.calls["get"] += 1
        if self.on_get is not None:
            self.on_get(request)
        held = self._held(request.ref)
        if request.if_match is not None and request.if_match != held.etag:
            raise PreconditionFailed("it changed", operation="GetObject", ref=str(request.ref))
        data = held.data if request.first is None else held.data[request.first : (request.last or 0) + 1]
        self.in_flight_bytes += len(data)
        self.most_bytes = max(self.most_bytes, self.in_flight_bytes)
        # Later ranges answer first, so that order has to be made by whoever reads.
        for _ in range(3 if (request.first or 0) % 2 == 0 else 1):
            await anyio.lowlevel.checkpoint()
        self.in_flight_bytes -= len(data)
        return Body(data, held.etag, len(held.data))

    def _held(self, ref: ObjectRef) -> Held:
        if ref not in self.objects:
            raise NotFound("it is not there", operation="HeadObject", ref=str(ref), code="NoSuchKey")
        return self.objects[ref]
