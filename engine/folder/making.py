"""Directories that are written to: opened or made on the way to a file, and made durable with few syncs.

A file is safe from a power cut only once its own name is, and the name of each directory above it. So the first time
that a directory is met its parent is synced, whoever made it: another worker a moment ago, or a process that was
killed. Those who want the same directory synced at the same time share one sync.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.folder import system
from engine.folder.folding import real_name
from engine.folder.names import Fault
from engine.folder.refusals import NAME_CLASH, Clash, not_on_disk
from engine.folder.roots import BELOW, Root
from engine.model import Durability

Identity = tuple[int, int]
"""A directory's device and inode."""

KNOWN = 100_000
"""So many directories are remembered as durable and spelled so; each takes about 250 bytes."""


class Directories:
    """The directories of one folder, for writing. May be used by several threads."""

    def __init__(self, root: Root, durability: Durability) -> None:
        self._root = root
        self.durable = durability == "object"
        self._known: set[tuple[int, int, bytes]] = set()
        self._shared = SharedSyncs(system.sync)

    def open(self, parts: Sequence[bytes]) -> int:
        """A descriptor of the directory at `parts`, which is made where it is missing; the caller closes it.

        Raises `Clash` where a part of it is a file, a link or another spelling, and `OSError`."""
        self._root.make()
        held = self._root.open_directory([])
        try:
            for part in parts:
                below = self._below(held, part)
                os.close(held)
                held = below
        except BaseException:
            os.close(held)
            raise
        return held

    def _below(self, directory: int, part: bytes) -> int:
        below = self._opened(directory, part)
        status = os.fstat(below)
        known = status.st_dev, status.st_ino, part
        if known in self._known:
            return below
        try:
            if (spelled := real_name(directory, part, status)) != part:
                raise Clash(folded(part, spelled))
            self.sync(directory)
        except BaseException:
            os.close(below)
            raise
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known.add(known)
        return below

    def _opened(self, directory: int, part: bytes) -> int:
        try:
            return os.open(part, BELOW, dir_fd=directory)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # by another worker; or a dangling link, which opening refuses
                system.make_directory(directory, part)
        except OSError as error:
            raise self._clash(directory, part, error) from error
        try:
            return os.open(part, BELOW, dir_fd=directory)
        except OSError as error:
            raise self._clash(directory, part, error) from error

    def _clash(self, directory: int, part: bytes, error: OSError) -> Exception:
        try:
            status = os.stat(part, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return error
        if stat.S_ISDIR(status.st_mode):
            return error
        what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a file"
        return Clash(Fault(NAME_CLASH, f"where a directory is to be, {what} stands in its way: {part.decode()!r}"))

    def forget(self) -> None:
        """Directories were removed: what comes next under their names, and their numbers, is another one."""
        self._known.clear()

    def sync(self, directory: int) -> None:
        """Have a directory's names durable, where that is asked for."""
        if self.durable:
            status = os.fstat(directory)
            self._shared.sync((status.st_dev, status.st_ino), directory)

    def sync_placed(self, directory: int, path: str) -> None:
        """The same for a file that was just given its name, `path` for people. Raises `Rejected`."""
        try:
            self.sync(directory)
        except system.CannotSync:
            raise
        except OSError as error:
            raise not_on_disk(error, path) from error


def folded(name: bytes, spelled: bytes) -> Fault:
    """Two keys, one name."""
    return Fault(
        "NameFolds",
        f"its file system takes {name.decode()!r} and {spelled.decode('utf-8', 'backslashreplace')!r} for one name, "
        "and the other is there",
    )


@dataclass(slots=True)
class _Turns:
    """How many syncs of a directory were asked for, up to which of them it has been synced, and the error of those that
    could not be: a second sync after a failed one would succeed, and have kept nothing."""

    asked: int = 0
    done: int = 0
    running: bool = False
    waiting: int = 0
    error: OSError | None = None


class SharedSyncs:
    """Syncs of directories, where all who ask while one is under way share the next."""

    def __init__(self, sync: Callable[[int], None]) -> None:
        self._sync = sync
        self._turns: dict[Identity, _Turns] = {}
        self._changed = threading.Condition()

    def sync(self, identity: Identity, directory: int) -> None:
        """Return once everything that was done in the directory before this call is durable. Raises `OSError`."""
        with self._changed:
            turns = self._turns.setdefault(identity, _Turns())
            turns.asked += 1
            mine = turns.asked
            turns.waiting += 1
            try:
                while turns.running and turns.done < mine:
                    self._changed.wait()
                if turns.done < mine:
                    self._run(turns, directory)
                if turns.error is not None:
                    raise turns.error
            finally:
                turns.waiting -= 1
                if not turns.waiting:
                    self._turns.pop(identity, None)

    def _run(self, turns: _Turns, directory: int) -> None:
        """Sync for all who have asked by now. Called with the lock, which is not held meanwhile."""
        turns.running, upto = True, turns.asked
        self._changed.release()
        try:
            self._sync(directory)
        except OSError as error:
            turns.error = error
        finally:
            self._changed.acquire()
            turns.running, turns.done = False, upto
            self._changed.notify_all()
