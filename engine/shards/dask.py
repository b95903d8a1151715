"""Shards by Dask: `distributed`'s client is an executor ready-made, on whatever its workers run (the extra `dask`).

Dask decides who tries: it gives a shard of a lost worker to another, and may do so while the first one lives. Who may,
decides the journal of the shard (`engine.journal`), which is why a run by Dask needs a state in S3.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from engine.errors import UsageError
from engine.events import Listener, Notice
from engine.extras import needs
from engine.plan.locations import server_of
from engine.version import __version__

RETRIES = 3
"""How often Dask itself tries a shard whose worker died; then it is the coordinator's turn."""


LOOKED_EVERY_S = 0.5


class Attended(Executor):
    """Dask's executor, whose calls end when its client has. The client looks for a scheduler that it lost for a while,
    takes calls meanwhile, and leaves them without an answer when it closes."""

    def __init__(self, client: Any, executor: Executor) -> None:
        self._client = client
        self._executor = executor
        self._waiting: set[Future[Any]] = set()
        self._ended = threading.Event()
        threading.Thread(target=self._attend, name="dask-client", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        inner, outer = self._executor.submit(fn, *args, **kwargs), Future[Any]()
        self._waiting.add(outer)

        def pass_on(done: Future[Any]) -> None:
            with suppress(InvalidStateError):  # it was given up meanwhile
                if done.cancelled():
                    outer.set_exception(BrokenExecutor("the executor gave the call up"))
                elif (error := done.exception()) is not None:
                    outer.set_exception(error)
                else:
                    outer.set_result(done.result())

        def let_go(done: Future[Any]) -> None:
            self._waiting.discard(outer)
            if done.cancelled():
                inner.cancel()

        outer.add_done_callback(let_go)
        inner.add_done_callback(pass_on)
        return outer

    def _attend(self) -> None:
        while not self._ended.wait(LOOKED_EVERY_S):
            if self._client.status == "closed":
                for future in list(self._waiting):
                    with suppress(InvalidStateError):
                        future.set_exception(BrokenExecutor("the client has no scheduler any more"))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._ended.set()
        self._executor.shutdown(wait=wait)


@contextmanager
def dask_executor(scheduler: str, listener: Listener) -> Iterator[tuple[Executor, int]]:
    """An executor of the workers of the scheduler at this address ("tcp://host:8786"), and how many they are.

    Raises `ExtraMissing`, and `UsageError` where there is no scheduler or worker, or where the workers cannot do it."""
    with needs("dask"):
        from distributed import Client
    warn_of_strangers(scheduler, listener)
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"the Dask scheduler {scheduler} cannot be reached: {error}.",
            advice="Give its address as it says it itself (tcp://HOST:8786).",
        ) from error
    with _unsaid(), client:
        workers = refuse_unfit(client.scheduler_info(n_workers=-1)["workers"], client.run(_version_there))
        executor = Attended(client, client.get_executor(pure=False, retries=RETRIES))
        try:
            yield executor, workers
        finally:
            executor.shutdown(wait=False)


@contextmanager
def _unsaid() -> Iterator[None]:
    """What the client logs of a scheduler that is gone, tracebacks among it, the run says in a sentence."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def refuse_unfit(workers: dict[str, Any], versions: dict[str, str | None]) -> int:
    """How many workers there are. Raises `UsageError` where there is none, where several share a process (threads share
    one interpreter lock, so that they are no faster than one), or where one has another Cartage or none."""
    if not workers:
        raise UsageError("the Dask scheduler has no worker.", advice="Begin some: dask worker SCHEDULER --nthreads 1")
    threaded = sorted(address for address, told in workers.items() if told.get("nthreads", 1) != 1)
    if threaded:
        raise UsageError(
            f"{len(threaded)} of {len(workers)} Dask workers have several threads ({threaded[0]}).",
            advice="Begin them with --nthreads 1, and as many of them as there are processors.",
        )
    other = sorted((address, found) for address, found in versions.items() if found != __version__)
    if other:
        address, found = other[0]
        raise UsageError(
            f"the Dask worker {address} has {found or 'no Cartage'}, and this is Cartage {__version__}.",
            advice="Install the same wheel on all, with its extra dask (docs/installing.md).",
        )
    return len(workers)


def warn_of_strangers(scheduler: str, listener: Listener) -> None:
    """Say of a scheduler that is reached without TLS from elsewhere: whoever reaches it can have its workers run
    anything, with their credentials."""
    if urlsplit(scheduler).scheme != "tls" and server_of(scheduler)[0] != "localhost":
        said = f"{scheduler} is spoken to without TLS: whoever reaches it can run anything on its workers"
        listener(Notice("NoTls", said))


def _version_there() -> str | None:
    """A worker's Cartage."""
    try:
        from engine.version import __version__ as found
    except ImportError:
        return None
    return found
