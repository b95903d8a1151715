"""Cartage in a process of its own, under `tests.faults.killing`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping

from tests import forking
from tests.servers import REPOSITORY


async def cartage(*words: str, environment: Mapping[str, str], within_s: float) -> tuple[int, str]:
    """Run a command; gives its exit code (negative: a signal) and all that it said. Raises AssertionError where it does
    not end in time."""
    process = begun("tests.faults.killing", *words, "--json", environment=environment)
    said = await all_said(process, words[0], within_s)
    return process.returncode, said


def begun(module: str, *words: str, environment: Mapping[str, str]) -> forking.Popen:
    return forking.Popen(
        [sys.executable, "-m", module, *words],
        env=dict(environment),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def all_said(process: forking.Popen, what: str, within_s: float) -> str:
    """What a process says until it ends, which it must in time; it is gone when this returns or raises."""
    try:
        said, _ = await asyncio.to_thread(process.communicate, timeout=within_s)
    except asyncio.CancelledError:
        process.kill()
        raise
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = await asyncio.to_thread(process.communicate)
        raise AssertionError(f"{what} did not end within {within_s:.0f} s:\n{said[-3000:]}") from None
    return str(said)
