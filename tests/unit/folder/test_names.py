"""A key is one file below the folder, and that key's alone; or it is refused, and nothing is written anywhere."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import NotFound, PreconditionFailed, Rejected
from engine.folder import names
from engine.folder.names import THERE, Limits, fault_of, fault_of_object
from engine.folder.publishing import Publisher
from engine.folder.roots import Root
from engine.folder.unfinished import temporary_name
from engine.folder.walking import USUAL, Position, Walk
from engine.model import ABSENT, OpaqueEtag, Properties
from engine.plan.misnamed import MISNAMED
from engine.store import DeleteObject
from tests.faults.amount import examples
from tests.unit.folder.folding_system import fold_names, spelled
from tests.unit.folder.scene import Scene

NO_NAMES = {
    "": "NameEmpty",
    "/": "NameLeadingSlash",
    "/etc/passwd": "NameLeadingSlash",
    "a//b": "NameEmpty",
    "a//": "NameEmpty",
    ".": "NameDots",
    "..": "NameDots",
    "../a": "NameDots",
    "a/../../b": "NameDots",
    "a/./b": "NameDots",
    "a/..": "NameDots",
    "a/../": "NameDots",
    "a\0b": "NameNul",
    "a/\ud800": "NameNotUtf8",
    "x" * 256: "NameTooLong",
    "é" * 128: "NameTooLong",
    "a/" + "x" * 256 + "/b": "NameTooLong",
    "x/" * 2048: "PathTooLong",
    ".cartage-" + "0" * 32: "NameOwn",
    "a/.cartage-" + "0" * 32 + ".parts/b": "NameOwn",
}

NAMES = [
    "a",
    "a.",
    "...",
    "..a",
    " ",
    "-rf",
    "~",
    "*",
    "a\\b",
    "con",
    "line\nbreak\ttab",
    "a:b",
    "x" * 255,
    "é" * 127,
    "\x01\x7f",
    "deep/" * 100 + "file",
    "e\u0301 beside é",
    "dir/",
    ".cartage-claim",
]


@given(st.lists(st.text("ab.-_Z9", max_size=70), max_size=4).map("/".join), st.integers(60, 70), st.booleans())
def test_what_most_keys_look_like_is_judged_as_any_other(key: str, name_bytes: int, windows: bool) -> None:
    limits = Limits(name_bytes, path_bytes=200, windows=windows)
    with patch.object(names, "_USUAL", lambda key: None):
        slowly = fault_of(key, limits)
    assert fault_of(key, limits) == slowly


def test_a_disk_of_windows_counts_characters_and_what_is_there_is_never_too_long() -> None:
    long = "あ" * 100 + ".txt"  # 304 bytes
    assert fault_of(f"a/{long}/b", Limits(windows=True)) is None
    for key in ("あ" * 256, "\U0001f0cf" * 128):
        fault = fault_of(key, Limits(name_bytes=1_530, windows=True))
        assert fault is not None
        assert fault.code == "NameTooLong"
    assert fault_of("\U0001f0cf" * 127, Limits(windows=True)) is None
    assert fault_of(long, Limits()) is not None
    assert fault_of(long, THERE) is None


@pytest.mark.parametrize("key", NO_NAMES, ids=ascii)
async def test_a_key_that_is_no_name_is_refused_with_it_and_nothing_is_written(scene: Scene, key: str) -> None:
    fault = fault_of(key)
    assert fault is not None and fault.code == NO_NAMES[key]
    with pytest.raises(Rejected) as refused:
        await scene.put(key, b"")
    assert (refused.value.code, refused.value.scope) == (NO_NAMES[key], "object")
    assert key in refused.value.ref
    assert fault.message in refused.value.message
    for asking in (scene.head(key), scene.get(key), scene.store.delete_object(DeleteObject(scene.ref(key)))):
        # What is there already may well lie deeper than a file can be written, or have a longer name.
        with contextlib.suppress(NotFound, Rejected) if fault_of(key, THERE) is None else pytest.raises(Rejected):
            await asking
    assert scene.on_disk() == []
    assert list(scene.folder.parent.iterdir()) == [scene.folder]


async def test_every_other_key_arrives_verbatim(scene: Scene) -> None:
    kept = []
    for key in NAMES:
        body = b"" if key.endswith("/") else key.encode()
        try:
            await scene.put(key, body)
        except Rejected as error:
            assert error.code == "NameRefused"  # as some file systems do
            continue
        kept.append(key)
        assert (await scene.get(key)).data == body
    assert await scene.keys() == sorted(kept, key=str.encode)
    assert {"a", "line\nbreak\ttab", "x" * 255, "dir/"} <= set(kept)


@settings(max_examples=examples(300))
@given(st.text(alphabet="ab./\\\0\n~é\u0301\ud800 ", max_size=12))
@example("a/../../b")
@example("//")
@example(".." * 2)
def test_a_key_lands_at_its_own_place_below_the_folder_or_nowhere(key: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "below/folder")
        folder.mkdir(parents=True)
        root = Root(str(folder))
        publisher = Publisher(root, "none")
        try:
            if key.endswith("/"):
                publisher.make_directory(key)
            else:
                publisher.put(key, b"1")
        except Rejected:
            assert fault_of(key) is not None
            assert list(folder.iterdir()) == []
        else:
            walk = Walk(root, USUAL, "", Position())
            assert [item.key for item in walk.take(10).objects] == [key]
        assert list(Path(place).iterdir()) == [folder.parent]
        assert list(folder.parent.iterdir()) == [folder]
        root.close()


@pytest.mark.parametrize(
    "key", ["con", "CON.txt", "a/aux", "lpt1", "com¹", "a:b", "a?", "a\\b", "dot.", "space ", "a\x01"]
)
def test_what_windows_keeps_for_itself_is_refused_where_windows_may_read(key: str) -> None:
    assert fault_of(key) is None
    assert (fault := fault_of(key, Limits(windows=True))) is not None
    assert fault.code == "NameReserved"


def test_every_reason_that_a_key_alone_tells_is_known_as_one_that_no_run_mends() -> None:
    assert {*NO_NAMES.values(), "NameReserved"} == set(MISNAMED)


def test_bytes_under_a_directorys_name_have_no_place() -> None:
    assert fault_of_object("a/", 0, names.USUAL) is None and fault_of_object("a", 1, names.USUAL) is None
    assert (fault := fault_of_object("a/", 1, names.USUAL)) is not None and fault.code == "NameEmpty"


def test_names_that_only_look_reserved_are_not() -> None:
    for key in ("console", "a.con", "com10", "nul1", "a b", ".a"):
        assert fault_of(key, Limits(windows=True)) is None


# --- what stands there already --------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["a", "a/b"])
async def test_of_a_file_beside_a_directory_of_its_name_the_second_is_refused(scene: Scene, first: str) -> None:
    second = "a/b" if first == "a" else "a"
    await scene.put(first, b"first")
    for condition in (ABSENT, None):
        with pytest.raises(Rejected) as refused:
            await scene.put(second, b"second", target_condition=condition)
        assert refused.value.code == "NameClash"
    assert (await scene.get(first)).data == b"first"
    assert await scene.keys() == [first]


async def test_a_planted_link_leads_nowhere(scene: Scene, tmp_path: Path) -> None:
    """Whoever can write in the folder cannot have anything written, read or deleted elsewhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (scene.folder / "in").mkdir()
    (scene.folder / "in/link").symlink_to(outside)
    (scene.folder / "file").symlink_to(outside / "secret")
    (scene.folder / "dangling").symlink_to(outside / "new")
    for key in ("in/link/secret", "in/link/deep/new", "in/link/", "file", "dangling", "dangling/new"):
        for condition in (ABSENT, None, "1-2-3-4"):
            with pytest.raises((Rejected, PreconditionFailed)):
                await scene.put(key, b"", target_condition=condition)
        with pytest.raises((Rejected, NotFound)):
            await scene.get(key)
    await scene.store.delete_object(DeleteObject(scene.ref("in/link/secret")))  # there is no such key
    with pytest.raises(Rejected):
        await scene.store.delete_object(DeleteObject(scene.ref("file")))
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert (scene.folder / "file").is_symlink()


async def test_a_link_that_is_planted_between_two_writes_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    await scene.put("d/one")
    (scene.folder / "d").rename(tmp_path / "moved")
    (scene.folder / "d").symlink_to(tmp_path / "moved")
    with pytest.raises(Rejected) as refused:
        await scene.put("d/two")
    assert refused.value.code == "NameClash"
    assert "symbolic link" in refused.value.message
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["one"]


async def test_what_stands_under_the_temporary_name_is_not_written_into(scene: Scene, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    temporary = scene.folder / os.fsdecode(temporary_name(b"one"))
    temporary.hardlink_to(mine)
    await scene.put("one", b"new")
    temporary.symlink_to(mine)
    await scene.put("one", b"newer")
    os.mkfifo(temporary)
    await scene.put("one", b"newest")
    assert mine.read_bytes() == b"mine"
    assert (scene.folder / "one").read_bytes() == b"newest"
    assert scene.on_disk() == ["one"]


async def test_a_pipe_is_neither_replaced_nor_waited_for(scene: Scene) -> None:
    os.mkfifo(scene.folder / "pipe")
    with pytest.raises(Rejected, match="pipe"):
        await scene.put("pipe")
    with pytest.raises(Rejected, match="pipe"):
        await scene.get("pipe")
    with pytest.raises(Rejected, match="pipe"):
        await scene.head("pipe")


# --- names that are folded ------------------------------------------------------------------------------------------


async def test_of_two_keys_that_the_file_system_takes_for_one_the_second_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold_names(monkeypatch)
    await scene.put("a.txt", b"first")
    await scene.put("é", b"first")
    for key, there in (("A.txt", "a.txt"), ("e\u0301", "é")):
        for condition in (ABSENT, None):
            with pytest.raises(Rejected) as refused:
                await scene.put(key, b"second", target_condition=condition)
            assert refused.value.code == "NameFolds"
            assert there in refused.value.message
        with pytest.raises(NotFound):
            await scene.head(key)
    assert await scene.keys() == ["a.txt", "é"]
    assert (await scene.get("a.txt")).data == b"first"
    await scene.put("a.txt", b"again")  # by its own name it may be replaced


async def test_two_spellings_are_told_also_where_each_has_an_inode_number_of_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As exFAT by FUSE, which numbers names as they are asked for."""
    fold_names(monkeypatch)
    looked_up = os.stat

    def numbered(name: Any, *of: Any, dir_fd: int | None = None, **how: Any) -> os.stat_result:
        found = looked_up(name, *of, dir_fd=dir_fd, **how)
        if dir_fd is None or spelled(os.fsencode(name), dir_fd) == os.fsencode(name):
            return found
        times = {field: getattr(found, field) for field in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
        return os.stat_result((found[0], zlib.crc32(os.fsencode(name)), *found[2:]), times)

    monkeypatch.setattr(os, "stat", numbered)
    await scene.put("a.txt", b"first")
    for condition in (ABSENT, None):
        with pytest.raises(Rejected) as refused:
            await scene.put("A.txt", b"second", target_condition=condition)
        assert refused.value.code == "NameFolds"
        assert "a.txt" in refused.value.message
    assert (await scene.get("a.txt")).data == b"first"


async def test_a_directory_is_not_shared_by_two_spellings(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fold_names(monkeypatch)
    await scene.put("Dir/one")
    with pytest.raises(Rejected) as refused:
        await scene.put("dir/two")
    assert refused.value.code == "NameFolds"
    assert await scene.keys() == ["Dir/one"]


async def test_a_file_system_that_tells_names_apart_holds_both(scene: Scene) -> None:
    for key in ("a", "A", "é", "e\u0301"):
        try:
            await scene.put(key, key.encode(), target_condition=ABSENT)
        except Rejected:
            pytest.skip("this file system folds names")
    assert await scene.keys() == ["A", "a", "e\u0301", "é"]


# --- links that are kept --------------------------------------------------------------------------------------------


async def test_a_link_is_kept_as_a_link_where_that_is_asked_for(scene: Scene) -> None:
    keeping = scene.with_manner(links="keep")
    (scene.folder / "link").symlink_to("../elsewhere")
    head = await keeping.head("link")
    assert (head.size, head.properties.metadata[0]) == (12, ("mode", "41471"))  # as s3fs writes it
    assert type(head.etag) is OpaqueEtag
    assert (await keeping.get("link", if_match=head.etag)).data == b"../elsewhere"
    await keeping.put("copy", b"../elsewhere", properties=head.properties, target_condition=ABSENT)
    assert (scene.folder / "copy").readlink() == Path("../elsewhere")
    for condition in ("1-2-3-4", None):
        with pytest.raises(Rejected, match="neither followed nor replaced"):
            await keeping.put("copy", b"x", properties=head.properties, target_condition=condition)
    now = (await keeping.head("copy")).etag
    await keeping.put("copy", b"other", properties=head.properties, target_condition=now)
    assert (scene.folder / "copy").readlink() == Path("other")
    with pytest.raises(Rejected):
        await keeping.put("copy/below", b"x")
    # Where links are not kept, such an object is a file of its text.
    await scene.put("text", b"../elsewhere", properties=Properties(metadata=(("mode", "41471"),)))
    assert not (scene.folder / "text").is_symlink()
