"""What dead runs left of files that nobody writes any more is removed, and nothing else is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.folder.leftovers import LEFT_FOR_NS
from engine.folder.names import name_apart
from engine.folder.store import FolderStore
from engine.folder.unfinished import temporary_name
from engine.folder.walking import Manner
from engine.store import ListPage

LATER = Manner(now_ns=lambda: time.time_ns() + 2 * LEFT_FOR_NS)


def unfinished(folder: Path, name: str) -> Path:
    """As a run leaves it that was killed in the middle of a file."""
    folder.mkdir(exist_ok=True)
    path = folder / temporary_name(name.encode()).decode()
    path.write_bytes(b"half")
    path.with_name(f"{path.name}.parts").write_bytes(b"1")
    return path


async def met(folder: Path, manner: Manner = LATER) -> FolderStore:
    store = FolderStore(manner)
    store.is_target(str(folder))
    token: str | None = ""
    while token is not None:
        token = (await store.list_page(ListPage(str(folder), token=token or None))).next_token
    return store


async def test_what_was_never_finished_is_removed_with_its_list_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"x")
    for folder in (tmp_path, tmp_path / "d"):
        unfinished(folder, "gone")
    (tmp_path / "d" / ".cartage-mine").write_bytes(b"a user's")
    store = await met(tmp_path)
    assert await store.sweep(str(tmp_path), "", remove=True) == (2, [], [])
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".cartage-mine", "d", "kept"]


async def test_a_list_that_lost_its_file_goes_at_once(tmp_path: Path) -> None:
    unfinished(tmp_path, "gone").unlink()
    assert (await (await met(tmp_path, Manner())).sweep(str(tmp_path), "", remove=True)).removed == 1
    assert list(tmp_path.iterdir()) == []


async def test_only_what_lies_below_the_target_is_looked_at(tmp_path: Path) -> None:
    unfinished(tmp_path, "gone")
    inside = unfinished(tmp_path / "d", "gone")
    store = await met(tmp_path)
    assert (await store.sweep(str(tmp_path), "d/", remove=False)).left == [str(inside)]


async def test_of_what_has_its_name_already_the_other_goes(tmp_path: Path) -> None:
    path = unfinished(tmp_path, "gone")
    os.link(path, tmp_path / "gone")
    assert await (await met(tmp_path)).sweep(str(tmp_path), "", remove=True) == (1, [], [])
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("gone", b"half")]


async def test_what_may_be_a_users_version_is_named_with_its_file_and_never_removed(tmp_path: Path) -> None:
    """A run was killed as it put a file in the place of another: who saved that one at this moment has it there."""
    paths = [tmp_path / "d" / name_apart(temporary_name(name)).decode() for name in (b"there", b"gone")]
    (tmp_path / "d").mkdir()
    for path in (*paths, tmp_path / "d" / "there"):
        path.write_bytes(b"last saved")
    swept = await (await met(tmp_path)).sweep(str(tmp_path), "", remove=True)
    assert (swept.removed, swept.left) == (0, [])
    assert sorted(swept.apart) == sorted([(str(paths[0]), "there"), (str(paths[1]), "")])
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("why", ["held", "young", "linked", "a link", "a directory", "not wanted"])
async def test_what_may_be_wanted_is_left_and_named(why: str, tmp_path: Path) -> None:
    path = unfinished(tmp_path, "gone")
    held = -1
    if why == "held":
        import fcntl

        held = os.open(path, os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)
    elif why == "linked":
        (tmp_path / "elsewhere").mkdir()
        os.link(path, tmp_path / "elsewhere" / "other name")
    elif why in ("a link", "a directory"):
        path.unlink()
        path.mkdir() if why == "a directory" else path.symlink_to("elsewhere")
    store = await met(tmp_path, Manner() if why == "young" else LATER)
    swept = await store.sweep(str(tmp_path), "", remove=why != "not wanted")
    assert path.is_symlink() or path.exists()
    assert swept.removed == 0
    if held >= 0:
        os.close(held)
