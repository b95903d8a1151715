"""Which file systems a ledger may not lie on: those that another machine may write to as well. Linux alone says.

SQLite's locks and its WAL need memory that all who open the file share, which a network or cluster file system does not
give, whatever it is called by the kernel (sqlite.org/wal.html). One in user space (fuse) may be either; what is not
known to keep its files on this machine is taken for a network's.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import LedgerError

NETWORK_TYPES = frozenset(
    {
        "9p", "acfs", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "curlftpfs", "cvfs", "davfs", "dfs", "exofs",
        "fakeowner", "fhgfs", "gfs", "gfs2", "glusterfs", "gpfs", "grpcfuse", "kafs", "lustre", "mfs", "mmfs", "ncp",
        "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "osxfs", "panfs", "pfs", "prl_fs", "pvfs2", "shfs", "smb",
        "smb2", "smb3", "smbfs", "snfs", "sshfs", "vboxsf", "virtiofs", "vmhgfs", "wekafs", "xtreemfs",
    }
)  # fmt: skip
"""Those of networks and clusters, and those by which a virtual machine or container shares its host's folders: the host
may write there, and its locks are not the guest's."""

FUSE = frozenset({"fuse", "fuse3"})

LOCAL_FUSE = frozenset(
    {
        "apfs", "bindfs", "cryfs", "cryptomator", "dislocker", "encfs", "exfat", "exfat-fuse", "ext4fuse", "fuse-ext2",
        "fuse-overlayfs", "fuse2fs", "fuseiso", "gocryptfs", "lklfuse", "lxcfs", "mergerfs", "mhddfs", "ntfs",
        "ntfs-3g", "overlayfs", "securefs", "squashfuse", "squashfuse_ll", "unionfs", "unionfs-fuse", "veracrypt",
        "zfs-fuse",
    }
)  # fmt: skip
"""What follows "fuse." of those that keep their files on this machine's disks. A disk ("fuseblk") is always here."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def network_type(path: str, mounts: str) -> str:
    """The type of the network file system that holds `path`, by a mount table as /proc/mounts has it; else empty."""
    best, best_type = "", ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[1])  # proc(5): space, tab, newline, backslash
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, best_type = point, fields[2]
    return best_type if is_network(best_type) else ""


def is_network(kind: str) -> bool:
    """Whether a file system of this type is, or may be, a network's."""
    family, _, name = kind.partition(".")
    if family in FUSE:
        return name not in LOCAL_FUSE
    return kind in NETWORK_TYPES or family in NETWORK_TYPES


def refuse_network(path: Path) -> None:
    """Raise `LedgerError` where the folder is on a network file system."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return
    kind = network_type(str(path.absolute().parent.resolve()), mounts.read_text(encoding="utf-8", errors="replace"))
    if kind:
        known = "" if kind.partition(".")[0] not in FUSE else ", or one that is not known to be a local one"
        raise LedgerError(
            f"the ledger {path} would be on a network file system ({kind}{known}), where SQLite cannot keep it safe.",
            advice="Name a local place with --ledger.",
        )
