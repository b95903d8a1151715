"""A small file that has no name until all of it is there. Linux alone has such files (O_TMPFILE, open(2))."""

from __future__ import annotations

import os

from engine.folder import system
from engine.folder.placing import into_nothing


def put_unnamed(
    directory: int, name: bytes, data: bytes | memoryview, path: str, mtime_ns: int | None, mode: int | None
) -> os.stat_result | None:
    """Write a new file, of all of `data`, at `name` of a directory. `path` is for people. None where the system, or the
    file system there, has no unnamed files: nothing was written.

    Raises `PreconditionFailed` where a file stands under the name, `Clash` where anything else does, and `OSError`."""
    # Nobody else reaches a file without a name: it may have its permissions at once.
    descriptor = system.create_unnamed(directory, 0o666 if mode is None else mode)
    if descriptor is None:
        return None
    try:
        system.write_sparse(descriptor, data, 0)
        if mtime_ns is not None:
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        with into_nothing(directory, name, path):
            if not system.give_name(descriptor, directory, name):
                return None
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
