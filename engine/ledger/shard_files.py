"""The ledgers of shards, opened when they are asked for; those used last stay open."""

from __future__ import annotations

from asyncio import CancelledError
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

from engine.errors import EngineError
from engine.ledger.reader import LedgerReader

KEPT_OPEN = 8
"""Each has a connection, a thread and SQLite's cache of 2 MB."""

Opened = TypeVar("Opened", bound=LedgerReader)


@dataclass(slots=True, eq=False)
class _Slot(Generic[Opened]):
    """One shard's ledger, or its place. Changed under its lock alone; `users` on the event loop."""

    ledger: Opened | None = None
    users: int = 0
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class ShardFiles(Generic[Opened]):
    """Opens shards by `open_one`, and has each closed by `close_one`."""

    def __init__(
        self, open_one: Callable[[int], Awaitable[Opened]], close_one: Callable[[int, Opened], Awaitable[None]]
    ) -> None:
        self._open_one = open_one
        self._close_one = close_one
        self._slots: OrderedDict[int, _Slot[Opened]] = OrderedDict()

    @asynccontextmanager
    async def use(self, number: int) -> AsyncIterator[Opened]:
        """The ledger of a shard, open as long as it is used. Raises what opening raises."""
        slot = self._slots.setdefault(number, _Slot())
        self._slots.move_to_end(number)
        slot.users += 1
        try:
            async with slot.lock:
                if slot.ledger is None:
                    slot.ledger = await self._open_one(number)
                ledger = slot.ledger
            yield ledger
        finally:
            slot.users -= 1
            await self._close_all_but(KEPT_OPEN)

    @property
    def open(self) -> list[int]:
        """The numbers of those that are open."""
        return [number for number, slot in self._slots.items() if slot.ledger is not None]

    async def close(self) -> None:
        """Close all of them."""
        await self._close_all_but(0)

    async def _close_all_but(self, kept: int) -> None:
        """One that cannot be closed as it should holds up no other, nor does a cancellation, asyncio's own included.
        Raises that, or the first error."""
        cancelled: list[CancelledError] = []
        failed: list[EngineError] = []
        with anyio.CancelScope(shield=True):
            for number, slot in list(self._slots.items()):
                if slot.ledger is None:
                    continue
                if len(self.open) <= kept:
                    break
                while slot.ledger is not None and not slot.users:
                    try:
                        async with slot.lock:
                            if slot.ledger is not None and not slot.users:
                                ledger, slot.ledger = slot.ledger, None
                                await self._close_one(number, ledger)
                    except EngineError as error:
                        failed.append(error)
                    except CancelledError as error:
                        cancelled.append(error)
        for wrong in (*cancelled, *failed):
            raise wrong
