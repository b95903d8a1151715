"""A run: listings, join, decisions, ledger, workers, outcomes, ledger again. Memory does not grow with the count.

    pages ─▶ join ─▶ decisions ─▶ ledger ─▶ queue (bounded) ─▶ workers ─▶ outcomes ─▶ ledger

Copying begins on the first page. A page's decisions are committed before its tasks are handed out; outcomes are
committed in batches by one recorder. What has no committed outcome is bounded by the queue, the workers and one batch
of outcomes, and the next run settles it by looking at the target.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import anyio
import anyio.lowlevel

from engine.at_once import each
from engine.events import Listener, Notice, ObjectAside, Progress, SnapshotClosed
from engine.ledger import Ledger
from engine.listing.lister import KeyRange
from engine.listing.ranges import RouteJoin
from engine.listing.sources import Sources
from engine.listing.through import read_through
from engine.listing.unlisted import ToldUnlisted, UnlistedThings, told
from engine.plan.concern import refuse_unmappable, taken
from engine.plan.coverage import Coverage, Stretch
from engine.plan.decide import Action, Choice, decide, displaced
from engine.plan.gone import drift, ended
from engine.plan.in_place import decide_in_place, drift_in_place, ended_in_place
from engine.plan.join import Joined
from engine.plan.lifecycle import ASIDE, State
from engine.plan.misnamed import Misnames
from engine.plan.record import Decision, Outcome, UploadRecord
from engine.plan.route import Route
from engine.plan.shards import Piece, joined, without
from engine.plan.sizes import plural
from engine.sites.site import Gauges
from engine.store import StoreOf
from engine.transfer.carrier import Carrier, Interrupted, Task
from engine.transfer.counting import ASIDES_SHOWN, Counters, Slowest, progress_of
from engine.transfer.recorder import Recorder
from engine.transfer.staff import Held, hiring
from engine.transfer.work import WorkQueue

PROGRESS_EVERY_S = 0.25
PROVEN_GONE = (
    "{}: {} gone that cleanup relied on when it deleted the source, first {!r}: another object is at the source's key "
    "now, and is to take its place"
)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of its routes is one run's.

    `pieces` are the keys that are: all of the routes' unless given. It hands the rest of them over, in `Run.rest`, once
    it has decided `most` objects; then its listings end at a page's bound. `part`: the pieces are not all that the
    ledger has of its routes, whose snapshots stay as they are, like uploads that nobody takes up. With a `coverage` it
    does not list again what that covers, and adds what it decides; `uncover` is awaited whenever less is covered than
    before, which is when something was copied unpinned, and before that is committed."""

    pieces: Sequence[Piece] | None = None
    most: int | None = None
    part: bool = False
    coverage: Coverage | None = None
    uncover: Callable[[Run], Awaitable[None]] | None = None


class Run:
    """One invocation on a ledger: `await run.go()`. `stop()` ends it gently, cancellation at once; both are safe.

    `carrier_for` is asked once for each route; `queue` is the one that the carriers put parts into; `misnames` are, by
    route, as `decide` has them."""

    def __init__(
        self,
        store_of: StoreOf,
        sources: Sources,
        ledger: Ledger,
        routes: Sequence[Route],
        carrier_for: Callable[[Route], Carrier],
        queue: WorkQueue[Task],
        *,
        concurrency: int,
        listener: Listener,
        gauges: Callable[[], Gauges],
        extent: Extent,
        digests: Callable[[Route], bool] = lambda route: True,
        misnames: Mapping[str, Misnames] | None = None,
    ) -> None:
        self._store_of = store_of
        self._sources = sources
        self._ledger = ledger
        self._routes = routes
        self._digests = {route.name: digests(route) for route in routes}
        self._misnames = misnames or {}
        self._carriers = {route.name: carrier_for(route) for route in routes}
        self._distinct = list({id(carrier): carrier for carrier in self._carriers.values()}.values())
        self._queue = queue
        self._has_several_paces = len({(route.source.bucket, route.target.bucket) for route in routes}) > 1
        self._concurrency = concurrency
        self._listener = listener
        self._gauges = gauges
        self._recorder = Recorder(self._conclude)
        self._uploads: dict[tuple[str, str], UploadRecord] = {}
        self._slow = Slowest(listener)
        self._listing = anyio.CancelScope()
        self._pieces: dict[str, list[Piece]] = {route.name: [] for route in routes}
        for piece in extent.pieces if extent.pieces is not None else (Piece(route.name) for route in routes):
            self._pieces[piece.route].append(piece)
        self._most = extent.most
        self._extent = extent
        self._unpinned_buckets = 0
        self._joins: list[RouteJoin] = []
        self.rest: list[Piece] = []
        self.listings: dict[str, tuple[int, int]] = {}
        self._told_bytes = 0
        self.counters = Counters()
        self._unlisted: list[tuple[str, UnlistedThings]] = []
        self.stopped = False

    def stop(self) -> None:
        """Begin nothing new, finish what is in flight, commit it."""
        self.stopped = True
        self._queue.abandon()
        self._listing.cancel()

    def hand_over(self) -> None:
        """Decide no more than what is listed, finish that, and leave the rest to others, in `rest`."""
        self._most = 0
        for join in self._joins:
            join.end_early()

    def unlisted(self) -> ToldUnlisted:
        """What the sources' listings met that cannot be an object."""
        return told(self._unlisted)

    async def go(self, *, fresh: bool) -> None:
        """Run to the end. `fresh`: the ledger is known to be empty, so that it need not be read.

        Raises what stops a run: errors of scope `run`, `PlanError`, `LedgerError`. What was done is committed."""
        self._began_ms = self._ledger.now_ms()
        self._uploads = {(item.route, item.key): item for item in await self._ledger.open_uploads()}
        self.counters.listings_open = len(self._routes)
        async with anyio.create_task_group() as background:
            background.start_soon(self._recorder.run)
            background.start_soon(self._report_progress)
            try:
                async with anyio.create_task_group() as work:
                    self._queue.staff(hiring(work, self._work), self._concurrency, self._held)
                    with self._listing:
                        if not self._extent.part:  # all of them: those that are not begun when it ends are open as well
                            await each((route.name for route in self._routes), self._ledger.open_snapshot)
                        pieces = [self._pieces[route.name] for route in self._routes]
                        await read_through(self._routes, pieces, partial(self._produce, fresh))
                    self._queue.close()
                if not self.stopped and not self._extent.part:
                    for record in list(self._uploads.values()):  # no task took it up: its object is done, or is left
                        await self._carriers[record.route].discard(record)
                if not self.stopped and (unpinned := self._unpinned()):
                    await self._recorder.finish()
                    await self._find_drift(unpinned)
            finally:
                self._queue.enough()
                # Whatever stopped the run, outcomes already known are committed: nothing known is thrown away.
                with anyio.CancelScope(shield=True), anyio.move_on_after(30):
                    await self._recorder.finish()
                background.cancel_scope.cancel()
        self._listener(self.progress())

    # --- producing ------------------------------------------------------------------------------------------

    async def _produce(self, fresh: bool, route: Route, wanted: Sequence[Piece]) -> None:
        """List one route, decide page by page, hand out tasks; close its snapshot at the listing's end."""
        pieces = deque(wanted)
        objects = size_bytes = 0
        if self._extent.coverage is not None:
            covered = [item for item in self._extent.coverage.stretches if item.piece.route == route.name]
            pieces = deque(without(joined(pieces), (item.piece for item in covered)))
            objects, size_bytes = self._skip(covered)
        while pieces and not self.stopped:
            piece, must = pieces.popleft(), False
            if self._has_enough:
                known = None if fresh else await self._ledger.last_key(route.name, piece.after, piece.upto)
                if known != piece.upto or known is None:
                    self.rest.append(piece if known is None else piece._replace(after=known))
                if known is None:
                    continue
                piece, must = piece._replace(upto=known), True  # of what it has rows of, it reads all
            counted, counted_bytes, left = await self._read(route, piece, fresh, must=must)
            objects += counted
            size_bytes += counted_bytes
            pieces.extend(left)
        if self._extent.part:
            self.counters.listings_open -= 1
        elif not self.stopped:
            count, named = told(item for item in self._unlisted if item[0] == route.name).of_route(route.name)
            lost = await self._sources.lost_of(route.name, self._ledger.knows)
            met = count + len(lost), [*named, *lost]
            await self._ledger.close_snapshot(route.name, objects, size_bytes, *met)
            self.listings[route.name] = (objects, size_bytes)
            self.counters.listings_open -= 1
            self._listener(SnapshotClosed(route.name, objects, size_bytes))

    def _skip(self, covered: Sequence[Stretch]) -> tuple[int, int]:
        """Count what an earlier run decided of this listing, and what is done: its objects and bytes."""
        objects, size_bytes = sum(item.objects for item in covered), sum(item.bytes for item in covered)
        self.counters.listed += objects
        self.counters.listed_bytes += size_bytes
        self.counters.done += objects
        self.counters.done_bytes += size_bytes
        return objects, size_bytes

    def covered(self) -> list[Stretch]:
        """What need not be listed again when another run goes on with this one: nothing of a source that has to be
        looked at once more in the end, or that holds what was left, nor where a list names what is not there: that
        would not be said again."""
        again = {route.name for route in self._unpinned()} | {route for route, things in self._unlisted if things.met}
        missing = {route: sorted(keys) for route, keys in self._sources.missing().items()}
        stretches = self._extent.coverage.stretches if self._extent.coverage is not None else []
        return [
            item
            for item in stretches
            if item.piece.route not in again and not item.piece.holds_any(missing.get(item.piece.route, ()))
        ]

    async def _read(self, route: Route, piece: Piece, fresh: bool, *, must: bool) -> tuple[int, int, list[Piece]]:
        """Decide what is listed of a piece: gives the objects and bytes, and what is left where the run has enough
        before its end, unless it `must` come to that."""
        objects = size_bytes = 0
        async with anyio.create_task_group() as group:
            entries = None if fresh else self._ledger.entries
            keys = KeyRange(piece.after, piece.upto)
            join = self._sources.join(group, self._store_of, route, entries, keys=keys)
            if not must:
                self._joins.append(join)
            self._unlisted.append((route.name, join.unlisted[0]))
            while not self.stopped and (batch := await join.next_batch()) is not None:
                counted, counted_bytes = await self._decide_page(route, batch.rows) if batch.rows else (0, 0)
                objects += counted
                size_bytes += counted_bytes
                if self._extent.coverage is not None:
                    self._extent.coverage.add(Piece(route.name, batch.after, batch.upto), counted, counted_bytes)
                if self._has_enough:
                    for other in self._joins:
                        other.end_early()
            join.close()
        if not must:
            self._joins.remove(join)
        return objects, size_bytes, [Piece(route.name, left.after, left.upto) for left in join.rest]

    @property
    def _has_enough(self) -> bool:
        return self._most is not None and self.counters.listed >= self._most

    async def _decide_page(self, route: Route, rows: list[Joined]) -> tuple[int, int]:
        """Decide a page, commit it, hand it out. Gives the objects and bytes that the route selects of it."""
        rows = taken(route, rows)
        sources = [row.source for row in rows if row.source is not None]
        size_bytes = sum(source.size for source in sources)
        refuse_unmappable(route, rows)
        if route.in_place:
            ends = [end for row in rows if (end := ended_in_place(row)) is not None]
            choices = [choice for row in rows if (choice := decide_in_place(row, route)) is not None]
        else:
            ends = [end for row in rows if row.source is None and (end := ended(row)) is not None]
            policy, digests, misnames = route.overwrite, self._digests[route.name], self._misnames.get(route.name)
            choices = [
                choice
                for row in rows
                if (choice := decide(row, policy, digests=digests, misnames=misnames)) is not None
            ]
            ends += [choice.ended for choice in choices if choice.ended is not None]
            if gone := displaced(rows):
                said = PROVEN_GONE.format(route.name, plural(len(gone), "target"), gone[0])
                self._listener(Notice("ProvenGone", said))
        forget = {choice.decision.key for choice in choices if choice.action is Action.FORGET}
        keep = [choice for choice in choices if choice.action is not Action.FORGET]
        if forget:
            ends += await self._forget(route, [row for row in rows if row.key in forget])
        if keep:
            await self._ledger.decide(route.name, [choice.decision for choice in keep])
        if ends:
            await self._ledger.conclude(route.name, ends)
            for end in ends:
                if end.state in ASIDE:
                    self._set_aside(route, end)
        tasks = [
            task
            for choice in keep
            if choice.action is not Action.RECORD and (task := self._task(route, choice)) is not None
        ]
        self._count_page(route, len(sources), size_bytes, keep, tasks)
        if tasks:
            await self._queue.put(tasks)
        return len(sources), size_bytes

    async def _forget(self, route: Route, rows: Sequence[Joined]) -> list[Outcome]:
        """Forget what these keys' rows say; what was known of a key before is held against its target in turn."""
        await self._ledger.forget(route.name, [row.key for row in rows])
        former = [row._replace(entry=await self._ledger.entry(route.name, row.key)) for row in rows]
        return [end for row in former if (end := ended(row)) is not None]

    def _task(self, route: Route, choice: Choice) -> Task | None:
        if choice.source is None:
            return None
        key = choice.decision.key
        upload = self._uploads.pop((route.name, key), None) if self._uploads else None
        action = choice.action
        return Task(
            route,
            key,
            choice.source,
            choice.target_condition,
            inspect=action in (Action.INSPECT, Action.REREAD),
            upload=upload,
            claim=action is Action.CLAIM,
            mend=action is Action.MEND,
            found=choice.decision.found,
            anew=choice.anew,
            ours=action is Action.REREAD,
            over=choice.over,
        )

    def _count_page(self, route: Route, listed: int, listed_bytes: int, kept: list[Choice], tasks: list[Task]) -> None:
        counters = self.counters
        counters.listed += listed
        counters.listed_bytes += listed_bytes
        counters.done += listed - len(tasks)
        counters.done_bytes += listed_bytes - sum(task.source.size for task in tasks)
        for decision in (choice.decision for choice in kept):
            if decision.state is State.COPIED:
                counters.found += 1
            elif decision.state in ASIDE:
                self._set_aside(route, decision)

    def _unpinned(self) -> list[Route]:
        """The routes whose sources may have changed unseen while they were carried."""
        return [route for route in self._routes if route.source.bucket in self._carriers[route.name].unpinned]

    async def _find_drift(self, routes: list[Route]) -> None:
        """List what was read of these sources once more, and see what changed while it was copied."""
        for route, piece in ((item, piece) for item in routes for piece in without(self._pieces[item.name], self.rest)):
            async with anyio.create_task_group() as group:
                keys = KeyRange(piece.after, piece.upto)
                join = self._sources.join(group, self._store_of, route, self._ledger.entries, target=False, keys=keys)
                while not self.stopped and (rows := await join.next_rows()) is not None:
                    changed = drift_in_place if route.in_place else drift
                    outcomes = [outcome for row in rows if (outcome := changed(row)) is not None]
                    for item in outcomes:
                        await self._take_back(route, item.key)
                        self._set_aside(route, item)
                    if outcomes:
                        await self._ledger.conclude(route.name, outcomes)
                join.close()

    async def _take_back(self, route: Route, key: str) -> None:
        """What this run itself counted as in place is so no more: it is counted once, as what it is now."""
        record = await self._ledger.record_of(route.name, key)
        if record is not None and record.decided_ms >= self._began_ms:  # else it is an earlier run's
            self.counters.take_back(record)

    # --- working --------------------------------------------------------------------------------------------

    def _held(self) -> Held:
        """What holds workers back. Where there are several buckets, others than those that wait may be free to send."""
        gauges = self._gauges()
        return Held(0 if self._has_several_paces else gauges.waiting, gauges.in_line)

    async def _work(self) -> None:
        """One worker: takes what the queue gives until it is closed and empty."""
        await anyio.lowlevel.checkpoint_if_cancelled()  # it may begin while the others are being ended
        queue, recorder, carriers, slow = self._queue, self._recorder, self._carriers, self._slow
        while (job := await queue.take()) is not None:
            if isinstance(job, Task):
                began_s = monotonic()
                try:
                    outcome = await carriers[job.route.name].carry(job)
                except Interrupted:
                    continue
                finally:
                    queue.object_done()
                self._ended(job, outcome)
                if (took_s := monotonic() - began_s) > slow.least_s:
                    slow.add(job.route.name, outcome.key, job.source.size, took_s)
                if recorder.full:
                    await recorder.wait_room()
            else:
                try:
                    await job()
                finally:
                    queue.part_done()

    async def _conclude(self, route: str, outcomes: Sequence[Outcome]) -> None:
        """Commit how tasks ended. What was noted as covered may hold objects that were copied unpinned since: before
        these count as done it is taken back, else whoever goes on after a kill would not look at them again."""
        unpinned = sum(len(carrier.unpinned) for carrier in self._distinct)
        if unpinned != self._unpinned_buckets and self._extent.uncover is not None:
            self._unpinned_buckets = unpinned
            await self._extent.uncover(self)
        await self._ledger.conclude(route, outcomes)

    def _ended(self, task: Task, outcome: Outcome) -> None:
        self.counters.add(task, outcome)
        if outcome.state is not State.COPIED:
            self._set_aside(task.route, outcome)
        self._recorder.add(task.route.name, outcome)

    def _set_aside(self, route: Route, item: Decision | Outcome) -> None:
        counters = self.counters
        counters.aside += 1
        counters.reasons[item.code] += 1
        event = ObjectAside(route.name, item.key, item.state.value, item.code, item.message)
        if len(counters.first_asides) < ASIDES_SHOWN:
            counters.first_asides.append(event)
        self._listener(event)

    # --- telling --------------------------------------------------------------------------------------------

    def progress(self) -> Progress:
        """An immutable snapshot of the run so far."""
        # A large object is told part by part. Between its last part and its end it counts as neither: never less.
        self._told_bytes = max(self._told_bytes, self.counters.done_bytes + self._queue.part_bytes)
        return progress_of(self.counters, self._told_bytes, self._gauges())

    async def _report_progress(self) -> None:
        while True:
            await anyio.sleep(PROGRESS_EVERY_S)
            self._listener(self.progress())
