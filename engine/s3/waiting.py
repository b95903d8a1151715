"""What blocks, called without holding up the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """What `call` gives, or raises, from a thread of its own. Who is cancelled leaves it to itself: it keeps no process
    from ending, as a pool's would."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(set_it: Callable[[Any], None], value: object) -> None:
        if not answered.done():
            set_it(value)

    def work() -> None:
        set_it: Callable[[Any], None] = answered.set_result
        value: object
        try:
            value = context.run(call)
        except BaseException as error:
            set_it, value = answered.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, set_it, value)

    threading.Thread(target=work, name="cartage-botocore", daemon=True).start()
    return await answered
