"""Outcomes reach the ledger in batches, all of them, whatever ends the run."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest

from engine.errors import LedgerError
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.transfer.recorder import BATCHES_WAITING, OUTCOMES_A_BATCH, Recorder


def outcome(number: int) -> Outcome:
    return Outcome(str(number), State.COPIED)


class Ledger:
    """Takes batches; each commit can be held back."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.held: anyio.Event | None = None

    async def conclude(self, route: str, outcomes: Sequence[Outcome]) -> None:
        if self.held is not None:
            await self.held.wait()
        self.batches.append((route, [item.key for item in outcomes]))


async def test_a_full_batch_is_committed_at_once_and_in_order() -> None:
    ledger = Ledger()
    recorder = Recorder(ledger.conclude)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.run)
        await anyio.lowlevel.checkpoint()
        for number in range(OUTCOMES_A_BATCH):
            recorder.add("r", outcome(number))
        with anyio.fail_after(60):
            while not ledger.batches:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert ledger.batches == [("r", [str(number) for number in range(OUTCOMES_A_BATCH)])]


async def test_each_route_has_its_own_batch() -> None:
    ledger = Ledger()
    recorder = Recorder(ledger.conclude)
    for number in range(4):
        recorder.add("even" if number % 2 == 0 else "odd", outcome(number))
    await recorder.finish()
    assert ledger.batches == [("even", ["0", "2"]), ("odd", ["1", "3"])]


async def test_what_is_being_committed_when_all_is_cancelled_is_committed() -> None:
    ledger = Ledger()
    ledger.held = anyio.Event()
    recorder = Recorder(ledger.conclude)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.run)
        await anyio.lowlevel.checkpoint()
        for number in range(OUTCOMES_A_BATCH):
            recorder.add("r", outcome(number))
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
        ledger.held.set()
    assert len(ledger.batches) == 1


async def test_workers_wait_while_the_disk_is_behind() -> None:
    ledger = Ledger()
    recorder = Recorder(ledger.conclude)
    for number in range(OUTCOMES_A_BATCH * BATCHES_WAITING):
        assert not recorder.full
        recorder.add("r", outcome(number))
    assert recorder.full
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.wait_room)
        await anyio.lowlevel.checkpoint()
        await recorder.finish()
    assert not recorder.full


async def test_what_the_ledger_refuses_ends_the_recorder() -> None:
    async def refuse(route: str, outcomes: Sequence[Outcome]) -> None:
        raise LedgerError("full")

    recorder = Recorder(refuse)
    recorder.add("r", outcome(1))
    with pytest.raises(LedgerError):
        await recorder.run()
