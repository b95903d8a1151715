"""Which objects can have no file in a folder, as far as their keys and sizes tell. Its disk is asked once, never for a
key's sake."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path

from engine.folder.folding import limits_below, limits_of
from engine.folder.names import Limits, fault_of_object
from engine.folder.refusals import OWN_FILE, WRITING, misnamed
from engine.folder.roots import Root
from engine.plan.misnamed import Misnames


def misnames_below(root: Root, prefix: str, *, made: bool) -> Misnames:
    """What may not be named below `prefix`, by what follows that. Of a folder that is yet to be `made` the disk of the
    nearest one above it tells. Blocks. Raises `OSError`, and as `Root.descriptor`."""
    limits = limits_of(root.descriptor(), root.path) if made else _limits_above(root.path)

    def fault(relative: str, size: int) -> tuple[str, str] | None:
        found = fault_of_object(key := prefix + relative, size, limits)
        if found is None and made and root.is_own(key):
            found = OWN_FILE
        if found is None:
            return None
        error = misnamed(WRITING, root.shown(key), found)
        return error.code, error.advised

    return fault


def nearest(folder: str) -> Path:
    """The innermost folder that is there, above one that is not."""
    return next(path for path in Path(folder).parents if path.exists())


def _limits_above(folder: str) -> Limits:
    with suppress(OSError), closing(Root(os.fspath(nearest(folder)))) as above:  # it may not be read
        return limits_of(above.descriptor(), folder)
    return limits_below(folder)
