"""A run of a plan in shards: orders go to an executor, what becomes of each shard is committed to the index.

Nothing is decided about an object here. A shard is marked in the index before an order for it goes out; what it hands
over is committed before anyone is asked to carry that; a route's snapshot is closed when every shard that has a piece
of it was listed to its end for this very snapshot. So it may be killed at any moment, and so may every process.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from engine.errors import EngineError
from engine.events import Notice, ObjectAside, OutOfReach, SnapshotClosed, ignore
from engine.ledger import ShardedLedger
from engine.ledger.index import Closing, ShardRecord
from engine.listing.lister import Lister
from engine.listing.unlisted import ToldUnlisted
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.lifecycle import DONE
from engine.plan.shards import OBJECTS_A_SHARD, SHARDS_A_SLOT, Piece, far_apart, joined, shared_out, without
from engine.shards.answers import answer_of, is_of_the_executor
from engine.shards.figures import Figures
from engine.shards.order import Order, ShardEnded
from engine.shards.rates import SHARED_EVERY_S, Rates
from engine.shards.roots import finer
from engine.shards.working import board_of, carry_shard
from engine.sites.clock import now_ms
from engine.sites.measuring import Meter
from engine.sites.options import SiteOptions
from engine.sites.sites import Sites
from engine.transfer.counting import ASIDES_SHOWN, REPLACED_NAMED, Carried, counters_of

DEATHS_A_SHARD = 4
"""So often a shard's process may die before the shard is left undone: what kills it is perhaps the shard."""

GOES_ON_FOR_MS = 3_600_000
"""So long a snapshot that was not closed is gone on with: as long as a listing may be old that a question was asked
upon."""

RECORDED_EVERY_S = 2.0

LEVELLED_AFTER_S = 0.5
"""A shard that is at work no longer is left alone: what it costs to begin others is not worth less."""

RESTS_A_SLOT = 2
"""Shards for each process of what one hands over: the guesses at which it is cut are no even ones."""

MOST_NEIGHBOURS = 16
"""Of so many processes the first shards may be at one of S3's partitions. Of more, each would begin too slowly."""


class Coordinator:
    """One run of a plan on a ledger in shards. `await go()`; `stop()` ends it gently, cancellation at once.

    `executor` runs `slots` calls at once. What it is given can be pickled, and is safe to try again. With `pieces`
    shards that have keys of these are carried once more, for the snapshots that there are."""

    def __init__(
        self,
        plan: Plan,
        opened: Sites,
        ledger: ShardedLedger,
        options: SiteOptions,
        executor: Executor,
        slots: int,
        *,
        guarded: bool,
        state: Location | None,
        pieces: Sequence[Piece] | None,
    ) -> None:
        self._plan = plan
        self._opened = opened
        self._ledger = ledger
        self._executor = executor
        self._slots = slots
        self._guarded = guarded
        self._again = pieces
        self._listener = options.listener
        self._meter = options.meter
        self._state = state
        self._run = secrets.token_hex(8)
        self._board = board_of(opened, Path(ledger.path), state, self._run)
        self._stop = anyio.Event()
        self._options = _of_one(options, slots)
        self._notes: dict[str, Any] = {}
        self._sorted_at: dict[str, Path] = {}
        self._opened_ms: dict[str, int] = {}
        self._free = anyio.Semaphore(slots)
        self._recording = anyio.Lock()
        self._figures = Figures()
        self._outage: OutOfReach | None = None
        self._rates = Rates(plan)
        self._pieces: dict[int, tuple[Piece, ...]] = {}
        self._undone: list[EngineError] = []
        self._lost: dict[str, set[str]] = {}
        self._listed_last: list[tuple[int, list[tuple[str, int, int, int]], Closing]] = []
        self._left = self._waiting = 0
        self._begun_s: dict[int, float] = {}
        self._first_asides: list[ObjectAside] = []
        self._stopped = False

    def stop(self) -> None:
        """Begin no shard, and have those that run finish what is in flight."""
        self._stopped = True
        self._stop.set()

    async def go(self) -> Carried:
        """Carry every shard that has something to do, and give what that came to. Raises what stops a run, once the
        others have ended gently."""
        await self._board.clear()
        if self._stopped:
            return self._carried()
        if not await self._ledger.shards():
            await self._ledger.add_shards(await self._cut())
        if self._again is None:
            await self._open_snapshots()
        self._opened_ms = {item.route: item.opened_ms for item in await self._ledger.snapshots()}
        self._notes = await self._ledger.notes()
        if self._state is None:  # else workers do not see this machine's files
            await self._ledger.begin_orders(self._run)
            self._sorted_at = {name: await listed.sorted_at() for name, listed in self._opened.sources.lists.items()}
        again = None if self._again is None else self._ledger.numbers_of(self._again)
        shards = await self._ledger.shards()
        todo = [item for item in shards if (self._has_work(item) if again is None else item.number in again)]
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._pass_on_stop)
                beside.start_soon(self._tell)
                beside.start_soon(self._keep_records)
                beside.start_soon(self._share)
                beside.start_soon(self._level)
                async with anyio.create_task_group() as group:
                    for item in far_apart(todo, self._slots):
                        self._begin(group, item.number, item.pieces)
                beside.cancel_scope.cancel()
        except BaseException:
            self._kill()
            raise
        if self._undone:
            raise self._undone[0]
        if not self._stopped and self._again is None:
            await self._close_snapshots()
        self._listener(replace(self._figures.progress(self._left), listing_done=True))
        if not self._stopped:
            self._opened.sources.refuse(self._lost)
        return self._carried()

    # --- before ---------------------------------------------------------------------------------------------

    async def _cut(self) -> list[tuple[Piece, ...]]:
        """The shards of a plan that was never carried. What a local folder has a part in is one shard: which names are
        one there is known only to who makes them all."""
        listers = self._listers
        apart = [route.name for route in self._plan.routes if route.name not in listers]
        shards = self._slots * SHARDS_A_SLOT
        pieces = await finer([Piece(route) for route in listers], listers, shards)
        cut = _bundled(pieces, shards) if pieces else []
        return [*cut, tuple(Piece(name) for name in apart)] if apart else cut

    @property
    def _listers(self) -> dict[str, Lister]:
        """Of the routes that can be carried by several at once."""
        return {
            route.name: self._opened.sources.lister(self._opened.store, route)
            for route in self._plan.routes
            if not (route.source.is_local or route.target.is_local)
        }

    async def _open_snapshots(self) -> None:
        """Go on with a snapshot that an earlier run did not close, if it is no older than a listing may be; else begin
        a new one. What is to be brought up to date is always listed anew: what its snapshot has may have changed."""
        brought = {route.name for route in self._plan.routes if route.overwrites_different}
        for item in await self._ledger.snapshots():
            goes_on = item.opened_ms and not item.closed_ms and 0 <= now_ms() - item.opened_ms < GOES_ON_FOR_MS
            if not goes_on or item.route in brought:
                await self._ledger.open_snapshot(item.route)

    def _has_work(self, item: ShardRecord) -> bool:
        routes = {piece.route for piece in item.pieces}
        listed = all(item.listed.get(route) == self._opened_ms[route] for route in routes)
        done = all(state in DONE for state, objects in item.tallies if objects)
        return bool(routes) and not (listed and done and not item.uploads and not item.is_open)

    # --- at work --------------------------------------------------------------------------------------------

    def _begin(self, shards: TaskGroup, number: int, pieces: Sequence[Piece]) -> None:
        self._left += 1
        self._waiting += 1
        shards.start_soon(self._carry, shards, number, tuple(pieces))

    async def _carry(self, shards: TaskGroup, number: int, pieces: tuple[Piece, ...]) -> None:
        """One shard, however often its process dies."""
        async with self._free:
            self._waiting -= 1
            if self._stopped:
                return
            await self._board.forget(number)
            await self._ledger.begin(number)
            order = Order(
                number=number,
                pieces=pieces,
                folder=Path(self._ledger.path),
                state=self._state,
                plan=self._plan,
                binding=await self._ledger.binding(),
                options=self._options,
                guarded=self._guarded,
                notes=self._notes,
                met=self._rates.met(self._figures.told),
                neighbours=min(self._slots, MOST_NEIGHBOURS),
                most=OBJECTS_A_SHARD,
                opened_ms=self._opened_ms,
                sorted_at=self._sorted_at,
                listed=self._opened.sources.listed if self._state is None else None,
                was_read=frozenset(self._opened.sources.was_read),
                is_recorded=await self._ledger.is_recorded(number),
                run=self._run,
            )
            self._figures.begin(number)
            self._pieces[number] = pieces
            self._begun_s[number] = anyio.current_time()
            ended: ShardEnded | None = None
            try:
                ended = await self._try(order)
            except EngineError as error:
                self._undone.append(error)
                self.stop()
            finally:
                self._figures.end(number, ended)  # at once: no figure of a run falls
                for kept in (self._pieces, self._begun_s):
                    kept.pop(number, None)
                self._measured(number, ended)
            if ended is None:
                async with self._recording:
                    await self._ledger.record(number)
                return
            for event in ended.events:
                self._hear(event)
            await self._conclude(shards, ended, pieces)

    def _measured(self, number: int, ended: ShardEnded | None) -> None:
        if self._meter is not None:
            if ended is not None:
                self._meter.take((number, ended.pid), ended.measured)
            self._meter.part_ended(number)

    async def _try(self, order: Order) -> ShardEnded:
        """Raises what the run raised; `EngineError` where its process dies again and again, or nobody takes it."""
        for death in range(1, DEATHS_A_SHARD + 1):
            try:
                return await answer_of(self._submit(order))
            except Exception as error:
                if not is_of_the_executor(error):
                    raise
                self._figures.died(order.number, await self._board.told(order.number))
                await self._board.forget(order.number)
                said = f"the process that carried shard {order.number} ended by itself; another takes it up"
                if death < DEATHS_A_SHARD:
                    self._listener(Notice("ProcessDied", said))
        raise EngineError(
            f"shard {order.number} is not done: {DEATHS_A_SHARD} processes that carried it ended before it was.",
            advice="Look for what ended them (what they said on stderr; memory, as the system's log has it), "
            "then run the same command again.",
        )

    def _submit(self, order: Order) -> Future[ShardEnded]:
        try:
            return self._executor.submit(carry_shard, order)
        except BrokenExecutor:
            raise
        except Exception as error:  # whatever an executor says when it has ended
            raise EngineError(
                f"shard {order.number} is not done: the executor takes nothing more ({error}).",
                advice="See that its scheduler is there, then run the same command again.",
            ) from error

    async def _conclude(self, shards: TaskGroup, ended: ShardEnded, pieces: tuple[Piece, ...]) -> None:
        """Commit how a shard was left, then have what it handed over carried."""
        rest = list(ended.rest)
        if rest:
            if len(rest) < (wanted := self._slots * RESTS_A_SLOT):
                rest = await finer(rest, self._listers, wanted)
            bundles = _bundled(rest, wanted)
            numbers = await self._ledger.hand_over(ended.number, without(pieces, rest), bundles)
        listings = [(route, self._opened_ms[route], *figures) for route, figures in ended.listings.items()]
        if ended.unlisted.count:  # were this one counted as listed, a run that goes on would not tell of them again
            self._listed_last.append((ended.number, listings, ended.closing))
            listings = []
        async with self._recording:
            await self._ledger.record(ended.number, listings, ended.closing)
        for route, keys in ended.lost.items():
            self._lost.setdefault(route, set()).update(keys)
        self._stopped = self._stopped or ended.stopped
        if rest:
            for number, bundle in zip(numbers, bundles, strict=True):
                self._begin(shards, number, bundle)

    async def _level(self) -> None:
        """Have the shard that is at work longest hand over its rest where a process has nothing to do."""
        asked: set[int] = set()
        together = self._listers
        while True:
            await anyio.sleep(self._board.every_s)
            if self._waiting or len(self._figures.at_work) >= self._slots:
                continue
            now = anyio.current_time()
            for number, begun_s in self._begun_s.items():
                divisible = all(piece.route in together for piece in self._pieces[number])
                if divisible and number not in asked and now - begun_s > LEVELLED_AFTER_S:
                    asked.add(number)
                    if not self._figures.is_listed(number):
                        await self._board.ask_for_rest(number)
                        break

    async def _keep_records(self) -> None:
        """Have the index say, for who reads it alone, how far the shards are."""
        while self._state is None:
            await anyio.sleep(RECORDED_EVERY_S)
            for number in self._figures.at_work:
                async with self._recording:
                    if number in self._figures.at_work:  # else its last record was made meanwhile, and is newer
                        await self._ledger.record(number, still_open=True)

    # --- after ----------------------------------------------------------------------------------------------

    async def _close_snapshots(self) -> None:
        for listed in self._listed_last if not self._lost else ():
            await self._ledger.record(*listed)
        unlisted = self._unlisted()
        for route, (objects, size_bytes) in (await self._ledger.listed_by_route()).items():
            await self._ledger.close_snapshot(route, objects, size_bytes, *unlisted.of_route(route))
            self._listener(SnapshotClosed(route, objects, size_bytes))

    def _carried(self) -> Carried:
        progress, ended = self._figures.progress(self._left), self._figures.ended
        over = [key for item in ended for key in item.first_replaced][:REPLACED_NAMED]
        return Carried(
            counters_of(progress, sum(item.copied_bytes for item in ended), self._first_asides, over),
            self._stopped,
            self._unlisted(),
            progress.requests,
            progress.throttled,
        )

    def _unlisted(self) -> ToldUnlisted:
        """What the shards' listings met that cannot be an object."""
        return ToldUnlisted.of_all(item.unlisted for item in self._figures.ended)

    def _kill(self) -> None:
        kill: Callable[[], None] | None = getattr(self._executor, "kill", None)
        if kill is not None:
            kill()

    # --- telling --------------------------------------------------------------------------------------------

    def _hear(self, event: Any) -> None:
        if isinstance(event, ObjectAside) and len(self._first_asides) < ASIDES_SHOWN:
            self._first_asides.append(event)
        self._listener(event)

    async def _pass_on_stop(self) -> None:
        await self._stop.wait()
        await self._board.ask_to_stop()

    async def _tell(self) -> None:
        while True:
            await anyio.sleep(self._board.every_s)
            for number in self._figures.at_work:
                told = await self._board.told(number)
                if told is not None and number in self._figures.at_work:
                    self._figures.hear(number, told)
                    if self._meter is not None:
                        self._meter.take((number, told.pid), told.measured)
            if (outage := self._figures.outage()) != self._outage:
                self._outage = outage
                self._listener(outage or OutOfReach(0.0))
            self._listener(self._figures.progress(self._left))

    async def _share(self) -> None:
        """Have those who would fight for what one server gives be told how much each may send."""
        while True:
            await anyio.sleep(max(SHARED_EVERY_S, 2.0 * self._board.every_s))
            shares = self._rates.turn(self._figures.told, self._pieces)
            if shares is not None:
                await self._board.share(shares)


def _bundled(pieces: Sequence[Piece], shards: int) -> list[tuple[Piece, ...]]:
    """The pieces as at most so many shards; pieces that meet in one of them are one."""
    return [tuple(joined(some)) for some in shared_out(pieces, shards)]


def _of_one(options: SiteOptions, slots: int) -> SiteOptions:
    """What one of so many processes may do, of what all may together. Words are given as plain text: a process does not
    have the script that may have made a type of its own for them."""
    share = {
        "max_rps": options.max_rps / slots if options.max_rps is not None else None,
        "concurrency": max(1, options.concurrency // slots) if options.concurrency is not None else None,
    }
    plain = {name: getattr(options, name) for name in SiteOptions.__dataclass_fields__}
    plain |= {name: str.__str__(value) for name, value in plain.items() if isinstance(value, str)}
    meter = Meter() if options.meter is not None else None
    return SiteOptions(**{**plain, **share, "listener": ignore, "meter": meter})
