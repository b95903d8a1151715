"""Taking a file out of a folder, and the directories that it was the last one in."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Collection
from functools import partial

from engine.errors import NotFound, PreconditionFailed, Rejected, StoreError
from engine.folder import system
from engine.folder.making import KNOWN
from engine.folder.names import parts_of
from engine.folder.reading import standing
from engine.folder.refusals import OWN_FILE, below_link, changed, told
from engine.folder.roots import Root
from engine.folder.versions import same, version_of
from engine.folder.walking import Manner
from engine.freshness import sending
from engine.model import Page

_ITSELF = getattr(os, "O_PATH", os.O_RDONLY) | system.AS_IT_STANDS
"""Whatever stands under a name, a link too; on Linux also what may not be read."""


class Unlinked:
    """Files that have other names left when one is deleted here. That alone gives them another version, by their ctime;
    whoever named them by the one before means them still. May be used by several threads."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        """Held while one of several names is looked at and deleted."""
        self._named: dict[str, str] = {}

    def as_named(self, version: str) -> str:
        """The version that a file bore before names of it were deleted here; its own where none was."""
        return self._named.get(version, version)

    def shown(self, page: Page) -> Page:
        """A page with such versions."""
        if not self._named:
            return page
        return page._replace(objects=[item._replace(etag=self.as_named(item.etag)) for item in page.objects])

    def unlink(self, directory: int, name: bytes) -> None:
        """Delete one of several names; called by who holds `turn`."""
        try:
            held = os.open(name, _ITSELF, dir_fd=directory)
        except PermissionError:  # macOS, for a file that may not be read: its other names will count as changed
            system.unlink(directory, name)
            return
        try:
            before = os.fstat(held)
            system.unlink(directory, name)
            after = os.fstat(held)
        finally:
            os.close(held)
        named = self._named.pop(version_of(before), version_of(before))
        is_same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if after.st_nlink and is_same and len(self._named) < KNOWN:
            self._named[version_of(after)] = named


def delete(
    root: Root,
    key: str,
    if_match: str | None,
    operation: str,
    manner: Manner,
    unlinked: Unlinked,
    kept: Collection[str] = (),
) -> None:
    """Delete the file of `key`, if it is of the version `if_match`, where that is given; and the directories that it
    was the last one in, but for those `kept`. Raises as a store."""
    if root.is_own(key):
        raise Rejected(OWN_FILE.message, operation=operation, ref=root.shown(key), code=OWN_FILE.code)
    look = partial(_look, root, key, if_match, operation, manner, unlinked)
    try:
        status = look()
    except PreconditionFailed:
        if manner.links == "follow" and (link := _left_link(root, parts_of(key))):
            _remove(root, b"/".join(link).decode(), operation, system.unlink)
            _prune(root, link[:-1], kept)
            return
        with unlinked.turn:  # another of its names may have gone at that moment
            status = look()
    if status is None:
        return
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        with unlinked.turn:
            if look() is not None:
                _remove(root, key, operation, unlinked.unlink)
    else:
        _remove(root, key, operation, system.unlink)
    _prune(root, parts_of(key)[:-1], kept)


def _look(
    root: Root, key: str, if_match: str | None, operation: str, manner: Manner, unlinked: Unlinked
) -> os.stat_result | None:
    """What stands for a key; None for nothing. Raises `PreconditionFailed` where it is not of the version."""
    path = root.shown(key)
    sending(operation, path)
    try:
        status = standing(root, key, manner, operation)
    except NotFound:
        if if_match is not None:
            raise changed(operation, path, "the file is no longer there") from None
        return None
    version = unlinked.as_named(version_of(status))
    if if_match is not None and not same(if_match, version):
        raise changed(operation, path, f"the file is another one now: its version is {version}")
    return status


def _left_link(root: Root, parts: list[bytes]) -> list[bytes]:
    """The link on a path that leads to nothing any more, and led to what was in the same folder: by its other name that
    was deleted, and the link is what is left of it. Of none, no names."""
    for depth in range(1, len(parts) + 1):
        link = parts[:depth]
        try:
            with root.directory(link[:-1]) as directory:
                if not stat.S_ISLNK(os.stat(link[-1], dir_fd=directory, follow_symlinks=False).st_mode):
                    continue
                os.stat(link[-1], dir_fd=directory)
                return []
        except FileNotFoundError:
            folder = os.fsencode(os.path.realpath(root.path))
            is_link = os.path.islink(os.path.join(folder, *link))  # noqa: PTH114, PTH118  (bytes)
            leads = os.path.realpath(os.path.join(folder, *link))  # noqa: PTH118
            return link if is_link and leads.startswith(folder + b"/") else []
        except OSError:
            return []
    return []


def _remove(root: Root, key: str, operation: str, unlink: Callable[[int, bytes], None]) -> None:
    path = root.shown(key)
    *above, name = parts_of(key)
    sending(operation, path)
    try:
        with root.directory(above) as directory:
            if key.endswith("/"):
                os.rmdir(name, dir_fd=directory)
            else:
                unlink(directory, name)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):  # it was found just now, and by following
            raise below_link(operation, path) from error
        raise told(error, operation, path, writing=True) from error


def _prune(root: Root, parts: list[bytes], kept: Collection[str]) -> None:
    """Remove directories that became empty, as a prefix is gone with its last object. One that is not, stays."""
    with contextlib.suppress(OSError, StoreError):
        while parts and b"/".join([*parts, b""]).decode() not in kept:
            *parts, name = parts
            with root.directory(parts) as above:
                os.rmdir(name, dir_fd=above)
