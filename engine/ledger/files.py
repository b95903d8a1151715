"""The ledger as a file: made private, told from any other file, and as durable as its name."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import LedgerCorrupt, LedgerError
from engine.ledger.descriptors import SIDE_FILES, Hold, open_own
from engine.ledger.schema import APPLICATION_ID, DELETION_ID
from engine.process import MORE_FILES, OUT_OF_FILES

NAME_ANOTHER = "Name another with --ledger."
IN_ANOTHER = "--ledger FOLDER/NAME.ledger, or --state-dir FOLDER."
"""How a folder is named for a ledger: by `--ledger FOLDER` it would be the ledger itself."""
SQLITE_HEADER = b"SQLite format 3\0"
APPLICATION_AT = 68
"""Where the application's id is in a database's first page, four bytes (sqlite.org/fileformat2.html)."""
BESIDE = (*SIDE_FILES, ".lock")
"""How the names end of what lies beside a ledger, or a list of what is to be deleted."""
STRICT_SINCE = (3, 37, 0)
"""The SQLite that knows strict tables (sqlite.org/stricttables.html); Python may be built upon the system's own, which
is 3.34 on RHEL 9."""


def make_new(path: Path) -> None:
    """Create the file, which may not be there, with mode 0600 before SQLite opens it. Raises `LedgerError`."""
    _refuse_old_sqlite()
    with writing(path):
        os.close(open_own(path, new=True))


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < STRICT_SINCE:
        raise LedgerError(
            f"this Python's SQLite is {sqlite3.sqlite_version}, and a ledger needs 3.37 or newer.",
            advice="Install Cartage for a Python that brings its own, as uv's (uv python install) or conda's.",
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses of a place where a ledger is written is a `LedgerError`."""
    try:
        yield
    except OSError as error:
        elsewhere = f"Choose a folder that you may write to, with room: {IN_ANOTHER}"
        raise LedgerError(
            f"the ledger {path} cannot be written: {error.strerror or error}.",
            advice=MORE_FILES if error.errno in OUT_OF_FILES else elsewhere,
        ) from error


def beside(path: Path, ending: str) -> Path:
    """A file of the same name with more at its end."""
    return path.with_name(path.name + ending)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """The same of one that is read."""
    try:
        yield
    except OSError as error:
        said = f"the ledger {path} cannot be read: {error.strerror or error}."
        raise LedgerError(said, advice=NAME_ANOTHER) from error


def refuse_foreign(path: Path, hold: Hold, application: int = APPLICATION_ID, what: str = "ledger of Cartage") -> None:
    """Raise `LedgerCorrupt` for a file that is no `what` (by its id `application`), before any of it is changed."""
    _refuse_old_sqlite()
    with reading(path):
        header = hold.head(100)
    if not header:
        raise LedgerCorrupt(
            f"the ledger {path} is empty: it was cut short, or another program made it.",
            advice="Move it away with its -wal and -shm files, or put a backup in its place: what is copied is found.",
        )
    if not _is_of(application, header):
        said = f"{path} is not a {what}, or its beginning is damaged; it is left as it is."
        raise LedgerCorrupt(said, advice=NAME_ANOTHER)


def _is_of(application: int, header: bytes) -> bool:
    found = header[APPLICATION_AT : APPLICATION_AT + 4]
    return header.startswith(SQLITE_HEADER) and found == application.to_bytes(4, "big")


def is_ledger(path: Path) -> bool:
    """Whether the file is a ledger, or part of one in shards, or a list of what is to be deleted; a link is what it
    leads to."""
    try:
        with Hold(Path(os.path.realpath(path)), own=False) as hold:
            header = hold.head(100)
            return _is_of(APPLICATION_ID, header) or _is_of(DELETION_ID, header)
    except (OSError, LedgerError):  # of what is no file, and what cannot be read, nothing is lost
        return False


def bases_of(path: Path) -> list[Path]:
    """The ledgers of which it could be one of the files, by its name."""
    return [path, *(path.with_name(path.name.removesuffix(end)) for end in BESIDE if path.name.endswith(end))]


def is_of_a_ledger(path: Path) -> bool:
    """Whether a file is a ledger, or is called like one beside a ledger that is there."""
    return any(map(is_ledger, bases_of(path)))


def lists_path(ledger: Path) -> Path:
    """Where the routes' lists of keys are kept in order."""
    return beside(ledger, ".lists")


def deletion_path(ledger: Path) -> Path:
    """Where the list is kept of what a sync is to delete."""
    return ledger.with_name(f"{ledger.stem}.deletion")


def files_of(ledger: Path) -> list[Path]:
    """All that is, or may come, at a ledger's place and beside it, under its own name and under that which a link
    gives it."""
    found = []
    for path in dict.fromkeys((ledger.absolute(), Path(os.path.realpath(ledger)))):
        for base in (path, deletion_path(path), beside(path, ".new")):
            found += [base, *(beside(base, end) for end in BESIDE)]
        found += [lists_path(path), beside(path, ".folder")]
    return found


def sync_folder(path: Path) -> None:
    """Make the file's name in its folder as durable as the file."""
    if os.name != "posix":
        return
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sync_wal(path: Path) -> None:
    """Make durable what was committed into a ledger that somebody has open still, and that is so not all in its file.
    The -wal alone: closing the file itself here would lift the locks that this process has on it."""
    if os.name != "posix":
        return
    try:
        wal = os.open(beside(path, "-wal"), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(wal)
    finally:
        os.close(wal)
