"""Giving a finished file its name, in the place of nothing but what may be replaced.

Where nothing may stand there, the rename itself refuses; where one version may be replaced, see
`engine.folder.exchanging`.
"""

from __future__ import annotations

import os
import stat

from engine.errors import Rejected, StoreError
from engine.folder import system
from engine.folder.exchanging import NotPutBack, take_place
from engine.folder.folding import real_name
from engine.folder.making import folded
from engine.folder.names import Fault
from engine.folder.refusals import NAME_CLASH, WRITING, Clash, changed
from engine.folder.versions import same, version_of
from engine.model import ABSENT


def place(directory: int, temporary: bytes, name: bytes, condition: str | None, path: str) -> None:
    """Rename `temporary` to `name`. `condition`: `ABSENT`, a version, or None for any file.

    Raises `PreconditionFailed`, `Clash` where what stands there is no file or another spelling, `Rejected`
    where what was written at the last moment could not be put back (it says where that is), and `OSError`."""
    if condition == ABSENT:
        with into_nothing(directory, name, path):
            system.rename_to_nothing(directory, temporary, name)
        _check_spelling(directory, name)
        return
    try:
        old = _replaceable(directory, name, condition)
    except FileNotFoundError:
        if condition is not None:
            raise _other(path, "it is no longer there") from None
        place(directory, temporary, name, ABSENT, path)
        return
    if condition is None:
        system.rename(directory, temporary, name)
    elif not same(condition, version_of(old)):
        raise _other(path, f"its version is {version_of(old)} now")
    else:
        _replace(directory, temporary, name, old, path)


class into_nothing:
    """Where a file is given a name under which nothing may stand: what there is to say where anything does. A class, as
    it is entered for each file."""

    __slots__ = ("_directory", "_name", "_path")

    def __init__(self, directory: int, name: bytes, path: str) -> None:
        self._directory, self._name, self._path = directory, name, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Raises `PreconditionFailed` for a file, and `Clash` for what is none, or for another spelling."""
        if isinstance(error, FileExistsError):
            _replaceable(self._directory, self._name, ABSENT)
            raise changed(WRITING, self._path, "a file is there already", condition="If-None-Match") from None


def put_unnamed(
    directory: int, name: bytes, data: bytes | memoryview, path: str, mtime_ns: int | None, mode: int | None
) -> os.stat_result | None:
    """Write a new file, of all of `data`, at `name` of a directory, which it has no name in until all of it is there.
    `path` is for people. None where the system, or the file system there, has no such files (Linux alone has them:
    O_TMPFILE, open(2)): nothing was written.

    Raises `PreconditionFailed` where a file stands under the name, `Clash` where anything else does, and `OSError`."""
    # Nobody else reaches a file without a name: it may have its permissions at once.
    descriptor = system.create_unnamed(directory, 0o666 if mode is None else mode)
    if descriptor is None:
        return None
    try:
        system.write_sparse(descriptor, data, 0)
        if mtime_ns is not None:
            system.give_time(descriptor, mtime_ns)
        with into_nothing(directory, name, path):
            named = system.give_name(descriptor, directory, name)
        if not named:
            return None
        _check_spelling(directory, name)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _replace(directory: int, temporary: bytes, name: bytes, old: os.stat_result, path: str) -> None:
    def is_expected(name: bytes) -> bool:
        out = os.stat(name, dir_fd=directory, follow_symlinks=False)
        # The exchange itself sets ctime.
        return (out.st_ino, out.st_size, out.st_mtime_ns) == (old.st_ino, old.st_size, old.st_mtime_ns)

    try:
        taken = take_place(directory, temporary, name, is_expected)
    except NotPutBack as error:
        raise Rejected(str(error), operation=WRITING, ref=path, code="NotPutBack", advice=error.advice) from error
    if not taken:
        raise _other(path, "it was written to at the last moment, and was put back")


def _replaceable(directory: int, name: bytes, condition: str | None) -> os.stat_result:
    """What stands under a name. Raises `Clash` where that is nothing that could be replaced. A symbolic link is, by its
    own version alone (`links="keep"`): it is never followed."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if (spelled := real_name(directory, name, status)) != name:
        raise Clash(folded(name, spelled))
    is_link = stat.S_ISLNK(status.st_mode)
    if stat.S_ISREG(status.st_mode) or (is_link and condition is not None and same(condition, version_of(status))):
        return status
    if stat.S_ISDIR(status.st_mode):
        raise Clash(Fault(NAME_CLASH, f"a directory is there, and stands in its way: {name.decode()!r}"))
    what = "a symbolic link" if is_link else "a pipe, a socket or a device"
    raise Clash(Fault(NAME_CLASH, f"{what} is there, which is neither followed nor replaced"))


def _check_spelling(directory: int, name: bytes) -> None:
    """A file system that writes names otherwise than it is told (HFS+) has the file under another key now."""
    if name.isascii():
        return
    if (spelled := real_name(directory, name, os.stat(name, dir_fd=directory, follow_symlinks=False))) != name:
        system.unlink(directory, spelled)
        raise Clash(Fault("NameFolds", f"its file system would write the name otherwise: {spelled.decode()!r}"))


def _other(path: str, what: str) -> StoreError:
    return changed(WRITING, path, f"the file is not the one that may be replaced: {what}")
