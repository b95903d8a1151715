"""Sinks and sources that tests look into, or that fail where they are told to."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable

from engine.windows import WINDOW_BYTES


class KeepingSink:
    """Keeps a copy of every window since the last restart; fails once `fails_at` bytes have come. With `gate` each
    write waits until it is set. `now` says of each window whether it is written at once."""

    def __init__(
        self, *, fails_at: int | None = None, gate: asyncio.Event | None = None, now: Iterable[bool] = ()
    ) -> None:
        self.windows: list[bytes] = []
        self.restarts = 0
        self._fails_at = fails_at
        self._gate = gate
        self._now = iter(now)

    @property
    def data(self) -> bytes:
        return b"".join(self.windows)

    def room(self) -> None:
        return None

    def restart(self) -> None:
        self.windows.clear()
        self.restarts += 1

    def write_now(self, window: memoryview) -> bool:
        written = next(self._now, False)
        if written:
            self._keep(window)
        return written

    async def write(self, window: memoryview) -> None:
        if self._gate is not None:
            await self._gate.wait()
        self._keep(window)

    def _keep(self, window: memoryview) -> None:
        if self._fails_at is not None and sum(map(len, self.windows)) + len(window) > self._fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.windows.append(bytes(window))


class ShortSource:
    """Says `length`, and has `given` bytes."""

    def __init__(self, *, length: int, given: int) -> None:
        self.length = length
        self._data = memoryview(bytes(given))
        self._at = 0

    def restart(self) -> None:
        self._at = 0

    async def read(self) -> memoryview:
        window = self._data[self._at : self._at + WINDOW_BYTES]
        self._at += len(window)
        return window


class BrokenSource(ShortSource):
    """Fails as a disk does after its first window."""

    async def read(self) -> memoryview:
        if self._at:
            raise OSError(errno.EIO, "Input/output error")
        return await super().read()
