"""`FolderStore`: local folders as an `ObjectStore`. The bucket of a request is a folder's absolute path, the key is
what lies under it, with `/`.

What a folder has, it answers as S3 would: listings in the order of UTF-8 bytes, to be taken up after any key; HEAD;
ranges; writes and deletes under conditions. An ETag is a file's version (`engine.folder.versions`), an `OpaqueEtag`.
What it has not is `Unsupported`: copies on the server, uploads in parts (files are written by `publisher`), tags, ACLs.

Differences that show: deleting the last file of a directory removes the directory too, as a prefix is gone with its
last object; HEAD of `a/` is that of the directory, whether it is empty or not; a page may bear `unlisted`, what lies
there and cannot be an object.

Every call is one trip to a thread, of which there are few; a page or a batch is one call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple, overload

import anyio
import anyio.to_thread

from engine import freshness
from engine.bodies import with_body
from engine.bucket_facts import BucketFacts
from engine.errors import Rejected, StoreError, UsageError
from engine.folder import mounts, system
from engine.folder.apart import is_one_file
from engine.folder.carried import is_link, mode_of, mtime_of
from engine.folder.deleting import Unlinked, delete
from engine.folder.durable import Synced, Undurable, make_durable
from engine.folder.lacking import Lacking, unsupported
from engine.folder.leftovers import Swept
from engine.folder.making import Identity
from engine.folder.misnaming import misnames_below, nearest
from engine.folder.names import fault_of, fault_of_object
from engine.folder.owned import Owned
from engine.folder.paging import Walks, token_of
from engine.folder.publishing import Publisher
from engine.folder.reading import OpenedFile, head_of, standing
from engine.folder.refusals import changed, misnamed, missing, told
from engine.folder.roots import HAS_DESCRIPTORS, Root
from engine.folder.streaming import check_body, fill, pour
from engine.folder.unfinished import Published, Unfinished
from engine.folder.versions import moment_of, version_at
from engine.folder.walking import USUAL, Manner, Position, Shut, Spared, listed
from engine.model import CopyResult, DeleteFailure, DeleteReport, Durability, ObjectHead, ObjectRef, Page, UploadedPart
from engine.plan.misnamed import Misnames
from engine.store import (
    AskBucket,
    Body,
    DeleteObject,
    DeleteObjects,
    Fetched,
    GetRange,
    HeadObject,
    ListPage,
    ObjectStore,
    PutObject,
    Request,
    UploadPart,
)
from engine.windows import WINDOW_BYTES, Sink, Source

Asked = TypeVar("Asked", bound=Request)
Answered = TypeVar("Answered")
Arguments = TypeVarTuple("Arguments")

THREADS = 8
"""Calls that may be with the system at once."""


class Room(NamedTuple):
    """How many bytes are free on a disk, and files that it can have yet, and which disk it is. `with_others`: those of
    the disks that are mounted below the folder are counted in, since which files come onto which of them is not
    known."""

    disk: int
    free_bytes: int
    free_files: int
    with_others: bool = False


class FolderStore(Lacking, ObjectStore):
    """Local folders.

    Raises `UsageError` where the system cannot keep a path inside a folder."""

    def __init__(
        self, manner: Manner = USUAL, *, durability: Durability = "object", owned: Owned | None = None
    ) -> None:
        if not HAS_DESCRIPTORS:
            raise UsageError(
                "Local folders cannot be used on this system: it cannot open files below a directory's descriptor, "
                "without which a key could lead out of the folder."
            )
        self.manner = manner
        self._durability: Durability = durability
        self._owned = owned
        self._may_be_missing: set[str] = set()
        self._opposite: dict[str, set[str]] = {}
        self._kept: dict[str, set[str]] = {}
        self._roots: dict[str, Root] = {}
        self._publishers: dict[str, Publisher] = {}
        self._walks = Walks(manner)
        self._unlinked = Unlinked()
        self._lock = threading.Lock()
        self._limiter: anyio.CapacityLimiter | None = None

    def root(self, bucket: str) -> Root:
        """The folder at an absolute path."""
        root = self._roots.get(bucket)
        if root is not None:
            return root
        if not Path(bucket).is_absolute():
            raise UsageError(f"A folder is named by its absolute path, which {bucket!r} is not.")
        return self._roots.setdefault(bucket, Root(bucket, self._owned))

    def publisher(self, bucket: str) -> Publisher:
        """What writes files into a folder."""
        publisher = self._publishers.get(bucket)
        if publisher is not None:
            return publisher
        return self._publishers.setdefault(bucket, Publisher(self.root(bucket), self._durability))

    @property
    def syncs(self) -> bool:
        """Whether what is written is on the disk itself when its call ends."""
        return self._durability == "object"

    def may_be_missing(self, bucket: str) -> None:
        """Of a target's folder: where it was never there it is an empty one, and made with its first file. One that was
        there and is gone is an error all the same."""
        self._may_be_missing.add(bucket)

    def is_target(self, bucket: str) -> None:
        """Of a folder that objects come into: a marker `dir/` is there once its directory is, whatever is in it."""
        self._walks.is_target(bucket)

    def leaves_out(self, bucket: str, spared: Spared) -> None:
        """As `Walks.leaves_out`: a directory there that may not be read is passed by, and ends no listing."""
        self._walks.leaves_out(bucket, spared)

    def keep_directories(self, bucket: str, keys: Collection[str]) -> None:
        """Have these (`a/b/`) too stay when their last file is deleted: they are objects themselves."""
        self._kept.setdefault(bucket, set()).update(keys)

    def are_opposite(self, one: str, other: str) -> None:
        """Of a route's two folders: neither is part of the other's listing, by whatever link or mount it lies there."""
        if one != other:
            self._opposite.setdefault(one, set()).add(other)
            self._opposite.setdefault(other, set()).add(one)

    def must_be_there(self, bucket: str) -> None:
        """Of a folder that a ledger is bound to: where it is missing, that is an error and no empty folder."""
        self._may_be_missing.discard(bucket)
        self.root(bucket).is_bound = True

    def _is_yet_to_be(self, root: Root) -> bool:
        return root.path in self._may_be_missing and not root.exists()

    async def sweep(self, bucket: str, prefix: str, *, remove: bool) -> Swept:
        """What the listings of a target met of files that earlier runs did not finish: removed where that is safe and
        `remove` says so."""
        sweep = partial(self._walks.leftovers(bucket).sweep, remove=remove)
        return await self._in_thread(sweep, self.root(bucket), prefix, self.manner.now_ns())

    async def room(self, bucket: str) -> Room:
        """What the folder's disk has left for this user; of a folder that is yet to be made, its nearest parent's."""
        return await self._do(self._room, AskBucket(bucket))

    def _room(self, request: AskBucket) -> Room:
        root, bucket = self.root(request.bucket), request.bucket
        if self._is_yet_to_be(root):
            place = nearest(bucket)
            return Room(place.stat().st_dev, system.free_bytes(place), system.free_files(place))
        descriptor = root.descriptor()
        disk = os.fstat(descriptor).st_dev
        others: dict[int, Path] = {}
        for path in map(Path, map(os.fsdecode, mounts.below(bucket))):
            with suppress(OSError):  # it is hidden by another mount
                others[path.stat().st_dev] = path
        places: list[int | Path] = [descriptor, *(path for device, path in others.items() if device != disk)]
        free_bytes, free_files = sum(map(system.free_bytes, places)), sum(map(system.free_files, places))
        return Room(disk, free_bytes, free_files, len(places) > 1)

    async def misnames(self, bucket: str, prefix: str) -> Misnames:
        """As `engine.folder.misnaming`, whether the folder is made yet or not."""

        def ask(request: AskBucket) -> Misnames:
            root = self.root(request.bucket)
            return misnames_below(root, prefix, made=not self._is_yet_to_be(root))

        return await self._do(ask, AskBucket(bucket))

    def open_file(self, ref: ObjectRef, if_match: str | None = None) -> OpenedFile:
        """A file to be read as a source, pinned to a version. Blocks: it belongs in a thread."""
        return OpenedFile(self.root(ref.bucket), ref.key, self.manner, if_match=if_match)

    async def is_one(self, source: ObjectRef, target: ObjectRef) -> bool:
        """Whether a source and its target are one file by two names, so that to delete the one is to delete both."""
        one, other = ((self.root(ref.bucket), ref.key) for ref in (source, target))
        return await self._in_thread(partial(is_one_file, follow=self.manner.links == "follow"), one, other)

    async def make_durable(self, bucket: str, keys: Sequence[str], synced: Synced) -> Undurable:
        """As `engine.folder.durable`: what was `synced` since nothing was written is kept there from call to call."""
        sync = partial(make_durable, follow=self.manner.links == "follow")
        return await self._in_thread(sync, self.root(bucket), keys, synced)

    def close(self) -> None:
        """Let go of what listings and folders hold open."""
        with self._lock:
            self._walks.close()
            for root in list(self._roots.values()):
                root.close()

    # --- listing ----------------------------------------------------------------------------------------------------

    async def list_page(self, request: ListPage) -> Page:
        return await self._do(self._list, request)

    def _list(self, request: ListPage) -> Page:
        _sending(request, request.prefix)
        if request.delimiter not in ("", "/"):
            raise unsupported(request, "delimiter other than /")
        root = self.root(request.bucket)
        if self._is_yet_to_be(root):
            return Page([])
        exact = None
        if request.max_keys == 1 and not request.start_after and request.token is None:
            exact = self._exact(root, request)
        return self._unlinked.shown(exact or self._walks.page(root, request, self._shut_to(request.bucket)))

    def _shut_to(self, bucket: str) -> Shut | None:
        """What the listing of a folder does not go into: those that its routes lead to or come from, and what is
        theirs by a second mount."""
        roots = [self.root(name) for name in self._opposite.get(bucket, ())]
        mounted: set[Identity] | None = None

        def is_shut(identity: Identity) -> bool:
            nonlocal mounted
            if mounted is None:
                mounted = set().union(*(mounts.shared(bucket, root.path) for root in roots))
            # Asked each time: a target may be made while its source is listed.
            found = (os.fstat(root.descriptor()) for root in roots if not self._is_yet_to_be(root))
            return identity in mounted or any((status.st_dev, status.st_ino) == identity for status in found)

        return is_shut if roots else None

    def _exact(self, root: Root, request: ListPage) -> Page | None:
        """The first key with a prefix is that very key, where there is such a file: found without reading the directory
        it lies in. None where there is not."""
        key = request.prefix
        if not key or key.endswith("/") or fault_of(key) is not None:
            return None
        try:
            status = standing(root, key, self.manner, request.operation)
        except StoreError:
            return None  # the listing says what lies there instead
        # A longer key may follow: whether it does is not known without reading on, and the token costs nothing.
        return Page([listed(key, status, self.manner.now_ns())], token_of(Position(key), None))

    # --- one object -------------------------------------------------------------------------------------------------

    async def head_object(self, request: HeadObject) -> ObjectHead:
        return await self._do(self._head, request)

    def _head(self, request: HeadObject) -> ObjectHead:
        ref = request.ref
        _sending(request, ref.key)
        root = self.root(ref.bucket)
        if self._is_yet_to_be(root):
            raise missing(request.operation, root.shown(ref.key))
        status = standing(root, ref.key, self.manner, request.operation)
        now_ns = self.manner.now_ns()
        head = head_of(ref.key, status, now_ns, version_at(status, now_ns))
        named = self._unlinked.as_named(head.etag)
        return head if named == head.etag else head._replace(etag=named)

    async def get_range(self, request: GetRange) -> Body:
        return await self._do(self._get, request)

    def _get(self, request: GetRange) -> Body:
        file, first, length = self._opened(request)
        with file:
            data = file.read(first, length)
            file.check_unchanged()
            return Body(data, file.version, file.size)

    async def fetch_into(self, request: GetRange, sink: Sink) -> Fetched:
        sink.restart()
        file, first, length = await self._do(self._opened, request)
        with file:
            await pour(file, first, length, sink, self._in_thread)
            head = file.head()
            return Fetched(file.version, file.size, lambda: head)

    def _opened(self, request: GetRange) -> tuple[OpenedFile, int, int]:
        """The file, open, and which of its bytes are asked for. They come from the disk: whoever asks a store for bytes
        that it could open as a file wants to know what is there."""
        ref = request.ref
        _sending(request, ref.key)
        file = self.open_file(ref, request.if_match)
        try:
            if request.size is not None and request.size != file.size:
                raise changed(request.operation, file.path, f"its size is {file.size:,} now")
            first = request.first or 0
            last = file.size - 1 if request.last is None else min(request.last, file.size - 1)
            if request.first is not None and first >= file.size:
                message = f"it has {file.size:,} bytes, and none at {first:,}"
                raise Rejected(message, operation=request.operation, ref=file.path, code="InvalidRange")
            file.forget_cached(first, last - first + 1)
        except BaseException:
            file.close()
            raise
        return file, first, last - first + 1

    async def put_object(self, request: PutObject) -> CopyResult:
        return await self._do(self._put, request)

    def _put(self, request: PutObject) -> CopyResult:
        ref, condition = request.ref, request.target_condition
        publisher = self.publisher(ref.bucket)
        publisher.check(ref.key)
        _sending(request, ref.key)
        if ref.key.endswith("/"):
            if fault := fault_of_object(ref.key, len(request.body), publisher.limits()):
                raise misnamed(request.operation, publisher.root.shown(ref.key), fault)
            done = publisher.make_directory(ref.key)
        elif self._is_link(request):
            done = publisher.put_link(ref.key, request.body, condition=condition)
        else:
            check_body(request)
            with publisher.begin(ref.key, len(request.body)) as file, file.discarded_on_error():
                file.write(request.body, 0)
                done = self._publish(file, request)
        return CopyResult(done.version, moment_of(done.modified_ns))

    @overload
    async def send_from(self, request: PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: UploadPart, source: Source) -> UploadedPart: ...
    async def send_from(self, request: PutObject | UploadPart, source: Source) -> CopyResult | UploadedPart:
        if isinstance(request, UploadPart):
            raise unsupported(request, request.operation)
        if source.length <= WINDOW_BYTES or request.ref.key.endswith("/") or self._is_link(request):
            return await self.put_object(await with_body(request, source))
        file = await self._in_thread(self.publisher(request.bucket).begin, request.ref.key, source.length)
        with file, file.discarded_on_error():
            await fill(file, source, request, self._in_thread)
            done = await self._in_thread(self._publish, file, request)
            return CopyResult(done.version, moment_of(done.modified_ns))

    def _is_link(self, request: PutObject) -> bool:
        return self.manner.links == "keep" and is_link(request.properties)

    def _publish(self, file: Unfinished, request: PutObject) -> Published:
        _sending(request, request.ref.key, ending=True)
        return file.publish(request.target_condition, mtime_of(request.properties), mode_of(request.properties))

    # --- deleting ---------------------------------------------------------------------------------------------------

    async def delete_object(self, request: DeleteObject) -> bool:
        await self._do(self._delete_one, request)
        return False

    def _delete_one(self, request: DeleteObject) -> None:
        self._delete(request.ref, request.if_match, request.operation)

    async def delete_objects(self, request: DeleteObjects) -> DeleteReport:
        return await self._do(self._delete_all, request)

    def _delete_all(self, request: DeleteObjects) -> DeleteReport:
        deleted: list[str] = []
        failed: list[DeleteFailure] = []
        for key, if_match in request.keys:
            try:
                self._delete(ObjectRef(request.bucket, key), if_match, request.operation)
            except StoreError as error:
                if error.scope != "object":
                    raise
                failed.append(DeleteFailure(key, error.code, error.message))
            else:
                deleted.append(key)
        return DeleteReport(tuple(deleted), tuple(failed))

    def _delete(self, ref: ObjectRef, if_match: str | None, operation: str) -> None:
        kept = self._kept.get(ref.bucket, ())
        delete(self.root(ref.bucket), ref.key, if_match, operation, self.manner, self._unlinked, kept)
        with self._lock:
            if publisher := self._publishers.get(ref.bucket):
                publisher.directories.forget()  # some may be gone with their last file

    # --- the folder -------------------------------------------------------------------------------------------------

    async def bucket_facts(self, request: AskBucket) -> BucketFacts:
        return await self._do(self._facts, request)

    def _facts(self, request: AskBucket) -> BucketFacts:
        """`owner_id` is the folder's identity. The clock is this machine's own."""
        bucket = request.bucket
        _sending(request, "")
        root = self.root(bucket)
        identity = "" if self._is_yet_to_be(root) else root.identity()
        now_s = self.manner.now_ns() / 1e9
        return BucketFacts(
            bucket,
            region="",
            owner_id=identity,
            date=formatdate(now_s, usegmt=True),
            server="folder",
            date_s=now_s,
            came_s=freshness.running_s(),
        )

    # --- how ---------------------------------------------------------------------------------------------------------

    async def _do(self, act: Callable[[Asked], Answered], request: Asked) -> Answered:
        """Have it done in a thread. What has begun there ends there, also where whoever waits is cancelled."""
        return await self._in_thread(_told, act, request)

    async def _in_thread(self, act: Callable[[*Arguments], Answered], *arguments: *Arguments) -> Answered:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS)
        return await anyio.to_thread.run_sync(act, *arguments, limiter=self._limiter)


def _sending(request: Request, key: str, *, ending: bool = False) -> None:
    """Called in the thread, just before the system is asked: nothing waits in between."""
    freshness.sending(request.operation, f"{request.bucket}/{key}", ending=ending)


def _told(act: Callable[[Asked], Answered], request: Asked) -> Answered:
    """What `act` answers; whatever the system refuses of the folder itself as an error of the tree."""
    try:
        return act(request)
    except OSError as error:
        raise told(error, request.operation, request.bucket, writing=not request.reads) from error
