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
    folder, shard = path.parent.parent, path.stem
    if path == index_path(path.parent):
        folder = path.parent
    elif not (shard.isdecimal() and path == shard_path(folder, int(shard))):
        return path
    return folder if index_path(folder).is_file() and (folder / SHARDS).is_dir() else path
