"""An executor of processes on this machine, each in a pool of its own: one that is killed takes no other with it.

The standard library's `ProcessPoolExecutor` gives up all of its processes when one dies (`BrokenProcessPool`), and with
them what they were doing.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from engine.logs import Destination, destination, writing_to
from engine.process import settle

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

WORKED_BY = "engine.shards.working"
"""The module of what these processes are for: most of what it takes to begin one is to import it."""

SAFE_PATH = "PYTHONSAFEPATH"

_FOR_THE_FIRST = (signal.SIGINT, signal.SIGTERM)

Given = ParamSpec("Given")
Result = TypeVar("Result")


class LocalProcesses(Executor):
    """`count` processes, begun when there is something for them to do. A call whose process died raises
    `BrokenExecutor`; the next one gets a new process. One for which the system begins none raises its `OSError`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="shard")
        self._own = threading.local()
        self._guard = threading.Lock()
        self._pools: set[ProcessPoolExecutor] = set()

    def start(self) -> None:
        """Begin the processes now, with what they need loaded, so that the first calls do not wait for that."""
        for _ in range(self._count):
            self.submit(_load)

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        return self._threads.submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., Result], args: Any, kwargs: Any) -> Result:
        import multiprocessing  # here, as the pool: every run has an executor, few a second process
        from concurrent.futures import ProcessPoolExecutor

        pool: ProcessPoolExecutor | None = getattr(self._own, "pool", None)
        if pool is None:
            _shield()  # here, and not as the thread begins: what the system refuses is the call's own error
            with _beginning, _past_the_current_folder(), _without_the_script():
                pool = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(destination(),)
                )
                self._own.pool = pool
                with self._guard:
                    self._pools.add(pool)
                with suppress(BrokenExecutor):  # which the call itself meets
                    pool.submit(os.getpid)  # begins its process
        try:
            return pool.submit(fn, *args, **kwargs).result()
        except BrokenExecutor:
            self._own.pool = None
            with self._guard:
                self._pools.discard(pool)
            pool.shutdown()  # else it may meet the interpreter's end while it closes what both close
            raise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        with self._guard:
            pools, self._pools = self._pools, set()
        for pool in pools:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def kill(self) -> None:
        """End every process now; what they had committed is safe."""
        with self._guard:
            pools = list(self._pools)
        for pool in pools:
            for pid in list(getattr(pool, "_processes", None) or {}):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


_beginning = threading.Lock()
_OPEN = ExitStack()
"""What a process keeps open to its end: the log that it shares with the one that began it."""


@contextmanager
def _past_the_current_folder() -> Iterator[None]:
    """`multiprocessing` begins a process by `python -c`, which looks for the standard library's modules in the current
    folder first: somebody's pickle.py was run in place of it. It has no way to say -P; a process inherits this."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@contextmanager
def _without_the_script() -> Iterator[None]:
    """`multiprocessing` has a process run the script of the one that began it, for what that defines: a script of a few
    lines would migrate anew in each. Nothing of a script is sent here. What other threads begin is left as it is."""
    from multiprocessing import spawn  # as late as the pool

    preparation_data, ours = spawn.get_preparation_data, threading.get_ident()

    def without_main(name: str) -> dict[str, Any]:
        told = preparation_data(name)
        if threading.get_ident() == ours:
            for item in ("init_main_from_name", "init_main_from_path"):
                told.pop(item, None)
        return told

    spawn.get_preparation_data = without_main
    try:
        yield
    finally:
        spawn.get_preparation_data = preparation_data


def _shield() -> None:
    """Ctrl-C reaches every process of a terminal's group, SIGTERM every one of a service, and the one that was begun by
    hand decides what they mean. A process inherits what the thread that begins it has blocked, and so never meets one,
    from its first moment; what ends these processes is SIGKILL. A thread that begins the tracker of `multiprocessing`
    blocks nothing afterwards: so that has to be there before."""
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing import resource_tracker  # as late as the pool

        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_FIRST)


def _begin(log: Destination | None) -> None:
    """When the process that began this one is gone, however it went, nobody waits for this one's answer;
    `ProcessPoolExecutor` alone would have it wait for ever."""
    for number in _FOR_THE_FIRST:
        signal.signal(number, signal.SIG_IGN)
    if log is not None:
        _OPEN.enter_context(writing_to(log))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    settle()


def _load() -> None:
    import_module(WORKED_BY)
    gc.freeze()  # what the modules hold is never looked at again


def _leave_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)  # safe at any moment
