"""An S3 that is nowhere: any number of objects of even names, listed and copied at the cost of making the answers.

It measures what the engine itself costs, with as many processes as there are cores and no server among them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any

from engine.bucket_facts import BucketFacts
from engine.model import CopyResult, ListedObject, Page
from engine.plan.document import Plan
from engine.sites.known import KnownTraits
from engine.sites.options import SiteOptions
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.store import AskBucket, CopyObject, ListPage

OBJECTS = "CARTAGE_BENCH_OBJECTS"
"""How many there are: in the environment, so that processes that are begun know it too."""

COPIED = "CARTAGE_BENCH_COPIED"
"""Set where the target has them all, as after a run."""

SOURCE = "source/"
TARGET = "target/"
SIZE_BYTES = 100_000
MODIFIED = "2026-01-31T10:00:00.000Z"
DIGITS = 12


def key_of(number: int) -> str:
    """The relative key of one of the objects."""
    return f"{number:0{DIGITS}}.jpg"


def etag_of(number: int) -> str:
    """Its ETag, of an MD5's form and as hard to compress."""
    return blake2b(number.to_bytes(8), digest_size=16).hexdigest()


class VirtualStore:
    """Answers what a run of server-side copies asks."""

    def __init__(self) -> None:
        self._objects = int(os.environ[OBJECTS])

    async def list_page(self, request: ListPage) -> Page:
        """The source has every object, the target none or, after a run, all."""
        under = SOURCE if request.prefix.startswith(SOURCE) else TARGET
        if under == TARGET and not os.environ.get(COPIED):
            return Page([])
        after = (request.token or request.start_after).removeprefix(under)
        first = self._after(after)
        end = min(first + request.max_keys, self._objects)
        found = [
            ListedObject(f"{under}{key_of(number)}", SIZE_BYTES, etag_of(number), MODIFIED)
            for number in range(first, end)
        ]
        return Page(found, found[-1].key if found and end < self._objects else None)

    def _after(self, key: str) -> int:
        """The first object after a relative key, which need not be one."""
        low, high = 0, self._objects
        while low < high:
            middle = (low + high) // 2
            if key_of(middle) > key:
                high = middle
            else:
                low = middle + 1
        return low

    async def copy_object(self, request: CopyObject) -> CopyResult:
        return CopyResult(request.source_etag or "", MODIFIED, ())

    def __getattr__(self, name: str) -> Any:
        """Decorators take every method of a store; a run of copies asks for no other."""
        if name.startswith("_"):
            raise AttributeError(name)

        async def unasked(request: Any) -> Any:
            raise NotImplementedError(f"{name}: {request}")

        return unasked

    async def bucket_facts(self, request: AskBucket) -> BucketFacts:
        return BucketFacts(request.bucket, "us-east-2")


@asynccontextmanager
async def open_virtual(plan: Plan, options: SiteOptions) -> AsyncIterator[Sites]:
    """Stands where `sites.opening.open_sites` stands."""
    store: Any = VirtualStore()
    yield Sites({"": Site("", "http://nowhere", store, KnownTraits(store, trusted=True))})
