"""A file that is made for the first time stands as a whole, or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
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


@pytest.mark.skipif(not system._UNNAMED, reason="this system has no files without a name")
@pytest.mark.parametrize("write", ["create_file(at, 'f', b'new')", "replace_file(at, 'f', before=b'', after=b'new')",
                                   "write_new(at, b'new')"])  # fmt: skip
def test_who_is_killed_while_a_file_is_brought_to_the_disk_leaves_nothing_beside_it(write: str, tmp_path: Path) -> None:
    """A page of signed links lies under no name that nobody would look for."""
    if "replace" in write:
        (tmp_path / "f").touch()
    before = list(tmp_path.iterdir())
    program = (
        "import os, pathlib, signal; from engine.references.local_files import *; "
        f"os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL); at = pathlib.Path('f'); {write}"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path).returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == before and all(not path.stat().st_size for path in before)


@pytest.mark.parametrize("lacking", ["O_TMPFILE", "/proc"])
def test_a_system_that_lacks_files_without_a_name_or_cannot_name_them_writes_the_same(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "/proc":
        monkeypatch.setattr(system, "give_name", lambda *of: False)
    else:
        monkeypatch.setattr(system, "_UNNAMED", 0)
    write_first(tmp_path / "plan.toml", b"name")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("plan.toml", b"name")]
    assert (tmp_path / "plan.toml").stat().st_mode & 0o777 == 0o666 & ~system.umask()
