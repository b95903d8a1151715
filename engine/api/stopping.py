"""The way to end a command gently."""

from __future__ import annotations

from collections.abc import Callable


class StopSignal:
    """Ends a run gently: what is in flight is finished and committed, nothing new is begun. May be asked for at any
    time, also before the run listens."""

    def __init__(self) -> None:
        self.requested = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def heard(self) -> bool:
        """Whether anyone listens: a request would end something gently."""
        return bool(self._listeners)

    def request(self) -> None:
        self.requested = True
        for listener in self._listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
        if self.requested:
            listener()
