"""A disk that did not keep what it was given: what rests on it is not trusted, whoever looks at it next.

The system says once that a sync failed, and what is read afterwards comes from its memory: a note in the ledger
remembers it until each row says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from engine.ledger import Ledger, LedgerReader
from engine.plan.lifecycle import IN_PLACE, State
from engine.plan.record import NOT_ON_DISK, ObjectRecord, Outcome, after_look
from engine.plan.route import Route

if TYPE_CHECKING:
    from engine.folder.durable import Undurable

FAILED_SYNC = "failed sync"
"""The note of what the system said when a disk could not be synced, until each row that rests on that disk says so."""

FailedOf = Callable[[Route, Sequence[ObjectRecord]], Awaitable["Undurable"]]
"""Gives those of a route's objects whose targets could not be brought to the disk, by their own keys."""


async def failed_sync_of(ledger: LedgerReader) -> str:
    """What the system said of a sync, while rows that rest on it may not say so yet; empty where there is nothing."""
    return await ledger.note(FAILED_SYNC) or ""


async def conclude_failed_sync(ledger: Ledger, routes: Sequence[Route], failed_of: FailedOf | None = None) -> None:
    """Where a disk could not be synced, have every row say so that rests on it, also those that are not to go yet.

    Without `failed_of` nobody knows any more which disk it was, as after a kill: then those of every folder do."""
    if not (why := await failed_sync_of(ledger)):
        return
    for route in routes:
        if not route.target.is_local:
            continue
        async for records in ledger.records(route.name, IN_PLACE):
            if failed_of is None:
                outcomes = [not_on_disk(record, why) for record in records]
            else:
                lost, unreached = await failed_of(route, records)
                failed = unreached | lost  # what was not reached may lie on that disk as well
                outcomes = [not_on_disk(item, failed[item.key].message) for item in records if item.key in failed]
            await ledger.conclude_durably(route.name, outcomes)
    await ledger.set_note(FAILED_SYNC, None)


def not_on_disk(record: ObjectRecord, why: str) -> Outcome:
    """What is recorded of an object of which that is so."""
    return after_look(record, State.DAMAGED, NOT_ON_DISK, why_it_stays(why))


def why_it_stays(why: str) -> str:
    """What is said of it."""
    return f"its target could not be brought to the disk: {why}; the source stays"
