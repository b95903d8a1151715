"""What the operating system refused, in the tree of `engine.errors`: how far it reaches, and what can be done."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.errors import (
    AccessDenied,
    BucketMissing,
    NotFound,
    PreconditionFailed,
    Rejected,
    StoreError,
    Unavailable,
    Unwritable,
)
from engine.folder.names import TOO_LONG, Fault
from engine.folder.system import CannotSync, free_files
from engine.model import BELOW_LINK
from engine.plan.record import NOT_ON_DISK
from engine.process import MORE_FILES, OUT_OF_FILES

_PASSING = frozenset({errno.ESTALE, errno.EAGAIN, errno.ENOMEM, errno.EINTR, errno.ETIMEDOUT})
"""What the same call may do a moment later, as where descriptors run out: a network's file handle went stale."""

_GONE = frozenset({errno.ENOTCONN, errno.ESHUTDOWN, errno.EHOSTDOWN})
"""Of all that is there: the program behind a mount (FUSE) ended, or its server is gone. ENXIO and ENODEV may be of one
pipe, socket or device alone (open(2))."""

_NAMES = frozenset({errno.EILSEQ, errno.EINVAL})

WRITING = "PutObject"
"""S3's action that writing a file stands for."""

MAKE_ROOM = "Make room there, or name another folder; then run the command again: what is complete stays as it is."
LOOK = "Look at the disk and its mount (dmesg, SMART); then run the command again: what is done stays."
REMOUNT = "Mount it so that it can be written to; then run the command again: what is done stays as it is."
NOT_SYNCED = "With --durability none nothing is brought to the disk, and a power cut may take what was written last."
_UNWRITABLE = {
    errno.ENOSPC: ("DiskFull", "the disk is full", MAKE_ROOM),
    errno.EDQUOT: ("QuotaFull", "this user's quota on the disk is used up", MAKE_ROOM),
    errno.EROFS: ("ReadOnly", "the file system is mounted read-only", REMOUNT),
}
OTHER_KEY = "Copy it under another key; among others, exclude leaves it out."

NAME_CLASH = "NameClash"
OWN_FILE = Fault("NameOwn", "this command has its own ledger, log or report there, and puts nothing in its place")
LEDGER_THERE = Fault(
    NAME_CLASH, "a ledger of Cartage is there, or one of which it would be part, and what that knows would be lost"
)
MAKE_WAY = (
    "Where the source has nothing under that name any more, remove what stands there, or move it away, and run the "
    "command again; else copy this key under another one, or leave it out with exclude."
)

ONE_FILE = "OneFile"
IS_ONE_FILE = (
    "source and target are one file by two names, since a mount, or a link that is followed, leads from the target to "
    "the source: that is no copy; take the mount or the link away, then run and verify again"
)

_THEN = "then run the command again; nothing was concluded from its absence."
RESTORE = f"Mount or restore it, {_THEN}"
MEND = f"Mend the path, or mount or restore the folder, {_THEN}"
START_ANEW = "Mount or restore it, then run the command again; or start anew with another ledger, by --ledger."


class Clash(Exception):
    """What stands in a folder leaves no place for a key: a file where its directory is to be, a directory where its
    file is, another spelling of its name. `fault` says what."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class telling:
    """Whatever the system refuses inside, in the course of writing `path`, as an error of the tree.

    A class, as it is entered several times a file: a generator would cost four times as much."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Clash):
            raise misnamed(WRITING, self._path, error.fault) from error
        if isinstance(error, OSError):
            raise told(error, WRITING, self._path, writing=True) from error


def told(error: OSError, operation: str, path: str, *, writing: bool = False) -> StoreError:
    """The error for what the system said of `path` in the course of `operation`."""
    code, words = error.errno or 0, os.strerror(error.errno or 0)
    name = errno.errorcode.get(code, "OSError")
    about: Any = {"operation": operation, "ref": path}
    if isinstance(error, CannotSync):
        said = f"its file system brings nothing to the disk when it is asked to ({words}): {path}"
        return Unwritable(said, code="CannotSync", advice=NOT_SYNCED, **about)
    if code in _GONE:
        return BucketMissing(
            f"what was mounted there is gone ({words}): {path}", code="FolderMissing", advice=RESTORE, **about
        )
    if code == errno.EIO and writing and _has_failed(path):
        return Unwritable(
            f"the disk does not answer any more ({words}): {path}", code="DiskFailed", advice=LOOK, **about
        )
    if code in _UNWRITABLE:
        short, sentence, advice = _UNWRITABLE[code]
        if code == errno.ENOSPC and _has_no_inode(path):
            short, sentence = "NoInodes", "the disk can have no more files, whatever room it has (no inode is left)"
        return Unwritable(f"{sentence}: {path}", code=short, advice=advice, **about)
    if code == errno.ENOENT:
        return missing(operation, path)
    if code in (errno.EACCES, errno.EPERM):
        who = f"user {os.geteuid()}" if hasattr(os, "geteuid") else "this user"
        what = "write" if writing else "read"
        return AccessDenied(
            f"permission denied: {who} may not {what} {path}, or may not pass through a directory above it",
            code="AccessDenied",
            advice=f"Change the permissions of {path} (chmod, chown), or run as a user who may {what} it.",
            **about,
        )
    if code in OUT_OF_FILES:
        return Unavailable(f"too many files are open at once: {path}", code=name, advice=MORE_FILES, **about)
    if code in _PASSING:
        return Unavailable(f"{words}: {path}", code=name, **about)
    if code in (errno.ENOTDIR, errno.ELOOP) and writing:
        said = "a part of its path is a file or a symbolic link there, not a directory"  # which is not followed
        return misnamed(operation, path, Fault(NAME_CLASH, said))
    if code in (errno.ENOTDIR, errno.ELOOP):
        return NotFound("there is no such file: a part of its path is no directory", code="NoSuchKey", **about)
    if code in (errno.ENOTEMPTY, errno.EEXIST):
        return Rejected("it is a directory with files in it", code="DirectoryNotEmpty", **about)
    if code == errno.ENAMETOOLONG:
        return misnamed(operation, path, Fault(TOO_LONG, "it, or a part of it, is longer than its file system takes"))
    if code in _NAMES:
        return misnamed(operation, path, Fault("NameRefused", f"its file system does not take this name ({words})"))
    return Rejected(f"the system refused: {words} ({path})", code=name, **about)


def _has_no_inode(path: str) -> bool:
    """Whether the disk that a path is on can have no more files. Asked of the nearest directory that is there."""
    for place in Path(path).parents:
        with suppress(OSError):
            return free_files(place) == 0
    return False


def _has_failed(path: str) -> bool:
    """Whether not even the directory that a path is in can be looked at, as on XFS once it has shut down: where it can,
    it may have been one file's sector."""
    for place in Path(path).parents:
        try:
            place.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            return error.errno == errno.EIO
        return False
    return False


def not_on_disk(error: OSError, path: str) -> Rejected:
    """The error for a file that has its name, where its directory could not be synced: whether the disk has that name
    is not known."""
    why = error.strerror or error
    return Rejected(
        f"it was written, and its directory could not be synced ({why}): a power cut may take it ({path})",
        operation=WRITING,
        ref=path,
        code=NOT_ON_DISK,
        advice="Run the command again: it compares what is there.",
    )


def missing(operation: str, path: str) -> NotFound:
    """The error for a file that is not there."""
    return NotFound("there is no such file", operation=operation, ref=path, code="NoSuchKey")


def misnamed(operation: str, path: str, fault: Fault) -> Rejected:
    """The error for a key that can be no name there: set aside, and written nowhere."""
    return Rejected(
        f"this key cannot be a file's name: {fault.message}; nothing was written",
        operation=operation,
        ref=path,
        code=fault.code,
        advice=MAKE_WAY if fault.code == NAME_CLASH else OTHER_KEY,
    )


def changed(operation: str, path: str, message: str, *, condition: str = "If-Match") -> PreconditionFailed:
    """The error for a file that is not, or no longer, what was asked for."""
    code = "SourceChanged" if operation == "GetObject" else "PreconditionFailed"
    return PreconditionFailed(message, operation=operation, ref=path, code=code, condition=condition)


def below_link(operation: str, path: str) -> Rejected:
    """The error for a file that is not deleted, as a link leads to it: what lies there is another folder's."""
    said = "a directory above it is a symbolic link, which is followed to read and never to delete"
    what = "delete it where the link leads to, or remove the link"
    return Rejected(f"{said}: {what}", operation=operation, ref=path, code=BELOW_LINK)


def vanished(path: str, why: str, advice: str = RESTORE) -> BucketMissing:
    """The error for a folder that is not there, or is another than it was. It is never taken for an empty one."""
    return BucketMissing(
        f"the folder {path} {why}", operation="GetBucketLocation", ref=path, code="FolderMissing", advice=advice
    )


def no_folder(path: str, why: str = "is a file, not a folder") -> BucketMissing:
    """The error for a folder in whose place, or above it, something else stands."""
    return BucketMissing(
        f"{path} {why}",
        operation="GetBucketLocation",
        ref=path,
        code="FolderMissing",
        advice="Name a folder, or move away what stands there; a file is named without a slash at its end.",
    )
