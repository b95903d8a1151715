"""Whether one path lies in another, whatever the two are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.folder.apart import lies_in


@pytest.mark.parametrize("how", ["a link", "a mount"])
def test_a_file_lies_in_a_folder_that_is_called_otherwise(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.symlink_to("folder")
    if how == "a mount":  # a folder's other name, which no path tells
        monkeypatch.setattr(os.path, "realpath", os.path.abspath)
    for one, another in ((folder, other), (other, folder), (folder, folder)):
        assert lies_in(one / "x.ledger", another)
        assert lies_in(one / "deep/x.ledger", another)
        assert lies_in(one / "new/er/x.ledger", another / "new"), "of a folder that is yet to be made too"
        assert not lies_in(one / "x.ledger", another / "new")
        assert not lies_in(one / "newer/x.ledger", another / "new")
    assert not lies_in(tmp_path / "x.ledger", folder)
