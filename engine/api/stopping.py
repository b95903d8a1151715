"""The way to end a command gently."""

from __future__ import annotations

from collections.abc import Callable


class StopSignal:
    """Ends a call gently: what is in flight is finished and committed, nothing new is begun, and the result says that
    it was stopped. May be asked for at any time, also before the call listens.

        import asyncio, signal

        stop = engine.StopSignal()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.request)
        result = await engine.migrate(plan, stop=stop)
    """

    def __init__(self) -> None:
        self.requested = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def heard(self) -> bool:
        """Whether anyone listens: a request would end something gently."""
        return bool(self._listeners)

    def request(self) -> None:
        """Ask for the end. On the event loop of the call alone."""
        self.requested = True
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
        if self.requested:
            listener()
