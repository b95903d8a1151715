"""Sources that are listed by a file in place of ListObjects: a list of keys, or an S3 Inventory.

`ListedKeys` gives what the file names, page by page and in key order. What the file names is sorted once and kept
(`engine.listing.sorted_keys`) for as long as the file is the same: memory does not grow with it, and who wants a range
of it reads no more. What it does not say of a key (a list of keys says nothing more) costs a HEAD.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from engine.at_once import each
from engine.errors import ObjectError, PlanError, refused_as
from engine.events import ObjectAside
from engine.listing.inventory_tables import table_rows
from engine.listing.key_rows import Inventory, InventoryFile, InventoryLines, KeyLines, KeyRow, read_manifest
from engine.listing.lister import KeyRange
from engine.listing.sorted_keys import ENDING, KeySorter, PagesOnDisk, SortedKeys
from engine.model import MIB, UNKNOWN_SIZE, ListedObject, Location, ObjectRef, Page, Unlisted
from engine.plan.document import Plan
from engine.plan.route import KeyList, Route
from engine.store import GetRange, HeadObject, StoreOf, head_or_none

CHUNK_BYTES = MIB
GET_BYTES = 8 * MIB
HEADS_AT_ONCE = 64
LONGEST_MANIFEST_BYTES = 64 * MIB
SETTLED_AFTER_S = 2.0
"""A file that changed less long ago may change again without its times showing it: FAT counts in two seconds."""


class ListedKeys(PagesOnDisk):
    """One route's list of keys, or its inventory, as a `Lister`. `missing` holds the keys of a list that S3 was asked
    for and does not have (of an inventory, which is old, they are gone like any); those that it refuses to show are
    `unlisted`, which is not to be absent.

    Everything that one command concludes rests on one reading of the file: it is looked at once, at the first question,
    and sorted where that was not done before, into `folder`. `sorted_at` is the outcome of another process of the same
    command, which is not asked about the file again unless it was removed meanwhile."""

    def __init__(
        self,
        store_of: StoreOf,
        plan: Plan,
        route: Route,
        key_list: KeyList,
        folder: Path,
        sorted_at: Path | None,
    ) -> None:
        super().__init__(route.source, route.selection.takes_key)
        self.missing: set[str] = set()
        self._store_of = store_of
        self._route = route.name
        self._takes = route.selection.takes_key
        self._list = key_list
        self._where: Location | Path = key_list.location or Path(key_list.at or plan.local_path(key_list.path))
        self._folder = folder if sorted_at is None else sorted_at.parent
        self._sorted_at = sorted_at
        self._name = ""
        self._lasting = sorted_at is not None
        self._reading = anyio.Lock()
        self._heads = anyio.CapacityLimiter(HEADS_AT_ONCE)
        self._sorted: SortedKeys | None = None
        self._body: bytes | None = None

    @property
    def name(self) -> str:
        """The list as the plan names it."""
        return str(self._list)

    @property
    def is_inventory(self) -> bool:
        return self._list.kind == "inventory"

    async def digest(self) -> str:
        """SHA-256 of what the list says, whatever the order and the line ends of a list of keys are: of its keys, each
        ended by a NUL; or of an inventory's manifest, which holds a digest of each of its files."""
        if self.is_inventory:
            return hashlib.sha256(await self._manifest()).hexdigest()
        return (await self._rows()).about.digest

    async def without(self, relative: Sequence[str]) -> list[str]:
        """Those of these relative keys that the list does not name."""
        rows = await self._rows()
        cut, named = len(self.location.key), [self.location.key + key for key in relative]
        return [key[cut:] for key in await anyio.to_thread.run_sync(rows.without, named)]

    async def cuts(self, keys: KeyRange, parts: int) -> list[str]:
        """Relative keys at which a range of the list falls into at most so many parts of about as many keys each."""
        prefix = self.location.key
        upto = None if keys.upto is None else prefix + keys.upto
        found = await anyio.to_thread.run_sync((await self._rows()).cuts, parts, prefix + (keys.after or ""), upto)
        return [key[len(prefix) :] for key in found]

    async def sorted_at(self) -> Path:
        """Where what it names is kept in order."""
        return (await self._rows()).path

    def close(self) -> None:
        if self._sorted is not None:
            self._sorted.close()
            if not self._lasting:
                self._sorted.path.unlink(missing_ok=True)

    async def _page(self, after: str, upto: str | None, limit: int) -> Page:
        """Raises `PlanError`, and what reading the file and asking S3 raise."""
        found = await anyio.to_thread.run_sync((await self._rows()).after, after, limit, upto)
        seen = await self._seen(found)
        objects = [item for item in seen if isinstance(item, ListedObject)]
        refused = tuple(item for item in seen if isinstance(item, Unlisted))
        return Page(objects, found[-1].key if len(found) == limit else None, unlisted=refused)

    async def _rows(self) -> SortedKeys:
        async with self._reading:
            if self._sorted is None:
                self._sorted = await self._open()
            return self._sorted

    async def _open(self) -> SortedKeys:
        if self._sorted_at is not None:
            with suppress(LookupError):
                return await anyio.to_thread.run_sync(SortedKeys, self._sorted_at)
        name = await self.file_name()
        with suppress(LookupError):
            return await anyio.to_thread.run_sync(SortedKeys, self._folder / name)
        sorter = await anyio.to_thread.run_sync(KeySorter, self._folder)
        try:
            await self._read(sorter)
            path = await anyio.to_thread.run_sync(sorter.done, name)
        except BaseException:
            sorter.give_up()
            raise
        return await anyio.to_thread.run_sync(SortedKeys, path)

    async def file_name(self) -> str:
        """What the file of its keys in order is called: anew for each version of the list."""
        if not self._name:
            version = await self._version()
            self._lasting = version is not None
            self._name = f"{_short(self._route)}-{_short(version or secrets.token_hex(8))}{ENDING}"
        return self._name

    async def _version(self) -> str | None:
        """What tells the file from the same one changed; None where nothing does, so that what is sorted can be used by
        this command alone."""
        source = (str(self._where), self.location.key)
        if self.is_inventory:
            body = await self._manifest()
            files = read_manifest(str(self._list), body, self.location.bucket).files
            known = hashlib.sha256(body).hexdigest() if all(file.md5 for file in files) else None
        elif isinstance(self._where, Path):
            known = await _version_on_disk(self._where)
        else:
            head = await self._store_of(self._where).head_object(_head_of(self._where))
            known = json.dumps((head.etag, head.size, head.modified))
        return None if known is None else json.dumps((*source, known))

    # --- what the file does not say ---------------------------------------------------------------------------

    async def _seen(self, rows: Sequence[KeyRow]) -> Sequence[ListedObject | Unlisted | None]:
        """What each row names; None for what is not there, and for what the route's patterns leave out unasked."""
        found: list[ListedObject | Unlisted | None] = [
            ListedObject(*row) if row.size != UNKNOWN_SIZE else None for row in rows
        ]
        cut = len(self.location.key)
        asked = [at for at, row in enumerate(rows) if row.size == UNKNOWN_SIZE and self._takes(row.key[cut:])]
        for at, seen in zip(asked, await each([rows[at].key[cut:] for at in asked], self.look), strict=True):
            found[at] = seen
            if seen is None and not self.is_inventory:
                self.missing.add(rows[at].key)
        return found

    async def look(self, relative: str) -> ListedObject | Unlisted | None:
        """What stands at a relative key now; None for what is not there. Raises errors of scope `run`."""
        key = self.location.key + relative
        async with self._heads:
            asked = HeadObject(ObjectRef(self.location.bucket, key), checksums=True)
            try:
                head = await head_or_none(self._store_of(self.location), asked)
            except ObjectError as error:  # of this key alone: the others go on
                return Unlisted(key, ObjectAside.UNSEEN, error.advised)
        if head is None:
            return None
        checksum = next((f"{item.algorithm}:{item.type}" for item in head.checksums), "")
        storage_class = head.properties.storage_class
        return ListedObject(key, head.size, head.etag, head.modified, storage_class, checksum, head.restore)

    # --- reading the file -------------------------------------------------------------------------------------

    async def _read(self, rows: KeySorter) -> None:
        if not self.is_inventory:
            lines = KeyLines(str(self._list), self.location.key)
            async for data in self._chunks(self._where):
                await anyio.to_thread.run_sync(rows.add, await anyio.to_thread.run_sync(lines.feed, data))
            rows.add(lines.close())
        else:
            inventory = read_manifest(str(self._list), await self._manifest(), self.location.bucket)
            for file in inventory.files:
                await self._read_data(rows, inventory, file)

    async def _manifest(self) -> bytes:
        if self._body is None:
            self._body = b"".join([data async for data in self._chunks(self._where, LONGEST_MANIFEST_BYTES)])
        return self._body

    async def _read_data(self, rows: KeySorter, inventory: Inventory, file: InventoryFile) -> None:
        if inventory.form != "CSV":
            path = self._folder / f"{secrets.token_hex(8)}.table"
            try:
                await self._read_table(path, rows, inventory, file)
            finally:
                path.unlink(missing_ok=True)
            return
        lines = InventoryLines(inventory, file, self.location.key)

        def add(data: bytes) -> None:
            for batch in lines.feed(data):
                rows.add(batch)

        async for data in self._chunks(await self._place_of(inventory, file)):
            await anyio.to_thread.run_sync(add, data)
        rows.add(lines.close())

    async def _read_table(self, path: Path, rows: KeySorter, inventory: Inventory, file: InventoryFile) -> None:
        """A table is read from its end: it lies on disk meanwhile, at `path`."""
        digest = hashlib.md5(usedforsecurity=False)
        async with await anyio.open_file(path, "wb") as copy:
            async for data in self._chunks(await self._place_of(inventory, file)):
                digest.update(data)
                await copy.write(data)
        name = f"{inventory.name}, {file.key}"
        if file.md5 and digest.hexdigest() != file.md5.lower():
            raise PlanError([f"{name}: its bytes are not those that the manifest names"])

        def add() -> None:
            for batch in table_rows(name, path, inventory.form, self.location.key):
                rows.add(batch)

        await anyio.to_thread.run_sync(add)

    async def _place_of(self, inventory: Inventory, file: InventoryFile) -> Location | Path:
        """Beside a local manifest, where the data files lie there too; else where the manifest says."""
        if isinstance(self._where, Path):
            folder, name = anyio.Path(self._where.parent), file.key.rpartition("/")[2]
            for path in (folder / name, folder / "data" / name):
                if name and await path.is_file():
                    return Path(path)
        return Location(inventory.bucket, file.key, self.location.site)

    async def _chunks(self, where: Location | Path, limit: int | None = None) -> AsyncIterator[bytes]:
        """A file's bytes, a few at a time. Raises `UsageError` for a local one that cannot be read."""
        total = 0
        async for data in _from_disk(where) if isinstance(where, Path) else self._from_s3(where):
            total += len(data)
            if limit is not None and total > limit:
                raise PlanError([f"{where}: it is too long to be what the route {self._route} takes it for"])
            yield data

    async def _from_s3(self, where: Location) -> AsyncIterator[bytes]:
        store, head = self._store_of(where), await self._store_of(where).head_object(_head_of(where))
        for first in range(0, head.size, GET_BYTES):
            last = min(first + GET_BYTES, head.size) - 1
            asked = GetRange(ObjectRef(where.bucket, where.key), first, last, head.etag, head.size)
            data = (await store.get_range(asked)).data
            for at in range(0, len(data), CHUNK_BYTES):
                yield data[at : at + CHUNK_BYTES]


async def _from_disk(path: Path) -> AsyncIterator[bytes]:
    with refused_as(f"{path} cannot be read"):
        async with await anyio.open_file(path, "rb") as file:
            while data := await file.read(CHUNK_BYTES):
                yield data


def _head_of(where: Location) -> HeadObject:
    return HeadObject(ObjectRef(where.bucket, where.key))


async def _version_on_disk(path: Path) -> str | None:
    """What tells a file from the same one changed: its status alone, which is the same for whatever is written within
    one tick of the clock. So one that was written just now has none."""
    with refused_as(f"{path} cannot be read"):
        status = await anyio.Path(path).stat()
    if time.time() - max(status.st_mtime, status.st_ctime) < SETTLED_AFTER_S:
        return None
    return json.dumps((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
