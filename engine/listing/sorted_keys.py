"""What a list of keys or an inventory names, sorted on disk: made once, then read by range by whoever needs a part.

A list comes in any order. Its rows go into a SQLite file as they come, SQLite sorts them outside of memory, and every
command and every process after that reads the pages of its own range. The file is whole before it has its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import UsageError
from engine.listing.key_rows import KeyRow
from engine.listing.lister import Feed, KeyRange
from engine.listing.unlisted import UnlistedThings
from engine.model import Location, Page

ENDING = ".keys"
KEYS_A_PAGE = 1_000
FORMAT = 2
MARKED_EVERY = 10_000
"""Of so many keys one is marked: where a list may be cut into parts of about the same number of keys."""

CACHE_KB = 16_000
"""What SQLite holds in memory of the file, and of what it sorts."""

FORGOTTEN_AFTER_S = 3_600
"""Nobody is sorting any more into a file that was not written to for so long."""

_COLUMNS = "size INTEGER, etag TEXT, modified TEXT, class TEXT, checksum TEXT, restore TEXT"


class About(NamedTuple):
    """What a sorted file says of itself: how many keys it has, and the SHA-256 of all of them, each ended by a NUL."""

    keys: int
    digest: str


class KeySorter:
    """Makes a sorted file in a folder. `add` rows in any order (of two with one key the later counts), then `done`, or
    else `give_up`. `scattered` rows come in order in a few places at once, as from the ranges of a listing. Used by one
    thread at a time. Raises `UsageError` where the folder takes no more."""

    def __init__(self, folder: Path, *, scattered: bool = False) -> None:
        self._scattered = scattered
        self._path = folder / f"{secrets.token_hex(8)}.new"
        self._unsorted = self._path.with_suffix(".raw")
        with _translating(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            for path in (self._path, self._unsorted):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._database.execute("ATTACH ? AS unsorted", (str(self._unsorted),))
            for schema in ("main", "unsorted"):
                self._database.execute(f"PRAGMA {schema}.journal_mode = OFF")
                self._database.execute(f"PRAGMA {schema}.synchronous = OFF")
                self._database.execute(f"PRAGMA {schema}.cache_size = -{CACHE_KB}")
            self._database.execute(f"CREATE TABLE keys (key TEXT PRIMARY KEY, {_COLUMNS}) WITHOUT ROWID")
            self._database.execute(f"CREATE TABLE unsorted.keys (key TEXT, {_COLUMNS})")
            self._database.execute("CREATE TABLE marks (key TEXT PRIMARY KEY) WITHOUT ROWID")
            self._database.execute("CREATE TABLE about (format INTEGER, text TEXT)")
            self._database.execute("BEGIN")
        self._newest: str | None = ""

    def add(self, rows: Sequence[KeyRow]) -> None:
        """Many lists are in order, and then there is nothing to sort."""
        if not self._scattered:
            self._newest = _risen(rows, self._newest)
        table = "unsorted.keys" if self._newest is None else "main.keys"
        with _translating(self._path.parent):
            self._database.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def done(self, name: str) -> Path:
        """Sort what was added and give the file its name."""
        path = self._path.with_name(name)
        with _translating(self._path.parent):
            self._database.execute("INSERT OR REPLACE INTO main.keys SELECT * FROM unsorted.keys ORDER BY key, rowid")
            about = self._look()
            self._database.execute("INSERT INTO about VALUES (?, ?)", (FORMAT, json.dumps(about)))
            self._database.execute("COMMIT")
            self._database.close()
            self._unsorted.unlink()
            with self._path.open("rb+") as file:
                os.fsync(file.fileno())
            self._path.replace(path)
        return path

    def give_up(self) -> None:
        """Leave nothing behind."""
        self._database.close()
        for path in (self._path, self._unsorted):
            path.unlink(missing_ok=True)

    def _look(self) -> About:
        """Read every key once, for the digest and the marks."""
        digest, count, marks = hashlib.sha256(), 0, []
        reading = self._database.execute("SELECT key FROM keys ORDER BY key")
        while some := reading.fetchmany(MARKED_EVERY):
            count += len(some)
            digest.update("".join([f"{key}\0" for (key,) in some]).encode())
            marks.append(some[-1])
        self._database.executemany("INSERT INTO marks VALUES (?)", marks[:-1])
        return About(count, digest.hexdigest())


class PagesOnDisk:
    """A lister of what lies on disk in order: each page costs little, and one range is read as quickly as several."""

    divisible = False

    def __init__(self, location: Location, takes: Callable[[str], bool] | None = None) -> None:
        """`takes`: which relative keys count, of what a page meets that cannot be looked at."""
        self.location = location
        self.unlisted = UnlistedThings(takes)

    async def _page(self, after: str, upto: str | None, limit: int) -> Page:
        """A page of what comes after a key, up to another; its token is the last key that was read, where there may be
        more."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open."""
        raise NotImplementedError

    async def pages(self, keys: KeyRange, first: Page | None = None) -> AsyncIterator[Feed]:
        """Nothing is read beyond the range: others are asked about what lies there. Raises what reading a page
        raises."""
        page, prefix = first, self.location.key
        after = "" if keys.after is None else prefix + keys.after
        reading = self.unlisted.reading(keys.after)
        while True:
            upto = None if keys.upto is None else prefix + keys.upto
            page = page or await self._page(after, upto, KEYS_A_PAGE)
            self.unlisted.add(reading, [(item.key.removeprefix(prefix), item) for item in page.unlisted])
            last = page.next_token is None
            if page.objects or last:  # no page is empty while there are more
                yield page.objects, last
            if page.next_token is None:
                return
            after, page = page.next_token, None

    async def page_after(self, relative: str) -> Page:
        return await self._page(self.location.key + relative, None, KEYS_A_PAGE)


class SortedKeys:
    """A sorted file, to read. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises `UsageError` for a file that is damaged, and LookupError for one that is not there, or of another
        form."""
        self.path = path
        if not path.exists():
            raise LookupError(f"there is no {path}")
        with _translating(path):
            self._database = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
            ((form, text),) = self._database.execute("SELECT format, text FROM about")
        if form != FORMAT:
            raise LookupError(f"{path} has another form")
        self.about = About(*json.loads(text))

    def after(self, key: str, limit: int, upto: str | None = None) -> list[KeyRow]:
        """The rows that follow a key, up to another."""
        end = b"" if upto is None else upto  # to SQLite any bytes come after any text
        found = self._rows("SELECT * FROM keys WHERE key > ? AND key <= ? ORDER BY key LIMIT ?", (key, end, limit))
        return [KeyRow(*row) for row in found]

    def without(self, keys: Iterable[str]) -> list[str]:
        """Those of these keys that it does not have."""
        return [key for key in keys if not self._rows("SELECT 1 FROM keys WHERE key = ?", (key,))]

    def cuts(self, parts: int, after: str = "", upto: str | None = None) -> list[str]:
        """Keys at which it, or what of it lies after `after` and up to `upto`, falls into at most so many parts of
        about as many keys each."""
        sql = "SELECT key FROM marks WHERE key > :after AND (:upto IS NULL OR key < :upto) ORDER BY key"
        marks = [key for (key,) in self._rows(sql, {"after": after, "upto": upto})]
        parts = min(parts, len(marks) + 1)
        return [marks[(len(marks) + 1) * at // parts - 1] for at in range(1, parts)]

    def _rows(self, sql: str, parameters: tuple[object, ...] | dict[str, object]) -> list[Any]:
        with _translating(self.path):
            return self._database.execute(sql, parameters).fetchall()

    def close(self) -> None:
        self._database.close()


def remove_others(folder: Path, current: Container[str]) -> None:
    """Remove the sorted files that are of no list any more, and what was left of sorting that was killed."""
    for path in folder.glob("*"):
        is_left = path.suffix != ENDING and time.time() - path.stat().st_mtime > FORGOTTEN_AFTER_S
        if is_left or (path.suffix == ENDING and path.name not in current):
            path.unlink(missing_ok=True)


def _risen(rows: Iterable[KeyRow], newest: str | None) -> str | None:
    """The last key, where all of them rise from the newest on; None from then on where they do not."""
    if newest is None:
        return None
    for row in rows:
        if row.key <= newest:  # code points are in the order of UTF-8
            return None
        newest = row.key
    return newest


@contextmanager
def _translating(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise UsageError(
            f"{path}: the list cannot be kept there in order ({error}).",
            advice="See that there is room, here and in the folder for temporary files (TMPDIR), and remove what is "
            "damaged: it is made anew from the list.",
        ) from error
