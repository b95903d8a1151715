"""What is set for a process that does nothing but Cartage's work: a command, or one that carries shards. A program that
imports the engine keeps its own ways."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from contextlib import suppress

OPEN_FILES = 4_096
"""More than the 1,024 connections to each endpoint, and what else is open."""


CARTAGE = (sys.executable, "-P", "-m", "engine.cli.entry")
"""What begins this same program once more, whatever lies in the working folder."""


def open_closed_streams() -> None:
    """Have stdin, stdout and stderr lead somewhere. One that a shell closed (`<&-`) is None in Python, and the number
    of its descriptor would go to the next socket or ledger: whoever writes to the stream would write there."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        how = "w" if descriptor else "r"
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_WRONLY if descriptor else os.O_RDONLY)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)  # or the processes that we begin would have it closed again
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, how, encoding="utf-8", closefd=False))  # noqa: SIM115


def settle() -> None:
    """Begin such a process."""
    calm_collector()
    open_many_files()


def calm_collector() -> None:
    """Look for cycles less often: listed objects and imported modules live long and form none, and looking at them
    every 700 allocations costs a quarter of a copy's processor time, and a tenth of the start."""
    gc.set_threshold(20_000, 20, 20)
    atexit.register(gc.freeze)  # nor look through everything once more before the process ends


OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})
MORE_FILES = f"Let more files be open at once (ulimit -n {OPEN_FILES}), and run the same command again: it goes on."


def lacks_files(count: int) -> bool:
    """Whether so many more files cannot be opened. For who is told of a failure without its reason."""
    held: list[int] = []
    try:
        while len(held) < count:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in OUT_OF_FILES
    finally:
        for descriptor in held:
            os.close(descriptor)
    return False


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
