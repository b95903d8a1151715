"""Work in a thread that is awaited to its end, whatever happens to who awaits it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import anyio

Answer = TypeVar("Answer")


async def to_the_end(
    work: Callable[[], Answer], *, give_back: Callable[[Answer], Awaitable[Any]] | None = None
) -> Answer:
    """What `work` gives, done in a thread. A cancellation comes out after its end, once `give_back` has had what was
    made: else nobody would ever close that.

    A scope of anyio's holds its own cancellations off, and none of asyncio's: a task's `cancel`, asyncio.timeout, a
    sibling that failed in an asyncio.TaskGroup, Ctrl-C under asyncio.run."""
    done: Future[Answer] = Future()
    context = contextvars.copy_context()

    def carry_out() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:
            done.set_exception(error)

    # A thread of its own: those of a pool may all wait for the very call that this is part of.
    threading.Thread(target=carry_out, name="to-the-end", daemon=True).start()
    running = asyncio.wrap_future(done)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None and running.exception() is None and give_back is not None:
            await give_back(running.result())
    if cancelled is not None:
        raise cancelled
    return running.result()
