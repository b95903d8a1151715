"""Machines that share nothing but the network: each has folders of its own, which no other sees, and an address.

Each process of a machine is in a mount namespace of its own (Linux, as root or where user namespaces are allowed), with
empty folders in the place of everything that processes of one machine meet in. Where that is not to be had the folders
lie beside each other, and nothing but their names keeps a process out of another's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path.home())
BEGIN = """
set -e
here=$1
shift
while [ "$1" != -- ]; do
    mount -t tmpfs none "$1"
    shift
done
shift
mkdir -p "$here/tmp"
cd "$here"
[ -z "$PLAN" ] || printf %s "$PLAN" >plan.toml
exec "$@"
"""


def _unsharing() -> tuple[str, ...]:
    """How a process gets a mount namespace here; nothing where it cannot."""
    for words in (("unshare", "-m"), ("unshare", "-Urm")):
        with suppress(OSError):
            if subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True).returncode == 0:
                return words
    return ()


UNSHARING = _unsharing()
APART = "in namespaces of their own" if UNSHARING else "in folders beside each other"


@dataclass(frozen=True, slots=True)
class Machine:
    """One of them: `folder` is where it is at home, below `room`, which no other sees. `plan` lies there when something
    is begun, and nothing else: what was written there is gone with the process that wrote it."""

    room: Path
    name: str
    environment: Mapping[str, str]
    plan: str = ""

    @property
    def folder(self) -> Path:
        return self.room / self.name

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin a process there, which leads a group."""
        return subprocess.Popen(
            [*UNSHARING, "sh", "-c", BEGIN, "sh", str(self.folder), *self._hidden, "--", *words],
            env={
                "PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp"),
                "PLAN": self.plan, **self.environment,
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A process there, as long as it is needed."""
        process = self.begin(*words)
        try:
            yield process
        finally:
            pull_the_plug(process)

    def does(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Have a command of Cartage carried out there."""
        with self.running(*cartage(*words)) as process:
            said, complained = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, said, complained)

    @property
    def _hidden(self) -> list[str]:
        """What an empty folder takes the place of, without what the program itself lies in."""
        needed = [Path(__file__).resolve(), *(Path(item).resolve() for item in (sys.prefix, sys.base_prefix))]
        hidden = [item for item in SHARED if item.is_dir() and not any(one.is_relative_to(item) for one in needed)]
        if not any(self.room.is_relative_to(item) for item in hidden):
            hidden.append(self.room)
        return [str(item) for item in dict.fromkeys(hidden)] if UNSHARING else []


def cartage(*words: str) -> list[str]:
    """A command line of Cartage's."""
    return [sys.executable, "-m", "engine.cli.main", *words]


def dask(*words: str) -> list[str]:
    """A command line of Dask's."""
    return [shutil.which("dask", path=str(Path(sys.executable).parent)) or "dask", *words]


def pull_the_plug(process: subprocess.Popen[str]) -> None:
    """End a process and all that it began, at once."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
