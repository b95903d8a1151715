"""`cartage sandbox`: the embedded S3, started by hand, with what to export printed, or behind a shell (`--env`)."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.process import CARTAGE
from engine.report.text import count_text, size_text

if TYPE_CHECKING:
    from engine.sandbox import Sandbox

LOOK_S = 0.5
"""How often it is looked whether the process still is that the sandbox ends with."""


def sandbox_command(
    port: int,
    latency_ms: float,
    rate: float,
    reference: bool,
    scale: float,
    older_than_2024: bool,
    env: bool,
    until_ends: int,
) -> None:
    from engine.sandbox import SandboxSettings, start_sandbox

    if env:
        raise SystemExit(_run_behind(until_ends or shell_of(os.getppid())))
    settings = SandboxSettings(port=port, latency_ms=latency_ms, rate_rps=rate)
    with start_sandbox(settings) as sandbox:
        if reference:
            filled = sandbox.control("reference", {"scale": scale, "legacy_checksums": older_than_2024})
            click.echo(
                f"# s3://{filled['bucket']}/ holds {count_text(filled['objects'])} objects, "
                f"{size_text(filled['bytes'])}",
                err=True,
            )
        click.echo(_exports(sandbox))
        try:
            if until_ends:
                _wait_for_the_end_of(until_ends)
            else:
                click.echo("# Ctrl-C stops it", err=True)
                signal.pause()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


def _exports(sandbox: Sandbox) -> str:
    in_the_way = [name for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN") if os.environ.get(name)]
    lines = [f"unset {name}" for name in in_the_way]
    named = {**sandbox.past_a_proxy, **sandbox.environment}
    return "\n".join([*lines, *(f"export {name}={shlex.quote(value)}" for name, value in named.items())])


def shell_of(process: int) -> int:
    """The shell itself, where `process` is a copy of it that runs what is in "$(…)" and ends with that: a shell makes
    one wherever more stands there than the bare command. A copy runs what the shell runs, in the same process group; a
    shell that was begun in a shell has a group of its own."""
    runs = _told(process)
    while runs is not None and (above := _told(runs.parent)) is not None and above[1:] == runs[1:]:
        process, runs = runs.parent, above
    return process


class _Runs(NamedTuple):
    parent: int
    group: str
    command: str


def _told(process: int) -> _Runs | None:
    """Of a process, by Linux's /proc or by ps, which a container may lack; None where nobody tells."""
    try:
        told = Path(f"/proc/{process}")
        words = os.fsdecode((told / "stat").read_bytes()).rpartition(")")[2].split()  # state, parent, group … (proc(5))
        return _Runs(int(words[1]), words[2], os.fsdecode((told / "cmdline").read_bytes()))
    except OSError:
        pass
    command = ["ps", "-o", "ppid=,pgid=,args=", "-p", str(process)]
    try:
        said = os.fsdecode(subprocess.run(command, capture_output=True, check=False).stdout).split(maxsplit=2)
    except OSError:
        return None
    return _Runs(int(said[0]), *said[1:]) if len(said) == 3 else None


def _run_behind(shell: int) -> int:
    """Start the same command in a session of its own, which Ctrl-C in the terminal does not reach; print what it
    printed once it answers, and leave it to end with `shell`. Gives the exit code."""
    said = [word for word in sys.argv[sys.argv.index("sandbox") + 1 :] if word != "--env"]
    behind = subprocess.Popen(
        [*CARTAGE, "sandbox", *said, "--until-ends", str(shell)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert behind.stdout is not None and behind.stderr is not None
    exports: list[str] = []
    for line in behind.stdout:
        exports.append(line.rstrip("\n"))
        if line.startswith("export AWS_REGION="):
            break
    else:
        click.echo(behind.stderr.read().rstrip("\n"), err=True)
        return behind.wait()
    click.echo("\n".join(exports))
    click.echo(f"export CARTAGE_SANDBOX_PID={behind.pid}")
    click.echo("# it ends with this shell, or by: kill $CARTAGE_SANDBOX_PID", err=True)
    behind.returncode = 0  # it is left running, on purpose
    return 0


def _wait_for_the_end_of(process: int) -> None:
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        except PermissionError:
            pass  # it is there, and another user's
        time.sleep(LOOK_S)
