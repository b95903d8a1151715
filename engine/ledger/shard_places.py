"""Where a ledger in shards has its files, and what it is called that they are part of."""

from __future__ import annotations

from pathlib import Path

INDEX = "index.ledger"
SHARDS = "shards"
AT_WORK = "at-work"
"""Where its processes meet."""


def index_path(folder: Path) -> Path:
    """Where the index of a ledger in shards is."""
    return folder / INDEX


def shard_path(folder: Path, number: int) -> Path:
    """Where one of its shards is."""
    return folder / SHARDS / f"{number:06}.ledger"


def shard_name(number: int) -> str:
    """What one of its shards is called."""
    return f"{SHARDS}/{number:06}"


def goes_by(path: Path) -> Path:
    """What the ledger is called that has this file: one in shards by its folder, since its index alone, or a shard,
    says nothing of the others."""
    for folder in (path.parent, path.parent.parent):
        if path in (index_path(folder), folder / SHARDS / path.name) and (folder / SHARDS).is_dir():
            return folder
    return path
