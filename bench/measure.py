"""Running one command and saying what it cost: time, processor, memory, of all the processes it starts.

Processor time is the kernel's own account of the command and every process it waited for (wait4). Memory is sampled:
the sum of the resident sizes of the command and all its descendants, every 20 ms; the kernel's own high-water mark of
the command alone is taken where it is higher.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

SAMPLE_EVERY_S = 0.02
_MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024
_KEPT_OUTPUT_BYTES = 4000


class Usage(NamedTuple):
    """One command from start to exit. `output` is the end of what it wrote on both streams."""

    exit_code: int
    wall_s: float
    processor_s: float
    peak_bytes: int
    output: str


class CommandFailed(Exception):
    """A measured command did not end with 0: its figures would mean nothing."""


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    core: int | None,
    folder: Path,
    timeout_s: float,
    meanwhile: Callable[[], object] | None = None,
) -> Usage:
    """Run a command to its end on one processor core (None: any). A command that outlives `timeout_s` is killed and
    has the exit code of that signal, negative. `meanwhile` is called at every sample."""
    with tempfile.TemporaryFile(dir=folder) as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {core})
        sampler = _Sampler(process.pid, meanwhile)
        sampler.start()
        killer = threading.Timer(timeout_s, _kill_session, (process.pid,))
        killer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            killer.cancel()
            sampler.stop()
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0, os.SEEK_END)
        output.seek(max(0, output.tell() - _KEPT_OUTPUT_BYTES))
        said = output.read().decode("utf-8", "replace")
    peak = max(sampler.peak_bytes, usage.ru_maxrss * _MAXRSS_UNIT_BYTES)
    return Usage(process.returncode, wall_s, usage.ru_utime + usage.ru_stime, peak, said)


def _kill_session(pid: int) -> None:
    try:
        os.killpg(pid, 9)
    except ProcessLookupError:
        return


class _Sampler(threading.Thread):
    """Samples the resident memory of a process and its descendants until it is stopped."""

    def __init__(self, pid: int, meanwhile: Callable[[], object] | None) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._meanwhile = meanwhile
        self._ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            if self._meanwhile is not None:
                self._meanwhile()
            self.peak_bytes = max(self.peak_bytes, self._resident())

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _resident(self) -> int:
        try:
            first = psutil.Process(self._pid)
            family = [first, *first.children(recursive=True)]
        except psutil.Error:
            return 0
        total = 0
        for process in family:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total
