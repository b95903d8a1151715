"""Local files that a plan names: walked without following links, and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from engine.errors import UsageError, refused_as
from engine.folder.exchanging import NotPutBack, take_place
from engine.folder.first import begin_of, folder_of, unfinished_begin, write_first, written_whole
from engine.ledger.files import bases_of, is_ledger, sync_folder
from engine.references.replacing import ReplaceRefused, Restored, mark_of

NOT_ENTERED = frozenset({".git", ".hg", ".svn"})
"""What a version control keeps for itself."""

SYSTEMS_OWN = ("security.", "trusted.")
"""Extended attributes that a new file gets by the system's own rules, and that not everyone may set."""

MOST_OF_A_PLAN = 1 << 20
"""A larger file is not looked into to see whether it is a plan."""


class LocalFile(NamedTuple):
    """`name` begins as the plan writes the folder, `relative` is the path below it; `real` is the path without a link
    in it, the same however the file was come to."""

    name: str
    relative: str
    path: Path
    size: int
    real: str


class Skipped(NamedTuple):
    """A place that was not looked at, with the reason."""

    name: str
    why: str


def walk(name: str, root: Path) -> Iterator[LocalFile | Skipped]:
    """Every file at `root` in order, which the plan calls `name`. Links inside it are not followed; what cannot be
    looked at, or went meanwhile, is skipped."""
    try:
        found = root.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a NUL
        yield Skipped(name, "there is no such file or folder")
        return
    except OSError as error:
        yield Skipped(name, _why(error))
        return
    if stat.S_ISREG(found.st_mode):
        yield LocalFile(name, root.name, root, found.st_size, os.path.realpath(root))
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Skipped(name, "neither a file nor a folder")
        return
    inside, errors = os.path.realpath(root), list[OSError]()
    for parent, folders, files in os.walk(root, onerror=errors.append):
        folders[:] = sorted(folder for folder in folders if folder not in NOT_ENTERED)
        for item in [*folders, *sorted(files)]:
            met = _met(name, root, inside, Path(parent, item))
            if met is not None:
                yield met
            if isinstance(met, Skipped) and item in folders:
                folders.remove(item)  # else the walk says it once more
    yield from (Skipped(str(error.filename), _why(error)) for error in errors)


def _met(name: str, root: Path, inside: str, path: Path) -> LocalFile | Skipped | None:
    """What the walk says of a place: a link to another place inside is met there, one that leads out is not followed.
    None for what is none of these."""
    relative = path.relative_to(root).as_posix()
    called = f"{name.rstrip('/')}/{relative}"
    try:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            return LocalFile(called, relative, path, found.st_size, f"{inside}{os.sep}{relative}")
        # Not `resolve`, which ends at a link that leads to itself.
        if stat.S_ISLNK(found.st_mode) and not Path(os.path.realpath(path)).is_relative_to(inside):
            return Skipped(called, "a link that leads out of the folder")
    except OSError as error:
        return Skipped(called, _why(error))
    return None


def _why(error: OSError) -> str:
    return error.strerror or "cannot be read"


def replace_file(path: Path, name: str, *, before: bytes, after: bytes) -> None:
    """Put `after` in the place of a file that still holds `before`, also at the moment when it is replaced: a new file
    beside it, synced and renamed, with its mode, owner, group and extended attributes. Other names of it (hard links)
    keep the old file.

    Raises `ReplaceRefused` where it changed, cannot be written, or would get another owner; then it is as it was, or it
    is said where a version of it was put aside. And where it was written, and its folder could not be synced."""

    def take(new: Path) -> None:
        _dress(new, path, name)
        if not _take_place(new, path, before):
            raise changed

    changed = ReplaceRefused(
        f"{name} changed since it was read; nothing was written to it", advice="Run the command again to see it anew."
    )
    try:
        if not _holds(path, before):
            raise changed
        with written_whole(path, 0o600, take) as file:
            file.write(after)
    except NotPutBack as error:
        raise ReplaceRefused(f"{name}: {error}", advice=error.advice) from error
    except OSError as error:
        raise ReplaceRefused(
            f"{name} was not written: {error.strerror or error}",
            advice="Check the file's and its folder's permissions.",
        ) from error
    try:
        sync_folder(path)
    except OSError as error:
        raise ReplaceRefused(
            f"{name} was written, and its folder could not be synced ({error.strerror or error}): a power cut may take "
            "that back",
            advice="Run the command again: it finds the file as it is.",
        ) from error


def _holds(path: Path, body: bytes) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and path.read_bytes() == body


def _take_place(new: Path, path: Path, before: bytes) -> bool:
    """Give a new file the name of one beside it, if that holds `before`."""
    if os.name == "nt":  # which has no exchange, and no descriptors of folders
        if found := _holds(path, before):
            new.replace(path)
        return found
    with folder_of(path) as folder:
        one, other = os.fsencode(new.name), os.fsencode(path.name)
        return take_place(folder, one, other, lambda name: _holds(path.with_name(os.fsdecode(name)), before))


def restore_file(path: Path, name: str, *, mark: str, before: bytes) -> Restored:
    """Put `before` back if the file is still what bears `mark`. Raises as `replace_file` does."""
    try:
        if not path.is_file() or path.is_symlink():
            return Restored.GONE
        now = path.read_bytes()
        if now == before:
            return Restored.ALREADY
        if mark_of(now) != mark:
            return Restored.CHANGED
        replace_file(path, name, before=now, after=before)
    except OSError:
        return Restored.REFUSED
    return Restored.BACK


def create_file(path: Path, name: str, body: bytes) -> None:
    """Write a file that is not there yet, with the mode that new files get. Raises `ReplaceRefused` where it is."""
    try:
        write_first(path, body)
    except FileExistsError:
        raise ReplaceRefused(f"{name} appeared meanwhile; nothing was written to it") from None
    except OSError as error:
        raise ReplaceRefused(
            f"{name} was not written: {error.strerror or error}", advice="Check its folder, and the permissions there."
        ) from error


def remove_file(path: Path, mark: str) -> Restored:
    """Delete a file that we made, if it is still what bears `mark`."""
    try:
        if path.is_symlink() or mark_of(path.read_bytes()) != mark:
            return Restored.CHANGED
        path.unlink()
    except FileNotFoundError:
        return Restored.ALREADY
    except OSError:
        return Restored.REFUSED
    return Restored.BACK


def refuse_ours(path: Path) -> None:
    """Raise `UsageError` where a file would take the place of a plan, or of a ledger's files."""
    what = "a plan" if _is_plan(path) else ""
    if any(base.suffix == ".ledger" or is_ledger(base) for base in bases_of(path)):
        what = "a ledger, or part of one"
    if what:
        raise UsageError(f"{path} is {what}: nothing is written there.", advice="Name another file.")


def _is_plan(path: Path) -> bool:
    """Whether it reads as one, or is called as one: it may be broken just now."""
    try:
        if not path.is_file() or path.suffix == ".toml":
            return path.is_file()
        return path.stat().st_size <= MOST_OF_A_PLAN and "routes" in tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False


def write_new(path: Path, body: bytes) -> None:
    """Write a whole file at once, with mode 0600; an older one of that name is replaced. Raises OSError."""
    with writing_new(path) as file:
        file.write(body)


def write_private(path: Path, text: str, what: str, flag: str) -> Path:
    """As `write_new`, and gives the path. Raises `UsageError` where `what` ("report") cannot be written there, and as
    `refuse_ours`; another place is named with `flag`."""
    refuse_ours(path)
    with refused_as(f"the {what} cannot be written to {path}", f"Choose a file with {flag}."):
        write_new(path, text.encode())
    return path


@contextlib.contextmanager
def writing_new(path: Path) -> Iterator[BinaryIO]:
    """A file with mode 0600 that takes the place of an older one, as a whole or not at all. A link in its place is
    replaced, and what it leads to left alone. Raises OSError; also where something else than a file is in its place."""
    with contextlib.suppress(FileNotFoundError):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
            raise FileExistsError(errno.EEXIST, "it is there, and no regular file")

    def take(new: Path) -> None:
        new.chmod(0o600)  # whatever the umask
        new.replace(path)

    with written_whole(path, 0o600, take) as file:
        yield file
    sync_folder(path)


def remove_left_beside(paths: Iterable[Path]) -> None:
    """Remove what processes that were killed left beside files when they wrote them anew: to be called once, after all
    of them, since each folder is listed for it. Blocks; what cannot be removed is left, without an error."""
    if os.name == "nt":
        return
    from engine.folder.leftovers import remove_left  # what writes into folders is not needed for a report

    begins: dict[Path, set[str]] = {}
    for path in paths:
        begins.setdefault(path.absolute().parent, set()).add(unfinished_begin(path))
    for folder, wanted in begins.items():
        with contextlib.suppress(OSError):
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with os.scandir(directory) as items:
                    left = [item.name for item in items if begin_of(item.name) in wanted]
                for name in left:
                    with contextlib.suppress(OSError):
                        remove_left(directory, os.fsencode(name), time.time_ns())
            finally:
                os.close(directory)


def _dress(new: Path, old: Path, name: str) -> None:
    """Give the file that takes another's place its owner, group and mode, and what else hangs on it: its access control
    list among others."""
    owner = _owner(old)
    if hasattr(os, "chown") and _owner(new) != owner:
        try:
            os.chown(new, *owner)
        except PermissionError:
            raise ReplaceRefused(
                f"{name} was not written: it belongs to user {owner[0]} and group {owner[1]}, and could not be left to "
                "them",
                advice="Run the command as the file's owner.",
            ) from None
    for attribute in _attributes(old):
        try:
            os.setxattr(new, attribute, os.getxattr(old, attribute))
        except OSError:
            if not attribute.startswith(SYSTEMS_OWN):
                raise
    new.chmod(stat.S_IMODE(old.stat().st_mode))  # last: a change of owner takes set-user-id away


def _owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


def _attributes(path: Path) -> list[str]:
    """The names of a file's extended attributes; none where its file system has no such thing."""
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(path)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return []
