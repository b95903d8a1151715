"""`python -m tests.faults.bounded FILE COMMAND…`: a command in a bounded address space; FILE gets its peak of memory in
MB, and the seconds of processor time that it took.

In a process of its own, because what a process takes over from whoever forked it counts as its own peak.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

MOST_ADDRESSES = 2 << 30
"""An address space that a bomb would burst, and that nothing honest fills."""


def main() -> None:
    file, *command = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    Path(file).write_text(f"{usage.ru_maxrss / 1024} {usage.ru_utime + usage.ru_stime}")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
