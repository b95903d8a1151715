"""A folder as a listing: everything below a prefix in the order of UTF-8 bytes, page by page, from any key on.

A `Walk` goes down the directories with a stack of what is left of each, so that a page costs what is on it; a directory
is read when the walk comes to it. Directories are opened anew from the folder's own descriptor whenever the walk
enters them or comes back to them: one descriptor is held, however deep it goes.

What stands for what: a regular file is an object; an empty directory is the object `directory/` of no bytes (with
`markers="all"` so is every directory: then a folder that was written from S3 shows each marker again that it was
given); a symbolic link is what `links` says; the files of the very command that lists are none of it. Everything else
that lies there (pipes, sockets, devices, names that are no UTF-8) is `Unlisted`: it comes with the page in which it
would have been. A directory that cannot be read is an error, never an empty one, unless nothing under it is asked for.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from engine.errors import StoreError
from engine.folder.leftovers import Leftovers
from engine.folder.making import Identity
from engine.folder.names import shown
from engine.folder.refusals import told
from engine.folder.roots import Root
from engine.folder.scanning import Keep, scan
from engine.folder.versions import TICK_NS, is_young, moment_of, version_at, version_of
from engine.model import FilledDirectory, LinkedObject, Links, ListedObject, Unlisted
from engine.plan.selection import is_plain

Markers = Literal["empty", "all"]

Shut = Callable[[Identity], bool]
"""Whether a directory is one that a listing must not go into."""

Spared = Callable[[str], bool]
"""Whether whoever lists asks for nothing that begins with a key (`a/`), whatever follows."""

CLOSED = {
    "LinkCycle": "a symbolic link leads back to a directory above it",
    "OtherFolder": "it is of the route's other folder, by another name: originals and copies would be mixed",
}
"""Directories that are not gone into, and why."""

LISTING = "ListObjectsV2"
STORAGE_CLASS = "STANDARD"

_LOOPS = errno.ELOOP
"""A link that leads to itself; on macOS also one that is not to be followed."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How folders are read. `links`: symbolic links are set aside, followed wherever they lead, or kept as links
    (an object of the link's text). `markers`: which directories are objects. The clock and the wait are there for
    tests."""

    links: Links = "skip"
    markers: Markers = "empty"
    now_ns: Callable[[], int] = time.time_ns
    wait_s: Callable[[float], None] = time.sleep


USUAL = Manner()


class Position(NamedTuple):
    """Where a listing goes on: after `key`; with `whole`, after all that begins with it."""

    key: str = ""
    whole: bool = False


class Found(NamedTuple):
    """One page of a walk."""

    objects: list[ListedObject]
    prefixes: list[str]
    unlisted: list[Unlisted]
    ended: bool


@dataclass(slots=True)
class _Level:
    """A directory that the walk is in: its names still to come, its place as key and for messages, and whether a
    symbolic link leads there."""

    parts: list[bytes]
    prefix: bytes
    names: Generator[bytes, None, None]
    ahead: bytes | None
    identity: Identity
    linked: bool


class Walk:
    """What lies under `prefix` of a folder after a position. To be used by one thread at a time.

    `delimiter` "/" gathers what lies deeper than one level, as S3 does; `leftovers` is filled with what it meets of
    files that were not finished; `shut` tells of directories that it does not go into, `spared` of those that may as
    well be unreadable."""

    def __init__(
        self,
        root: Root,
        manner: Manner,
        prefix: str,
        position: Position,
        *,
        delimiter: str = "",
        leftovers: Leftovers | None = None,
        shut: Shut | None = None,
        spared: Spared | None = None,
    ) -> None:
        self._root, self._manner = root, manner
        self._shut, self._spared = shut, spared
        self._leftovers = leftovers
        self._prefix = prefix.encode()
        self._after, self._whole = position.key.encode(), position.whole
        self._gathers = bool(delimiter)
        self._levels: list[_Level] = []
        self._held: int | None = None
        self._held_for: _Level | None = None
        self._marker: ListedObject | None = None
        self.position = position
        """Where the next page begins."""
        self._begin()

    # --- one page ---------------------------------------------------------------------------------------------------

    def take(self, limit: int) -> Found:
        """Up to `limit` things: objects, gathered prefixes, and what is neither. Raises a `StoreError`."""
        self._root.descriptor()  # still the same folder
        found = Found([], [], [], False)
        young: list[tuple[int, _Level, bytes]] = []
        if self._marker is not None:
            found.objects.append(self._marker)
            self._marker = None
        while self._levels and len(found.objects) + len(found.prefixes) + len(found.unlisted) < limit:
            level = self._levels[-1]
            name = level.ahead
            if name is None:
                self._levels.pop()
                continue
            level.ahead = next(level.names, None)
            try:
                key = (level.prefix + name).decode()
            except UnicodeDecodeError:
                said = "its name is no UTF-8, which a key has to be: rename it"
                found.unlisted.append(Unlisted(shown(level.prefix + name), "NameNotUtf8", said))
                continue
            if name.endswith(b"/"):
                self._enter(level, name, key, found)
            else:
                self._look(level, name, key, found, young)
        self._move_on(found)
        self._settle(found, young)
        while self._levels and self._levels[-1].ahead is None:
            self._levels.pop()
        if not self._levels:
            self.close()
        return found._replace(ended=not self._levels)

    def _move_on(self, found: Found) -> None:
        passed = [Position(item.key) for item in found.objects[-1:]]
        passed += [Position(prefix, True) for prefix in found.prefixes[-1:]]
        passed += [Position(item.key, item.key.endswith("/")) for item in found.unlisted[-1:]]
        self.position = max(self.position, *passed) if passed else self.position

    def close(self) -> None:
        """Let go of what is held open."""
        self._release()
        for level in self._levels:
            level.names.close()

    def _release(self) -> None:
        if self._held is not None:
            os.close(self._held)
        self._held = self._held_for = None

    def __del__(self) -> None:
        self.close()

    # --- directories ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Go down to the directory that the prefix names, without reading any on the way."""
        folder, slash, _ = self._prefix.rpartition(b"/")
        parts = folder.split(b"/") if slash else []
        if any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
            return  # no file's key begins so
        prefix = folder + slash
        try:
            opened = self._open(parts, prefix)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, _LOOPS):
                return
            raise told(error, LISTING, self._shown(prefix)) from error
        assert not isinstance(opened, str), "nothing is above the first"
        level, is_empty = opened
        if prefix and self._shows(is_empty) and self._passes(prefix):
            self._marker = self._marker_of(level, is_empty)
        self._levels.append(level)

    def _open(self, parts: list[bytes], prefix: bytes) -> tuple[_Level, bool] | str:
        """The directory at `parts`, and whether it is empty; or why it is `CLOSED`."""
        self._release()
        follow = self._manner.links == "follow"
        self._held = self._root.open_directory(parts, follow=follow)
        status = os.fstat(self._held)
        identity = status.st_dev, status.st_ino
        if any(identity == level.identity for level in self._levels):
            return "LinkCycle"
        if self._levels and self._shut is not None and self._shut(identity):
            return "OtherFolder"
        meet = partial(self._leftovers.meet, parts) if self._leftovers is not None else None
        own = self._root.owned.names_in(status)
        found = scan(self._held, self._filter(prefix), follow=follow, meet=meet, own=own)
        linked = follow and ((self._levels and self._levels[-1].linked) or self._is_linked(parts))
        self._held_for = level = _Level(parts, prefix, found.names, next(found.names, None), identity, bool(linked))
        return level, found.is_empty

    def _is_linked(self, parts: list[bytes]) -> bool:
        """Whether the way to a directory that was just opened goes through a link."""
        try:
            os.close(self._root.open_directory(parts))
        except OSError:
            return True
        return False

    def _descriptor(self, level: _Level) -> int:
        """A descriptor of the directory of `level`, opened anew where the walk has been elsewhere since."""
        if self._held is None or self._held_for is not level:
            self._release()
            self._held = self._root.open_directory(level.parts, follow=self._manner.links == "follow")
            self._held_for = level
        return self._held

    def _enter(self, level: _Level, name: bytes, key: str, found: Found) -> None:
        prefix = level.prefix + name
        if self._gathers and len(prefix) > len(self._prefix):
            found.prefixes.append(key)
            return
        try:
            opened = self._open([*level.parts, name[:-1]], prefix)
        except PermissionError as error:
            if self._spared is None or not self._spared(key):
                raise self._refused(error, key) from error
            return
        except FileNotFoundError:  # removed since its name was read, as an object may be while S3 lists; or led there
            self._dangling(level, name[:-1], key, found)
            return
        except OSError as error:
            if error.errno in (errno.ENOTDIR, _LOOPS):
                found.unlisted.append(Unlisted(key, "ChangedMeanwhile", "it was a directory, and is none any more"))
                return
            raise told(error, LISTING, self._shown(prefix)) from error
        if isinstance(opened, str):
            found.unlisted.append(Unlisted(key, opened, CLOSED[opened]))
            return
        below, is_empty = opened
        if self._shows(is_empty) and self._passes(prefix):
            found.objects.append(self._marker_of(below, is_empty))
        self._levels.append(below)

    def _refused(self, error: PermissionError, key: str) -> StoreError:
        """The error for a directory that may not be read, with how to do without it where that can be said."""
        refused = told(error, LISTING, self._root.shown(key))
        pattern = f"{key[len(self._prefix.decode()) :]}*"
        if self._spared is not None and is_plain(pattern[:-1]):
            refused.advice = f"{refused.advice} Or leave out all that is under it with exclude: {pattern!r}."
        return refused

    def _shows(self, is_empty: bool) -> bool:
        return is_empty or self._manner.markers == "all"

    def _marker_of(self, level: _Level, is_empty: bool) -> ListedObject:
        status = os.fstat(self._descriptor(level))
        kind = FilledDirectory if not is_empty else LinkedObject if level.linked else ListedObject
        return kind(level.prefix.decode(), 0, version_of(status), moment_of(status.st_mtime_ns))

    # --- files ------------------------------------------------------------------------------------------------------

    def _look(self, level: _Level, name: bytes, key: str, found: Found, young: list[tuple[int, _Level, bytes]]) -> None:
        status = self._file_at(level, name, key, found)
        if status is None:
            return
        if is_young(status, self._manner.now_ns()):
            young.append((len(found.objects), level, name))
        found.objects.append(listed(key, status, linked=level.linked))

    def _file_at(self, level: _Level, name: bytes, key: str, found: Found) -> os.stat_result | None:
        """What the listing takes as a file; None where there is none: what else stands there is set aside."""
        links = self._manner.links
        try:
            status = os.stat(name, dir_fd=self._descriptor(level), follow_symlinks=links == "follow")
        except (FileNotFoundError, NotADirectoryError):
            self._dangling(level, name, key, found)
            return None
        except OSError as error:
            if error.errno == _LOOPS and links == "follow":
                found.unlisted.append(Unlisted(key, "LinkCycle", "a symbolic link that leads to itself"))
                return None
            raise told(error, LISTING, self._shown(level.prefix + name)) from error
        mode = status.st_mode
        if not stat.S_ISREG(mode) and not (stat.S_ISLNK(mode) and links == "keep"):
            found.unlisted.append(Unlisted(key, *kind_of(mode)))
            return None
        return status

    def _dangling(self, level: _Level, name: bytes, key: str, found: Found) -> None:
        """What led to nothing is set aside where it stands still, as a link, and was not removed meanwhile."""
        if self._manner.links != "follow":
            return
        try:
            os.stat(name, dir_fd=self._descriptor(level), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        found.unlisted.append(Unlisted(key, "LinkDangling", "a symbolic link that leads to nothing"))

    def _settle(self, found: Found, young: list[tuple[int, _Level, bytes]]) -> None:
        """Look again, after one tick of the clock, at what had just been written: only what is young even then has to
        be told from what it may still become."""
        if not young:
            return
        self._manner.wait_s(TICK_NS / 1e9)
        objects, gone = found.objects, []
        for index, level, name in young:
            key = objects[index].key
            status = self._file_at(level, name, key, found)
            if status is None:
                gone.append(index)
            else:
                objects[index] = listed(key, status, self._manner.now_ns(), linked=level.linked)
        for index in reversed(gone):
            del objects[index]

    # --- what is part of it -----------------------------------------------------------------------------------------

    def _filter(self, prefix: bytes) -> Keep | None:
        """Which names of the directory at `prefix` are of this listing: None for all of them."""
        wanted = self._prefix[len(prefix) :] if len(self._prefix) > len(prefix) else b""
        after = self._after[len(prefix) :] if self._after.startswith(prefix) else b""
        whole = self._whole
        if not after and prefix and prefix <= self._after and not self._after.startswith(prefix):
            return lambda name: False
        if not wanted and not after:
            return None

        def keep(name: bytes) -> bool:
            if wanted and not name.startswith(wanted):
                return False
            if name > after:
                return True
            return name.endswith(b"/") and after.startswith(name) and not (whole and after == name)

        return keep

    def _passes(self, key: bytes) -> bool:
        return key > self._after and key.startswith(self._prefix)

    def _shown(self, key: bytes) -> str:
        return self._root.shown(shown(key))


def listed(key: str, status: os.stat_result, now_ns: int | None = None, *, linked: bool = False) -> ListedObject:
    """A file as a listing shows it; with `now_ns`, a young one by that moment; `linked`: it lies below a link."""
    version = version_of(status) if now_ns is None else version_at(status, now_ns)
    kind = LinkedObject if linked else ListedObject
    return kind(key, status.st_size, version, moment_of(status.st_mtime_ns), STORAGE_CLASS)


def kind_of(mode: int) -> tuple[str, str]:
    """What a thing is that is no file: a word, and a sentence."""
    if stat.S_ISLNK(mode):
        return "SymbolicLink", "a symbolic link: --links follow takes what it leads to, --links keep the link itself"
    if stat.S_ISFIFO(mode):
        return "NotAFile", "a pipe, which holds no bytes that could be copied"
    if stat.S_ISSOCK(mode):
        return "NotAFile", "a socket, which holds no bytes that could be copied"
    if stat.S_ISDIR(mode):
        return "ChangedMeanwhile", "it was a file, and is a directory now"
    return "NotAFile", "a device, which is never read"
