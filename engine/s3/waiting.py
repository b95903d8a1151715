"""What blocks, called without holding up the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """What `call` gives, or raises, from a thread of its own. Who is cancelled leaves it to itself: it keeps no process
    from ending, as a pool's would."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # so that nobody cancels what is under way
    context = contextvars.copy_context()

    def work() -> None:
        try:
            done.set_result(context.run(call))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=work, name="cartage-botocore", daemon=True).start()
    return await asyncio.wrap_future(done)
