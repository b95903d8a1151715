"""Where a file is laid down for a library that reads none in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import EngineError


class NotLaidDown(EngineError):
    """This machine has no place for it."""


@contextmanager
def laid_down(instead: str = "") -> Iterator[Path]:
    """A folder for temporary files, gone afterwards. Raises `NotLaidDown` where there is none that can be written to;
    `instead` says how to do without it."""
    try:
        with tempfile.TemporaryDirectory(prefix="cartage-") as folder:
            yield Path(folder)
    except OSError as error:
        why = error.strerror or str(error)
        raise NotLaidDown(f"it takes a folder to write to, which TMPDIR names{instead} ({why})") from error
