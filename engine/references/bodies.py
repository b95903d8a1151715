"""What files hold and are to hold, kept on disk until it is shown or written: memory does not grow with them."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, NamedTuple

from engine.errors import UsageError, refused_as
from engine.references.replacing import mark_of


class Bodies:
    """A file without a name in a folder, gone with the last that is kept in it. Every method blocks, and may be called
    from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._opened: IO[bytes] | None = None

    def keep(self, body: bytes) -> KeptBody:
        """Raises `UsageError` where there is no room for it."""
        advice = f"Make room in {self._folder.absolute()}, where the ledger is."
        with self._lock, refused_as("what was read of the files cannot be kept on disk", advice):
            file = self._file()
            at = file.seek(0, os.SEEK_END)
            file.write(body)
        return KeptBody(self, at, len(body), mark_of(body))

    def read(self, kept: KeptBody) -> bytes:
        """Raises `UsageError` where it cannot be read, or is not what was kept."""
        what, advice = "what was kept of the files cannot be read again", "Run the command again."
        with self._lock, refused_as(what, advice):
            file = self._file()
            file.seek(kept.at)
            body = file.read(kept.length)
        if mark_of(body) != kept.mark:
            raise UsageError(f"{what}: it is something else.", advice=advice)
        return body

    def _file(self) -> IO[bytes]:
        if self._opened is None:
            self._opened = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            weakref.finalize(self, self._opened.close)
        return self._opened


class KeptBody(NamedTuple):
    """Where something is kept, how long it is, and its mark."""

    bodies: Bodies
    at: int
    length: int
    mark: str

    def read(self) -> bytes:
        return self.bodies.read(self)
