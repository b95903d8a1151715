"""A ledger as the view of a journal: what it holds is what the journal says, and every change is appended there first.

Changes that wait while an append is under way go out together with the next one, so that the rate of changes is not
bound by the time that an append takes. A change counts once it is in the journal; the view then has it in one
transaction with the slot that it stands in, so that a view that was left behind knows what it lacks.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from engine.errors import LedgerError, LedgerMismatch
from engine.events import Listener, OutOfReach, ignore
from engine.journal.holding import AtWork, Sign
from engine.journal.journal import FOUND_AGAIN, Journal
from engine.journal.segments import Segment
from engine.ledger import Ledger
from engine.ledger.commands import SAME_ETAG, Command
from engine.ledger.identity import identity_of
from engine.ledger.rebinding import BOUND, LAST, VIEW, empty_view, unbound
from engine.ledger.shard_places import SHARDS, goes_by
from engine.ledger.writer import Command as AnyCommand
from engine.ledger.writer import Writer
from engine.model import Location
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from engine.store import ObjectStore
from engine.to_the_end import ended

SLOW_S = 3.0
"""After so long an append is told to hold all else up."""


@dataclass(frozen=True, slots=True)
class _Applied:
    """Changes that are in the journal up to `next_slot`, made in the view. A change that the ledger refuses changes
    nothing, here and in every other view; its error is its result."""

    commands: tuple[Command, ...]
    place: str
    next_slot: int
    last: str
    """The name of the segment in the slot before."""

    def __call__(self, connection: sqlite3.Connection) -> list[Any]:
        results: list[Any] = []
        for command in self.commands:
            connection.execute("SAVEPOINT change")
            try:
                results.append(command(connection))
            except LedgerError as error:
                connection.execute("ROLLBACK TO change")
                results.append(error)
            connection.execute("RELEASE change")
        connection.executemany(
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
            [(VIEW, json.dumps([self.place, self.next_slot])), (LAST, self.last)],
        )
        return results


@dataclass(slots=True, eq=False)
class _Waiting:
    """A change on its way into the journal, and who waits for it."""

    command: Command
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Any = None
    leads: bool = False


class Thinner:
    """What one writer knows of objects that were decided and have no outcome yet: it leaves out of an outcome what the
    decision said already. The target's ETag is nearly always the source's, sixteen bytes that nothing compresses; of an
    object's journal they would be half. Who reads finds the source's in the row."""

    def __init__(self) -> None:
        self._etags: dict[tuple[int, str], str] = {}

    def thin(self, command: Command) -> Command:
        """The command as the journal is to have it."""
        if command.name == "decide":
            route, decisions, _ = command.arguments
            for item in decisions:
                if item.state is State.PLANNED:
                    self._etags[route, item.key] = item.source_etag
                else:
                    self._etags.pop((route, item.key), None)
        if command.name in ("forget", "let_go"):
            route, keys = command.arguments
            for key in keys:
                self._etags.pop((route, key), None)
        if command.name != "conclude":
            return command
        route, outcomes, at_ms = command.arguments
        known = [self._etags.pop((route, item.key), None) for item in outcomes]
        thin = [
            Outcome(item.key, item.state, SAME_ETAG, *item[3:]) if etag and etag == item.target_etag else item
            for item, etag in zip(outcomes, known, strict=True)
        ]
        return Command(command.name, (route, thin, at_ms))


class JournaledWriter:
    """Stands in a ledger where its writer stood. After an append that failed nothing more is taken: what is in the
    journal is then not known here."""

    def __init__(self, inner: Writer, journal: Journal, sign: Sign | None, listener: Listener) -> None:
        self._inner = inner
        self._listener = listener
        self._sign = sign
        self._journal = journal
        self._pending: list[_Waiting] = []
        self._is_led = False
        self._thinner = Thinner()
        self._failed: BaseException | None = None

    async def do(self, command: AnyCommand[Any], *, durable: bool = False) -> Any:
        """As `Writer.do`; every change is durable once it is in the journal. Raises `Fenced` besides."""
        assert isinstance(command, Command)
        own = _Waiting(command, leads=not self._is_led)
        self._is_led = True
        self._pending.append(own)
        try:
            if not own.leads:
                await own.done.wait()
        finally:
            if own.leads:  # also when it is cancelled, by asyncio itself too: others wait for it
                cancelled = await ended(asyncio.ensure_future(self._lead()))
                if cancelled is not None:
                    raise cancelled
            elif own in self._pending:  # given up before it was sent: nobody is there who could lead for it
                self._pending.remove(own)
        if isinstance(own.result, BaseException):
            raise own.result
        return own.result

    async def _lead(self) -> None:
        """Append what waits, make it in the view, and have the next in line lead."""
        batch, self._pending = self._pending, []
        try:
            if self._failed is not None:
                raise self._failed
            commands = tuple(item.command for item in batch)
            thin = tuple(map(self._thinner.thin, commands))
            segment = Segment(self._journal.epoch, secrets.token_hex(8), thin)
            with self._telling():
                slot = await self._journal.append(segment)
            results = await self._inner.do(_Applied(commands, str(self._journal.place), slot + 1, segment.name))
        except BaseException as error:
            self._failed = error
            results = [error] * len(batch)
        for item, result in zip(batch, results, strict=True):
            item.result = result
            item.leads = False
            item.done.set()
        self._is_led = bool(self._pending)
        if self._pending:
            self._pending[0].leads = True
            self._pending[0].done.set()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell where an append takes long: all else waits for it."""
        told: list[OutOfReach] = []

        def tell() -> None:
            why = f"{self._journal.place} takes nothing: it is throttled, or does not answer"
            told.append(OutOfReach(SLOW_S, why, "the state"))
            self._listener(told[0])

        later = asyncio.get_running_loop().call_later(SLOW_S, tell)
        try:
            yield
        finally:
            later.cancel()
            if told:
                self._listener(OutOfReach(0.0))

    async def close(self) -> None:
        try:
            if self._sign is not None:
                await self._sign.end()
        finally:
            await self._inner.close()


class Journals:
    """The journals of one state location, for `ShardedLedger`: `index/`, and one for each shard. The `holder` is who
    claims them: the index only where nobody else is seen at work, unless it takes over. `listener` hears where they
    hold up what is to be kept in them."""

    def __init__(
        self, store: ObjectStore, place: Location, holder: AtWork | None = None, listener: Listener = ignore
    ) -> None:
        self._store = store
        self._listener = listener
        self._place = place
        self._holder = holder

    async def join(self, ledger: Ledger, name: str, *, is_recorded: bool = False) -> None:
        """Make the ledger a view of the journal of that name, claim it, and have its changes go there first.

        Raises `LedgerMismatch` for a ledger that is no view of it, `LedgerLocked`, `LedgerCorrupt`, also where nothing
        is there of a shard that `is_recorded` to have objects, and what the store raises."""
        journal, sign = self._journal(name), None
        await self._catch_up(ledger, journal, is_recorded)
        if self._holder is not None and name == "index":
            sign = Sign(self._store, self._place, self._holder, identity_of(ledger.path))
            if not self._holder.takes_over:
                await sign.refuse_others()
            await sign.begin()  # before the claim: who looks next sees it
        try:
            while await journal.claim() is not None:
                await self._catch_up(ledger, journal, is_recorded)
        except BaseException:
            if sign is not None:
                await sign.end()
            raise
        ledger.write_through(JournaledWriter(ledger.writer, journal, sign, self._listener))

    async def is_begun(self, name: str) -> bool:
        """Whether there is anything in the journal of that name. Raises what the store raises."""
        return await self._journal(name).first() is not None

    async def follow(self, ledger: Ledger, name: str, *, is_recorded: bool = False) -> None:
        """Make the ledger a view of the journal of that name, as that is now, and nothing else: whoever has it goes on.

        Raises as `join`."""
        await self._catch_up(ledger, self._journal(name), is_recorded)

    async def refuse_shards(self) -> None:
        """Raise `LedgerCorrupt` where a shard has a journal. Asked before an index is given its first: what is there
        then belongs to one that is gone, and would be taken for the new one's."""
        if not await self._journal(SHARDS).is_empty():
            raise self._journal("index").damaged("it is not there, and those of its shards are")

    def _journal(self, name: str) -> Journal:
        place = Location(self._place.bucket, f"{self._place.key}{name}/", self._place.site)
        if self._holder is None:
            state = str(self._place).removesuffix("/").rpartition("/")[0]  # without the plan's name
            look = f"cartage status PLAN --state {state}/"
            return Journal(self._store, place, f"a worker at {socket.gethostname()}", look)
        return Journal(self._store, place, str(self._holder), self._holder.look)

    async def _catch_up(self, ledger: Ledger, journal: Journal, is_recorded: bool) -> None:
        """Make the changes in the view that it lacks. One that it refuses may be refused everywhere, or this view is
        not what the others are: then it is made anew, which tells."""
        slot = await self._position(ledger, journal)
        is_its = not slot or await self._is_of(ledger, journal, slot)
        if not (is_its and await self._replay(ledger, journal, slot)) and slot:
            await ledger.writer.do(empty_view)
            await self._replay(ledger, journal, 0)
        if is_recorded and not journal.next_slot:
            raise journal.damaged("slot 0 is missing, of a shard that had objects")

    async def _replay(self, ledger: Ledger, journal: Journal, slot: int) -> bool:
        """Whether no change from that slot on was refused."""
        is_bound = await ledger.meta(BOUND) is not None  # of a shard nobody asks: its journal adds no shards
        refused = False
        async for _, segment in journal.read(slot):
            changes = {item.name for item in segment.commands}
            is_bound = is_bound or "bind" in changes
            if not is_bound and "add_shards" in changes:  # its keys would be those of whatever routes are wanted here
                raise unbound(f"the journal {journal.place}")
            applied = _Applied(segment.commands, str(journal.place), journal.next_slot, segment.name)
            results = await ledger.writer.do(applied)
            refused = refused or any(isinstance(item, LedgerError) for item in results)
        return not refused

    async def _is_of(self, ledger: Ledger, journal: Journal, slot: int) -> bool:
        """Whether the view was made from this journal, up to that slot; False where that cannot be told, as an older
        Cartage made it. Raises `LedgerMismatch` where it was made from one that is gone: the view may be all that is
        left of that, and nothing is ever to be appended behind a gap."""
        there, last = await journal.at(slot - 1), await ledger.meta(LAST)
        if there is None or last not in (None, there.name) or await journal.first() != 0:
            path = goes_by(ledger.path)
            raise LedgerMismatch(
                f"the journal {journal.place} is not the one that the ledger {ledger.path} was made from: that was "
                "removed, or a part of it.",
                advice=f"Nothing was changed. {path} may be the only record of it: keep it. If another one was begun "
                f"there, move {path} away, or give another --ledger. Else bring back what was removed, if its bucket "
                f"has versions, or begin with another --state and --ledger: {FOUND_AGAIN}.",
            )
        return last is not None

    async def _position(self, ledger: Ledger, journal: Journal) -> int:
        """The slot that a view lacks first; 0 for a ledger that holds nothing."""
        kept = await ledger.meta(VIEW)
        if kept is None:
            if not await ledger.holds_nothing():  # what it holds would be in this view alone
                raise LedgerMismatch(
                    f"the ledger {ledger.path} was not made with --state.",
                    advice="Leave --state out; or begin a new ledger with --ledger: what is copied is found.",
                )
            return 0
        place, slot = json.loads(kept)
        if place != str(journal.place):
            raise LedgerMismatch(
                f"the ledger {ledger.path} is a view of {place}, and not of {journal.place}.",
                advice="Give the --state that it was made with, or a new ledger with --ledger.",
            )
        return int(slot)
