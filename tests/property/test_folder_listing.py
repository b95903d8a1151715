"""Whatever lies in a folder, its listing is what sorting all its keys would give: whole, and from anywhere on."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.folder import scanning
from engine.folder.roots import Root
from engine.folder.store import FolderStore
from engine.folder.walking import Manner, Position, Walk
from engine.store import ListPage
from tests.faults.amount import examples

NAMES = st.text(alphabet="ab.!-0/é～\U0001f4a9 \n", min_size=1, max_size=8).filter(
    lambda name: all(part not in ("", ".", "..") for part in name.removesuffix("/").split("/"))
)


def fill(folder: Path, names: list[str]) -> list[str]:
    """Make what can be made of these, and give the keys that stand for it, sorted by their bytes."""
    for name in names:
        path = folder / name
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    keys = []
    for path in folder.rglob("*"):
        key = path.relative_to(folder).as_posix()
        if path.is_file():
            keys.append(key)
        elif not any(path.iterdir()):
            keys.append(key + "/")
    return sorted(keys, key=str.encode)


async def listed(store: FolderStore, folder: Path, **how: object) -> list[str]:
    keys: list[str] = []
    token = None
    while True:
        page = await store.list_page(ListPage(str(folder), token=token, **how))  # type: ignore[arg-type]
        assert page.unlisted == ()
        keys += [item.key for item in page.objects]
        token = page.next_token
        if token is None:
            return keys


MANNER = Manner(wait_s=lambda seconds: None)


@settings(max_examples=examples(150))
@given(
    st.lists(NAMES, max_size=25),
    st.text(alphabet="ab./0é～ ", max_size=5),
    st.text(alphabet="ab./0é～ ", max_size=5),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_a_listing_is_what_sorting_all_keys_gives(
    names: list[str], prefix: str, after: str, page: int, held: int
) -> None:
    with tempfile.TemporaryDirectory() as place, patch.object(scanning, "NAMES_HELD", held):
        folder = Path(place)
        keys = fill(folder, names)
        store = FolderStore(MANNER)
        promised = [key for key in keys if key.startswith(prefix) and key > after]
        assert asyncio.run(listed(store, folder, prefix=prefix, start_after=after, max_keys=page)) == promised
        assert asyncio.run(listed(store, folder, max_keys=1000)) == keys
        store.close()


@given(st.lists(NAMES, max_size=25), st.integers(1, 4))
def test_every_page_can_be_begun_anew(names: list[str], page: int) -> None:
    """What is held between two pages saves time alone."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        keys = fill(folder, names)
        root = Root(place)
        found: list[str] = []
        position = Position()
        while True:
            walk = Walk(root, MANNER, "", position)
            part = walk.take(page)
            found += [item.key for item in part.objects]
            position = walk.position
            walk.close()
            if part.ended:
                break
        root.close()
        assert found == keys


@given(st.lists(NAMES, max_size=25), st.sampled_from(["", "a/", "b/", "a", "é/"]), st.integers(1, 4))
def test_gathered_keys_are_those_of_s3(names: list[str], prefix: str, page: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        keys = fill(folder, names)
        promised: list[str] = []
        for key in keys:
            if key.startswith(prefix):
                head, slash, _ = key[len(prefix) :].partition("/")
                promised.append(prefix + head + slash)
        store = FolderStore(MANNER)

        async def gathered() -> list[str]:
            found: list[str] = []
            token = None
            while True:
                answer = await store.list_page(ListPage(place, prefix, token=token, max_keys=page, delimiter="/"))
                found += [*(item.key for item in answer.objects), *answer.common_prefixes]
                token = answer.next_token
                if token is None:
                    return found

        assert sorted(asyncio.run(gathered()), key=str.encode) == list(dict.fromkeys(promised))
        store.close()
