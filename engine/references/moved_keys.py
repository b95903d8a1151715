"""What the ledger knows of the keys that a text names."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread

from engine.ledger import LedgerReader
from engine.plan.lifecycle import DONE
from engine.plan.locations import MAX_KEY_BYTES, NOT_UTF8, problem_of_key
from engine.plan.shards import Piece
from engine.references.judging import Lookup

Result = TypeVar("Result")

KNOWN_AT_MOST = 100_000
_LAST = chr(0x10FFFF) * (MAX_KEY_BYTES // 4)
"""Behind a prefix it is no less than any key that begins with it."""


class _Question(NamedTuple):
    """Of a relative key: whether an object of just that key is in place, or everything that begins with it."""

    route: str
    key: str
    under: bool


class _Answers(NamedTuple):
    """A key's, each asked for when it is wanted: what is `under` a key costs more than what is at it."""

    ask: Callable[[_Question], bool | None]
    route: str
    key: str

    @property
    def exact(self) -> bool | None:
        return self.ask(_Question(self.route, self.key, under=False))

    @property
    def under(self) -> bool | None:
        return self.ask(_Question(self.route, self.key, under=True))


class MovedKeys:
    """Answers from the ledger, asked for when they are missing, and remembered."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._known: dict[_Question, bool | None] = {}
        self._all_there: dict[str, bool] = {}
        self._one_at_a_time = anyio.Lock()

    async def answering(self, work: Callable[[Lookup], Result]) -> Result:
        """What the pure `work` gives once all that it asks is answered; it is done anew until then, in a thread. One at
        a time: a text taken apart is many times as large, and several at once take no less time."""
        async with self._one_at_a_time:
            return await self._answering(work)

    async def _answering(self, work: Callable[[Lookup], Result]) -> Result:
        if len(self._known) > KNOWN_AT_MOST:
            self._known.clear()
        if not self._all_there:
            for tally in await self._ledger.tallies():
                there = self._all_there.get(tally.route, True)
                self._all_there[tally.route] = there and tally.state in DONE
        while True:
            asked: set[_Question] = set()
            result = await anyio.to_thread.run_sync(work, self._lookup(asked))
            if not asked:
                return result
            for question in sorted(asked):
                self._known[question] = await self._answer(question)

    def _lookup(self, asked: set[_Question]) -> Lookup:
        def ask(question: _Question) -> bool | None:
            if question in self._known:
                return self._known[question]
            if problem_of_key(question.key) != NOT_UTF8:  # of such a name S3 has no object, nor has the ledger
                asked.add(question)
            return None

        return lambda route, key: _Answers(ask, route, key)

    async def _answer(self, question: _Question) -> bool | None:
        route, key, under = question
        row = await self._ledger.entry(route, key)
        exact = row.state in DONE if row is not None else None
        if not under or exact is False:
            return exact
        behind = Piece(route, key, key + _LAST)
        if exact is None and not await self._ledger.entries(*behind, limit=1):
            return None
        return self._all_there.get(route, False) or not await self._ledger.has_undone(behind)
