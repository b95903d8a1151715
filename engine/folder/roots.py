"""A folder, held by its descriptor, and its directories, reached from there one name at a time.

Containment rests on descriptors: every directory of a path is opened below the one before it, and none through a
symbolic link (O_NOFOLLOW), so that whoever can write in the folder cannot lead us out of it, however the timing. The
folder itself is opened as the user named it, links and all, and remembered by device and inode: another one under the
same name, such as the bare directory that a vanished mount leaves, is refused.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from engine.folder import system
from engine.folder.names import Fault
from engine.folder.owned import Owned
from engine.folder.refusals import (
    LEDGER_THERE,
    MEND,
    OWN_FILE,
    START_ANEW,
    WRITING,
    no_folder,
    told,
    vanished,
)
from engine.folder.system import A_DIRECTORY, NO_LINK
from engine.folder.versions import inode_of, know_inodes
from engine.plan.binding import folder_identity
from engine.plan.locations import undecoded

BELOW = A_DIRECTORY | NO_LINK

HAS_DESCRIPTORS = {os.open, os.stat, os.unlink, os.mkdir} <= os.supports_dir_fd
"""Whether this system can open files below a directory's descriptor. Windows cannot."""


class _closing:
    """A descriptor, which is closed in the end. A class, as it is entered for each file that is read."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *raised: object) -> None:
        os.close(self._descriptor)


class Root:
    """One folder. `path` is absolute, `owned` tells its files that are Cartage's own. Opened at the first use, and the
    same one ever after.

    Raises `BucketMissing` where it is not there, or no longer the one that it was."""

    def __init__(self, path: str, owned: Owned | None = None) -> None:
        self.path = path
        self.owned = owned or Owned()
        self.is_bound = False
        """Whether a ledger is bound to it."""
        self._descriptor: int | None = None
        self._known: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def shown(self, key: str) -> str:
        """The path of a key, for people."""
        return f"{self.path.rstrip('/')}/{key}"

    def is_own(self, key: str) -> bool:
        """Whether a key is a file of this very command's: no object, whoever asks."""
        return self.owned.holds(key, self.open_directory)

    def taken_by_ours(self, key: str, *, new: bool = False) -> Fault | None:
        """Why a key, which can be a name, is none to be written to, for a file of Cartage's own; None where it is.
        `new`: nothing that is there is replaced."""
        if self.is_own(key):
            return OWN_FILE
        return LEDGER_THERE if self.owned.is_of_a_ledger(self.shown(key), new=new) else None

    def ledgers_among(self, keys: Iterable[str]) -> set[str]:
        """The keys of those that are ledgers of Cartage, or part of one that is there."""
        return {key for key in keys if self.owned.is_of_a_ledger(self.shown(key))}

    def descriptor(self) -> int:
        """The folder's own descriptor, after a look whether its name still leads to it."""
        try:
            status = os.stat(self.path)  # noqa: PTH116  (each file asks, and a Path takes twice as long)
        except FileNotFoundError:
            if self._known:
                raise vanished(self.path, "is no longer there") from None
            raise vanished(
                self.path, f"does not exist{undecoded(self.path)}", START_ANEW if self.is_bound else MEND
            ) from None
        except NotADirectoryError:
            raise no_folder(self._nearest()) from None
        if not stat.S_ISDIR(status.st_mode):
            raise no_folder(self.path)
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, A_DIRECTORY)
                opened = os.fstat(self._descriptor)
                know_inodes(opened.st_dev, last=system.keeps_inodes(self._descriptor))
                self._known = opened.st_dev, inode_of(opened)
            if (status.st_dev, inode_of(status)) != self._known:
                raise vanished(self.path, "is another one than it was: it was replaced, mounted or unmounted")
            return self._descriptor

    def exists(self) -> bool:
        """Whether the folder is there. Raises `BucketMissing` where it was and no longer is."""
        return self._known is not None or os.path.lexists(self.path)

    def make(self) -> None:
        """Make the folder with all above it, each one durable, where it is not there yet. One that was there and is
        gone is not made anew: that is for its owner to look at. Raises `StoreError`."""
        if self.exists():
            return
        try:
            self._make()
        except NotADirectoryError:
            raise no_folder(self._nearest()) from None
        except FileNotFoundError as error:
            raise no_folder(str(error.filename), "is a link that leads nowhere") from None
        except OSError as error:
            raise told(error, WRITING, self.path, writing=True) from error

    def _make(self) -> None:
        missing = [Path(self.path)]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for folder in reversed(missing):
            above = os.open(folder.parent, A_DIRECTORY)
            try:
                with contextlib.suppress(FileExistsError):
                    system.make_directory(above, os.fsencode(folder.name))
                system.sync(above)
            finally:
                os.close(above)

    def _nearest(self) -> str:
        """What stands at its path, or at the innermost above it where anything does."""
        return next(path for path in (self.path, *map(str, Path(self.path).parents)) if os.path.lexists(path))

    def directory(self, parts: Sequence[bytes], *, follow: bool = False) -> AbstractContextManager[int]:
        """A descriptor of the directory at `parts` below the folder, while it is used. `follow`: links are followed, as
        the user asked for; never to write.

        Raises `OSError`: `NotADirectoryError` also for a link."""
        return _closing(self.open_directory(parts, follow=follow))

    def open_directory(self, parts: Sequence[bytes], *, follow: bool = False) -> int:
        """As `directory`; the caller closes it. Also the folder itself is opened anew: copies of one descriptor (dup)
        share how far its names were read, so that of two listings at once each would miss what the other was given."""
        how = A_DIRECTORY if follow else BELOW
        held = os.open(parts[0] if parts else b".", how, dir_fd=self.descriptor())
        try:
            for part in parts[1:]:
                below = os.open(part, how, dir_fd=held)
                os.close(held)
                held = below
        except BaseException:
            os.close(held)
            raise
        return held

    def identity(self) -> str:
        """What tells this folder from any other that may come under its name: its inode, and its file system's id.

        Not its device's number, which may be another after a restart, and the same of another disk at the same socket.
        The id of ext4, btrfs and APFS stays; where it is no more than that number (XFS, FAT), or there is none (FUSE,
        NFS: 0), the UUID tells; where there is none of either, what was mounted. The inode is 0 where it would be
        another one after each mount."""
        descriptor = self.descriptor()
        status, id_ = os.fstat(descriptor), os.fstatvfs(descriptor).f_fsid
        uuid = system.uuid_of(descriptor) if id_ in (0, status.st_dev) else ""
        if not (id_ or uuid) and (mounted := system.mounted_at(descriptor)):
            uuid = f"unknown ({' '.join(mounted[:2])})"
        return folder_identity(inode_of(status), id_, uuid)

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None
