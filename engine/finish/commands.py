"""A probe's commands, the plan's own and ours: no shell, a time limit, and an output that is safe to show."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.abc import ByteReceiveStream, Process

KEPT_OUTPUT_BYTES = 4096
"""How much of the output's end is kept; the rest is read and dropped, so that the command never blocks on us."""
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|ACCESS_?KEY|API_?KEY|(?:^|_)KEY$", re.I)
_MIN_SECRET_CHARS = 6


class CommandEnd(NamedTuple):
    """How it ended. `code` is None where it was stopped at the limit or never started; `failure` says why it could
    not start; `output` is the end of what it wrote, both streams, secrets struck out."""

    code: int | None
    output: str
    failure: str = ""


def conceal(text: str, environment: Mapping[str, str]) -> str:
    """`text` with every secret of the environment struck out, and without control characters."""
    secrets = {
        value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= _MIN_SECRET_CHARS
    }
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "•••")
    return "".join(char if char == "\n" or char.isprintable() else " " for char in text).strip()


async def run_command(
    argv: Sequence[str], added: Mapping[str, str], *, limit_s: float, folder: Path | None = None
) -> CommandEnd:
    """Run `argv` in `folder` with `added` in its environment and nothing on its standard input.

    At the limit, or when cancelled, the command and what it started are killed."""
    environment = {**os.environ, **added}
    tail = bytearray()
    try:
        process = await anyio.open_process(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return CommandEnd(None, "", conceal(str(error), environment))
    code: int | None = None
    try:
        with anyio.move_on_after(limit_s):
            await _drain(process.stdout, tail)
            code = await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            _kill(process)
            await process.wait()
            await process.aclose()
    return CommandEnd(code, conceal(tail.decode("utf-8", "replace"), environment))


async def read_apart(script: str, path: Path, *words: str, limit_s: float) -> tuple[CommandEnd, dict[str, Any]]:
    """Have a script of ours read the file at `path` by machine code that trusts it: a damaged one may end a process,
    and so it is one of its own. The script is given a file for its answer, too, then `words`. How it ended, and its
    answer, empty where it did not end well."""
    answer = path.with_suffix(".answer")
    end = await run_command((sys.executable, "-P", script, str(path), str(answer), *words), {}, limit_s=limit_s)
    return end, json.loads(await anyio.Path(answer).read_bytes()) if end.code == 0 else {}


async def _drain(stream: ByteReceiveStream | None, tail: bytearray) -> None:
    if stream is not None:
        async for piece in stream:
            tail += piece
            del tail[:-KEPT_OUTPUT_BYTES]


def _kill(process: Process) -> None:
    """End the command's whole session; where there are no sessions (Windows), the command alone."""
    if process.returncode is not None:
        return
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        return
