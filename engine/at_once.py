"""The same work on many things at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
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

    async def one(at: int, item: Item) -> None:
        async with bound:
            answers[at] = await work(item)

    async with anyio.create_task_group() as group:
        for at, item in enumerate(wanted):
            group.start_soon(one, at, item)
    return answers
