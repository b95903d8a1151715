"""A call without `await`: carried out in a thread of its own, with its own event loop, while the caller waits.

A notebook's cell already runs on an event loop, and a second one cannot begin in its thread; so that one way serves
scripts and notebooks alike, it is always another thread. The caller's context variables are there too.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, ParamSpec, TypeVar, overload

import anyio

from engine.api.stopping import StopSignal
from engine.extras import loop_factory

Given = ParamSpec("Given")
Result = TypeVar("Result")

LOOK_UP_S = 1.0
"""How long a wait lasts at most before Ctrl-C is looked for: on Windows a lock is not left for it."""

START_S = 5.0
"""How long a thread may take to begin when Ctrl-C comes just then."""


@overload
def blocking(call: Callable[Given, Coroutine[Any, Any, Result]]) -> Callable[Given, Result]: ...
@overload
def blocking(call: Callable[Given, AsyncIterator[Result]]) -> Callable[Given, Iterator[Result]]: ...
def blocking(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, which gives its result (or, one after another, its batches) instead of something to await.

    The first KeyboardInterrupt ends it as `StopSignal` does, or at once if nothing listens to that; the second at once;
    it is raised when everything known is committed. A third leaves without waiting for that."""
    if inspect.isasyncgenfunction(call):

        @functools.wraps(call)
        def iterated(*args: Any, **given: Any) -> Iterator[Any]:
            return _iterate(call.__name__, call(*args, **given))

        return iterated

    stops = "stop" in inspect.signature(call).parameters

    @functools.wraps(call)
    def carried_out(*args: Any, **given: Any) -> Any:
        if stops and given.get("stop") is None:
            given["stop"] = StopSignal()
        return _Apart(call.__name__, functools.partial(call, *args, **given), given.get("stop")).result()

    return carried_out


class _Apart(Generic[Result]):
    """One coroutine in a thread of its own. The thread does not keep the process from ending: a call may be killed at
    any moment."""

    def __init__(self, name: str, main: Callable[[], Coroutine[Any, Any, Result]], stop: StopSignal | None) -> None:
        self._main = main
        self._stop = stop
        self._context = copy_context()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: anyio.CancelScope | None = None
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"cartage {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._whole(), context=self._context)
        except BaseException as error:
            self._error = error
        finally:
            self._begun.set()
            self._ended.set()

    async def _whole(self) -> None:
        self._loop = asyncio.get_running_loop()
        with anyio.CancelScope() as self._scope:
            self._begun.set()
            self._results.append(await self._main())

    def result(self) -> Result:
        """Start it, wait for its end, and give what it gave, or raise what it raised."""
        interrupts = 0
        while True:
            try:
                if not interrupts:
                    self.start()
                while not self._ended.wait(LOOK_UP_S):
                    pass
                break
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts > 2 or not self._begun.wait(START_S):
                    raise
                self.interrupt(at_once=interrupts > 1)
        if interrupts:
            raise KeyboardInterrupt from self._error
        self.end()
        return self._results[0]

    def end(self) -> None:
        """Wait for its end, where it was started, and raise what it raised."""
        if self._thread.ident is not None:
            self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # else error, frame and thread would hold each other

    def interrupt(self, *, at_once: bool) -> None:
        """End it: gently where something listens to that."""
        if self._stop is not None and self._stop.heard and not at_once:
            self._stop.request()
        elif self._loop is not None and self._scope is not None:
            with suppress(RuntimeError):  # its loop is closed: it has just ended
                self._loop.call_soon_threadsafe(self._scope.cancel)


def _iterate(name: str, items: AsyncGenerator[Result, None]) -> Iterator[Result]:
    """What an asynchronous generator gives, each item made only when it is asked for."""
    given: queue.SimpleQueue[list[Result]] = queue.SimpleQueue()
    wanted = threading.Semaphore(0)
    left = False

    async def hand_over() -> None:
        try:
            async for item in items:
                given.put([item])
                wanted.acquire()  # nothing else runs on this loop
                if left:
                    break
        finally:
            await items.aclose()
            given.put([])

    apart = _Apart(name, hand_over, None)
    try:
        apart.start()
        while batch := given.get():
            yield batch[0]
            wanted.release()
    finally:
        left = True
        wanted.release()
        apart.end()
