"""Cartage in a process of its own, under `tests.faults.killing`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

from tests.servers import REPOSITORY


async def cartage(*words: str, environment: Mapping[str, str], within_s: float) -> tuple[int, str]:
    """Run a command; gives its exit code (negative: a signal) and all that it said. Raises AssertionError where it does
    not end in time."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.killing", *words, "--json"),
        env=environment,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        process.kill()
        said, _ = await process.communicate()
        raise AssertionError(f"{words[0]} did not end within {within_s:.0f} s:\n{said.decode()[-3000:]}") from None
    assert process.returncode is not None
    return process.returncode, said.decode()
