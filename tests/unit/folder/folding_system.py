"""A system whose file names are folded, as those of macOS and Windows are: `A.txt` finds what was written as `a.txt`.

What this machine has may tell all names apart. So the calls that take a name are given the spelling that is there, if
there is one of that fold; what is new keeps the spelling that it was given."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from engine.folder import system


def fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def spelled(name: bytes, directory: int) -> bytes:
    wanted = fold(os.fsdecode(name))
    with os.scandir(directory) as entries:
        return next((os.fsencode(entry.name) for entry in entries if fold(entry.name) == wanted), name)


def fold_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the names of this test's files are folded."""
    for call in ("open", "stat", "mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, call, _folding(getattr(os, call)))
    to_nothing, exchange, rename = system.rename_to_nothing, system.exchange, system.rename
    give_name = system.give_name
    monkeypatch.setattr(system, "give_name", lambda file, d, new: give_name(file, d, spelled(new, d)))
    monkeypatch.setattr(system, "rename_to_nothing", lambda d, old, new: to_nothing(d, old, spelled(new, d)))
    monkeypatch.setattr(system, "exchange", lambda d, old, new: exchange(d, old, spelled(new, d)))
    monkeypatch.setattr(system, "rename", lambda d, old, new: rename(d, old, spelled(new, d)))


def _folding(call: Callable[..., Any]) -> Callable[..., Any]:
    def folded(name: Any, *of: Any, dir_fd: int | None = None, **how: Any) -> Any:
        if dir_fd is None:
            return call(name, *of, **how)
        return call(spelled(name, dir_fd), *of, dir_fd=dir_fd, **how)

    return folded
