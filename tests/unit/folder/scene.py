"""What a test of a folder does again and again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.folder.store import FolderStore
from engine.folder.walking import Manner
from engine.model import CopyResult, ObjectHead, ObjectRef, Unlisted
from engine.store import Body, GetRange, HeadObject, ListPage, PutObject


@dataclass
class Scene:
    """A folder and its store."""

    store: FolderStore
    folder: Path

    def with_manner(self, **how: Any) -> Scene:
        """The same folder, read otherwise."""
        return replace(self, store=FolderStore(Manner(**how), durability="none"))

    def ref(self, key: str) -> ObjectRef:
        return ObjectRef(str(self.folder), key)

    def write(self, key: str, data: bytes = b"1") -> Path:
        """A file made behind the store's back, written long ago."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))
        return path

    async def put(self, key: str, body: bytes = b"1", **more: Any) -> CopyResult:
        return await self.store.put_object(PutObject(self.ref(key), body, **more))

    async def head(self, key: str) -> ObjectHead:
        return await self.store.head_object(HeadObject(self.ref(key)))

    async def get(self, key: str, **more: Any) -> Body:
        return await self.store.get_range(GetRange(self.ref(key), **more))

    async def keys(self, prefix: str = "", **how: Any) -> list[str]:
        return (await self.listing(prefix, **how))[0]

    async def unlisted(self, **how: Any) -> list[Unlisted]:
        return (await self.listing("", **how))[1]

    async def listing(self, prefix: str = "", **how: Any) -> tuple[list[str], list[Unlisted]]:
        """All keys and all that is none, over all pages."""
        keys: list[str] = []
        aside: list[Unlisted] = []
        token = None
        while True:
            page = await self.store.list_page(ListPage(str(self.folder), prefix, token=token, **how))
            keys += [item.key for item in page.objects]
            aside += page.unlisted
            token = page.next_token
            if token is None:
                return keys, aside

    def on_disk(self) -> list[str]:
        """Everything below the folder, directories with their slash."""
        found = []
        for path in self.folder.rglob("*"):
            found.append(path.relative_to(self.folder).as_posix() + ("/" if path.is_dir() else ""))
        return sorted(found)
