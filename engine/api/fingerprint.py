"""`fingerprint`: one figure for a tree, in S3 or in a local folder, so that two can be compared by two short lines."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import xxhash

from engine.api.load import home_folder, place_of
from engine.api.options import Options
from engine.api.watching import watched
from engine.at_once import each
from engine.errors import UsageError, one_error
from engine.events import Listener, Progress
from engine.listing.nearest import refuse_nothing
from engine.listing.ranges import listed_under
from engine.model import FILE_SITE, MIB, ListedObject, Location, ObjectRef
from engine.plan.integrity import is_md5
from engine.plan.locations import local_path
from engine.proof.digest import ByteReader
from engine.proof.fingerprint import Basis, Fingerprint, digest_of_etag
from engine.sites.opening import open_place
from engine.store import HeadObject, ObjectStore

if TYPE_CHECKING:
    from engine.folder.store import FolderStore


@watched
async def fingerprint(
    where: str | Location | Path, options: Options | None = None, *, basis: Basis = Basis.ETAG
) -> str:
    """One line for the tree at `where` ("s3://bucket/prefix/", one exact key, or a local folder): a figure that does
    not depend on order, the number of objects and bytes, and what the figure is over. Equal lines, equal trees.

    `Basis.ETAG` costs a listing, and one HEAD to know whether ETags are MD5s there; `Basis.BYTES` reads everything. Of
    a folder all is read for either. What lies in it and cannot be an object (a link, a pipe, a name that is no UTF-8)
    is no part of the figure: `Options.listener` hears an `ObjectAside` of each. Raises `UsageError` for a folder that
    is not there, `NothingThere` for a location that holds nothing, and `StoreError`."""
    options = options or Options()
    place = _place_of(where)
    async with one_error(), open_place(place, options) as opened:
        site = opened.site(place)
        if site.folder is not None:
            tree = await _of_folder(site.folder, place, basis, options.listener)
        else:
            tree = await of_location(site.store, place, basis, options.listener)
        if not tree.objects and not options.allow_empty and not place.is_local:
            await refuse_nothing(site.store, place)
        return tree.line


def _place_of(where: str | Location | Path) -> Location:
    """A local folder may be written without any sign of being one."""
    if isinstance(where, Location) or (isinstance(where, str) and where.startswith("s3://")):
        return place_of(where)
    path = Path(local_path(os.fspath(where), Path.cwd(), home_folder()))
    if not path.is_dir():
        raise UsageError(
            f"there is no folder {path}", advice="A location in S3 begins with s3://, as s3://bucket/prefix/."
        )
    return Location(path.as_posix(), "", FILE_SITE)


async def of_location(store: ObjectStore, location: Location, basis: Basis, listener: Listener) -> Fingerprint:
    """The fingerprint of everything that a listing gives."""
    tree = Fingerprint(basis)
    reading = _Reading(store, location, basis)
    async with listed_under(store, location) as batches:
        async for objects in batches:
            digests = await reading.digests(objects)
            for item in objects:
                tree.add(item.key[len(location.key) :], item.size, digests.get(item.key, ""))
            listener(_progress(tree, done=False))
    listener(_progress(tree, done=True))
    return tree


class _Reading:
    """Finds out what objects count with beside their key and size."""

    def __init__(self, store: ObjectStore, location: Location, basis: Basis) -> None:
        self._store = store
        self._location = location
        self._basis = basis
        self._reader = ByteReader(store)
        self._md5: bool | None = None

    async def digests(self, objects: list[ListedObject]) -> dict[str, str]:
        """The digest of each key that has one. Raises what reading an object raises."""
        if self._basis is Basis.SIZE:
            return {}
        if self._basis is Basis.BYTES:
            return await _read_page(self._reader, self._location, objects)
        digests = {item.key: digest for item in objects if (digest := digest_of_etag(item.etag))}
        if self._md5 is None and digests:
            head = await self._store.head_object(HeadObject(ObjectRef(self._location.bucket, next(iter(digests)))))
            self._md5 = is_md5(head.properties.encryption)
        return digests if self._md5 else {}


async def _read_page(reader: ByteReader, location: Location, objects: list[ListedObject]) -> dict[str, str]:
    async def read(item: ListedObject) -> tuple[str, str]:
        return item.key, (await reader.read(ObjectRef(location.bucket, item.key), item.etag, item.size)).xxh3

    return dict(await each(objects, read))


async def _of_folder(folder: FolderStore, location: Location, basis: Basis, listener: Listener) -> Fingerprint:
    """Every object that a folder stands for. A file's version is no digest: what is compared with S3's ETags has to be
    an MD5 of its bytes."""
    tree = Fingerprint(basis)
    async with listed_under(folder, location, listener) as batches:
        async for objects in batches:
            for item in objects:
                ref = ObjectRef(location.bucket, item.key)
                digest = ""
                if basis is not Basis.SIZE:
                    digest = await anyio.to_thread.run_sync(_digest, folder, ref, item, basis)
                tree.add(item.key[len(location.key) :], item.size, digest)
            listener(_progress(tree, done=False))
    listener(_progress(tree, done=True))
    return tree


def _digest(folder: FolderStore, ref: ObjectRef, item: ListedObject, basis: Basis) -> str:
    hasher: Any = hashlib.md5(usedforsecurity=False) if basis is Basis.ETAG else xxhash.xxh3_128()
    with folder.open_file(ref, item.etag) as file:
        file.read_in_order()
        for offset in range(0, file.size, MIB):
            hasher.update(file.read(offset, min(MIB, file.size - offset)))
        file.check_unchanged()
    return str(hasher.hexdigest())


def _progress(tree: Fingerprint, *, done: bool) -> Progress:
    return Progress.of_listing(tree.objects, tree.bytes, ended=done)
