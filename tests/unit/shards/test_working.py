"""What carries shards, beside the run itself."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

import pytest

from engine.shards import working

A_MOMENT_S = 0.2

Folder = tempfile.TemporaryDirectory[str]


def test_threads_that_carry_shards_at_once_keep_their_lists_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second asks while the folder is being made for the first, in a process that has carried none yet."""
    monkeypatch.setattr(working, "_made_folder", cache(working._made_folder.__wrapped__))
    make = tempfile.TemporaryDirectory
    asked: list[Future[Folder]] = []
    with ThreadPoolExecutor(1) as other:

        def slow(prefix: str) -> Folder:
            if not asked:
                asked.append(other.submit(working._own_folder))
                wait(asked, A_MOMENT_S)
            return make(prefix=prefix, dir=tmp_path)

        monkeypatch.setattr(tempfile, "TemporaryDirectory", slow)
        with working._own_folder() as mine:
            assert asked[0].result().name == mine
