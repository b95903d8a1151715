"""Which file a ledger is, as the machine that has it knows it, and which machine that is."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MACHINE = Path("/etc/machine-id")


def identity_of(path: Path) -> str:
    """The running kernel, the file system and the file: whoever has this very file locked is the only one that has.

    Another machine's copy, or the same machine's after a restart, is another; empty where it cannot be told (macOS,
    Windows). A file that was removed keeps its number while it is open, so that no other is taken for it."""
    try:
        found = path.stat()
        return f"{_BOOT.read_text(encoding='ascii').strip()}:{found.st_dev}:{found.st_ino}"
    except (OSError, UnicodeDecodeError):
        return ""


def this_machine() -> str:
    """What tells this machine from any other: its host name and, where it has one (Linux), its machine id, which is not
    to be told as it is (machine-id(5)). It is the same after a restart."""
    host = socket.gethostname()
    try:
        number = _MACHINE.read_bytes().strip()
    except OSError:
        number = b""
    return f"{host} ({hashlib.sha256(b'cartage:' + number).hexdigest()[:8]})" if number else host
