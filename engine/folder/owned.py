"""Files of Cartage's own that lie in a folder: those of the very command that looks at it (its ledger, log, report),
which are no part of the folder, however it is read; and ledgers of other commands, which are files like any, and not to
be lost for one. All of it blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

PAGE_BYTES = 512
"""Of SQLite, at the least (sqlite.org/fileformat2.html): a file of any other length is no ledger, and not opened."""

IsOfALedger = Callable[[Path], bool]
"""Whether a file is a ledger, or would be part of one that is there."""


class Owned:
    """`files` are those of this command, whether they are there yet or not; what lies in a folder of theirs is too.
    `is_of_a_ledger` tells ledgers, also of other commands; `endings` are those of the files beside one."""

    def __init__(
        self,
        files: Iterable[Path] = (),
        is_of_a_ledger: IsOfALedger = lambda path: False,
        endings: tuple[str, ...] = (),
    ) -> None:
        self.files = tuple(files)
        self._is_of_a_ledger, self._endings = is_of_a_ledger, endings
        self._names: dict[str, set[bytes]] = {}
        for file in self.files:
            real = os.path.realpath(file.parent)
            self._names.setdefault(real, set()).add(os.fsencode(file.name))
        self._any = frozenset(file.name for file in self.files)

    def names_in(self, status: os.stat_result) -> Collection[bytes]:
        """The names that this command's files have in a directory, by whatever path that was come to."""
        found: set[bytes] = set()
        for parent, names in self._names.items():
            with suppress(OSError):  # it may be made yet
                if os.path.samestat(os.stat(parent), status):  # noqa: PTH116  (each directory asks)
                    found |= names
        return found

    def holds(self, key: str, open_directory: Callable[[Sequence[bytes]], int]) -> bool:
        """Whether a key below a folder is a file of this command's; `open_directory` opens those above it."""
        if self._any.isdisjoint(key.split("/")):
            return False
        parts = key.encode(errors="surrogatepass").split(b"/")
        for depth, part in enumerate(parts):
            if os.fsdecode(part) in self._any:
                with suppress(OSError):
                    directory = open_directory(parts[:depth])
                    try:
                        if part in self.names_in(os.fstat(directory)):
                            return True
                    finally:
                        os.close(directory)
        return False

    def is_of_a_ledger(self, path: str, *, new: bool = False) -> bool:
        """As `IsOfALedger`, of an absolute path; a file that is there and could be none is not opened for it. `new`: of
        a file that takes no other's place, which is no ledger, and may be part of one."""
        if not path.endswith(self._endings):
            if new:
                return False
            try:
                status = os.lstat(path)
            except OSError:
                return False
            if not stat.S_ISREG(status.st_mode) or not status.st_size or status.st_size % PAGE_BYTES:
                return False
        return self._is_of_a_ledger(Path(path))
