"""Which form a ledger has: one file, or a folder of shards.

A ledger is one file until it is known that several processes carry its plan. `plan`, or the question of a run, makes
one before that; as long as it holds no object it becomes the index of one in shards, with all that it knows.
"""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

from engine.errors import LedgerError, UsageError
from engine.ledger.connecting import connect_to_read, hold_existing
from engine.ledger.files import IN_ANOTHER, beside, sync_folder, writing
from engine.ledger.locking import FileLock
from engine.ledger.opening import connect
from engine.ledger.rebinding import holds_any
from engine.ledger.shard_places import AT_WORK, INDEX, SHARDS, index_path
from engine.ledger.writer import translating


def is_there(path: Path) -> bool:
    """Whether there is a ledger, of whichever form; a folder without an index is one that was never made."""
    place = lies_at(path)
    return place.is_file() or index_path(place).is_file()


def lies_at(path: Path) -> Path:
    """Where the ledger of that name is: whoever was killed while it was made a folder left it beside its place."""
    folder = _on_its_way(path)
    return folder if not path.exists() and index_path(folder).is_file() else path


def is_one_file(path: Path) -> bool:
    """Whether there is a ledger whose form is settled, and it is one file. Raises as `LedgerReader.open_to_read`."""
    if not path.is_file():
        return False
    with hold_existing(path) as hold, translating(path), closing(connect_to_read(path, hold)) as connection:
        return holds_any(connection, "objects", "uploads")


def refuse_other_folder(path: Path) -> None:
    """Raise `UsageError` for a folder that holds something else than a ledger in shards. One that was cut short has no
    index yet, and at most what is made before that."""
    if path.is_dir() and not index_path(path).is_file() and any(not _is_own(item.name) for item in path.iterdir()):
        raise UsageError(f"{path} is a folder without a ledger.", advice=f"Give the ledger a name in it: {IN_ANOTHER}")


def _is_own(name: str) -> bool:
    return name in (SHARDS, AT_WORK) or name.startswith(INDEX)


def make_folder(path: Path) -> None:
    """Make the folder of a ledger in shards. One that is there keeps its mode. Raises `UsageError`, `LedgerError`."""
    refuse_other_folder(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path, path / SHARDS):
            folder.mkdir(mode=0o700, exist_ok=True)


def form_shards(path: Path) -> None:
    """Make a ledger of one file, which holds no object, the index of one in shards, where there is one. May be killed
    at any moment and done again. Raises `LedgerLocked`, `LedgerError`, `UsageError`."""
    with writing(path):
        if path.is_file():
            _move(path, _on_its_way(path))
    finish_forming(path)


def finish_forming(path: Path) -> None:
    """Put a folder in its place that was killed before it got there: with it goes what the ledger knew. Raises
    `LedgerError`."""
    folder = lies_at(path)
    if folder == path:
        return
    with writing(path):
        with suppress(FileNotFoundError):  # another process did it in that moment
            folder.rename(path)
        sync_folder(path)


def _on_its_way(path: Path) -> Path:
    return beside(path, ".folder")


def _move(path: Path, folder: Path) -> None:
    lock = FileLock(path)
    lock.acquire()
    try:
        lock.hold()
        with closing(connect(path)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:  # what is in the -wal would stay behind
            raise LedgerError(
                f"another program reads the ledger {path}, which has to be moved into a folder of shards.",
                advice="Close what has it open (a SQLite shell, say), then run the same command again.",
            )
        make_folder(folder)
        path.rename(folder / INDEX)
    finally:
        lock.release()
