"""Work in a thread of its own; awaited to its end, whatever happens to who awaits it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import anyio

Answer = TypeVar("Answer")


def in_own_thread(work: Callable[[], Answer]) -> asyncio.Future[Answer]:
    """What `work` gives, or raises, from a thread of its own. Who is cancelled leaves it to itself: it keeps no process
    from ending, as a pool's would."""
    done: Future[Answer] = Future()
    done.set_running_or_notify_cancel()  # so that nobody cancels what is under way
    context = contextvars.copy_context()

    def carry_out() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=carry_out, name="cartage-work", daemon=True).start()
    return asyncio.wrap_future(done)


async def to_the_end(
    work: Callable[[], Answer],
    *,
    give_back: Callable[[Answer], Awaitable[Any]] | None = None,
    hasten: Callable[[], None] | None = None,
) -> Answer:
    """What `work` gives, done in a thread. A cancellation comes out after its end, once `give_back` has had what was
    made: else nobody would ever close that. `hasten` is called when it comes, for work that can end the sooner.

    A scope of anyio's holds its own cancellations off, and none of asyncio's: a task's `cancel`, asyncio.timeout, a
    sibling that failed in an asyncio.TaskGroup, Ctrl-C under asyncio.run."""
    # Not in a pool's: those may all wait for the very call that this is part of.
    running = in_own_thread(work)
    cancelled = await ended(running, hasten)
    if cancelled is not None and running.exception() is None and give_back is not None:
        with anyio.CancelScope(shield=True):
            await give_back(running.result())
    if cancelled is not None:
        raise cancelled
    return running.result()


async def ended(
    running: asyncio.Future[Any], hasten: Callable[[], None] | None = None
) -> asyncio.CancelledError | None:
    """Wait until it has come to its end; gives the cancellation that would have cut that short, at which `hasten` is
    called."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=hasten is None) as scope:
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                cancelled = error
                if hasten is not None:
                    hasten()
                    scope.shield = True  # of a scope of anyio's no more is heard
    return cancelled
