"""A file read as a source: pinned to the version that was listed, and looked at again after the last byte.

What is opened is held by its descriptor, below the folder's own and through no link that the user did not ask for. A
file that changed while it was read is an error of the object (`PreconditionFailed`, code SourceChanged), which is
drift to whoever copies it; a file that was replaced under its name is read to its end as it was opened.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from functools import lru_cache
from typing import Self

from engine.checksums import Hasher, hasher
from engine.errors import Rejected, StoreError
from engine.folder.carried import properties_of
from engine.folder.folding import real_name
from engine.folder.names import THERE, fault_of, parts_of
from engine.folder.refusals import changed, misnamed, missing, told
from engine.folder.roots import Root
from engine.folder.system import AS_IT_STANDS, NO_LINK, expect_in_order, forget, sync
from engine.folder.versions import TICK_NS, is_same, is_young, moment_of, same, version_at
from engine.folder.walking import USUAL, Manner, kind_of
from engine.model import ObjectHead, OpaqueEtag
from engine.windows import WINDOW_BYTES, memory

READING = "GetObject"

WRITTEN_BACK_NS = 120_000_000_000
"""By then a system has written to the disk what it was given (Linux: after 35 s, dirty_expire_centisecs and
dirty_writeback_centisecs). A sync costs a flush of the disk even where there is nothing to write."""

WITHOUT_SIZE = "Copy it to a plain file (cat) and take that one, or leave it out with exclude."

_QUICK = os.O_RDONLY | AS_IT_STANDS


def look(directory: int, name: bytes, key: str, manner: Manner, path: str, operation: str) -> os.stat_result:
    """What stands under a name, once the clock has moved on from its last write.

    Raises `OSError` where there is nothing, or a directory where a file's key was asked for or the other way round, and
    `Rejected` for what is no object: nothing that stands there is taken for absent."""
    follow = manner.links == "follow"
    status = os.stat(name, dir_fd=directory, follow_symlinks=follow)
    if is_young(status, manner.now_ns()):
        manner.wait_s(TICK_NS / 1e9)
        status = os.stat(name, dir_fd=directory, follow_symlinks=follow)
    kind = stat.S_IFMT(status.st_mode)
    if (kind == stat.S_IFDIR) != key.endswith("/"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if kind not in (stat.S_IFREG, stat.S_IFDIR) and not (kind == stat.S_IFLNK and manner.links == "keep"):
        raise no_object(status.st_mode, path, operation)
    return status


def standing(root: Root, key: str, manner: Manner, operation: str) -> os.stat_result:
    """What stands for a key, as `look`. Raises `NotFound`, also where only another spelling of it is there."""
    path = root.shown(key)
    if fault := fault_of(key, THERE):
        raise misnamed(operation, path, fault)
    if root.is_own(key):
        raise missing(operation, path)
    *above, name = parts_of(key)
    try:
        with root.directory(above, follow=manner.links == "follow") as directory:
            status = look(directory, name, key, manner, path, operation)
            if real_name(directory, name, status) != name:
                raise missing(operation, path)
            return status
    except OSError as error:
        raise told(error, operation, path) from error


def head_of(key: str, status: os.stat_result, now_ns: int, version: str) -> ObjectHead:
    """What HEAD says of a file of this version that was looked at at `now_ns`, which is the date too."""
    return ObjectHead(
        size=0 if key.endswith("/") else status.st_size,
        etag=version,
        modified=moment_of(status.st_mtime_ns),
        properties=properties_of(key, status.st_mode, status.st_mtime_ns),
        tag_count=0,
        date=_date(now_ns // 1_000_000_000),
    )


@lru_cache(maxsize=16)
def _date(second: int) -> str:
    """A moment as the Date header has it."""
    return formatdate(second, usegmt=True)


def no_object(mode: int, path: str, operation: str) -> Rejected:
    """The error for what stands in a folder and cannot be an object."""
    word, sentence = kind_of(mode)
    return Rejected(f"{path} is {sentence}", operation=operation, ref=path, code=word)


class OpenedFile:
    """A file, or a directory's marker, or a link's text (`links="keep"`), open to be read. A context manager.

    All methods block: they belong in a thread. Several threads may read at once. Raises `NotFound`, `AccessDenied`,
    `PreconditionFailed` where `if_match` is another version, `Rejected` where its system gives bytes of it and no size,
    or another `StoreError`."""

    def __init__(self, root: Root, key: str, manner: Manner = USUAL, *, if_match: str | None = None) -> None:
        self.path = root.shown(key)
        self._link: bytes | None = None
        self._descriptor = -1
        if fault := fault_of(key, THERE):
            raise misnamed(READING, self.path, fault)
        self.key = key
        try:
            if root.is_own(key):
                raise missing(READING, self.path)
            self._open(root, key, manner)
            self._is_file = self._link is None and not key.endswith("/")
            self.size = 0 if stat.S_ISDIR(self._status.st_mode) else self._status.st_size
            self.version: OpaqueEtag = version_at(self._status, self._seen_ns)
            if if_match is not None and not same(if_match, self.version):
                raise self._changed(f"the file is not the one that was listed: its version is {self.version} now")
            if self.size == 0:
                self._check_empty()
        except OSError as error:
            self.close()
            raise told(error, READING, self.path) from error
        except StoreError:
            self.close()
            raise

    def _open(self, root: Root, key: str, manner: Manner) -> None:
        *above, name = parts_of(key)
        follow = manner.links == "follow"
        with root.directory(above, follow=follow) as directory:
            self._status = look(directory, name, key, manner, self.path, READING)
            if stat.S_ISLNK(self._status.st_mode):
                self._link = os.readlink(name, dir_fd=directory)
            else:
                self._descriptor = os.open(name, _QUICK & ~NO_LINK if follow else _QUICK, dir_fd=directory)
                self._status = os.fstat(self._descriptor)
                if stat.S_IFMT(self._status.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                    raise no_object(self._status.st_mode, self.path, READING)
        self._seen_ns = manner.now_ns()

    def _check_empty(self) -> None:
        """Raise `Rejected` for what is empty as the system has it, and gives bytes: some file systems make up what a
        file holds as it is read (/proc, some of FUSE)."""
        if os.pread(self._descriptor, 1, 0) if self._is_file else self._link:
            self.check_unchanged()
            said = f"{self.path} gives bytes, and its file system says that it has none: it cannot be known to be whole"
            raise Rejected(said, operation=READING, ref=self.path, code="NoSize", advice=WITHOUT_SIZE)

    @property
    def modified_ns(self) -> int:
        return self._status.st_mtime_ns

    def read_in_order(self) -> None:
        """Say that it will be read from beginning to end: the system then reads ahead."""
        if self._is_file:
            expect_in_order(self._descriptor)

    def forget_cached(self, offset: int = 0, length: int = 0) -> None:
        """Drop bytes (of no `length`: all from `offset` on) from the cache: what is read next comes from the disk,
        which is what a proof is of. Of a file that was written a moment ago they have to get there first."""
        if not self._is_file:
            return
        try:
            if self._seen_ns - self._status.st_ctime_ns < WRITTEN_BACK_NS:
                sync(self._descriptor)
            forget(self._descriptor, offset, length)
        except OSError as error:
            raise told(error, READING, self.path) from error

    def head(self) -> ObjectHead:
        """What HEAD says of it."""
        return head_of(self.key, self._status, self._seen_ns, self.version)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes at `offset`. Raises `PreconditionFailed` where the file ends before."""
        if not self._is_file:
            data = (self._link or b"")[offset : offset + len(buffer)]
            if len(data) < len(buffer):
                raise self._changed("it is shorter than it was")
            buffer[:] = data
            return
        try:
            while buffer:
                count = os.preadv(self._descriptor, [buffer], offset)
                if count == 0:
                    raise self._changed("the file was cut short while it was read")
                buffer, offset = buffer[count:], offset + count
        except OSError as error:
            raise told(error, READING, self.path) from error

    def read(self, offset: int, length: int) -> bytes:
        """As `read_into`, as new bytes."""
        data = bytearray(length)
        self.read_into(memoryview(data), offset)
        return bytes(data)

    def windows(self, first: int, length: int) -> Iterator[tuple[int, memoryview]]:
        """So many bytes from `first` on, window by window, each with its offset: all in one buffer, filled anew for
        each. Raises as `read_into`."""
        buffer, end = memory(min(length, WINDOW_BYTES)), first + length
        for offset in range(first, end, WINDOW_BYTES):
            window = buffer[: end - offset]
            self.read_into(window, offset)
            yield offset, window

    def hashed(self, first: int, length: int, algorithms: Iterable[str]) -> list[Hasher]:
        """The checksums of so many bytes from `first` on, in the order of `algorithms`. Raises as `read_into`."""
        hashers = [hasher(name) for name in algorithms]
        for _, window in self.windows(first, length):
            for item in hashers:
                item.update(window)
        return hashers

    def check_unchanged(self) -> None:
        """To be called after the last byte. Raises `PreconditionFailed` where anything was written since it was opened.

        The clock had moved on by then (opening waits for that), so that every later write shows in the times."""
        if not self._is_file:
            return
        try:
            now = os.fstat(self._descriptor)
        except OSError as error:
            raise told(error, READING, self.path) from error
        if not is_same(now, self._status):
            raise self._changed("the file was written to while it was read")

    def _changed(self, message: str) -> StoreError:
        return changed(READING, self.path, message)

    def close(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # nothing was written
                os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
