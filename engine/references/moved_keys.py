"""What the ledger knows of keys that a text names: whether that object, or all that is under it, is at its target."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

from engine.ledger import LedgerReader
from engine.plan.lifecycle import IN_PLACE, LEAVING
from engine.plan.order import just_before
from engine.references.references import Lookup, Presence

Result = TypeVar("Result")

THERE = IN_PLACE | LEAVING
"""The states of an object that its target holds."""
KNOWN_AT_MOST = 100_000
ROWS_A_READ = 1_000
NOTHING = Presence()


class MovedKeys:
    """Answers from the ledger, asked for when they are missing, and remembered."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._known: dict[tuple[str, str], Presence] = {}
        self._all_there: dict[str, bool] = {}

    async def answering(self, work: Callable[[Lookup], Result]) -> Result:
        """What the pure `work` gives once all that it asks is answered; it is done anew until then, in a thread."""
        if len(self._known) > KNOWN_AT_MOST:
            self._known.clear()
        if not self._all_there:
            for tally in await self._ledger.tallies():
                there = self._all_there.get(tally.route, True)
                self._all_there[tally.route] = there and tally.state in THERE
        while True:
            asked: set[tuple[str, str]] = set()
            result = await anyio.to_thread.run_sync(work, self._lookup(asked))
            if not asked:
                return result
            for route, key in sorted(asked):
                self._known[route, key] = Presence(await self._exact(route, key), await self._under(route, key))

    def _lookup(self, asked: set[tuple[str, str]]) -> Lookup:
        def lookup(route: str, key: str) -> Presence:
            known = self._known.get((route, key))
            if known is None:
                asked.add((route, key))
                return NOTHING
            return known

        return lookup

    async def _exact(self, route: str, key: str) -> bool | None:
        row = await self._ledger.entry(route, key)
        return row.state in THERE if row is not None else None

    async def _under(self, route: str, prefix: str) -> bool | None:
        if self._all_there.get(route, False):
            rows = await self._ledger.entries(route, just_before(prefix), None, 2)
            return True if any(row.key.startswith(prefix) for row in rows) else None
        after, found = just_before(prefix), False
        while True:
            rows = await self._ledger.entries(route, after, None, ROWS_A_READ)
            for row in rows:
                if row.key.startswith(prefix):
                    found = True
                    if row.state not in THERE:
                        return False
                elif row.key > prefix:
                    return True if found else None
            if len(rows) < ROWS_A_READ:
                return True if found else None
            after = rows[-1].key
