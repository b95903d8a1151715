"""Carriers whose bytes pass through this machine, on fake stores and real folders, with small parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.events import Event
from engine.folder.store import FolderStore
from engine.model import (
    ABSENT,
    FILE_SITE,
    Checksum,
    CopyResult,
    ListedObject,
    Location,
    ObjectRef,
    Properties,
    UploadedPart,
)
from engine.plan import parts
from engine.plan.integrity import multipart_etag
from engine.plan.record import UploadRecord
from engine.plan.route import Route
from engine.sites.known import KnownTraits
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.store import CompleteUpload, ListPage, PutObject, UploadPart
from engine.transfer import passing, relay
from engine.transfer.carrier import Task
from engine.transfer.carriers import Carriers
from engine.transfer.passing import Passing
from tests.fake_store import FakeStore, Held, md5
from tests.unit.transfer.scene import NOW_MS, Journal

PART = 1000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "SMALL_BYTES", PART)
    monkeypatch.setattr(passing, "PART_BYTES", PART)
    monkeypatch.setattr(parts, "PART_BYTES", PART)
    monkeypatch.setattr(relay, "MIN_PART_BYTES", PART // 2)
    for module in (passing, relay):
        monkeypatch.setattr(module, "BUFFER_BYTES", 2 * PART)


async def at_once(attempt: int) -> None:
    return None


class SilentStore(FakeStore):
    """A server that knows no checksums, and says nothing of them."""

    def _put(self, request: PutObject) -> CopyResult:
        return super()._put(request._replace(checksum=None))

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        return super()._upload_part(request._replace(checksum=None))

    def _complete(self, request: CompleteUpload) -> CopyResult:
        return super()._complete(request._replace(checksum=None))


class Echoing(FakeStore):
    """A server that keeps other bytes than it is sent, compares nothing, and says again whatever checksum it was told.
    `opaque`: its ETags are no digests either."""

    def __init__(self, *, opaque: bool, hurts: bool = True) -> None:
        super().__init__(compares_sums=False, compares_whole=False, compares_md5=False)
        self._opaque = opaque
        self._hurts = hurts

    def _kept(self, body: bytes) -> bytes:
        return b"\1" + body[1:] if self._hurts else body

    def _etag(self, etag: str) -> str:
        return f"opaque-{len(self.requests)}" if self._opaque else etag

    def _put(self, request: PutObject) -> CopyResult:
        return self._named(request.ref, super()._put(request._replace(body=self._kept(request.body))))

    def _upload_part(self, request: UploadPart) -> UploadedPart:
        part = super()._upload_part(request._replace(body=self._kept(request.body)))
        part = part._replace(etag=self._etag(part.etag))
        self.uploads[request.upload.upload_id].parts[request.number] = part
        return part

    def _complete(self, request: CompleteUpload) -> CopyResult:
        return self._named(request.upload.target, super()._complete(request))

    def _named(self, ref: ObjectRef, result: CopyResult) -> CopyResult:
        etag = self._etag(result.etag)
        self.objects[ref].etag = etag
        return result._replace(etag=etag)


class Passes:
    """One carrier from `source` into `target`, for one object at a time."""

    def __init__(self, route: Route, sites: dict[str, Site], target: FakeStore) -> None:
        self.route = route
        self.target = target
        self.journal = Journal()
        self.events: list[Event] = []
        self.target.smallest_part = 1
        carriers = Carriers(Sites(sites), self.journal, self.events.append, lambda: NOW_MS, pause=at_once)
        self.queue = carriers.queue
        carrier = carriers.carrier_for(route)
        assert isinstance(carrier, Passing)
        self.carrier = carrier

    def held(self, key: str = "k") -> Held | None:
        return self.target.get(f"s3://bkt/new/{key}")

    def left(self) -> UploadRecord:
        """The upload that is under way, as the ledger knows it."""
        [(upload_id, _)] = self.target.uploads.items()
        [record] = [value for name, value in self.journal.log if name == "intend"][-1:]
        return record._replace(upload_id=upload_id)  # type: ignore[no-any-return]


class UploadScene(Passes):
    """A folder's files into a bucket."""

    def __init__(self, folder: Path, target: FakeStore | None = None, *, trusted: bool = True, **rules: Any) -> None:
        target = target if target is not None else FakeStore()
        self.folder = folder
        self.files = FolderStore()
        files = Site(FILE_SITE, "", self.files, KnownTraits(self.files, trusted=True), folder=self.files)
        far = Site("", "http://fake", target, KnownTraits(target, trusted=trusted))
        route = Route("r", Location(str(folder), "", FILE_SITE), Location("bkt", "new/"), **rules)
        super().__init__(route, {"": far, FILE_SITE: files}, target)

    def write(self, body: bytes, key: str = "k") -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    async def task(self, key: str = "k", *, condition: str = ABSENT, **more: Any) -> Task:
        """A task for the file as it is listed now."""
        listed = (await self.files.list_page(ListPage(str(self.folder)))).objects
        [source] = [item for item in listed if item.key == key]
        return Task(self.route, key, source, condition, **more)


class RelayScene(Passes):
    """Objects of one store into another."""

    def __init__(self, target: FakeStore | None = None, *, trusted: bool = True, **rules: Any) -> None:
        target = target if target is not None else FakeStore()
        self.source = FakeStore()
        near = Site("", "http://near", self.source, KnownTraits(self.source, trusted=True))
        far = Site("far", "http://far", target, KnownTraits(target, trusted=trusted))
        route = Route("r", Location("bkt", "old/"), Location("bkt", "new/", "far"), **rules)
        super().__init__(route, {"": near, "far": far}, target)

    def put(self, body: bytes, *, properties: Properties | None = None, checksums: tuple[Checksum, ...] = ()) -> Held:
        return self.source.put("s3://bkt/old/k", body, properties=properties or Properties(), checksums=checksums)

    def put_parts(self, body: bytes, *sizes: int) -> Held:
        """The source as it would be after an upload of parts of these sizes."""
        etags, first = [], 0
        for size in sizes:
            etags.append(md5(body[first : first + size]))
            first += size
        parts = tuple(zip(etags, sizes, strict=True))
        return self.source.put("s3://bkt/old/k", body, etag=multipart_etag(etags), parts=parts)

    def task(self, *, condition: str = ABSENT, **more: Any) -> Task:
        held = self.source.get("s3://bkt/old/k")
        assert held is not None
        checksum = f"{held.checksums[0].algorithm}:{held.checksums[0].type}" if held.checksums else ""
        source = ListedObject("old/k", held.size, held.etag, held.modified, checksum=checksum)
        return Task(self.route, "k", source, condition, **more)


__all__ = ["PART", "Echoing", "Passes", "RelayScene", "SilentStore", "UploadScene", "small_parts"]
