"""`fingerprint`: one figure for a tree, in S3 or in a local folder, so that two can be compared by two short lines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import xxhash

from engine.api.load import home_folder, place_of
from engine.api.options import Options
from engine.api.watching import watched
from engine.at_once import each
from engine.errors import UsageError
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

Digests = Callable[[list[ListedObject]], Awaitable[dict[str, str]]]
"""Finds out what objects count with beside their key and size, by key. Raises what reading an object raises."""


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
    async with open_place(place, options) as opened:
        site = opened.site(place)
        tree = await of_location(site.store, place, basis, options.listener, site.folder)
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


async def of_location(
    store: ObjectStore, location: Location, basis: Basis, listener: Listener, folder: FolderStore | None = None
) -> Fingerprint:
    """The fingerprint of everything that a listing gives; `folder` is the local one that `location` is in."""
    tree = Fingerprint(basis)
    digests_of: Digests = _ETags(store, location.bucket).digests
    if folder is not None:
        digests_of = partial(_digests_of_files, folder, location.bucket, basis)
    elif basis is Basis.BYTES:
        digests_of = partial(_digests_of_bytes, ByteReader(), store, location.bucket)
    async with listed_under(store, location, listener) as batches:
        async for objects in batches:
            digests = await digests_of(objects) if basis is not Basis.SIZE else {}
            for item in objects:
                tree.add(item.key[len(location.key) :], item.size, digests.get(item.key, ""))
            listener(Progress.of_listing(tree.objects, tree.bytes))
    listener(Progress.of_listing(tree.objects, tree.bytes, ended=True))
    return tree


class _ETags:
    """ETags of objects, where they are MD5s."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket
        self._md5: bool | None = None

    async def digests(self, objects: list[ListedObject]) -> dict[str, str]:
        digests = {item.key: digest for item in objects if (digest := digest_of_etag(item.etag))}
        if self._md5 is None and digests:
            head = await self._store.head_object(HeadObject(ObjectRef(self._bucket, next(iter(digests)))))
            self._md5 = is_md5(head.properties.encryption)
        return digests if self._md5 else {}


async def _digests_of_bytes(
    reader: ByteReader, store: ObjectStore, bucket: str, objects: list[ListedObject]
) -> dict[str, str]:
    async def read(item: ListedObject) -> tuple[str, str]:
        return item.key, (await reader.read(store, ObjectRef(bucket, item.key), item.etag, item.size)).xxh3

    return dict(await each(objects, read))


async def _digests_of_files(
    folder: FolderStore, bucket: str, basis: Basis, objects: list[ListedObject]
) -> dict[str, str]:
    """A file's version is no digest: what is compared with S3's ETags has to be an MD5 of its bytes."""
    return {item.key: await anyio.to_thread.run_sync(_digest, folder, bucket, item, basis) for item in objects}


def _digest(folder: FolderStore, bucket: str, item: ListedObject, basis: Basis) -> str:
    hasher: Any = hashlib.md5(usedforsecurity=False) if basis is Basis.ETAG else xxhash.xxh3_128()
    with folder.open_file(ObjectRef(bucket, item.key), item.etag) as file:
        file.read_in_order()
        for offset in range(0, file.size, MIB):
            hasher.update(file.read(offset, min(MIB, file.size - offset)))
        file.check_unchanged()
    return str(hasher.hexdigest())
