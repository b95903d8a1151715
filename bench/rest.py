"""What a process holds when it does nothing: where a leak shows."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(slots=True)
class Rest:
    """The process after a run, when nothing is under way: its memory, the blocks that live Python objects have,
    what C has in use (0: not known), its open files and asyncio's tasks."""

    memory_mb: float
    blocks: int
    native_mb: float
    files: int
    tasks: int


class _Mallinfo2(ctypes.Structure):
    """mallinfo(3): ten sizes, of which `uordblks` is what is in use, in bytes."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (*"abcdefg", "uordblks", "fordblks", "keepcost"))


def at_rest() -> Rest:
    """This process now, after what is free has been given back. Called in a loop, whose own task is one."""
    gc.collect()
    native_mb = 0.0
    with suppress(AttributeError, OSError):  # glibc has these, others need not
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallinfo2.restype = _Mallinfo2
        native_mb = round(libc.mallinfo2().uordblks / 1e6, 1)
    process = psutil.Process()
    memory_mb, tasks = round(process.memory_info().rss / 1e6, 1), len(asyncio.all_tasks())
    return Rest(memory_mb, sys.getallocatedblocks(), native_mb, process.num_fds(), tasks)
