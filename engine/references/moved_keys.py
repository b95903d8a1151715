"""What the ledger knows of the keys that a text names."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import anyio

from engine.ledger import LedgerReader
from engine.plan.lifecycle import DONE
from engine.plan.locations import MAX_KEY_BYTES, NOT_UTF8, problem_of_key
from engine.plan.shards import Piece
from engine.references.judging import Lookup
from engine.to_the_end import in_own_thread

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


class _Left(Exception):
    """Nobody waits any more for what a text names."""


class MovedKeys:
    """Answers from the ledger, asked for when they are missing, and remembered."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._known: dict[_Question, bool | None] = {}
        self._all_there: dict[str, bool] = {}
        self._one_at_a_time = anyio.Lock()

    async def answering(self, work: Callable[[Lookup], Result]) -> Result:
        """What the pure `work` gives, done in a thread. Who is cancelled leaves it to itself; it ends at what it asks
        next. One at a time: a text taken apart is many times as large, and several at once take no less time.

        It is done twice at most: what it asks is got ready all at once, which costs a third of one by one."""
        async with self._one_at_a_time:
            if not self._all_there:
                for tally in await self._ledger.tallies():
                    there = self._all_there.get(tally.route, True)
                    self._all_there[tally.route] = there and tally.state in DONE
            wanted: set[_Question] = set()

            def guess(question: _Question) -> bool:
                if len(wanted) < KNOWN_AT_MOST:
                    wanted.add(question)  # the rest is asked for one by one
                return True  # most that is named is there

            result = await self._in_thread(work, guess)
            if not wanted:
                return result
            if len(self._known) + len(wanted) > KNOWN_AT_MOST:
                self._known.clear()
            for question in wanted:
                self._known[question] = await self._answer(question)
            loop = asyncio.get_running_loop()

            def ask(question: _Question) -> bool | None:
                if len(self._known) > KNOWN_AT_MOST:
                    self._known.clear()
                self._known[question] = asyncio.run_coroutine_threadsafe(self._answer(question), loop).result()
                return self._known[question]

            return await self._in_thread(work, ask)

    async def _in_thread(self, work: Callable[[Lookup], Result], ask: Callable[[_Question], bool | None]) -> Result:
        """What `work` gives; `ask` is asked what is not known."""
        left = threading.Event()

        def known(question: _Question) -> bool | None:
            if left.is_set():
                raise _Left
            if problem_of_key(question.key) == NOT_UTF8:
                return None  # of such a name S3 has no object, and the ledger cannot be asked
            return self._known[question] if question in self._known else ask(question)

        try:
            return await in_own_thread(lambda: work(lambda route, key: _Answers(known, route, key)))
        finally:
            left.set()

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
