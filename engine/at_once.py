"""The same work on many things at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from math import ceil
from typing import Any, TypeVar

import anyio

Item = TypeVar("Item")
Answer = TypeVar("Answer")


async def each(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Answer]], limit: anyio.CapacityLimiter | None = None
) -> list[Answer]:
    """What `work` gives for each of the items, in their order; no more of it under way than `limit` lets. Where one
    raises, the others are cancelled. Raises as a task group does."""
    wanted = list(items)
    answers: list[Any] = [None] * len(wanted)
    bound = limit or nullcontext()
    left = iter(enumerate(wanted))

    async def some() -> None:
        for at, item in left:
            async with bound:
                answers[at] = await work(item)

    async with anyio.create_task_group() as group:
        # A thousand tasks that wait for one of 32 places cost more than what most of them are to do.
        for _ in range(len(wanted) if limit is None else min(len(wanted), ceil(limit.total_tokens))):
            group.start_soon(some)
    return answers
