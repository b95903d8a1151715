"""Which file a ledger is, as the machine that has it knows it: what a lock on it proves."""

from __future__ import annotations

from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity_of(path: Path) -> str:
    """The running kernel, the file system and the file: whoever has this very file locked is the only one that has.

    Another machine's copy, or the same machine's after a restart, is another; empty where it cannot be told (macOS,
    Windows). A file that was removed keeps its number while it is open, so that no other is taken for it."""
    try:
        found = path.stat()
        return f"{_BOOT.read_text(encoding='ascii').strip()}:{found.st_dev}:{found.st_ino}"
    except (OSError, UnicodeDecodeError):
        return ""
