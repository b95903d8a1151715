"""The one queue of copy work: whole objects in one lane, parts of large objects in the other, one worker budget.

Producers put batches and wait while the queue is full; workers take single jobs and decide synchronously which lane
the next one comes from, so that neither lane starves: while both hold work, parts get at most half of the workers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import anyio

from engine.errors import EngineError
from engine.transfer.carrier import Ended, Interrupted
from engine.transfer.staff import Held, Staff

Job = TypeVar("Job")

PartJob = Callable[[], Awaitable[None]]
"""One part to be carried."""


@dataclass(slots=True)
class _Together:
    """Parts of one object that are waited for. Mutated by them on the event loop alone."""

    left: int
    part_bytes: float
    done_bytes: float = 0.0
    running: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)
    rested: anyio.Event = field(default_factory=anyio.Event)  # after an error: those that have begun have ended
    error: BaseException | None = None


class WorkQueue(Generic[Job]):
    """Bounded by `bound` objects waiting. Parts are bounded by the uploads that workers have begun."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._objects: deque[Job] = deque()
        self._parts: deque[PartJob] = deque()
        self._objects_running = 0
        self._parts_running = 0
        # Futures rather than events: an idle worker waits once for each object.
        self._idle: deque[asyncio.Future[None]] = deque()
        self._room: deque[anyio.Event] = deque()
        self._closed = False
        self._staff: Staff | None = None
        self._part_bytes = 0.0
        self.stopping = False

    @property
    def part_bytes(self) -> int:
        """What has been carried of objects whose parts are under way."""
        return round(self._part_bytes)

    def staff(self, hire: Callable[[], object], most: int, held: Callable[[], Held] = Held) -> Staff:
        """Have `hire` begin a worker wherever more waits than workers are idle, as many as are of use and `most` of
        them in all. `held` says what holds them back."""
        self._staff = Staff(hire, most, held, self._waiting)
        self._call(self._waiting())
        return self._staff

    def enough(self) -> None:
        """Have no more workers begin."""
        if self._staff is not None:
            self._staff.enough()

    def _waiting(self) -> int:
        return len(self._objects) + len(self._parts)

    async def put(self, batch: Iterable[Job]) -> None:
        """Add a batch once there is room for it. A batch may go over the bound, a second one waits."""
        while len(self._objects) >= self._bound and not self.stopping:
            event = anyio.Event()
            self._room.append(event)
            await event.wait()
        if self.stopping:
            return
        self._objects.extend(batch)
        self._call(len(self._objects))

    def put_parts(self, jobs: Iterable[PartJob]) -> None:
        """Add parts at once: their number is bounded by S3's 10,000 an object. Nothing is heard of them but
        cancellation."""
        self._parts.extend(jobs)
        self._call(len(self._parts))

    async def run_parts(self, jobs: Collection[PartJob], size_bytes: int = 0) -> None:
        """Have the parts of one object, `size_bytes` together, carried by every worker, by this one too while it waits,
        until the last ended.

        Raises the first error of one, `Interrupted` where the queue was abandoned. Then the others need not begin; but
        those that have are waited for, also by one that is cancelled, so that none lands after what is done about it:
        where they write to has been closed by then."""
        if not jobs:
            return
        together = _Together(len(jobs), size_bytes / len(jobs))
        self.put_parts([partial(self._run_part, job, together) for job in jobs])
        try:
            while not together.ended.is_set():
                taken = self.take_part_nowait()
                if taken is None:
                    await together.ended.wait()
                    break
                try:
                    await taken()
                finally:
                    self.part_done()
        except BaseException as error:
            together.error = together.error or error
            if together.running:
                with anyio.CancelScope(shield=True):
                    await together.rested.wait()
            raise
        finally:
            self._part_bytes -= together.done_bytes
        if together.error is not None:
            raise together.error

    async def _run_part(self, job: PartJob, together: _Together) -> None:
        together.running += 1
        try:
            if self.stopping:
                together.error = together.error or Interrupted()
            if together.error is None:
                await job()
                if together.error is None:
                    together.done_bytes += together.part_bytes
                    self._part_bytes += together.part_bytes
        except (Ended, EngineError, Interrupted) as error:
            together.error = together.error or error
        except BaseException:  # cancelled: the part is missing, and whoever waits for the last must know
            together.error = together.error or Interrupted()
            raise
        finally:
            together.running -= 1
            together.left -= 1
            if together.left == 0:
                together.ended.set()
            if together.error is not None and together.running == 0:
                together.rested.set()

    def abandon(self) -> None:
        """Stop gently: forget the objects that wait, let what runs end. Parts that wait are still taken, and end at
        once when they see `stopping`."""
        self.stopping = True
        self._objects.clear()
        self.close()
        while self._room:
            self._room.popleft().set()

    def close(self) -> None:
        """No more batches will come. Workers go on until everything has been taken."""
        self._closed = True
        self._wake(len(self._idle))

    def take_part_nowait(self) -> PartJob | None:
        """A part, for a worker that waits for those of its own object and may as well carry others."""
        if not self._parts:
            return None
        self._parts_running += 1
        return self._parts.popleft()

    async def take(self) -> Job | PartJob | None:
        """The next job; None once the queue is closed and empty, or for a worker too many. Answer with `part_done` or
        `object_done`."""
        if self._staff is not None and self._staff.one_leaves():
            return None
        while True:
            if self._parts and (not self._objects or self._parts_running <= self._objects_running):
                return self.take_part_nowait()
            if self._objects:
                self._objects_running += 1
                job = self._objects.popleft()
                if self._room and len(self._objects) < self._bound:
                    self._room.popleft().set()
                return job
            if self._closed and not self._objects_running:
                return None  # while an object runs it may still become an upload, whose parts want every worker
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(woken)
            try:
                await woken
            except BaseException:
                # Cancelled after it was woken: the next one takes the job it was woken for.
                if woken.done() and not woken.cancelled():
                    self._wake(1)
                elif woken in self._idle:
                    self._idle.remove(woken)
                raise

    def part_done(self) -> None:
        self._parts_running -= 1

    def object_done(self) -> None:
        self._objects_running -= 1
        if self._closed and not self._objects_running:
            self._wake(len(self._idle))

    def _call(self, count: int) -> None:
        """Workers for so many jobs: those that are idle, and then new ones."""
        left = self._wake(count)
        if left > 0 and self._staff is not None:
            self._staff.call(left)

    def _wake(self, count: int) -> int:
        """Wake so many idle workers; gives how many too few there were."""
        while count > 0 and self._idle:
            woken = self._idle.popleft()
            if not woken.done():  # else cancelled while it waited
                woken.set_result(None)
                count -= 1
        return count
