"""The way to end a command gently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress


class StopSignal:
    """Ends a call gently: what is in flight is finished and committed, nothing new is begun, and the result says that
    it was stopped. May be asked for at any time, also before the call listens, and from any thread.

        import asyncio, signal

        stop = engine.StopSignal()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.request)
        result = await engine.migrate(plan, stop=stop)
    """

    def __init__(self) -> None:
        self.requested = False
        self._listeners: list[tuple[asyncio.AbstractEventLoop | None, Callable[[], None]]] = []

    @property
    def heard(self) -> bool:
        """Whether anyone listens: a request would end something gently."""
        return bool(self._listeners)

    def request(self) -> None:
        """Ask for the end."""
        self.requested = True
        here = _running_loop()
        for loop, listener in self._listeners:
            if loop is None or loop is here:
                listener()
            else:
                with suppress(RuntimeError):  # that loop is closed: its call has ended
                    loop.call_soon_threadsafe(listener)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the end is asked for, on the event loop that this is called on."""
        self._listeners.append((_running_loop(), listener))
        if self.requested:
            listener()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
