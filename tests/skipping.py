"""The event loop's clock, put forward by a test: a timeout has passed when it says so, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest


def skipping(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Gives what puts the running loop's clock forward by so many seconds; between two calls it goes as it does."""
    loop = asyncio.get_running_loop()
    time, skipped = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: time() + sum(skipped))
    return skipped.append


async def let_others_run() -> None:
    """Everything that waits for no timer and no other process has come to its end, or to where it waits."""
    for _ in range(200):
        await asyncio.sleep(0)
