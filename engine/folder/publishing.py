"""Writing a file so that its name never stands for anything but all of its bytes.

    with publisher.begin(key, size, pin) as unfinished:   # thread
        kept = unfinished.kept("CRC64NVME")               # parts of an earlier run, hashed again
        unfinished.write(data, offset)                    # any number of threads, any order
        unfinished.part_done(Part(number, offset, length, checksum))
        published = unfinished.publish(condition, mtime_ns, mode)

What is written lies under a temporary name in the same directory (`.cartage-` and a hash of the file's name: found
again by the next run, and never too long), of its full length from the start. `publish` sets time and mode, syncs the
file, gives it its name by a rename that replaces nothing but what it may, and syncs the directory. Only what has
returned from there is safe; with `durability="none"` nothing is synced, and only a crash of this process is survived.
Leaving the `with` without publishing keeps what is there for the next run; `discard` removes it.

All of this blocks, and belongs in threads.
"""

from __future__ import annotations

import contextlib
import errno
import os

from engine.errors import PreconditionFailed, Rejected
from engine.folder import system
from engine.folder.folding import limits_of
from engine.folder.making import Directories
from engine.folder.names import Limits, fault_of, parts_of
from engine.folder.placing import place, put_unnamed
from engine.folder.refusals import WRITING, misnamed, telling
from engine.folder.roots import Root
from engine.folder.unfinished import Published, Unfinished, published_of, temporary_name
from engine.folder.versions import version_of
from engine.model import ABSENT, Durability

REMOVED_MEANWHILE = 3
"""So often a file is begun anew whose directory is removed in between: one goes with the last file that is deleted."""


class Publisher:
    """Writes files into one folder. May be used by several threads."""

    def __init__(self, root: Root, durability: Durability = "object") -> None:
        self.root = root
        self.directories = Directories(root, durability)
        self._limits: Limits | None = None
        # What is to survive a power cut is synced under a name: not every file system's journal has a name with what
        # it was given to.
        self._unnamed = durability == "none"

    def limits(self) -> Limits:
        """What the folder's file system takes for a name."""
        if self._limits is None:
            self.root.make()
            self._limits = limits_of(self.root.descriptor(), self.root.path)
        return self._limits

    def begin(self, key: str, size: int, pin: str = "") -> Unfinished:
        """A file to be written, with what an earlier run left of the very same (`pin`). Its room is taken here.

        Raises `Rejected` for a key that can be no file's name there, `Unwritable` where there is too little room,
        `Conflict` where another process is writing it, or another `StoreError`."""
        with telling(self.root.shown(key)):
            self.check(key)
            for _ in range(REMOVED_MEANWHILE):
                with contextlib.suppress(FileNotFoundError):
                    return self._begin(key, size, pin)
            return self._begin(key, size, pin)

    def _begin(self, key: str, size: int, pin: str) -> Unfinished:
        *above, name = parts_of(key)
        directory = self.directories.open(above)
        try:
            return Unfinished(self.directories, self.root.shown(key), directory, name, size, pin)
        except BaseException:
            os.close(directory)
            raise

    def put(
        self,
        key: str,
        data: bytes | memoryview,
        *,
        condition: str | None = None,
        mtime_ns: int | None = None,
        mode: int | None = None,
    ) -> Published:
        """Write a whole small file. Raises as `begin` and `Unfinished.publish` do."""
        if condition == ABSENT and self._unnamed:
            published = self._put_unnamed(key, data, mtime_ns, mode)
            if published is not None:
                return published
        with self.begin(key, len(data)) as unfinished, unfinished.discarded_on_error():
            unfinished.write(data, 0)
            return unfinished.publish(condition, mtime_ns, mode)

    def _put_unnamed(
        self, key: str, data: bytes | memoryview, mtime_ns: int | None, mode: int | None
    ) -> Published | None:
        """A new file that gets its name once it is whole: killed on its way it leaves nothing, so that there is nothing
        to lock or to take up. None where that cannot be done here."""
        path = self.root.shown(key)
        with telling(path):
            self.check(key, new=True)
            *above, name = parts_of(key)
            try:
                directory = self.directories.open(above)
                try:
                    status = put_unnamed(directory, name, data, path, mtime_ns, mode)
                finally:
                    os.close(directory)
            except FileNotFoundError:  # the directory was removed meanwhile
                return None
            except PreconditionFailed:
                self.check(key)
                raise
            if status is not None:
                return published_of(status)
            self._unnamed = False
        return None

    def make_directory(self, key: str) -> Published:
        """Have the directory of a marker (`a/b/`). One that is there already will do: a marker holds nothing."""
        with telling(self.root.shown(key)):
            self.check(key)
            directory = self.directories.open(parts_of(key))
            try:
                status = os.fstat(directory)
            finally:
                os.close(directory)
            return Published(version_of(status), status.st_mtime_ns, 0)

    def put_link(self, key: str, text: bytes, *, condition: str | None = None) -> Published:
        """Make a symbolic link, of a text that may lead anywhere: nothing here ever follows it. The text is read again
        before it has its name. Raises `Rejected` for a text that can be none."""
        with telling(self.root.shown(key)):
            self.check(key)
            if not text or b"\0" in text:
                raise no_link(self.root.shown(key))
            *above, name = parts_of(key)
            directory = self.directories.open(above)
            temporary = temporary_name(name)
            try:
                with contextlib.suppress(FileNotFoundError):
                    system.unlink(directory, temporary)
                try:
                    system.link_text(directory, temporary, text)
                except OSError as error:
                    if error.errno == errno.ENAMETOOLONG:  # the text: a temporary name never is
                        raise no_link(self.root.shown(key)) from error
                    raise
                try:
                    if os.readlink(temporary, dir_fd=directory) != text:
                        said = "the link's text is not what was written"
                        raise Rejected(said, operation=WRITING, ref=self.root.shown(key), code="DigestMismatch")
                    place(directory, temporary, name, condition, self.root.shown(key))
                except BaseException:
                    with contextlib.suppress(FileNotFoundError):  # it has its name already
                        system.unlink(directory, temporary)
                    raise
                self.directories.sync_placed(directory, self.root.shown(key))
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            finally:
                os.close(directory)
            return published_of(status)

    def check(self, key: str, *, new: bool = False) -> None:
        """Raise `Rejected` where a key can be no file's name here, before anything is touched. `new`: it takes the
        place of nothing, so that what is there need not be looked at."""
        if fault := fault_of(key, self.limits()) or self.root.taken_by_ours(key, new=new):
            raise misnamed(WRITING, self.root.shown(key), fault)


def no_link(path: str) -> Rejected:
    """The error for what is a symbolic link by its metadata, and cannot be one by its bytes."""
    said = "it says that it is a symbolic link, and what it holds leads nowhere"
    return Rejected(said, operation=WRITING, ref=path, code="LinkRefused")
