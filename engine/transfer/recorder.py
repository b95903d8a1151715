"""Outcomes on their way into the ledger: gathered synchronously, committed in batches by one task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from engine.plan.record import Outcome

OUTCOMES_A_BATCH = 500
FLUSH_EVERY_S = 0.25
BATCHES_WAITING = 8
"""How far workers may run ahead of the disk before they wait for it."""

Conclude = Callable[[str, Sequence[Outcome]], Awaitable[None]]


class Recorder:
    """Commits outcomes through `conclude(route, outcomes)`: every 500, or four times a second."""

    def __init__(self, conclude: Conclude) -> None:
        self._conclude = conclude
        self._pending: dict[str, list[Outcome]] = {}
        self._count = 0
        self._ready = anyio.Event()
        self._room = anyio.Event()
        self._committing = anyio.Lock()

    def add(self, route: str, outcome: Outcome) -> None:
        """Take one outcome. Never waits; look at `full` and `wait_room` between outcomes."""
        self._pending.setdefault(route, []).append(outcome)
        self._count += 1
        if self._count >= OUTCOMES_A_BATCH:
            self._ready.set()

    @property
    def full(self) -> bool:
        return self._count >= OUTCOMES_A_BATCH * BATCHES_WAITING

    async def wait_room(self) -> None:
        """Wait until the disk has caught up."""
        while self.full:
            await self._room.wait()

    async def run(self) -> None:
        """Commit batches until cancelled. What the ledger raises ends the run: nothing may go on unrecorded."""
        while True:
            with anyio.move_on_after(FLUSH_EVERY_S):
                await self._ready.wait()
            await self.finish()

    async def finish(self) -> None:
        """Commit what there is."""
        # Shielded: what was taken out of the pending ones is committed, whoever is cancelled meanwhile.
        with anyio.CancelScope(shield=True):
            async with self._committing:
                self._ready = anyio.Event()
                batches, self._pending = self._pending, {}
                self._count = 0
                self._room.set()
                self._room = anyio.Event()
                for route, outcomes in batches.items():
                    await self._conclude(route, outcomes)
