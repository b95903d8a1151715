"""Who reads a folder's names while others do sees each of them, and each once."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest

from engine.errors import ListingBroken
from engine.folder import scanning, walking
from engine.folder.making import Directories
from engine.listing.lister import KeyRange
from engine.listing.pages import Prefix
from engine.model import FILE_SITE, Location, Page
from engine.store import ListPage
from tests.unit.folder.scene import Scene


async def test_listings_of_one_folder_at_once_each_show_all_of_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b/1", "c", "d"):
        scene.write(name)
    scan, within = scanning.scan, list[Page]()

    def scan_and_list(directory: int, keep: scanning.Keep | None, **how: Any) -> scanning.Scan:
        def keep_and_list(name: bytes) -> bool:
            monkeypatch.setattr(walking, "scan", scan)
            if not within:
                within.append(scene.store._list(ListPage(str(scene.folder))))
            return keep is None or keep(name)

        return scan(directory, keep_and_list, **how)

    monkeypatch.setattr(walking, "scan", scan_and_list)
    assert await scene.keys() == ["a", "b/1", "c", "d"]
    assert [item.key for item in within[0].objects] == ["a", "b/1", "c", "d"]


def test_who_writes_into_a_folder_takes_no_names_from_who_lists_it(scene: Scene) -> None:
    scene.write("a")
    root = scene.store.root(str(scene.folder))
    with root.directory([]) as one, root.directory([], follow=True) as other:
        third = Directories(root, "none").open([])
        try:
            with os.scandir(one) as first, os.scandir(other) as second, os.scandir(third) as last:
                assert [next((entry.name for entry in entries), "") for entries in (first, second, last)] == ["a"] * 3
        finally:
            os.close(third)


async def test_a_file_system_that_gives_a_name_twice_is_no_server(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write("a")
    scan = os.scandir
    twice = lambda directory: contextlib.nullcontext([*scan(directory)] * 2)  # noqa: E731
    monkeypatch.setattr(os, "scandir", twice)
    with pytest.raises(ListingBroken, match="do not rise") as raised:
        await anext(Prefix(scene.store, Location(str(scene.folder), "", FILE_SITE)).pages(KeyRange()))
    assert "gave a name more than once" in raised.value.advice
