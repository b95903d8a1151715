"""What a file system makes of names: whether it takes two for one, and what it cannot hold.

Many take `A` for `a` (macOS, Windows, network shares, an ext4 directory with +F), some also composed and decomposed
letters. Nothing says so reliably; so it is tried, on the very name in question: where a name finds a file, its other
spellings are asked for, and only where one of them finds that same file is the directory read for the spelling that it
really has. That costs one look where names are exact, and writes nothing.
"""

from __future__ import annotations

import os
import unicodedata

from engine.folder import system
from engine.folder.names import PATH_BYTES, Limits

WINDOWS_READS = frozenset(
    {"cifs", "drvfs", "exfat", "fuseblk", "msdos", "ntfs", "ntfs3", "prl_fs", "smb3", "smbfs", "vboxsf", "vfat"}
)
"""File systems that Windows may read as well, as the kernel calls them (fuseblk is what ntfs-3g comes as)."""


def limits_of(directory: int, path: str) -> Limits:
    """What the file system under a descriptor takes, for keys below the folder at `path`."""
    name_bytes = os.fstatvfs(directory).f_namemax
    return limits_below(path)._replace(name_bytes=name_bytes or 255, windows=system.kind_of(directory) in WINDOWS_READS)


def limits_below(path: str) -> Limits:
    """What any file system takes, below the folder at `path`."""
    return Limits(path_bytes=PATH_BYTES - len(os.fsencode(path)) - 1)


def spellings(name: str) -> list[str]:
    """Other spellings of a name that some file system takes for the same."""
    others = [name.swapcase()]
    if not name.isascii():
        others += [unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)]
    return [other for other in dict.fromkeys(others) if other != name]


def real_name(directory: int, name: bytes, status: os.stat_result) -> bytes:
    """The spelling that a file has which was found under `name` as `status`: another one where names are folded."""
    for other in spellings(name.decode()):
        try:
            found = os.stat(other.encode(), dir_fd=directory, follow_symlinks=False)
        except OSError:
            continue
        if os.path.samestat(found, status) or _moments(found) == _moments(status):
            return _written(directory, name, status.st_ino)
    return name


def _moments(status: os.stat_result) -> tuple[int, ...]:
    """What two spellings of one file have in common also where each has an inode number of its own, as by FUSE."""
    return status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _written(directory: int, name: bytes, inode: int) -> bytes:
    """`name` where it is among the directory's; else the one that stands for it: by its inode, or where none has that,
    by its letters."""
    wanted, by_inode, by_letters = _fold(name), name, name
    with os.scandir(directory) as entries:
        for entry in entries:
            spelled = os.fsencode(entry.name)
            if spelled == name:
                return name
            if entry.inode() == inode:
                by_inode = spelled
            elif _fold(spelled) == wanted:
                by_letters = spelled
    return by_inode if by_inode != name else by_letters


def _fold(name: bytes) -> str:
    return unicodedata.normalize("NFC", os.fsdecode(name)).casefold()
