"""Files read in a process of their own, by machine code that trusts them: a damaged one may end that process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from engine.finish.commands import CommandEnd, run_command


async def read_apart(script: str, path: Path, *words: str, limit_s: float) -> tuple[CommandEnd, dict[str, Any]]:
    """Have a script of ours read the file at `path`, which it is given with a file for its answer, then `words`: how it
    ended, and its answer, empty where it did not end well."""
    answer = path.with_suffix(".answer")
    end = await run_command((sys.executable, "-P", script, str(path), str(answer), *words), {}, limit_s=limit_s)
    return end, json.loads(await anyio.Path(answer).read_bytes()) if end.code == 0 else {}
