"""A power cut, as a disk without mercy would take it: all that was not synced may be lost, each write by itself.

`Power` stands in for `engine.folder.system`: everything is done, and written down. At a moment that the test chooses
nothing more is done (`PowerCut`). What the disk would hold then is laid out in another folder (`after`): of each file
the bytes of its last sync, of each directory the names of its last sync, and of what came later whatever the test
draws: nothing, all, or any of it, in any combination. A rename happens whole or not at all; nothing else is promised.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.folder import system

Names = dict[bytes, int]


class PowerCut(BaseException):
    """The moment after which nothing is done any more."""


@dataclass
class File:
    """A file's bytes: those of its last sync, and what was done since."""

    synced: bytearray = field(default_factory=bytearray)
    later: list[Callable[[bytearray], None]] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.later:
            change(self.synced)
        self.later.clear()

    def after(self, draw: Callable[[], bool]) -> bytes:
        data = bytearray(self.synced)
        for change in self.later:
            if draw():
                change(data)
        return bytes(data)


@dataclass
class Directory:
    """A directory's names: those of its last sync, and what was done since."""

    synced: Names = field(default_factory=dict)
    later: list[Callable[[Names], None]] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.later:
            change(self.synced)
        self.later.clear()

    def after(self, draw: Callable[[], bool]) -> Names:
        names = dict(self.synced)
        for change in self.later:
            if draw():
                change(names)
        return names


class Power:
    """Records what is done below `folder`, which everything there before has survived. `cut_at`: so many operations are
    done, and no more."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int | None = None) -> None:
        self.operations = 0
        self.cut_at = cut_at
        self._files: dict[int, File] = {}
        self._directories: dict[int, Directory] = {}
        self._root = self._know(folder)
        for name in ("create", "create_unnamed", "give_name",
                     "make_directory", "write", "cut", "allocate", "punch", "sync", "sync_data", "hand_over",
                     "sync_all", "rename", "rename_to_nothing", "exchange", "unlink"):  # fmt: skip
            monkeypatch.setattr(system, name, self._recorded(getattr(system, name), getattr(self, f"_{name}")))

    def _know(self, folder: Path) -> int:
        names: Names = {}
        for path in folder.iterdir():
            inode = path.stat().st_ino
            names[os.fsencode(path.name)] = inode
            if path.is_dir():
                self._know(path)
            else:
                self._files[inode] = File(bytearray(path.read_bytes()))
        inode = folder.stat().st_ino
        self._directories[inode] = Directory(names)
        return inode

    def _recorded(self, call: Callable[..., Any], record: Callable[..., None]) -> Callable[..., Any]:
        def done(*of: Any) -> Any:
            if self.cut_at is not None and self.operations >= self.cut_at:
                raise PowerCut
            self.operations += 1
            answer = call(*of)
            record(answer, *of)
            return answer

        return done

    def _entry(self, directory: int) -> Directory:
        return self._directories[os.fstat(directory).st_ino]

    def _file(self, descriptor: int) -> File:
        return self._files[os.fstat(descriptor).st_ino]

    # --- what each operation does to the disk, sooner or later --------------------------------------------------------

    def _create(self, descriptor: int, directory: int, name: bytes, mode: int = 0) -> None:
        inode = os.fstat(descriptor).st_ino
        self._directories.pop(inode, None)  # a number that is free is given again
        self._files[inode] = File()
        self._entry(directory).later.append(lambda names: names.update({name: inode}))

    def _create_unnamed(self, descriptor: int | None, directory: int, mode: int) -> None:
        if descriptor is not None:
            inode = os.fstat(descriptor).st_ino
            self._directories.pop(inode, None)
            self._files[inode] = File()

    def _give_name(self, given: bool, descriptor: int, directory: int, name: bytes) -> None:
        inode = os.fstat(descriptor).st_ino
        if given:
            self._entry(directory).later.append(lambda names: names.update({name: inode}))

    def _make_directory(self, _: None, directory: int, name: bytes) -> None:
        inode = os.stat(name, dir_fd=directory).st_ino
        self._files.pop(inode, None)
        self._directories[inode] = Directory()
        self._entry(directory).later.append(lambda names: names.update({name: inode}))

    def _write(self, _: int | None, descriptor: int, data: bytes | memoryview, offset: int) -> None:
        self._change(descriptor, bytes(data), offset)

    def _change(self, descriptor: int, data: bytes, offset: int) -> None:
        def change(held: bytearray) -> None:
            held.extend(bytes(max(0, offset + len(data) - len(held))))
            held[offset : offset + len(data)] = data

        self._file(descriptor).later.append(change)

    def _cut(self, _: None, descriptor: int, size: int) -> None:
        def change(held: bytearray) -> None:
            held[size:] = b""
            held.extend(bytes(size - len(held)))

        self._file(descriptor).later.append(change)

    def _allocate(self, _: None, descriptor: int, size: int) -> None:
        self._file(descriptor).later.append(lambda held: held.extend(bytes(max(0, size - len(held)))))

    def _punch(self, punched: bool, descriptor: int, offset: int, length: int) -> None:
        if punched:
            self._change(descriptor, bytes(length), offset)

    def _sync(self, _: None, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        held: File | Directory = self._files.get(inode) or self._directories[inode]
        held.sync()

    _sync_data = _hand_over = _sync

    def _sync_all(self, done: bool, descriptor: int) -> None:
        if done:
            for file in self._files.values():
                file.sync()
            for directory in self._directories.values():
                directory.sync()

    def _rename(self, _: None, directory: int, old: bytes, new: bytes) -> None:
        def change(names: Names) -> None:
            if old in names:
                names[new] = names.pop(old)

        self._entry(directory).later.append(change)

    _rename_to_nothing = _rename

    def _exchange(self, exchanged: bool, directory: int, one: bytes, other: bytes) -> None:
        def change(names: Names) -> None:
            if one in names and other in names:
                names[one], names[other] = names[other], names[one]

        if exchanged:
            self._entry(directory).later.append(change)

    def _unlink(self, _: None, directory: int, name: bytes) -> None:
        def change(names: Names) -> None:
            names.pop(name, None)

        self._entry(directory).later.append(change)

    def recorded_rmdir(self, rmdir: Callable[..., None]) -> Callable[..., None]:
        """What `os.rmdir` is to be replaced by: the store removes directories with it."""

        def done(name: bytes, *, dir_fd: int) -> None:
            rmdir(name, dir_fd=dir_fd)
            self._unlink(None, dir_fd, name)

        return done

    # --- what is there once the power is back -------------------------------------------------------------------------

    def after(self, folder: Path, draw: Callable[[], bool]) -> None:
        """Lay out in `folder` what the disk holds; `draw` says of each later change whether it got there."""
        self._lay(self._root, folder, draw)

    def _lay(self, inode: int, folder: Path, draw: Callable[[], bool]) -> None:
        folder.mkdir()
        for name, held in self._directories[inode].after(draw).items():
            path = folder / os.fsdecode(name)
            if held in self._directories:
                self._lay(held, path, draw)
            else:
                path.write_bytes(self._files[held].after(draw))


def draws() -> dict[str, Callable[[], bool]]:
    """What may become of the changes that were not synced: two ends, and some between."""
    some = {f"some {seed}": _drawing(seed) for seed in range(4)}
    return {"nothing": lambda: False, "all": lambda: True, **some}


def _drawing(seed: int) -> Callable[[], bool]:
    drawn = random.Random(seed)
    return lambda: drawn.random() < 0.5
