"""Sources that are listed by a file in place of ListObjects: a list of keys, or an S3 Inventory.

`KeyListStore` answers the listings of such a source itself, page by page and in key order, so that everything that
lists works as on any other route. The file is read once, at the first page, and sorted in a temporary SQLite file:
memory does not grow with it. What the file does not say of a key (a list of keys says nothing more) costs a HEAD.
"""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from engine.errors import NotFound, PlanError, UsageError
from engine.listing.key_rows import UNKNOWN, Inventory, InventoryFile, InventoryLines, KeyLines, KeyRow, read_manifest
from engine.model import MIB, ListedObject, Location, ObjectRef, Page
from engine.plan.document import Plan
from engine.plan.route import KeyList, Route
from engine.store import GetRange, HeadObject, ListPage, ObjectStore, StoreDecorator

Request = TypeVar("Request")
Answer = TypeVar("Answer")

CHUNK_BYTES = 8 * MIB
HEADS_AT_ONCE = 64
MISSING_NAMED = 10
LONGEST_MANIFEST_BYTES = 64 * MIB


class _Sorted:
    """Rows in the order of their keys' UTF-8 bytes, on disk. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE keys (key TEXT PRIMARY KEY, size INTEGER, etag TEXT, modified TEXT, class TEXT) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")

    def add(self, rows: Iterable[KeyRow]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", rows)

    def done(self) -> None:
        self._database.execute("COMMIT")

    def after(self, key: str, limit: int) -> list[KeyRow]:
        found = self._database.execute("SELECT * FROM keys WHERE key > ? ORDER BY key LIMIT ?", (key, limit))
        return [KeyRow(*row) for row in found]

    def close(self) -> None:
        self._database.close()


class ListedSource:
    """One route's list. `missing` holds the keys of it that are not in S3."""

    def __init__(self, store: ObjectStore, plan: Plan, route: Route, folder: Path) -> None:
        assert route.key_list is not None
        self.route = route
        self._store = store
        self._list: KeyList = route.key_list
        self._where: Location | Path = route.key_list.location or plan.local_path(route.key_list.path)
        self._folder = folder
        self._source = route.source
        self._reading = anyio.Lock()
        self._heads = anyio.CapacityLimiter(HEADS_AT_ONCE)
        self._sorted: _Sorted | None = None
        self.missing: set[str] = set()

    async def page(self, request: ListPage) -> Page:
        """What ListObjectsV2 would answer if the list were the bucket. Raises `PlanError`, and what reading raises."""
        async with self._reading:
            if self._sorted is None:
                self._sorted = await self._read()
            rows = self._sorted
        after = request.token or request.start_after
        objects: list[ListedObject] = []
        while not objects:  # no page is empty while there are more
            found = await anyio.to_thread.run_sync(rows.after, after, request.max_keys)
            objects = await self._objects(found)
            if len(found) < request.max_keys:
                return Page(objects)
            after = found[-1].key
        return Page(objects, after)

    def close(self) -> None:
        if self._sorted is not None:
            self._sorted.close()

    # --- what the file does not say ---------------------------------------------------------------------------

    async def _objects(self, rows: Sequence[KeyRow]) -> list[ListedObject]:
        found: list[ListedObject | None] = [
            ListedObject(row.key, row.size, row.etag, row.modified, row.storage_class) if row.size != UNKNOWN else None
            for row in rows
        ]

        async def ask(at: int, key: str) -> None:
            async with self._heads:
                try:
                    head = await self._store.head_object(HeadObject(ObjectRef(self._source.bucket, key), None, True))
                except NotFound:
                    self.missing.add(key)
                    return
            checksum = next((f"{item.algorithm}:{item.type}" for item in head.checksums), "")
            storage_class = head.properties.storage_class
            found[at] = ListedObject(key, head.size, head.etag, head.modified, storage_class, checksum, head.restored)

        async with anyio.create_task_group() as group:
            for at, row in enumerate(rows):
                if row.size == UNKNOWN:
                    group.start_soon(ask, at, row.key)
        return [item for item in found if item is not None]

    # --- reading the file -------------------------------------------------------------------------------------

    async def _read(self) -> _Sorted:
        rows = _Sorted(self._folder / f"{secrets.token_hex(8)}.sqlite")
        if self._list.kind == "keys":
            lines = KeyLines(str(self._list), self._source.key)
            async for data in self._chunks(self._where):
                await anyio.to_thread.run_sync(rows.add, await anyio.to_thread.run_sync(lines.feed, data))
            rows.add(lines.close())
        else:
            body = b"".join([data async for data in self._chunks(self._where, LONGEST_MANIFEST_BYTES)])
            inventory = read_manifest(str(self._list), body, self._source.bucket)
            for file in inventory.files:
                await self._read_data(rows, inventory, file)
        await anyio.to_thread.run_sync(rows.done)
        return rows

    async def _read_data(self, rows: _Sorted, inventory: Inventory, file: InventoryFile) -> None:
        lines = InventoryLines(inventory, file, self._source.key)

        def add(data: bytes) -> None:
            for batch in lines.feed(data):
                rows.add(batch)

        async for data in self._chunks(await self._place_of(inventory, file)):
            await anyio.to_thread.run_sync(add, data)
        rows.add(lines.close())

    async def _place_of(self, inventory: Inventory, file: InventoryFile) -> Location | Path:
        """Beside a local manifest, where the data files lie there too; else where the manifest says."""
        if isinstance(self._where, Path):
            folder, name = anyio.Path(self._where.parent), file.key.rpartition("/")[2]
            for path in (folder / name, folder / "data" / name):
                if name and await path.is_file():
                    return Path(path)
        return Location(inventory.bucket, file.key)

    async def _chunks(self, where: Location | Path, limit: int | None = None) -> AsyncIterator[bytes]:
        """A file's bytes, a few at a time. Raises `UsageError` for a local one that cannot be read."""
        total = 0
        async for data in _from_disk(where) if isinstance(where, Path) else self._from_s3(where):
            total += len(data)
            if limit is not None and total > limit:
                raise PlanError([f"{where}: it is too long to be what the route {self.route.name} takes it for"])
            yield data

    async def _from_s3(self, where: Location) -> AsyncIterator[bytes]:
        ref = ObjectRef(where.bucket, where.key)
        head = await self._store.head_object(HeadObject(ref))
        for first in range(0, head.size, CHUNK_BYTES):
            last = min(first + CHUNK_BYTES, head.size) - 1
            yield (await self._store.get_range(GetRange(ref, first, last, head.etag))).data


class KeyListStore(StoreDecorator):
    """A store whose listings of some sources come from their lists; everything else goes to S3."""

    def __init__(self, inner: ObjectStore, lists: dict[tuple[str, str], ListedSource]) -> None:
        super().__init__(inner)
        self._lists = lists

    @property
    def lists(self) -> list[ListedSource]:
        return list(self._lists.values())

    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        return await method(request)

    async def list_page(self, request: ListPage) -> Page:
        listed = self._lists.get((request.bucket, request.prefix))
        return await listed.page(request) if listed is not None else await super().list_page(request)


@asynccontextmanager
async def with_key_lists(store: ObjectStore, plan: Plan, *, now: bool = False) -> AsyncIterator[ObjectStore]:
    """`store`, or one around it where a route of the plan has a list. Reading begins with the first page.

    `now`: wanted is what stands there now. An inventory tells what stood there once, and does not answer then; the
    keys of a list are looked at one by one whenever it is asked."""
    routes = [route for route in plan.routes if route.key_list is not None]
    if not routes:
        yield store
        return
    for route in plan.routes:
        if route.key_list is None and any(route.source == item.source for item in routes):
            raise PlanError([f'route "{route.name}": another route copies the same source by a list of its keys'])
    with tempfile.TemporaryDirectory(prefix="cartage-keys-") as folder:
        lists = {
            (route.source.bucket, route.source.key): ListedSource(store, plan, route, Path(folder))
            for route in routes
            if route.key_list is not None and not (now and route.key_list.kind == "inventory")
        }
        try:
            yield KeyListStore(store, lists)
        finally:
            for listed in lists.values():
                listed.close()


async def refuse_missing(store: ObjectStore, knows: Callable[[str, str], Awaitable[bool]]) -> None:
    """Raise `PlanError` for keys of a list that are not in S3 and that `knows(route, relative key)` does not know
    either: what a cleanup deleted is no mistake, and nothing that was asked for is left out unseen."""
    problems: list[str] = []
    for listed in store.lists if isinstance(store, KeyListStore) else ():
        route = listed.route
        lost = [key for key in sorted(listed.missing) if not await knows(route.name, route.relative(key))]
        problems += [f'route "{route.name}": there is no object "{key}"' for key in lost[:MISSING_NAMED]]
        if len(lost) > MISSING_NAMED:
            problems.append(f'route "{route.name}": and {len(lost) - MISSING_NAMED:,} more that its list names')
    if problems:
        raise PlanError(problems, advice="Everything else was dealt with. Take these keys out of the list.")


async def _from_disk(path: Path) -> AsyncIterator[bytes]:
    try:
        async with await anyio.open_file(path, "rb") as file:
            while data := await file.read(CHUNK_BYTES):
                yield data
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
