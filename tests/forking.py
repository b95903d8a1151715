"""Processes of their own for `python -m …` that are forked off one in which the imports are done already.

To start an interpreter and to import a command or the sandbox is most of what such a process costs: 0.3 s of processor
time, hundreds of times. `Popen` and `run` are as `subprocess` has them, and what they begin is a child of this process
with descriptors, an environment, a session and signals of its own, that ends and is killed as any other. Of the start
alone it shows nothing: that, and the program `cartage` as it is installed, are tried where `subprocess` itself is used
(tests/cli/test_starts.py, test_imports.py, test_terminal.py, test_demo.py, test_examples.py, tests/docs).

Where it cannot be forked (no Linux; an option of the interpreter's; another locale, time zone or PYTHON… variable) it
is started.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import inspect
import io
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
BEGUN_WITH = dict(os.environ)
"""The environment of the process that forks, whatever a test makes of this one's."""

SET_CHILD_SUBREAPER = 36  # prctl(2)
LENGTH = struct.Struct("!I")
IMPORTED = ("cli", "cli.grammar", "api", "report", "plan", "s3", "transfer", "folder", "ledger", "shards", "sandbox")
"""Packages of the engine's whose modules, and what these import, are there before anything is forked."""

ONCE_IT_RUNS = ("uvloop", "anyio._backends._asyncio", "anycrc", "encodings.idna", "encodings.utf_8_sig", "_strptime")
"""What others import when they run, not when they are imported."""

READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ")
"""Variables that an interpreter looks at when it starts, and not again."""


HEEDED = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
"""Those of them that decide nothing here, or are looked at when it is forked."""


class Asked(NamedTuple):
    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    own_session: bool


class Popen(subprocess.Popen[Any]):
    """A `subprocess.Popen`, forked where that is possible."""

    def _execute_child(self, *given: Any) -> None:
        begin = super()._execute_child  # type: ignore[misc]
        how = inspect.signature(begin).bind(*given).arguments
        asked = _asked(how)
        if asked is None:
            begin(*given)
            return
        pipes = [how[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        try:
            self.pid = _nursery().fork(asked, [own if pipe == -1 else pipe for own, pipe in enumerate(pipes)])
            self._child_created = True
        finally:
            ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(how[name] for name in ends))  # type: ignore[attr-defined]


def run(
    command: Sequence[Any], *, timeout: float | None = None, check: bool = False, **how: Any
) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run`, forked."""
    if how.pop("capture_output", False):
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen([str(word) for word in command], **how) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def _asked(how: Mapping[str, Any]) -> Asked | None:
    """What is to be forked, or None where only a start will do."""
    words = how["args"]
    if isinstance(words, str | bytes) or how["shell"] or how["preexec_fn"] is not None or how["pass_fds"]:
        return None
    program, option, *rest = [os.fsdecode(word) for word in words] + [""] * max(0, 2 - len(words))
    if sys.platform != "linux" or program != sys.executable or option != "-m" or not rest:
        return None
    environment = {os.fsdecode(name): os.fsdecode(value) for name, value in (how["env"] or os.environ).items()}
    if _read_at_start(environment) != _read_at_start(BEGUN_WITH):
        return None
    folder = os.fsdecode(how["cwd"]) if how["cwd"] is not None else str(Path.cwd())
    return Asked(rest[0], rest[1:], environment, folder, how["start_new_session"])


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name not in HEEDED and not _is_as_here(name, value)
    }


def _is_as_here(name: str, value: str) -> bool:
    """Whether it says that text is UTF-8, or where the tests are, as it is here where nothing is said."""
    if name.startswith("L"):
        return value.lower().endswith(("utf-8", "utf8"))
    return name == "PYTHONPATH" and value == str(REPOSITORY)


class Nursery:
    """The process that forks, begun at first use; it ends with this one."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=REPOSITORY,
                env=BEGUN_WITH,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._ours = ours
        self._asking = threading.Lock()
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        atexit.register(self.end)

    def fork(self, asked: Asked, descriptors: list[int]) -> int:
        """Begin a process; gives its pid. It becomes a child of this process: what forks it ends at once, and whoever
        is a subreaper takes over what is left."""
        what = pickle.dumps(tuple(asked))
        with self._asking:
            self._prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(self._ours, [LENGTH.pack(len(what))], descriptors)
                self._ours.sendall(what)
                return int(LENGTH.unpack(_whole(self._ours, LENGTH.size))[0])
            finally:
                self._prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def end(self) -> None:
        self._ours.close()
        self._process.wait()


@functools.cache
def _nursery() -> Nursery:
    return Nursery()


def _whole(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


# --- the other side ---


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # it is for what is forked off, and waits
    _import_all()
    gc.freeze()  # what is there already is not looked through in every child
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        while True:
            head, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, 3)
            if not head:
                return
            head += _whole(connection, LENGTH.size - len(head))
            asked = Asked(*pickle.loads(_whole(connection, LENGTH.unpack(head)[0])))
            if _forked(connection, own_session=asked.own_session):
                break
            for descriptor in descriptors:
                os.close(descriptor)
    try:
        _become(asked, descriptors)
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            _end(ended.code or 0)
        raise
    _end(0)


def _end(code: int) -> None:
    """As an interpreter ends, but that it takes nothing apart: every page of what was imported would be copied first,
    which takes half of what a short command does."""
    vars(threading)["_shutdown"]()  # waits for threads
    vars(atexit)["_run_exitfuncs"]()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _import_all() -> None:
    packages = [importlib.import_module(f"engine.{package}") for package in IMPORTED]
    modules = [
        found.name for package in packages for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    for module in (*modules, *ONCE_IT_RUNS, "tests.faults.killing"):
        with contextlib.suppress(ImportError):  # an extra that is not there
            importlib.import_module(module)


def _forked(connection: socket.socket, *, own_session: bool) -> bool:
    """True in the new process, False here, once that is the child of whoever asked, in a session of its own if it is to
    have one: whoever asked has been told its pid then."""
    told, telling = os.pipe()
    between = os.fork()
    if between:
        os.close(telling)
        with open(told, "rb") as said:  # noqa: PTH123
            pid = said.read()
        os.waitpid(between, 0)
        connection.sendall(pid)
        return False
    if pid_of_child := os.fork():
        os.write(telling, LENGTH.pack(pid_of_child))
        os._exit(0)
    os.close(told)
    if own_session:
        os.setsid()
    os.close(telling)  # now what was written to it has come to its end
    return True


def _become(asked: Asked, descriptors: list[int]) -> None:
    """Be what an interpreter is that was just started with `-m`."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before, at_once = getattr(sys, name), bool(number and asked.environment.get("PYTHONUNBUFFERED"))
        raw = open(number, "wb" if number else "rb", 0 if at_once else -1, closefd=False)  # noqa: SIM115
        stream = io.TextIOWrapper(
            raw,
            encoding=before.encoding,
            errors=before.errors,
            newline="\n",
            line_buffering=number == 2 or os.isatty(number),
            write_through=at_once,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = [asked.module, *asked.arguments]
    for module in (
        asked.module,
        f"{asked.module}.__main__",
        "engine.cli.main",
    ):  # as in an interpreter that has not met them yet
        sys.modules.pop(module, None)
    runpy.run_module(asked.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
