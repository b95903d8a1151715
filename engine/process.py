"""What is set for a process that does nothing but Cartage's work: a command, or one that carries shards. A program that
imports the engine keeps its own ways."""

from __future__ import annotations

import atexit
import gc
from contextlib import suppress

OPEN_FILES = 4_096
"""More than the 1,024 connections to each endpoint, and what else is open."""


def settle() -> None:
    """Begin such a process."""
    calm_collector()
    open_many_files()


def calm_collector() -> None:
    """Look for cycles less often: listed objects and imported modules live long and form none, and looking at them
    every 700 allocations costs a quarter of a copy's processor time, and a tenth of the start."""
    gc.set_threshold(20_000, 20, 20)
    atexit.register(gc.freeze)  # nor look through everything once more before the process ends


def open_many_files() -> None:
    """Have as many files open as the system lets: each connection is one. Shells begin with 256 (macOS) or 1,024, a
    limit from the time of `select`, and leave it to programs to ask for more (as every one in Go does)."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then fewer connections have to do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
