"""Ctrl-C and SIGTERM: the first ends a command gently, the second at once, the third without waiting for anything."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskStatus

from engine.api.stopping import StopSignal
from engine.cli.codes import INTERRUPTED
from engine.report.meter import Outage

LEAVING_S = 30.0
"""How long a command that was told twice may still take: an upload is aborted meanwhile, a claim removed. What takes
longer waits for a server that may never answer; and a process that is killed loses nothing."""

_BOTH = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """What the signals of one call do. `stopping` is called at the first that ends it gently; `left` says the last word
    of a process that is given up."""

    def __init__(self, stopping: Callable[[], None], left: Callable[[], None]) -> None:
        self._stopping = stopping
        self._left = left
        self._timer: threading.Timer | None = None

    async def watch(
        self, stop: StopSignal, scope: anyio.CancelScope, outage: Outage, *, task_status: TaskStatus[None]
    ) -> None:
        """Take the signals until `scope` is cancelled, or cancel it."""
        if os.name == "nt":  # pragma: no cover
            task_status.started()
            return  # asyncio has no signals there: Ctrl-C cancels the work
        with _put_back(signal.SIGTERM), anyio.open_signal_receiver(*_BOTH) as signals:
            task_status.started()  # the work begins with what takes half a second to load
            async for _ in signals:
                # Out of reach nothing can be finished: it would be tried for minutes.
                if stop.requested or not stop.heard or outage.lasts_s(time.monotonic()):
                    break
                stop.request()
                self._stopping()
        scope.cancel()
        self._timer = threading.Timer(LEAVING_S, self._leave)
        self._timer.daemon = True
        self._timer.start()
        for number in _BOTH:
            signal.signal(number, lambda *_: self._leave())

    def close(self) -> None:
        """The call has come to its end."""
        if self._timer is not None:
            self._timer.cancel()
            for number in _BOTH:
                signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)

    def _leave(self) -> None:
        try:
            self._left()
        finally:
            os._exit(INTERRUPTED)


@contextmanager
def _put_back(number: signal.Signals) -> Iterator[None]:
    """Have a signal do afterwards what it did before. An event loop that no longer listens lets SIGTERM kill, and a
    command may ask a question then, with files to remove."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before or signal.SIG_DFL)
