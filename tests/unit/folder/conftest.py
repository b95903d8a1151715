"""A folder to try things in, and what this machine's file system can hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.folder.store import FolderStore
from tests.unit.folder.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    folder = tmp_path / "folder"
    folder.mkdir()
    store = FolderStore(durability="none")
    yield Scene(store, folder)
    store.close()
