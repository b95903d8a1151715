"""`fingerprint`: one figure for a tree, in S3 or in a local folder, so that two can be compared by two short lines."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import xxhash

from engine.api.load import home_folder
from engine.api.options import Options
from engine.errors import UsageError, one_error
from engine.events import Listener, Progress
from engine.listing.nearest import refuse_nothing
from engine.listing.whole import listed_under
from engine.model import MIB, ListedObject, Location, ObjectRef
from engine.plan.integrity import is_md5
from engine.plan.locations import local_path, parse_location
from engine.plan.settings import Connection
from engine.proof.digest import ByteReader
from engine.proof.fingerprint import Basis, Fingerprint, digest_of_etag
from engine.sites.opening import open_site
from engine.store import HeadObject, ObjectStore


async def fingerprint(
    where: str | Location | Path, options: Options | None = None, *, basis: Basis = Basis.ETAG
) -> str:
    """One line for the tree at `where` ("s3://bucket/prefix/", one exact key, or a local folder): a figure that does
    not depend on order, the number of objects and bytes, and what the figure is over. Equal lines, equal trees.

    `Basis.ETAG` costs a listing, and one HEAD to know whether ETags are MD5s there; `Basis.BYTES` reads everything.
    Raises `UsageError` for a folder that is not there, `NothingThere` for a location that holds nothing, and
    `StoreError`."""
    options = options or Options()
    place = _place_of(where)
    if isinstance(place, Location) and place.is_local:
        place = Path(place.bucket, place.key)
    if isinstance(place, Path):
        return (await anyio.to_thread.run_sync(_of_folder, place, basis)).line
    async with one_error(), open_site(Connection(), options) as opened:
        tree = await of_location(opened.store, place, basis, options.listener)
        if not tree.objects and not options.allow_empty:
            await refuse_nothing(opened.store, place)
        return tree.line


def _place_of(where: str | Location | Path) -> Location | Path:
    if not isinstance(where, str):
        return where
    return parse_location(where) if where.startswith("s3://") else Path(local_path(where, Path.cwd(), home_folder()))


async def of_location(store: ObjectStore, location: Location, basis: Basis, listener: Listener) -> Fingerprint:
    """The fingerprint of everything that a listing gives."""
    tree = Fingerprint(basis)
    reading = _Reading(store, location, basis)
    async with listed_under(store, location) as batches:
        async for objects in batches:
            digests = await reading.digests(objects)
            for item in objects:
                tree.add(item.key[len(location.key) :], item.size, digests.get(item.key, ""))
            listener(_progress(tree))
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
    digests: dict[str, str] = {}

    async def one(item: ListedObject) -> None:
        digests[item.key] = (await reader.read(ObjectRef(location.bucket, item.key), item.etag, item.size)).xxh3

    async with anyio.create_task_group() as group:
        for item in objects:
            group.start_soon(one, item)
    return digests


def _of_folder(folder: Path, basis: Basis) -> Fingerprint:
    """Files alone, by their path with slashes; links are not followed. Not by way of a site: a file's version there is
    no digest, and what is compared with S3's ETags has to be an MD5 of its bytes."""
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}", advice="A location in S3 begins with s3://, as s3://bucket/prefix/."
        )
    make: dict[Basis, Callable[[], Any]] = {Basis.ETAG: hashlib.md5, Basis.BYTES: xxhash.xxh3_128}
    tree = Fingerprint(basis)
    for path, size in _files(folder):
        digest = ""
        if basis in make:
            hasher = make[basis]()
            with path.open("rb") as file:
                while data := file.read(MIB):
                    hasher.update(data)
            digest = hasher.hexdigest()
        tree.add(path.relative_to(folder).as_posix(), size, digest)
    return tree


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    for parent, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path, path.stat().st_size


def _raise(error: OSError) -> None:
    """A folder that may not be read would make a smaller figure, which nobody could tell from a right one."""
    raise error


def _progress(tree: Fingerprint) -> Progress:
    return Progress.of_listing(tree.objects, tree.bytes)
