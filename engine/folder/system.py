"""What a folder asks of the operating system beyond plain reads: all that writes, publishes and makes durable.

One seam, for two reasons. Linux and macOS have calls that Python's `os` lacks (renameat2, fallocate), each with what
is done where there is none; and what a power cut may take is tried by a test that stands in for this module
(tests/unit/folder/power.py). Every function raises `OSError` as the system does, and takes names relative to a
descriptor: no path is ever walked here.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
_DARWIN = sys.platform == "darwin"

_AT_ONCE = 1 if not _DARWIN else 4  # RENAME_NOREPLACE (rename(2)), RENAME_EXCL (renamex_np(2))
_SWAP = 2  # RENAME_EXCHANGE, RENAME_SWAP
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # fallocate(2)
_GET_UUID = 0x80111500  # FS_IOC_GETFSUUID, from Linux 6.9 on
_BY_UUID = Path("/dev/disk/by-uuid")
MOUNTS = Path("/proc/self/mountinfo")
"""proc(5): number, parent's number, device, the part of its file system that is mounted, and where."""
_FULLFSYNC = 51  # macOS' fcntl(2): fsync leaves the data in the drive's own cache

CANNOT = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM})
"""How a file system says that it has no such call. EPERM is what FAT answers to a link."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
AS_IT_STANDS = NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
"""For what is there already: a link is not followed, and a pipe is not waited for."""
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK | getattr(os, "O_CLOEXEC", 0)
_UNNAMED = os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC if hasattr(os, "O_TMPFILE") else 0
A_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


def _function(*names: str) -> Callable[..., int] | None:
    for name in names:
        found: Callable[..., int] | None = getattr(_LIBC, name, None)
        if found is not None:
            return found
    return None


_RENAME = _function("renameat2", "renameatx_np")
if _RENAME is not None:
    _RENAME.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)  # type: ignore[attr-defined]
_FALLOCATE = _function("fallocate")
_SYNCFS = _function("syncfs") if sys.platform == "linux" else None
_FSTATFS = _function("fstatfs") if sys.platform == "linux" else None
_TMPFS = 0x01021994
_SYNCED_WHOLE = frozenset({"bcachefs", "btrfs", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems, as the kernel calls them, of which one syncfs brings all to the disk. To others it succeeds and does
less: FUSE asks no program behind it, a network's may not ask its server, FAT leaves data in the drive's own cache."""


def _done(call: Callable[..., int] | None, *arguments: object) -> bool:
    """Make a call of libc's. False where there is no such call here: nothing was done."""
    if call is None:
        return False
    if call(*arguments) == 0:
        return True
    code = ctypes.get_errno()
    if code in CANNOT:
        return False
    raise OSError(code, os.strerror(code))


def create(directory: int, name: bytes, mode: int = 0o600) -> int:
    """A new file, readable and writable. `FileExistsError` where anything stands under that name."""
    return os.open(name, NEW_FILE, mode, dir_fd=directory)


def create_unnamed(directory: int, mode: int) -> int | None:
    """A new file on a directory's file system that has no name yet, and is gone if it never gets one (`give_name`).
    None where there are no such files: Linux has them (O_TMPFILE, open(2)), on most local file systems."""
    if not _UNNAMED:
        return None
    try:
        return os.open(b".", _UNNAMED, mode, dir_fd=directory)
    except OSError as error:
        if error.errno in CANNOT or error.errno == errno.EISDIR:
            return None
        raise


def give_name(descriptor: int, directory: int, name: bytes) -> bool:
    """Give a file that has none its name. `FileExistsError` where anything stands under it. False where that cannot be
    done here (no /proc): nothing was done."""
    try:
        os.link(b"/proc/self/fd/%d" % descriptor, name, dst_dir_fd=directory, follow_symlinks=True)
    except OSError as error:
        if error.errno in CANNOT or error.errno in (errno.ENOENT, errno.EXDEV, errno.EACCES):
            return False
        raise
    return True


def make_directory(directory: int, name: bytes) -> None:
    os.mkdir(name, 0o777, dir_fd=directory)


PUNCHED_FROM = 64 << 10
"""So many zeros in one write leave a hole instead."""


def write_sparse(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """All of `data` at `offset`; many zeros as a hole, where there are such."""
    if len(data) >= PUNCHED_FROM and _is_zero(data):
        if offset + len(data) > os.fstat(descriptor).st_size:
            cut(descriptor, offset + len(data))
        if punch(descriptor, offset, len(data)):
            return
    write(descriptor, data, offset)


def _is_zero(data: bytes | memoryview) -> bool:
    return not data[0] and not any(data[:64]) and bytes(data).count(0) == len(data)


def write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """All of `data` at `offset`."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def cut(descriptor: int, size: int) -> None:
    """Give a file this length."""
    os.ftruncate(descriptor, size)


@functools.cache
def umask() -> int:
    """What this process gives no new file. Asked once: where Linux does not tell, it cannot be read without being set
    for a moment."""
    with contextlib.suppress(OSError), Path("/proc/self/status").open("rb") as told:
        for line in told:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_USER, _GROUP, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20  # entries of an access list that a mode shows (acl(5))


def permitted(directory: int) -> int:
    """The permissions that a new file of a directory may have, as the system reckons them where it makes one: by the
    directory's default access list, where it has one, else by the umask."""
    try:
        packed = os.getxattr(directory, "system.posix_acl_default") if sys.platform == "linux" else b""
    except OSError:
        packed = b""
    if not packed:
        return 0o777 & ~umask()
    entries: dict[int, int] = {tag: may for tag, may, _ in struct.iter_unpack("<HHI", packed[4:])}  # a version ahead
    group = entries.get(_MASK, entries.get(_GROUP, 0))
    return (entries.get(_USER, 0) << 6 | group << 3 | entries.get(_OTHER, 0)) & 0o777


def _refuse_but_lacking(error: OSError) -> None:
    """Raise it, unless a file system says by it that it has no such thing."""
    if error.errno not in CANNOT and error.errno != errno.EACCES:
        raise error


def give_mode(descriptor: int, mode: int) -> None:
    """A file's permissions, where its file system has any."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        _refuse_but_lacking(error)


def give_time(descriptor: int, mtime_ns: int) -> None:
    """When a file was last modified, where its file system lets that be said."""
    try:
        os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    except OSError as error:
        _refuse_but_lacking(error)


class CannotSync(OSError):
    """A file system has no sync of a file, or of a directory: fsync(2) says EINVAL. Nothing failed, and nothing is
    known to be on the disk."""


def _synced(call: Callable[[int], None], descriptor: int) -> None:
    try:
        call(descriptor)
    except OSError as error:
        if error.errno in CANNOT and error.errno != errno.EPERM:
            raise CannotSync(error.errno, error.strerror) from error
        raise


def sync(descriptor: int) -> None:
    """Have a file, or a directory's names, where a power cut does not reach them. Raises `CannotSync`."""
    if _DARWIN:
        import fcntl

        try:
            fcntl.fcntl(descriptor, _FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in CANNOT:
                raise
    _synced(os.fsync, descriptor)


def hand_over(descriptor: int) -> None:
    """The first half of `sync`: to the drive, which on macOS may keep it in its own cache until any sync there."""
    _synced(os.fsync, descriptor)


def sync_all(descriptor: int) -> bool:
    """As `sync`, for all of the file system that a descriptor is on, whoever wrote it. False where no call here is
    known to do that: nothing is known to be on the disk then."""
    return kind_of(descriptor) in _SYNCED_WHOLE and _done(_SYNCFS, descriptor)


def ask_closing(descriptor: int) -> None:
    """Have told what some file systems keep for a close to tell (NFS, SMB, sshfs: no room, a failed write): closing a
    copy of a descriptor asks for it, and leaves the file open, and locked."""
    os.close(os.dup(descriptor))


def sync_data(descriptor: int) -> None:
    """As `sync`, for a file's bytes and length alone."""
    if _DARWIN or not hasattr(os, "fdatasync"):
        sync(descriptor)
    else:
        _synced(os.fdatasync, descriptor)


def rename_to_nothing(directory: int, old: bytes, new: bytes) -> None:
    """Rename within one directory where nothing stands under the new name. `FileExistsError` where anything does.

    Where there is no such rename, a link is made and the old name removed; where there are no links either (FAT), the
    name is looked at just before the rename."""
    if _done(_RENAME, directory, old, directory, new, _AT_ONCE):
        return
    try:
        # Without descriptors `os.link` would ignore follow_symlinks.
        os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        if stands(directory, new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        rename(directory, old, new)
        return
    with contextlib.suppress(OSError):  # it has its name: what is left of the other is swept (`leftovers`)
        os.unlink(old, dir_fd=directory)


def stands(directory: int, name: bytes) -> bool:
    """Whether there is anything under that name."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def rename(directory: int, old: bytes, new: bytes) -> None:
    """Rename within one directory, in the place of whatever file stands there."""
    os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)


def exchange(directory: int, one: bytes, other: bytes) -> bool:
    """Let two names change places at one moment. False where there is no such call here: nothing was done."""
    return _done(_RENAME, directory, one, directory, other, _SWAP)


def unlink(directory: int, name: bytes) -> None:
    os.unlink(name, dir_fd=directory)


def link_text(directory: int, name: bytes, text: bytes) -> None:
    """A new symbolic link. `FileExistsError` where anything stands under that name."""
    os.symlink(text, name, dir_fd=directory)


def allocate(descriptor: int, size: int) -> None:
    """Take the room for a file of `size` bytes and give it that length. `OSError` ENOSPC where there is too little.

    posix_fallocate is no help: where there is no fallocate, glibc writes a byte into every block instead. Nor is any of
    them on a disk in memory, where room is taken by filling it with zeros."""
    has_blocks = size and not _lies_in_memory(descriptor)
    if not (has_blocks and _done(_FALLOCATE, descriptor, 0, ctypes.c_longlong(0), ctypes.c_longlong(size))):
        os.ftruncate(descriptor, size)


def _lies_in_memory(descriptor: int) -> bool:
    """Whether a file is on a tmpfs (statfs(2): the type is the first word)."""
    if _FSTATFS is None:
        return False
    found = (ctypes.c_long * 32)()
    return _FSTATFS(descriptor, found) == 0 and found[0] == _TMPFS


def punch(descriptor: int, offset: int, length: int) -> bool:
    """Let these bytes be zeros that take no room. False where there is no such call here: nothing was done."""
    flags = _PUNCH_HOLE | _KEEP_SIZE
    return _done(_FALLOCATE, descriptor, flags, ctypes.c_longlong(offset), ctypes.c_longlong(length))


def free_bytes(place: int | Path) -> int:
    """What the file system under a descriptor or a path has left for this user, in bytes: more than any file takes
    where it says no size of itself, as one in memory without a bound, or of a server, does."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize


def free_files(place: int | Path) -> int:
    """How many more files the file system under a descriptor or a path can have (inodes): more than any folder needs
    where it says no number of them (btrfs, FAT, a server)."""
    found = os.statvfs(place)
    return found.f_favail if found.f_files else sys.maxsize


def uuid_of(descriptor: int) -> str:
    """Of the file system that a descriptor is on; empty where nothing tells it."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        length, *number = fcntl.ioctl(descriptor, _GET_UUID, bytes(17))
        if length == 16 and any(number):
            hexed = bytes(number).hex()
            return "-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))
    with contextlib.suppress(OSError):
        device = os.fstat(descriptor).st_dev
        for entry in sorted(_BY_UUID.iterdir()):
            with contextlib.suppress(OSError):
                if entry.stat().st_rdev == device:
                    return entry.name
    return ""


def mounted_at(descriptor: int) -> list[str]:
    """What is mounted where a descriptor is: the file system's type, what it is of, its options (proc(5)); empty where
    nothing tells it."""
    device = os.fstat(descriptor).st_dev
    wanted = mount_of(descriptor) or f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            if wanted in before.split()[:3:2]:  # between its number and its device is the mount that it is in
                return after.split()
    return []


def kind_of(descriptor: int) -> str:
    """The type of the file system under a descriptor, as the kernel calls it; empty where nothing tells it."""
    kind, *rest = mounted_at(descriptor) or [""]
    return "drvfs" if kind == "9p" and "drvfs" in " ".join(rest) else kind


def keeps_inodes(descriptor: int) -> bool:
    """Whether a file has the same inode number each time that its file system is mounted. FAT and exFAT have none on
    the disk, and Linux counts them as they are met (iunique); of what comes by FUSE it depends on the program, which
    nothing tells, and most (sshfs, exfat-fuse) leave it to the library, which counts too."""
    kind = kind_of(descriptor)
    return not (kind in ("exfat", "msdos", "vfat") or kind.startswith("fuse"))


def mount_of(descriptor: int) -> str:
    """The number of the mount that a descriptor is on; empty where nothing tells it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines():
            if line.startswith("mnt_id:"):
                return line.split()[1]
    return ""


def expect_in_order(descriptor: int) -> None:
    """Tell the system that a file will be read from its beginning to its end."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)


def forget(descriptor: int, offset: int, length: int) -> None:
    """Drop a file's bytes from the cache (of no `length`: all from `offset` on), so that the next read is of the disk.
    What was not written to the disk yet stays."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
