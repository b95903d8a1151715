"""What a list names is kept in order on disk: made once, whole before it has its name, and read by range."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine.listing.sorted_keys
from engine.errors import UsageError
from engine.listing.key_rows import KeyRow
from engine.listing.sorted_keys import FORGOTTEN_AFTER_S, KeySorter, SortedKeys, remove_others


def sorted_file(folder: Path, *batches: list[KeyRow], name: str = "a.keys") -> Path:
    sorter = KeySorter(folder)
    for batch in batches:
        sorter.add(batch)
    return sorter.done(name)


@given(st.lists(st.lists(st.tuples(st.text("abé\U0001f600\uffff", min_size=1, max_size=3), st.integers(0, 9)))))
def test_rows_come_out_in_the_order_of_utf_8_and_of_two_with_one_key_the_later(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, int]]]
) -> None:
    path = sorted_file(tmp_path_factory.mktemp("keys"), *([KeyRow(*item) for item in some] for some in batches))
    expected = dict(item for some in batches for item in some)
    with closing(SortedKeys(path)) as found:
        rows = found.after("", 1_000)
        assert {row.key: row.size for row in rows} == expected
        assert [row.key for row in rows] == sorted(expected, key=str.encode)
        digest = hashlib.sha256(b"".join(row.key.encode() + b"\0" for row in rows)).hexdigest()
        assert found.about == (len(expected), digest)


def test_a_range_is_read_by_itself_and_absent_keys_are_told(tmp_path: Path) -> None:
    with closing(SortedKeys(sorted_file(tmp_path, [KeyRow("c", 3, "e", "m", "s"), KeyRow("a"), KeyRow("b")]))) as found:
        assert found.after("a", 1) == [KeyRow("b")]
        assert found.after("b", 5) == [KeyRow("c", 3, "e", "m", "s")]
        assert [row.key for row in found.after("", 5, "b")] == ["a", "b"]
        assert found.after("b", 5, "b") == found.after("c", 5, "b") == []
        assert found.without(["a", "ab", "c", "d"]) == ["ab", "d"]


def test_it_is_cut_into_parts_of_about_as_many_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.listing.sorted_keys, "MARKED_EVERY", 10)
    keys = [f"{number:03}" for number in range(95)]
    with closing(SortedKeys(sorted_file(tmp_path, [KeyRow(key) for key in keys]))) as found:
        assert found.cuts(1) == []
        assert found.cuts(5) == ["019", "039", "059", "079"]
        assert found.cuts(100) == [f"{number:03}" for number in range(9, 90, 10)]


def test_it_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "l.lists"
    path = sorted_file(folder, [KeyRow("b")], [KeyRow("a")])
    assert list(folder.iterdir()) == [path]
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    KeySorter(folder).give_up()
    assert list(folder.iterdir()) == [path]


def test_those_of_older_lists_are_removed_and_what_is_being_sorted_is_not(tmp_path: Path) -> None:
    old, new = (sorted_file(tmp_path, [KeyRow("a")], name=name) for name in ("old.keys", "new.keys"))
    under_way, left = tmp_path / "1.new", tmp_path / "2.raw"
    for path in (under_way, left):
        path.touch()
    os.utime(left, times=(0, path.stat().st_mtime - FORGOTTEN_AFTER_S - 60))
    remove_others(tmp_path, {"new.keys"})
    assert sorted(tmp_path.iterdir()) == [under_way, new]
    assert not old.exists()


def test_a_file_that_is_not_there_or_of_another_form_is_made_anew_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    path = sorted_file(tmp_path, [KeyRow("a")])
    with pytest.raises(LookupError):
        SortedKeys(tmp_path / "b.keys")
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE about SET format = 0")
    database.close()
    with pytest.raises(LookupError):
        SortedKeys(path)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(UsageError, match=r"a\.keys: the list cannot be kept there"):
        SortedKeys(path)


def test_a_folder_that_takes_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: the list cannot be kept there in order"):
        KeySorter(tmp_path / "file")
