"""A file that is made for the first time stands as a whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.folder import system
from engine.folder.first import write_first


def refused(descriptor: int) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def test_a_folder_whose_names_cannot_be_synced_does_not_make_a_written_file_unwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "sync", refused)
    write_first(tmp_path / "plan.toml", b"name")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("plan.toml", b"name")]


def test_nothing_is_written_over_what_is_there_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_first(tmp_path / "plan.toml", b"name")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("plan.toml", b"mine")]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(OSError, match="Invalid argument"):
        write_first(tmp_path / "plan.toml", b"name")
    assert list(tmp_path.iterdir()) == []
