"""Taking a file out of a folder, and the directories that it was the last one in."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection

from engine.errors import NotFound, StoreError
from engine.folder import system
from engine.folder.names import parts_of
from engine.folder.reading import standing
from engine.folder.refusals import below_link, changed, told
from engine.folder.roots import Root
from engine.folder.versions import same, version_of
from engine.folder.walking import Manner
from engine.freshness import sending


def delete(
    root: Root, key: str, if_match: str | None, operation: str, manner: Manner, kept: Collection[str] = ()
) -> None:
    """Delete the file of `key`, if it is of the version `if_match`, where that is given; and the directories that it
    was the last one in, but for those `kept`. Raises as a store."""
    path = root.shown(key)
    sending(operation, path)
    try:
        version = version_of(standing(root, key, manner, operation))
    except NotFound:
        if if_match is not None:
            raise changed(operation, path, "the file is no longer there") from None
        return
    if if_match is not None and not same(if_match, version):
        raise changed(operation, path, f"the file is another one now: its version is {version}")
    *above, name = parts_of(key)
    sending(operation, path)
    try:
        with root.directory(above) as directory:
            if key.endswith("/"):
                os.rmdir(name, dir_fd=directory)
            else:
                system.unlink(directory, name)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):  # it was found just now, and by following
            raise below_link(operation, path) from error
        raise told(error, operation, path, writing=True) from error
    _prune(root, above, kept)


def _prune(root: Root, parts: list[bytes], kept: Collection[str]) -> None:
    """Remove directories that became empty, as a prefix is gone with its last object. One that is not, stays."""
    with contextlib.suppress(OSError, StoreError):
        while parts and b"/".join([*parts, b""]).decode() not in kept:
            *parts, name = parts
            with root.directory(parts) as above:
                os.rmdir(name, dir_fd=above)
