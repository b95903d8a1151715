"""One file while it is being written: under its temporary name, in its own directory, of its full length.

What an earlier run left is taken up where it is of the very same source: its parts are listed in a journal beside it
(`engine.folder.journal`), and hashed before they are trusted. A target is never mapped into memory: a full disk would
be a signal instead of an error.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import xxhash

from engine.bodies import hash_range
from engine.errors import Conflict, IntegrityError, Unwritable
from engine.folder import system
from engine.folder.journal import NOTHING, Journal, Part, header_of, read_parts
from engine.folder.making import Directories
from engine.folder.names import PARTS_ENDING
from engine.folder.ours import is_ours, lock, standing_under
from engine.folder.placing import place
from engine.folder.refusals import MAKE_ROOM, WRITING, telling
from engine.folder.versions import version_of
from engine.model import ABSENT, OpaqueEtag
from engine.plan.own import MARK

ALLOCATED_FROM = 1 << 20
"""Files of this size on get their room before their first byte; smaller ones are written faster than that."""


class Published(NamedTuple):
    """A file that stands under its name: its version, and when it was written."""

    version: OpaqueEtag
    modified_ns: int
    size: int


def published_of(status: os.stat_result) -> Published:
    """The file that was found to stand under its name."""
    return Published(version_of(status), status.st_mtime_ns, status.st_size)


class Unfinished:
    """A file that is being written under its temporary name, locked against other processes. A context manager.

    `descriptor` is for who writes into it by himself (`engine.bodies.FileSink`): what the system refuses him is told by
    `engine.folder.refusals.telling`, with `path`."""

    def __init__(self, directories: Directories, path: str, directory: int, name: bytes, size: int, pin: str) -> None:
        """To be written at `name` of the directory at a descriptor, which is closed with it. `path` is for people."""
        self._directories, self.path, self.size = directories, path, size
        self._directory, self._name = directory, name
        self._temporary = temporary_name(name)
        self._list = self._temporary + PARTS_ENDING
        self._header = header_of(pin, size) if pin else b""
        self._journal: Journal | None = None
        self._lock = threading.Lock()
        self._lost: OSError | None = None
        self._listed = NOTHING
        self._open = True
        self.descriptor, status = self._claim()
        try:
            if pin:
                self._listed = read_parts(directory, self._list, self._header, size)
            if not self._listed.parts and status.st_size:
                system.cut(self.descriptor, 0)
            self._take_room(status.st_blocks * 512 if self._listed.parts else 0)
        except BaseException:
            if not self._listed.parts:
                self.discard()
            os.close(self.descriptor)
            raise

    # --- beginning --------------------------------------------------------------------------------------------------

    def _claim(self) -> tuple[int, os.stat_result]:
        """The temporary file, of our own and locked, and what it is. Whatever else stands under its name is no work of
        ours."""
        for _ in range(8):
            descriptor, is_new = self._opened()
            if descriptor is None:
                continue
            locked = lock(descriptor)
            if locked is False:
                os.close(descriptor)
                raise self._conflict("another process is writing this file")
            # Another process may have published or removed it just before the lock.
            if (held := standing_under(self._directory, self._temporary, descriptor)) is not None:
                if is_new:
                    return descriptor, held
                # Where there are no locks, somebody may be writing it: he finds it gone before he gives it its name.
                if locked and is_ours(held, self._directory):
                    if held.st_mode & 0o077:  # an older Cartage's
                        system.give_mode(descriptor, 0o600)
                    return descriptor, held
                self._drop_name()
            os.close(descriptor)
        raise self._conflict("its temporary file changes all the time")

    def _opened(self) -> tuple[int | None, bool]:
        """The temporary file, and whether it is new; None where what stood there is gone, or could be none of ours."""
        try:
            return system.create(self._directory, self._temporary), True
        except FileExistsError:
            pass
        try:
            return os.open(self._temporary, os.O_RDWR | system.AS_IT_STANDS, dir_fd=self._directory), False
        except FileNotFoundError:
            pass
        except OSError:
            self._drop_name()
        return None, False

    def _drop_name(self) -> None:
        """A link, a pipe, another name of someone's file stands there: only the name goes."""
        with contextlib.suppress(FileNotFoundError):
            system.unlink(self._directory, self._temporary)

    def _conflict(self, said: str) -> Conflict:
        advice = "Wait for the other run to end."
        return Conflict(said, operation=WRITING, ref=self.path, code="BeingWritten", advice=advice)

    def _take_room(self, taken: int) -> None:
        """Room for all but what is `taken` already, in bytes. Raises `Unwritable` where the disk has too little left:
        before the first byte."""
        missing = self.size - taken
        free = system.free_bytes(self.descriptor)
        if missing > free:
            said = f"{self.path} takes {self.size:,} bytes, and its disk has {free:,} left"
            raise Unwritable(said, operation=WRITING, ref=self.path, code="DiskFull", advice=MAKE_ROOM)
        if self.size >= ALLOCATED_FROM:
            system.allocate(self.descriptor, self.size)

    # --- its bytes --------------------------------------------------------------------------------------------------

    def kept(self, algorithm: str = "CRC64NVME") -> list[Part]:
        """The parts that an earlier run wrote and whose bytes are here: each is hashed anew, as the disk has it, by the
        algorithm of the checksums that `part_done` was given. To be asked before the first write."""
        parts = self._listed.parts
        if parts:
            system.forget(self.descriptor, 0, 0)
        return [part for part in parts if self.checksum(part.offset, part.length, algorithm) == part.checksum]

    def checksum(self, offset: int, length: int, algorithm: str) -> str:
        """Of the bytes that are there now; empty where there are fewer. Blocks."""
        with telling(self.path):
            (found,) = hash_range(self.descriptor, offset, length, (algorithm,))
        return found.value() if found.length == length else ""

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write bytes at their place; many zeros as a hole. Raises `Unwritable` where the disk is full."""
        with telling(self.path):
            self.put(data, offset)

    def put(self, data: bytes | memoryview, offset: int) -> None:
        """The same, with `OSError` as the system gives it."""
        system.write_sparse(self.descriptor, data, offset)

    def part_done(self, part: Part) -> None:
        """A part is written: have it synced, and listed for a run that goes on after a crash."""
        with telling(self.path):
            durable = self._directories.durable
            if durable:
                self._sync(system.sync_data)
            with self._lock:
                self._refuse_lost()
                if self._journal is None:
                    end = self._listed.end
                    self._journal = Journal(self._directory, self._list, self._header, end, durable=durable)
                    self._directories.sync(self._directory)
                self._journal.add(part)

    def _sync(self, sync: Callable[[int], None]) -> None:
        """It brings what every thread wrote, and the system tells one of them alone that it failed: then it is
        believed of no byte, also by a later run, which would read them out of memory."""
        try:
            sync(self.descriptor)
        except OSError as error:
            with self._lock:
                self._lost = error
                self.discard()
            raise

    def _refuse_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    # --- its end ----------------------------------------------------------------------------------------------------

    def publish(self, condition: str | None = None, mtime_ns: int | None = None, mode: int | None = None) -> Published:
        """Give the file its name. `condition`: `ABSENT`, or the version that may be replaced; None replaces any file.
        `mode` are its permissions, as far as its directory's default access list or this user's umask lets them be
        given; None: of the file that it replaces, and of a new one what the system gives new files. Until then nobody
        but this user can read it.

        Raises `PreconditionFailed` where the condition does not hold, `Rejected` where something that is no file, or
        another spelling of the name, stands there; what was written is kept then. What could not be brought to the
        disk is not."""
        with telling(self.path):
            if (length := os.fstat(self.descriptor).st_size) != self.size:
                raise IntegrityError(
                    f"{self.path}: {length:,} of {self.size:,} bytes were written; nothing was published"
                )
            if mtime_ns is not None:
                system.give_time(self.descriptor, mtime_ns)
            given = self._resemble() if condition != ABSENT else None
            if mode is not None or given is None:
                given = system.permitted(self._directory) & (0o666 if mode is None else mode)
            system.give_mode(self.descriptor, given)
            if self._directories.durable:
                self._sync(system.sync)
            self._sync(system.ask_closing)
            self._refuse_lost()
            if standing_under(self._directory, self._temporary, self.descriptor) is None:
                raise self._conflict("its temporary file is another's, or gone: another process is writing this file")
            place(self._directory, self._temporary, self._name, condition, self.path)
            self._directories.sync_placed(self._directory, self.path)
            if self._journal is not None or self._listed.end:
                with contextlib.suppress(FileNotFoundError):
                    system.unlink(self._directory, self._list)
            return published_of(os.fstat(self.descriptor))

    def _resemble(self) -> int | None:
        """The owner of the file that is to be replaced; gives its permissions, None where there is none. Not the bits
        that have a program run as its owner or group: these are other bytes, and perhaps another owner's."""
        try:
            old = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except OSError:
            return None
        if not stat.S_ISREG(old.st_mode):
            return None
        now = os.fstat(self.descriptor)
        if (old.st_uid, old.st_gid) != (now.st_uid, now.st_gid):
            with contextlib.suppress(OSError):  # also an owner that this container has no number for
                os.fchown(self.descriptor, old.st_uid, old.st_gid)
        return old.st_mode & 0o777

    @contextlib.contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """What does not end well leaves nothing behind: for files that are written at one go."""
        try:
            yield
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was written, as far as it can be."""
        with contextlib.suppress(OSError):
            self._remove()

    def _remove(self) -> None:
        if standing_under(self._directory, self._temporary, self.descriptor) is not None:
            system.unlink(self._directory, self._temporary)
        elif system.stands(self._directory, self._temporary):
            return  # it is another process's, and so is the list
        with contextlib.suppress(FileNotFoundError):
            system.unlink(self._directory, self._list)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._journal is not None:
            self._journal.close()
        with contextlib.suppress(OSError):  # what it could tell was asked for before the file got its name
            os.close(self.descriptor)
        os.close(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def temporary_name(name: bytes) -> bytes:
    """The name under which a file is written: the same for every run, whatever the length of its own."""
    return MARK.encode() + xxhash.xxh3_128_hexdigest(name).encode()
