"""What an executor answers for a call: whatever executor it is, and however the process that had the call ended."""

from __future__ import annotations

import asyncio
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from typing import TypeVar

import anyio

Answer = TypeVar("Answer")


async def answer_of(future: Future[Answer]) -> Answer:
    """What a process answered, or raised. A call that the executor gave up raises `BrokenExecutor`: its own
    `CancelledError` would be taken for a cancellation of this run, which then would end as if all were done."""
    loop, done = asyncio.get_running_loop(), anyio.Event()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended before it
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(tell)
    try:
        await done.wait()
    except BaseException:
        future.cancel()
        raise
    if future.cancelled():
        raise BrokenExecutor("the executor gave the call up")
    return future.result()


def is_of_the_executor(error: Exception) -> bool:
    """Whether this is no error of the shard's run: its process died. Dask has an exception of its own for a call whose
    workers all died (`KilledWorker`)."""
    return isinstance(error, BrokenExecutor) or type(error).__module__.partition(".")[0] == "distributed"
