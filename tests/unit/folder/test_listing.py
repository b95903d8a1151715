"""A folder is listed as a bucket is: in the order of UTF-8 bytes, page by page, and nothing in it is passed over."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.errors import AccessDenied, BucketMissing, NotFound, Rejected, Unsupported, Unwritable
from engine.folder import scanning, walking
from engine.folder.paging import WALKS_HELD
from engine.folder.store import FolderStore
from engine.model import ListedObject, OpaqueEtag
from engine.store import AskBucket, ListPage
from tests.unit.folder.scene import Scene


def open_files() -> int:
    """How many descriptors this process has; none where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


async def test_keys_rise_by_the_bytes_of_their_utf_8(scene: Scene) -> None:
    # In UTF-16, as some programs sort, the last two are the other way round; by components, "a/b" comes before "a.txt".
    names = ["A", "a!", "a.txt", "a/b", "a/b.c", "a/b0/c", "a0", "é", "～", "\N{PILE OF POO}"]
    for name in reversed(names):
        scene.write(name)
    promised = sorted(names, key=str.encode)
    for size in (1, 2, 3, 1000):
        assert await scene.keys(max_keys=size) == promised


async def test_a_line_says_size_version_and_time(scene: Scene) -> None:
    path = scene.write("one", b"12345")
    status = path.stat()
    page = await scene.store.list_page(ListPage(str(scene.folder)))
    version = f"5-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
    assert page.objects == [ListedObject("one", 5, OpaqueEtag(version), "2023-11-14T22:13:20.000Z")]
    assert type(page.objects[0].etag) is OpaqueEtag
    assert page.next_token is None


async def test_start_after_is_a_full_key_and_exclusive(scene: Scene) -> None:
    for name in ("a/1", "a/2", "a/3", "a0", "b/c/d", "b/c/e"):
        scene.write(name)
    for after, rest in {
        "a/2": ["a/3", "a0", "b/c/d", "b/c/e"],
        "a": ["a/1", "a/2", "a/3", "a0", "b/c/d", "b/c/e"],
        "a/": ["a/1", "a/2", "a/3", "a0", "b/c/d", "b/c/e"],
        "a/9": ["a0", "b/c/d", "b/c/e"],
        "b/c": ["b/c/d", "b/c/e"],
        "b/c/d": ["b/c/e"],
        "b/d": [],
        "z": [],
    }.items():
        assert await scene.keys(start_after=after) == rest, after
    assert await scene.keys("a/", start_after="a/1") == ["a/2", "a/3"]
    assert await scene.keys("b/", start_after="a") == ["b/c/d", "b/c/e"]
    assert await scene.keys("a/", start_after="b") == []


async def test_a_prefix_need_not_end_with_a_slash(scene: Scene) -> None:
    for name in ("raw/1", "raw2/1", "raw.txt", "row"):
        scene.write(name)
    assert await scene.keys("raw") == ["raw.txt", "raw/1", "raw2/1"]
    assert await scene.keys("raw/") == ["raw/1"]
    assert await scene.keys("raw/1") == ["raw/1"]
    assert await scene.keys("raw/1/") == []
    assert await scene.keys("nothing/at/all/") == []


async def test_a_delimiter_gathers_what_is_below_it(scene: Scene) -> None:
    for name in ("a", "b/1", "b/2/3", "c d/1"):
        scene.write(name)
    bucket = str(scene.folder)
    page = await scene.store.list_page(ListPage(bucket, delimiter="/"))
    assert ([item.key for item in page.objects], page.common_prefixes) == (["a"], ("b/", "c d/"))
    page = await scene.store.list_page(ListPage(bucket, "b/", delimiter="/"))
    assert ([item.key for item in page.objects], page.common_prefixes) == (["b/1"], ("b/2/",))
    gathered: list[str] = []
    token = None
    while True:
        page = await scene.store.list_page(ListPage(bucket, delimiter="/", max_keys=1, token=token))
        gathered += [item.key for item in page.objects] + list(page.common_prefixes)
        token = page.next_token
        if token is None:
            break
    assert gathered == ["a", "b/", "c d/"]
    with pytest.raises(Unsupported):
        await scene.store.list_page(ListPage(bucket, delimiter="x"))


async def test_an_exact_key_is_found_without_reading_its_directory(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write("deep/one")
    monkeypatch.setattr(os, "scandir", None)
    page = await scene.store.list_page(ListPage(str(scene.folder), "deep/one", max_keys=1))
    assert [item.key for item in page.objects] == ["deep/one"]


async def test_an_empty_directory_is_a_marker_and_a_full_one_is_none(scene: Scene) -> None:
    scene.write("full/one")
    (scene.folder / "empty/deeper").mkdir(parents=True)
    assert await scene.keys() == ["empty/deeper/", "full/one"]
    assert await scene.keys("empty/deeper/") == ["empty/deeper/"]
    assert await scene.keys("empty/deeper/", start_after="empty/deeper/") == []
    every = scene.with_manner(markers="all")
    assert await every.keys() == ["empty/", "empty/deeper/", "full/", "full/one"]


async def test_a_directory_that_holds_only_an_unfinished_file_is_empty(scene: Scene) -> None:
    scene.write("d/.cartage-" + "0" * 32)
    scene.write("d/.cartage-" + "0" * 32 + ".parts")
    scene.write(".cartage-mine")
    assert await scene.keys() == [".cartage-mine", "d/"]


async def test_a_page_goes_on_where_its_walk_was_forgotten(scene: Scene) -> None:
    names = [f"{folder}/{number}" for folder in "abc" for number in range(3)]
    for name in names:
        scene.write(name)
    bucket = str(scene.folder)
    for size in (1, 2, 4):
        page = await scene.store.list_page(ListPage(bucket, max_keys=size))
        keys = [item.key for item in page.objects]
        while page.next_token is not None:
            elsewhere = FolderStore()  # another process, which has none of the walks
            page = await elsewhere.list_page(ListPage(bucket, token=page.next_token, max_keys=size))
            keys += [item.key for item in page.objects]
            elsewhere.close()
        assert keys == names


async def test_listings_that_are_given_up_are_forgotten(scene: Scene) -> None:
    for number in range(3):
        scene.write(f"d/{number}")
    open_before = open_files()
    for number in range(3 * WALKS_HELD):
        await scene.store.list_page(ListPage(str(scene.folder), "d/", max_keys=1, start_after=f"d/{number % 2}!"))
        await scene.store.list_page(ListPage(str(scene.folder), "d", max_keys=1, start_after=f"c{number}"))
    assert open_files() <= open_before + WALKS_HELD + 2
    assert await scene.keys() == ["d/0", "d/1", "d/2"]


async def test_a_directory_larger_than_memory_is_sorted_on_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "NAMES_HELD", 7)
    monkeypatch.setattr(scanning, "BLOCK_BYTES", 5)
    names = [f"name {number * 37 % 100}" for number in range(100)] + ["sub/é", "sub.txt", "x\ny", "z" * 255]
    for name in names:
        scene.write(name)
    promised = sorted(names, key=str.encode)
    for size in (1, 10, 1000):
        assert await scene.keys(max_keys=size) == promised
    assert await scene.keys("name 5") == [name for name in promised if name.startswith("name 5")]
    assert await scene.keys(start_after="name 7") == [name for name in promised if name > "name 7"]


@pytest.mark.parametrize("lacking", ["room", "any folder"])
async def test_what_is_sorted_on_disk_and_finds_no_room_there_blames_no_directory(
    lacking: str, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "NAMES_HELD", 7)
    monkeypatch.setenv("TMPDIR", "/where/it/is/sorted")
    monkeypatch.setattr(tempfile, "tempdir", "/where/it/is/sorted")
    for number in range(10):
        scene.write(f"sub/{number}")

    def refuse(*of: Any, **how: Any) -> Any:
        code = errno.ENOSPC if lacking == "room" else errno.ENOENT  # which of a directory is that it was removed
        raise OSError(code, os.strerror(code))

    if lacking == "room":
        monkeypatch.setattr(tempfile, "TemporaryFile", partial(tempfile.TemporaryFile, dir=scene.folder.parent))
        monkeypatch.setattr(scanning, "write", refuse)
    else:
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(Unwritable, match="temporary files, and /where/it/is/sorted") as refused:
        await scene.keys()
    assert "TMPDIR" in str(refused.value.advice) and str(scene.folder) not in str(refused.value)


async def test_what_is_no_object_is_told_with_its_key(scene: Scene) -> None:
    scene.write("file")
    os.mkfifo(scene.folder / "pipe")
    (scene.folder / "link").symlink_to("file")
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        here = Path.cwd()
        os.chdir(scene.folder)  # a socket's path may have a hundred bytes alone
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        keys, aside = await scene.listing()
    assert keys == ["file"]
    assert [(item.key, item.code) for item in aside] == [
        ("link", "SymbolicLink"),
        ("pipe", "NotAFile"),
        ("socket", "NotAFile"),
    ]
    assert all(item.message for item in aside)


async def test_a_name_that_is_no_utf_8_is_told_and_ends_nothing(scene: Scene) -> None:
    scene.write("a")
    scene.write("z")
    try:
        Path(os.fsdecode(os.fsencode(scene.folder) + b"/caf\xe9")).mkdir()
        Path(os.fsdecode(os.fsencode(scene.folder) + b"/caf\xe9/inside")).write_bytes(b"1")
        Path(os.fsdecode(os.fsencode(scene.folder) + b"/m\xff")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system holds no such names")
    keys, aside = await scene.listing(max_keys=1)
    assert keys == ["a", "z"]
    assert [(item.key, item.code) for item in aside] == [("caf\\xe9/", "NameNotUtf8"), ("m\\xff", "NameNotUtf8")]


async def test_what_is_no_object_fills_pages_too_and_is_told_once(scene: Scene) -> None:
    """However much of it there is, a page holds no more than was asked for, and each one goes on."""
    for number in range(5):
        os.mkfifo(scene.folder / f"pipe {number}")
    with contextlib.suppress(OSError):
        for number in range(3):
            Path(os.fsdecode(os.fsencode(scene.folder) + b"/m\xff%d" % number)).write_bytes(b"1")
    scene.write("z")
    bucket = str(scene.folder)
    tokens: list[str | None] = [None]
    keys, aside = [], []
    while True:
        page = await scene.store.list_page(ListPage(bucket, token=tokens[-1], max_keys=2))
        assert len(page.objects) + len(page.unlisted) <= 2
        keys += [item.key for item in page.objects]
        aside += [item.key for item in page.unlisted]
        if page.next_token is None:
            break
        assert page.next_token not in tokens
        tokens.append(page.next_token)
    assert keys == ["z"]
    assert len(aside) == len(set(aside)) == len(list(scene.folder.iterdir())) - 1
    begun_anew = FolderStore()
    page = await begun_anew.list_page(ListPage(bucket, token=tokens[2]))
    assert {item.key for item in page.unlisted} >= set(aside) - set(aside[:4])
    begun_anew.close()


async def test_a_token_that_is_none_of_its_own_is_refused(scene: Scene) -> None:
    with pytest.raises(Rejected, match="no token"):
        await scene.store.list_page(ListPage(str(scene.folder), token="elsewhere"))


async def test_links_are_followed_where_that_is_asked_for(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub/one").write_bytes(b"123")
    scene.write("b/file")
    (scene.folder / "a").symlink_to(outside)
    (scene.folder / "b/file2").symlink_to("file")
    (scene.folder / "b/up").symlink_to("..")
    (scene.folder / "b/nowhere").symlink_to("nothing")
    (scene.folder / "b/self").symlink_to("self")
    keys, aside = await scene.with_manner(links="follow").listing()
    assert keys == ["a/sub/one", "b/file", "b/file2"]
    assert [(item.key, item.code) for item in aside] == [
        ("b/nowhere", "LinkDangling"),
        ("b/self", "LinkCycle"),
        ("b/up/", "LinkCycle"),
    ]
    page = await scene.with_manner(links="keep").store.list_page(ListPage(str(scene.folder)))
    assert [(item.key, item.size) for item in page.objects] == [
        ("a", len(str(outside))),
        ("b/file", 1),
        ("b/file2", 4),
        ("b/nowhere", 7),
        ("b/self", 4),
        ("b/up", 2),
    ]


async def test_a_link_that_leads_through_a_file_leads_to_nothing_too(scene: Scene) -> None:
    scene.write("real")
    (scene.folder / "link").symlink_to("real/foo")
    keys, aside = await scene.with_manner(links="follow").listing()
    assert keys == ["real"]
    assert [(item.key, item.code) for item in aside] == [("link", "LinkDangling")]


async def test_a_linked_directory_whose_place_vanishes_before_it_is_listed_is_set_aside(
    scene: Scene, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "one").write_bytes(b"1")
    for name in ("a", "b"):
        scene.write(name)
    (scene.folder / "link").symlink_to(outside)
    following = scene.with_manner(links="follow")
    first = await following.store.list_page(ListPage(str(scene.folder), max_keys=2))
    outside.rename(tmp_path / "elsewhere")
    rest = await following.store.list_page(ListPage(str(scene.folder), token=first.next_token))
    assert [item.key for item in (*first.objects, *rest.objects)] == ["a", "b"]
    assert [(item.key, item.code) for item in rest.unlisted] == [("link/", "LinkDangling")]


async def test_a_directory_that_may_not_be_read_is_an_error_and_not_an_empty_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write("closed/one")

    def closed(directory: int, *of: object, **how: object) -> scanning.Scan:
        if os.fstat(directory).st_ino == (scene.folder / "closed").stat().st_ino:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scanning.scan(directory)

    monkeypatch.setattr(walking, "scan", closed)  # of an administrator the system takes no notice of permissions
    with pytest.raises(AccessDenied, match=r"permission denied: .*closed/"):
        await scene.keys()


async def test_a_routes_other_folder_is_part_of_neither_listing(scene: Scene, tmp_path: Path) -> None:
    """What is mounted a second time bears one device and inode at both places, as does what a link leads to."""
    scene.write("in/a")
    scene.write("on")
    (tmp_path / "mounted").symlink_to(scene.folder / "in")
    scene.store.are_opposite(str(scene.folder), str(tmp_path / "mounted"))
    keys, aside = await scene.listing()
    assert (keys, [(item.key, item.code) for item in aside]) == (["on"], [("in/", "OtherFolder")])
    assert await Scene(scene.store, tmp_path / "mounted").keys() == ["a"]
    assert await Scene(FolderStore(), scene.folder).keys() == ["in/a", "on"]


async def test_a_folder_that_is_not_there_is_not_an_empty_one(scene: Scene, tmp_path: Path) -> None:
    gone = Scene(scene.store, tmp_path / "gone")
    with pytest.raises(BucketMissing, match="does not exist"):
        await gone.keys()
    target = Scene(FolderStore(), tmp_path / "gone")
    target.store.may_be_missing(str(target.folder))
    assert await target.keys() == []
    with pytest.raises(NotFound):
        await target.head("one")
    assert (await target.store.bucket_facts(AskBucket(str(target.folder)))).owner_id == ""
    assert (await target.store.room(str(target.folder))).free_bytes > 0
    assert not target.folder.exists()
    await target.put("one")
    assert (await target.store.room(str(target.folder))).free_bytes > 0
    assert (await target.store.bucket_facts(AskBucket(str(target.folder)))).owner_id != ""
    assert await target.keys() == ["one"]
    (tmp_path / "gone/one").unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(BucketMissing, match="no longer there"):
        await target.keys()
    with pytest.raises(BucketMissing, match="no longer there"):
        await target.put("two")
    assert not (tmp_path / "gone").exists()


async def test_a_folder_that_was_replaced_is_refused_in_the_middle_of_a_listing(scene: Scene, tmp_path: Path) -> None:
    for number in range(4):
        scene.write(f"{number}")
    bucket = str(scene.folder)
    page = await scene.store.list_page(ListPage(bucket, max_keys=2))
    facts = await scene.store.bucket_facts(AskBucket(bucket))
    scene.folder.rename(tmp_path / "aside")
    scene.folder.mkdir()  # as a mount point is that lost what was mounted
    with pytest.raises(BucketMissing, match="another one than it was"):
        await scene.store.list_page(ListPage(bucket, token=page.next_token, max_keys=2))
    with pytest.raises(BucketMissing):
        await scene.store.bucket_facts(AskBucket(bucket))
    another = FolderStore()
    assert (await another.bucket_facts(AskBucket(bucket))).owner_id != facts.owner_id
    another.close()


async def test_what_is_removed_while_it_is_listed_is_left_out(scene: Scene) -> None:
    for name in ("a", "b", "c/1", "d"):
        scene.write(name)
    bucket = str(scene.folder)
    page = await scene.store.list_page(ListPage(bucket, max_keys=1))
    (scene.folder / "b").unlink()
    (scene.folder / "c/1").unlink()
    (scene.folder / "c").rmdir()
    page = await scene.store.list_page(ListPage(bucket, token=page.next_token))
    assert [item.key for item in page.objects] == ["d"]


def test_a_large_directory_takes_no_memory_for_its_names(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """300,000 names of 40 bytes would take 27 MB at once."""

    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

        def is_dir(self, *, follow_symlinks: bool) -> bool:
            return False

    # Made before anything is counted: to make them while memory is traced takes as long as to list them.
    names = [f"{number * 7919 % 300_007:08d}-a name as files have it.jpg" for number in range(300_000)]
    monkeypatch.setattr(os, "scandir", lambda directory: contextlib.nullcontext(map(Entry, names)))
    tracemalloc.start()
    try:
        last, count = b"", 0
        for name in scanning.scan(0).names:
            assert name > last
            last, count = name, count + 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 300_000
    assert peak < 12 << 20
