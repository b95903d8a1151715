"""Files that anybody wrote, brought to where a power cut does not reach them: before what they are copies of goes.

One call brings all of a file system (syncfs, Linux); where none is known to, each file is synced by itself, and then
each directory above. Who writes nothing meanwhile asks once for each file system: a file that is found later to bear
the version that it bore before was among what was brought.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from engine.errors import StoreError
from engine.folder import system
from engine.folder.names import parts_of
from engine.folder.refusals import WRITING, told
from engine.folder.roots import Root

Synced = dict[int, OSError | None]
"""Devices whose file system was brought to the disk, each with the error of one that could not be: a second sync after
a failed one would succeed, and have kept nothing."""

_ASKING = Lock()
"""Held by who has a disk synced: of two that ask at once the system would tell one alone that it failed."""

Above = tuple[bytes, ...]


class Undurable(NamedTuple):
    """What could not be brought to the disk, by key: its sync failed (`lost`: a second one would succeed, and have kept
    nothing), or it was not reached, so that nothing is known of it."""

    lost: dict[str, StoreError]
    unreached: dict[str, StoreError]


class _SyncFailed(Exception):
    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _syncing() -> Iterator[None]:
    try:
        yield
    except system.CannotSync:  # nothing is known of it
        raise
    except OSError as error:
        raise _SyncFailed(error) from error


def make_durable(root: Root, keys: Sequence[str], synced: Synced, *, follow: bool) -> Undurable:
    """Have the files of `keys`, and their names, on the disk. Gives those of which that failed; what is not there is
    for whoever looks at it to say. Blocks."""
    failed = Undurable({}, {})
    lies_in: dict[Above, list[str]] = {}
    alone: dict[Above, list[str]] = {}
    for key in keys:
        lies_in.setdefault(tuple(parts_of(key)[:-1]), []).append(key)

    def fail(some: Sequence[str], error: OSError | _SyncFailed) -> None:
        where, why = (failed.lost, error.error) if isinstance(error, _SyncFailed) else (failed.unreached, error)
        where.update({key: told(why, WRITING, root.shown(key), writing=True) for key in some})

    for above, within in lies_in.items():
        try:
            with root.directory(above, follow=follow) as directory:
                for key in within:
                    try:
                        if not _sync(directory, parts_of(key)[-1], synced, follow=follow):
                            for depth in range(len(above) + 1):
                                alone.setdefault(above[:depth], []).append(key)
                    except FileNotFoundError:
                        continue
                    except (OSError, _SyncFailed) as error:
                        fail([key], error)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            fail(within, error)
    for above in sorted(alone, key=len, reverse=True):
        try:
            with root.directory(above, follow=follow) as directory:
                _sync_directory(directory, synced)
        except (OSError, _SyncFailed) as error:
            fail(alone[above], error)
    return failed


def _sync(directory: int, name: bytes, synced: Synced, *, follow: bool) -> bool:
    """Bring one file, mostly with all of its file system; False where its directories are to be brought yet."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=follow)
    device = status.st_dev
    with _ASKING:
        if device not in synced:
            at = name if os.fstat(directory).st_dev != device else b"."
            with _opened(directory, at, follow=follow) as descriptor:
                try:
                    if system.sync_all(descriptor):
                        synced[device] = None
                except OSError as error:
                    synced[device] = error
        _refuse_failed(device, synced)
        if device in synced:
            return True
    if not stat.S_ISLNK(status.st_mode):  # its text comes with its name
        with _opened(directory, name, follow=follow) as descriptor, _syncing():
            system.hand_over(descriptor)  # its directory's sync does the rest
    return False


def _sync_directory(directory: int, synced: Synced) -> None:
    """Bring a directory by itself. Where that fails, what else lies in it would find it synced."""
    device = os.fstat(directory).st_dev
    with _ASKING:
        _refuse_failed(device, synced)
        try:
            with _syncing():
                system.sync(directory)
        except _SyncFailed as failed:
            synced[device] = failed.error
            raise


def _refuse_failed(device: int, synced: Synced) -> None:
    if (failed := synced.get(device)) is not None:
        raise _SyncFailed(failed)


@contextmanager
def _opened(directory: int, name: bytes, *, follow: bool) -> Iterator[int]:
    how = os.O_RDONLY | system.AS_IT_STANDS
    descriptor = os.open(name, how & ~system.NO_LINK if follow else how, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
